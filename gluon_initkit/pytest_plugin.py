"""The pytest plugin, for other people's test suites: seeds, fresh names, and reviewed files of initializations.

pytest loads it wherever the kit is installed, for suites that have nothing to do with MXNet too. So nothing is imported
before a fixture is asked for: neither MXNet nor NumPy nor any other part of the kit. The assertions are in
`gluon_initkit.testing`, and need no plugin.
"""

import hashlib
from typing import TYPE_CHECKING, Any, Iterator, List

import pytest

if TYPE_CHECKING:
    from .regression import InitRegression

_WRITTEN = "init_regression_written"


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
    # Not the nodeid: it changes with pytest's root directory, and xdist adds groups to it.
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
    # Reports carry this from xdist's workers to the process that writes the summary.
    request.node.user_properties.extend((_WRITTEN, str(path)) for path in regression.written)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """List the files that `--init-regression-update` has written."""
    reports = [report for reports in terminalreporter.stats.values() for report in reports]
    properties = [each for report in reports for each in getattr(report, "user_properties", ())]
    written = sorted({value for key, value in properties if key == _WRITTEN})
    if written:
        terminalreporter.section("init_regression: written, to be reviewed and committed")
        for path in written:
            terminalreporter.line(path)


def _names(request: Any) -> List[str]:
    """The test's name, after those of the classes around it."""
    chain = request.node.listchain()
    inside = max((number for number, node in enumerate(chain) if isinstance(node, pytest.File)), default=0)
    return [node.name for node in chain[inside + 1 :]]
