"""The plugin in pytest itself: what it costs, its fixtures and options, in one process and in xdist's two."""

import json
import os
from pathlib import Path
import re

import gluon_initkit as ik
from gluon_initkit import pytest_plugin, regression, testing
import pytest

BEFORE = (pytest_plugin, regression, testing)  # pytester forgets what its runs import first: no part of the kit
HERE = Path(ik.__file__).parent.parent
PLUGIN = ("-p", "gluon_initkit.pytest_plugin")  # does nothing where the kit is installed, and pytest has it already
NET = """
import gluon_initkit as ik
import mxnet as mx
from mxnet.gluon import nn
import pytest


def network(init="ones"):
    net = nn.HybridSequential()
    net.add(nn.Dense(2, in_units=3), nn.Dense(2, in_units=2))
    ik.initialize(net, init, seed=1)
    return net

"""


@pytest.fixture(autouse=True)
def path(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(HERE))
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # looking through all that is installed takes its time


def run(pytester, *arguments):
    return pytester.runpytest_inprocess(*PLUGIN, *arguments)


def files(pytester):
    return sorted(str(each.relative_to(pytester.path)) for each in pytester.path.rglob("init_regression/*/*"))


@pytest.mark.parametrize("arguments", [PLUGIN, ()], ids=["by name", "by entry point"])
def test_it_costs_nothing_when_unused_and_is_one_plugin_however_it_comes(pytester, monkeypatch, arguments):
    installed = pytester.mkdir("installed")
    entry = re.search(r'^\[project\.entry-points\.pytest11\]\n"(\S+)" = "(\S+)"$', _pyproject(), re.MULTILINE)
    information = installed / "gluon_initkit_of_this_test-1.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: gluon_initkit_of_this_test\nVersion: 1\n")
    (information / "entry_points.txt").write_text("[pytest11]\n{} = {}\n".format(*entry.groups()))
    monkeypatch.syspath_prepend(str(installed))
    monkeypatch.setenv("PYTHONPATH", f"{installed}{os.pathsep}{HERE}")
    monkeypatch.delenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD")
    pytester.makeconftest("pytest_plugins = ['gluon_initkit.pytest_plugin']")
    pytester.makepyfile("""
        import sys

        KIT = {"gluon_initkit", "gluon_initkit.importing", "gluon_initkit.pytest_plugin"}
        COLLECTED = set(sys.modules)

        def test_unused(request):
            for modules in (COLLECTED, set(sys.modules)):
                assert not modules & {"mxnet", "numpy", "rich"}
                assert {each for each in modules if each.startswith("gluon_initkit")} == KIT
            plugins = request.config.pluginmanager.list_name_plugin()
            assert [name for name, plugin in plugins if plugin is sys.modules["gluon_initkit.pytest_plugin"]] == [
                "gluon_initkit.pytest_plugin"]
    """)
    pytester.runpytest_subprocess(*arguments).assert_outcomes(passed=1)


def test_mxnets_own_deprecations_are_silent_unless_asked_for(pytester):
    pytester.makeconftest("""
        import warnings
        warnings.warn_explicit("as in a conftest", DeprecationWarning, "mxnet/numpy/utils.py", 1, "mxnet.numpy.utils")
    """)
    pytester.makepyfile("""
        import warnings

        def test_it():
            for module in ("mxnet", "gluon_initkit.importing.stand_ins", "mxnetlike"):
                warnings.warn_explicit(f"by {module}", DeprecationWarning, f"{module}.py", 1, module)
            warnings.warn_explicit("a user's concern", UserWarning, "mxnet.py", 1, "mxnet")
    """)
    said = pytester.runpytest_subprocess(*PLUGIN).stdout.str()
    assert "by mxnetlike" in said and "a user's concern" in said
    assert not any(words in said for words in ("as in a conftest", "by mxnet\n", "by gluon_initkit"))
    assert "as in a conftest" in pytester.runpytest_subprocess(*PLUGIN, "-W", "default").stdout.str()
    pytester.makeini("[pytest]\nfilterwarnings = error:by mxnet$:DeprecationWarning")
    pytester.runpytest_subprocess(*PLUGIN).assert_outcomes(failed=1)


def _pyproject():
    return (Path(__file__).parent.parent / "pyproject.toml").read_text(encoding="utf-8")


def test_options_and_fixtures_are_described(pytester):
    said = run(pytester, "--help").stdout.str()
    assert re.search(r"--init-seed=N\s+what the fixture init_seed is", said)
    assert re.search(r"--init-regression-update\s+write the files of init_regression", said)
    listed = run(pytester, "--fixtures").stdout.str()
    assert all(re.search(rf"^{name} -- .*pytest_plugin", listed, re.MULTILINE)
               for name in ("init_seed", "fresh_names", "init_regression"))  # fmt: skip


SEEDS = """
import pytest

class TestA:
    @pytest.mark.parametrize("size", [1, 2])
    def test_it(self, init_seed, size):
        assert isinstance(init_seed, int)
        print("seed", init_seed)

@pytest.mark.parametrize("name", ["a/b::c"])
def test_it(init_seed, name):
    print("seed", init_seed)

@pytest.mark.xdist_group("which xdist adds to the test's nodeid")
def test_once_more(init_seed, request):
    assert request.getfixturevalue("init_seed") == init_seed
    print("seed", init_seed)
"""
OWN = [1567372593, 564628997, 1511202931, 909176520]


def seeds(result, count=4):
    result.assert_outcomes(passed=count)
    return [int(each) for each in re.findall(r"seed (\d+)", result.stdout.str())]


def test_seeds_are_the_tests_own_in_every_run_and_wherever_pytest_starts(pytester, monkeypatch):
    pytester.makepyfile(**{"tests/test_seeds": SEEDS})
    assert seeds(run(pytester, "-s")) == OWN  # literal: no process' hashes, no root directory
    assert seeds(run(pytester, "-s", "-k", "once"), 1) == OWN[3:]
    monkeypatch.chdir(pytester.path / "tests")
    assert seeds(run(pytester, "-s", "--rootdir=.")) == OWN
    assert len(set(OWN)) == 4 and all(0 <= seed < 2**31 for seed in OWN)


def test_a_given_seed_is_every_tests(pytester):
    pytester.makepyfile(test_seeds=SEEDS)
    assert seeds(run(pytester, "-s", "--init-seed=0")) == 4 * [0]
    assert run(pytester, "--init-seed=x").ret == pytest.ExitCode.USAGE_ERROR


def test_a_failure_shows_the_seed(pytester):
    pytester.makepyfile("def test_it(init_seed): assert not init_seed")
    run(pytester, "--init-seed=77").stdout.fnmatch_lines(["init_seed = 77"])


def test_fresh_names_reset_gluon_s_counters_for_the_test(pytester):
    pytester.makepyfile("""
        import mxnet as mx

        def number():
            if hasattr(mx.gluon, "ParameterDict"):
                return int(mx.gluon.nn.Dense(1).name[len("dense"):])
            return int(mx.sym.BlockGrad(mx.sym.var("data")).name[len("blockgrad"):])

        BEFORE = number()

        def test_fresh(fresh_names):
            assert [number(), number()] == [0, 1]

        def test_fresh_and_failing(fresh_names):
            assert number() == 1

        def test_again(fresh_names):
            assert number() == 0

        def test_without():
            assert number() == BEFORE + 1
    """)
    run(pytester).assert_outcomes(passed=3, failed=1)


REGRESSION = NET + """
def test_one(init_regression, init):
    init_regression.check(network(init))

class TestA:
    @pytest.mark.parametrize("init", ["ones", "zeros"])
    def test_it(self, init_regression, init):
        init_regression.check(network(init))
        init_regression.check(network("normal"), name="second", init="normal")

@pytest.fixture
def init(request):
    return INIT
"""
FILES = [
    f"init_regression/test_net/{name}.json"
    for name in ("TestA.test_it[ones]--second-3015f011", "TestA.test_it[ones]-66be95f4",
                 "TestA.test_it[zeros]--second-2ddc6d2a", "TestA.test_it[zeros]-8728e3b6", "test_one")
]  # fmt: skip


def test_regression_from_the_first_run_to_a_change(pytester):
    pytester.makepyfile(test_net=REGRESSION.replace("INIT", "'ones'"))
    result = run(pytester)
    result.assert_outcomes(failed=3)
    result.stdout.fnmatch_lines(["E*no reviewed file yet: *test_one.json. Run this test with --init-regression-upda*"])
    result.stdout.no_fnmatch_line("*__tracebackhide__*")
    assert files(pytester) == []

    result = run(pytester, "--init-regression-update")
    result.assert_outcomes(passed=3)
    assert files(pytester) == FILES
    result.stdout.fnmatch_lines(
        ["*init_regression: written, to be reviewed and committed*", *(f"*{each}" for each in map(_escaped, FILES))]
    )
    result = run(pytester)
    result.assert_outcomes(passed=3)
    result.stdout.no_fnmatch_line("*to be reviewed and committed*")

    pytester.makepyfile(test_net=REGRESSION.replace("INIT", "mx.init.Constant(0.25)"))
    result = run(pytester)
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(["E*the network differs from *test_one.json, in 2 of 4 parameters",
                                 "E*parameter*differs*reviewed*now", "E*0.weight*mean*1*0.25"])  # fmt: skip
    result = run(pytester, "--init-regression-update", "-k", "test_one")
    result.stdout.fnmatch_lines(["*init_regression: written*", "*test_one.json"])
    result.stdout.no_fnmatch_line("*TestA*")
    run(pytester).assert_outcomes(passed=3)

    left = REGRESSION.replace("INIT", "mx.init.Constant(0.25)").replace("def test_one", "def test_two")
    pytester.makepyfile(test_net=left)
    result = run(pytester, "--init-regression-update")
    result.stdout.fnmatch_lines(["*init_regression: of no test any more*", "*test_one.json"])
    assert "TestA" not in result.stdout.str() and files(pytester) == [*FILES, FILES[-1].replace("one", "two")]
    for part in (["test_net.py::test_two"], ["-k", "test_two"]):  # others may check it
        run(pytester, "--init-regression-update", *part).stdout.no_fnmatch_line("*of no test any more*")


def _escaped(path):
    return path.replace("[", "[[]")


@pytest.mark.slow
def test_regression_in_two_processes(pytester):
    pytester.makepyfile(test_net=REGRESSION.replace("INIT", "'ones'"))
    result = pytester.runpytest_subprocess(*PLUGIN, "-p", "xdist", "-n", "2", "--init-regression-update")
    result.assert_outcomes(passed=3)
    assert files(pytester) == FILES
    result.stdout.fnmatch_lines(["*init_regression: written*", *(f"*{each}" for each in map(_escaped, FILES))])
    assert all(json.loads((pytester.path / each).read_text())["fingerprint"] for each in FILES)
    run(pytester).assert_outcomes(passed=3)

    pytester.makepyfile(test_net=REGRESSION.replace("INIT", "'zeros'"), test_seeds=SEEDS)
    result = pytester.runpytest_subprocess(*PLUGIN, "-p", "xdist", "-n", "2", "--dist", "loadgroup", "-rP")
    result.assert_outcomes(passed=6, failed=1)
    result.stdout.fnmatch_lines(["E*0.weight*mean*1*0"])
    assert sorted(int(each) for each in re.findall(r"seed (\d+)", result.stdout.str())) == sorted(OWN)
