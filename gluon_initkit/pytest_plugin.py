"""The pytest plugin for users' test suites: seeds, fresh names, and reviewed files of initial values.

pytest loads it wherever the kit is installed, also for suites that do not use MXNet. So it imports MXNet, NumPy and the
rest of the kit only when a fixture is used. The assertions in `gluon_initkit.testing` do not need the plugin.
"""

import hashlib
from typing import TYPE_CHECKING, Any, Dict, Iterator, List, Set

import pytest

if TYPE_CHECKING:
    from .regression import InitRegression

_WRITTEN, _CHECKED = "init_regression_written", "init_regression_checked"
_MXNETS_OWN = r"ignore::DeprecationWarning:(mxnet|gluon_initkit\.importing)\b"


@pytest.hookimpl(hookwrapper=True, tryfirst=True)
def pytest_load_initial_conftests(early_config: Any) -> Iterator[None]:
    """Ignore the DeprecationWarnings that importing MXNet causes, before a conftest.py imports it.

    The filter comes first, so ``-W default`` and a project's own ``filterwarnings`` override it.
    """
    early_config.getini("filterwarnings").insert(0, _MXNETS_OWN)
    yield


def pytest_addoption(parser: Any) -> None:
    """Add `--init-seed` and `--init-regression-update`."""
    group = parser.getgroup("gluon_initkit")
    group.addoption(
        "--init-seed", type=int, metavar="N", help="what the fixture init_seed is, instead of a seed of each test's own"
    )
    group.addoption(
        "--init-regression-update",
        action="store_true",
        help="write the files of init_regression.check(net), to be reviewed and committed, rather than compare",
    )


@pytest.fixture
def init_seed(request: Any) -> int:
    """A seed of this test's own, the same in every run: ``ik.initialize(net, init, seed=init_seed)``.

    It is a hash of the names of the test's file, classes and function, and fits `mx.random.seed` and
    `numpy.random.seed`: 0 to 2**31 - 1. ``pytest --init-seed N`` overrides it for all tests.
    """
    given = request.config.getoption("--init-seed")
    if given is not None:
        return given
    # The nodeid would change with pytest's root directory and with xdist's groups.
    names = "::".join([request.path.name, *_names(request)])
    return int.from_bytes(hashlib.sha256(names.encode("utf-8", "surrogatepass")).digest()[:4], "little") >> 1


@pytest.fixture
def fresh_names() -> Iterator[None]:
    """Gluon's global names (``dense0_weight``) count from 0 in this test, as in a process of its own.

    Afterwards they count on as if the test had not been run. Networks that a fixture made before it keep their names.
    """
    from ._mxnet.preserve import fresh_names as fresh

    with fresh():
        yield


@pytest.fixture
def init_regression(request: Any) -> "Iterator[InitRegression]":
    """``init_regression.check(net)`` compares an initialized network with a reviewed file next to the test.

    The file is ``init_regression/<test's file>/<test>.json``; ``check(net, name='encoder')`` tells several of one test
    apart, ``check(net, init=...)`` writes down what fills each parameter. ``pytest --init-regression-update`` writes
    the files; without a file the test fails. See `gluon_initkit.regression.InitRegression`.
    """
    from .regression import InitRegression

    folder = request.path.parent / "init_regression" / request.path.stem
    update = request.config.getoption("--init-regression-update")
    regression = InitRegression(folder, ".".join(_names(request)), update)
    yield regression
    # xdist's workers send these properties to the process that writes the summary.
    request.node.user_properties.extend((_WRITTEN, str(path)) for path in regression.written)
    if update:
        request.node.user_properties.extend((_CHECKED, str(path)) for path in regression.checked)


def pytest_terminal_summary(terminalreporter: Any, config: Any) -> None:
    """List the files that `--init-regression-update` has written, and those that no test of their module checks."""
    if not config.getoption("--init-regression-update"):
        return
    paths: Dict[str, Set[str]] = {_WRITTEN: set(), _CHECKED: set()}
    modules: Dict[str, Set[str]] = {}
    for outcome, reports in terminalreporter.stats.items():
        for report in reports if outcome != "warnings" else ():
            modules.setdefault(getattr(report, "nodeid", "").partition("::")[0], set()).add(outcome)
            for key, value in getattr(report, "user_properties", ()):
                paths.get(key, set()).add(value)
    whole = not any("::" in each for each in config.args) and not config.getoption("lf", False)
    # All tests of such a module have run to their end, so a file that none of them checked belongs to no test.
    passed = [config.rootpath / module for module, outcomes in modules.items() if outcomes <= {"passed", ""}]
    gone = {str(file) for module in passed if whole
            for file in (module.parent / "init_regression" / module.stem).glob("*.json")} - paths[_CHECKED]
    for title, files in (("written, to be reviewed and committed", paths[_WRITTEN]), ("of no test any more", gone)):
        if files:
            terminalreporter.section(f"init_regression: {title}")
            for path in sorted(files):
                terminalreporter.line(path)


def _names(request: Any) -> List[str]:
    """The test's name, after those of the classes around it."""
    chain = request.node.listchain()
    inside = max((number for number, node in enumerate(chain) if isinstance(node, pytest.File)), default=0)
    return [node.name for node in chain[inside + 1 :]]
