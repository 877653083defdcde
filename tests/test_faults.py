"""The list of deliberate faults keeps up with the code that they would harm; `.ci/faults/run` puts them in."""

from pathlib import Path
import runpy

ROOT = Path(__file__).parents[1]


def test_every_fault_replaces_what_stands_once_and_names_tests_that_are_there():
    script = runpy.run_path(str(ROOT / ".ci" / "faults" / "run"), run_name="faults")
    faults = list(script["listed"]())
    stale = [fault.name for fault in faults if (ROOT / fault.file).read_text(encoding="utf-8").count(fault.old) != 1]
    unheard = [test for fault in faults for test in fault.tests if not (ROOT / test.split("::")[0]).is_file()]
    assert len(faults) >= 20 and stale == unheard == []
    assert all(fault.tests and fault.new != fault.old for fault in faults)
