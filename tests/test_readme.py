"""The README is true: its commands stand in it, its examples run, and its demo tells what it says."""

import doctest
from pathlib import Path
import re
import subprocess
import sys
import time

import pytest

README = Path(__file__).parent.parent / "README.md"
TEXT = README.read_text(encoding="utf-8")


def test_the_two_commands_stand_on_the_first_screen():
    first_screen = TEXT.splitlines()[:24]
    assert "pip install '.[cpu]' && python -m gluon_initkit demo" in first_screen
    assert "pip install '.[test]' && pytest" in first_screen


def test_every_example_runs_and_prints_what_it_says():
    examples = "\n".join(re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL))
    examples = re.sub(r"\n\n(?!\n|>>>|$)", "\n<BLANKLINE>\n", examples)  # within an output, as a reader sees it
    test = doctest.DocTestParser().get_doctest(examples, {}, "README", str(README), 0)
    assert len(test.examples) > 15
    failures = []
    doctest.DocTestRunner().run(test, out=failures.append)
    assert not failures, "".join(failures)


@pytest.mark.parametrize("width", ["80", "140"])
def test_the_demo_tells_the_story(width, monkeypatch):
    monkeypatch.setenv("COLUMNS", width)
    start = time.perf_counter()
    done = subprocess.run([sys.executable, "-m", "gluon_initkit", "demo"], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0 and not done.stderr, done.stderr
    assert time.perf_counter() - start < 20  # what the README's reader is promised, not a measurement
    lines = done.stdout.splitlines()
    (bias,) = (line for line in lines if "1.1.bias" in line and "all" in line)
    assert re.search(r"all 0 .*all 0\.1", bias)
    assert sum("finite True" in line for line in lines) == 2
    assert any("Plan of MyInit()" in line for line in lines) and any("differs" in line for line in lines)
