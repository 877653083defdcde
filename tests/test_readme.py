"""The README is true: its commands stand in it, its examples run, and its demo tells what it says."""

import doctest
from pathlib import Path
import re
import resource
import subprocess
import sys

import pytest
from vocabulary import GLUON_2, said

README = Path(__file__).parent.parent / "README.md"
TEXT = README.read_text(encoding="utf-8")


def test_the_two_commands_stand_on_the_first_screen():
    first_screen = TEXT.splitlines()[:25]
    assert "pip install '.[cpu]' && python -m gluon_initkit demo" in first_screen
    assert "pip install '.[test]' && pytest" in first_screen
    assert "pip install uv && uv run --extra cpu python -m gluon_initkit demo" in first_screen
    assert "pip install uv && uv run --extra test pytest" in first_screen


def test_it_is_read_in_five_minutes():
    """Half as long as it was; the rest stands in notebooks, docstrings, CONTRIBUTING.md and the READMEs of tests."""
    assert len(TEXT.splitlines()) <= 365


def test_its_pictures_and_files_are_there():
    named = re.findall(r"!?\[[^]]*\]\((?!http)([^)#]+)\)|`((?:notebooks|tests|\.ci)/[^`* ]*)`", TEXT)
    assert "notebooks/inspect.png" in {picture for picture, _ in named}
    assert all((README.parent / (picture or path)).exists() for picture, path in named), named


# The README's words as one writes them in MXNet 2, and what is printed otherwise there.
IN_MXNET_2 = {
    "mx.nd.random.uniform(5, 10, out=arr)": "arr[:] = mx.np.random.uniform(5, 10, arr.shape)",
    "mx.nd.ones": "mx.np.ones",
    "0: nn.Conv2D(8, 3, activation='relu', in_channels=3)":
        "0: gluon_initkit.materialize(net, ...), as MXNet 2 always defers nn.Conv2D",
}  # fmt: skip


def test_every_example_runs_and_prints_what_it_says():
    examples = "\n".join(re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL))
    for said_in_1, said_in_2 in IN_MXNET_2.items():
        assert said_in_1 in examples
        examples = examples.replace(said_in_1, said_in_2) if GLUON_2 else examples
    examples = re.sub(r"\n\n(?!\n|>>>|$)", "\n<BLANKLINE>\n", examples)  # within an output, as a reader sees it
    test = doctest.DocTestParser().get_doctest(examples, {}, "README", str(README), 0)
    assert len(test.examples) > 15
    failures = []
    doctest.DocTestRunner().run(test, out=failures.append)
    assert not failures, "".join(failures)


def torchvision_names(blocks):
    """The keys of ``torchvision.models.resnet50().state_dict()`` (0.13.1), without the counts of batches."""

    def layer(convolution, normalization):
        yield f"{convolution}.weight"
        yield from (f"{normalization}.{name}" for name in ("weight", "bias", "running_mean", "running_var"))

    yield from layer("conv1", "bn1")
    for stage, count in enumerate(blocks, start=1):
        for block in range(count):
            for number in (1, 2, 3):
                yield from layer(f"layer{stage}.{block}.conv{number}", f"layer{stage}.{block}.bn{number}")
            if block == 0:
                yield from layer(f"layer{stage}.0.downsample.0", f"layer{stage}.0.downsample.1")
    yield from ("fc.weight", "fc.bias")


def test_the_names_of_a_resnet_50_become_torchvisions():
    from mxnet.gluon.model_zoo import vision

    scope = {}
    examples = doctest.DocTestParser().get_examples(TEXT[TEXT.index(">>> NAMES =") :])
    for example in examples[:2]:
        exec(example.source, scope)
    paths = vision.resnet50_v1()._collect_params_with_prefix()
    found = {scope["rename"](path) for path in paths}
    extra = {name for name in found if ".conv" in name and name.endswith("bias")}  # which the README adds to the means
    assert len(extra) == 32 and found - extra == set(torchvision_names((3, 4, 6, 3)))


@pytest.mark.parametrize("width", ["80", "140"])
def test_the_demo_tells_the_story(width, monkeypatch):
    monkeypatch.setenv("COLUMNS", width)
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    done = subprocess.run([sys.executable, "-m", "gluon_initkit", "demo"], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0 and not said(done.stderr), done.stderr
    spent = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before
    assert spent < 20  # what a reader waits for, whatever else the machine does; not a measurement
    lines = done.stdout.splitlines()
    assert len(lines) <= 80 and max(map(len, lines)) <= int(width) and "…" not in done.stdout
    assert [line.rpartition(" ")[2] for line in lines if "1.1.bias is all" in line] == ["0", "0.1"]
    assert "Plan of MyInit(): 2 of 104 parameters differ from plain MXNet" in lines
    assert any(line.startswith("error [nan] 1.1.bias: 1 of 10 values is NaN") for line in lines)
    assert "1.0: nn.Dense(64, activation='relu', in_units=512)" in lines
    fingerprints = re.findall(r"[0-9a-f]{32}(?=\.\.\.)", done.stdout)
    assert len(fingerprints) == 3 and len(set(fingerprints)) == 1  # as it is, hybrid, materialized
    assert any("288.0 KiB saved" in line for line in lines) and "tied, and still an answer: finite True" in lines
    assert lines[-1].startswith("  $ gluon-initkit inspect")
