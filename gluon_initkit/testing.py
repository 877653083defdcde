"""Assertions about networks, for any test suite: `from gluon_initkit.testing import assert_initialized`.

Each one's `AssertionError` shows the kit's table of what is wrong. They change nothing. A network without values may
have no findings, so call `assert_initialized` too.
"""

from dataclasses import replace
from operator import attrgetter, itemgetter
from typing import Any, List

from ._mxnet.arrays import context_of, host_values, wait_for
from ._mxnet.parameter import arrays_of
from .display import Column, Table, as_text, counted, printable, text_table
from .inspector import COLUMNS, compare, inspect
from .inspector.findings import Ignored
from .inspector.statistics import statistics_of_all
from .parameters import find_row, list_parameters
from .sharing import shared_groups
from .tracer import explain

__all__ = ["assert_all_finite", "assert_initialized", "assert_no_findings", "assert_same_init", "assert_shared"]


def assert_initialized(net: Any) -> None:
    """Assert that every parameter of a network holds values.

    A failure shows those that do not, why, and what to write, as `explain` does.

    Parameters
    ----------
    net : Block

    Examples
    --------
    >>> net = mx.gluon.nn.Dense(2)
    >>> net.initialize()
    >>> assert_initialized(net)
    Traceback (most recent call last):
    AssertionError: 1 of 2 parameters holds no values yet
    parameter  shape   block
    ───────────────────────────
    weight     (2, ?)  nn.Dense
    <BLANKLINE>
    To avoid it, write
      nn.Dense(2, in_units=?)
    """
    __tracebackhide__ = True
    explanation = explain(net)
    if explanation.rows:
        raise AssertionError(str(explanation))


def assert_all_finite(net: Any) -> None:
    """Assert that every parameter of a network holds values, on every context, and none of them is NaN or infinite.

    A failure shows how many are, by parameter and context.

    Parameters
    ----------
    net : Block

    Examples
    --------
    >>> net = mx.gluon.nn.Dense(2, in_units=2)
    >>> net.initialize(mx.init.One())
    >>> assert_all_finite(net)
    >>> net.bias.data()[1] = float("inf")
    >>> assert_all_finite(net)
    Traceback (most recent call last):
    AssertionError: Not finite in Dense: 1 of 2 parameters
    parameter  on      values  nan  +inf  -inf
    ──────────────────────────────────────────
    bias       cpu(0)       2    0     1     0
    """
    __tracebackhide__ = True
    parameters = list_parameters(net)
    arrays = [array for param, _, _ in parameters for array in arrays_of(param)]
    wait_for(arrays)
    measured = iter(statistics_of_all([host_values(array) for array in arrays]))
    rows: List[Any] = []
    for param, _, info in parameters:
        held = [(info.label, str(context_of(array)), next(measured)) for array in arrays_of(param)]
        rows += [row for row in held if row[2].nan or row[2].posinf or row[2].neginf]
        rows += [] if held else [(info.label, info.state, None)]
    if rows:
        bad = len({path for path, _, _ in rows})
        title = f"Not finite in {type(net).__name__}: {bad} of {counted(len(parameters), 'parameter')}"
        raise AssertionError(as_text(Table(title, _NOT_FINITE, rows)))


def assert_shared(net: Any, a: str, b: str) -> None:
    """Assert that two paths of a network lead to one parameter, transposed or not.

    A failure shows both parameters, and the call that ties them. A path that no parameter has is a KeyError.

    Parameters
    ----------
    net : Block
    a, b : str

    Examples
    --------
    >>> net = mx.gluon.nn.HybridSequential()
    >>> net.add(*(mx.gluon.nn.Dense(2, in_units=2) for _ in range(2)))
    >>> assert_shared(net, "0.weight", "1.weight")
    Traceback (most recent call last):
    AssertionError: '0.weight' and '1.weight' of HybridSequential are two parameters
    parameter  shape   dtype    state
    ─────────────────────────────────────────
    0.weight   (2, 2)  float32  uninitialized
    1.weight   (2, 2)  float32  uninitialized
    To tie them: gluon_initkit.Sharing(net).tie('1.weight', '0.weight').apply()
    """
    __tracebackhide__ = True
    records = inspect(net, stats=True).records
    rows = [find_row(records, path) for path in (a, b)]
    if a == b:
        raise ValueError(f"both paths are {a!r}: expected two, to say whether they share a parameter")
    if not any(a in group.paths and b in group.paths for group in shared_groups(net)):
        title = f"{a!r} and {b!r} of {type(net).__name__} are two parameters"
        table = as_text(text_table(Table(title, _PARAMETERS, rows), None))
        raise AssertionError(f"{table}\nTo tie them: gluon_initkit.Sharing(net).tie({b!r}, {a!r}).apply()")


def assert_no_findings(
    net: Any, ignore: Ignored = (), *, grads: bool = False, trainer: Any = None, init: Any = None
) -> None:
    """Assert that `inspect` has no findings in a network and its values, not even of severity ``'info'``.

    A failure shows the findings, with what to do.

    Parameters
    ----------
    net : Block
    ignore : sequence of str or (str, selector)
        What may be found: a code, or a code and a selector of parameters, ``('broken-tie', 'teacher.*')``.
    grads, trainer, init
        As `inspect` takes them, each for findings that need it.

    Examples
    --------
    >>> net = mx.gluon.nn.Dense(4, in_units=4)
    >>> net.initialize(mx.init.One())
    >>> assert_no_findings(net, ignore=["identical-rows", "constant-weight"])
    >>> try: assert_no_findings(net)
    ... except AssertionError as error: print(str(error).splitlines()[0])
    1 finding in Dense
    """
    __tracebackhide__ = True
    report = inspect(net, stats=True, grads=grads, trainer=trainer, init=init, ignore=ignore)
    if report.findings:
        title = f"{counted(len(report.findings), 'finding')} in {type(net).__name__}"
        raise AssertionError(as_text(Table(title, _FINDINGS, report.findings)))


def assert_same_init(net_a: Any, net_b: Any) -> None:
    """Assert that two networks have the same parameters: paths, shapes, types, values, and what is shared.

    Of several contexts the first one's values count. A NaN is equal to a NaN, and 0 to -0. A failure shows what
    differs, as `compare` does, or what has no values.

    Parameters
    ----------
    net_a, net_b : Block

    Examples
    --------
    >>> one, other = mx.gluon.nn.Dense(2, in_units=2), mx.gluon.nn.Dense(2, in_units=2)
    >>> one.initialize(mx.init.One())
    >>> other.initialize(mx.init.Constant(1.5))
    >>> assert_same_init(one, other)
    Traceback (most recent call last):
    AssertionError: Dense -> Dense: 1 changed, 1 equal · float32
    status   parameter  shape   change  cosine  flips
    ─────────────────────────────────────────────────
    changed  weight     (2, 2)     0.5  1.0000      0
    """
    __tracebackhide__ = True
    parameters = [list_parameters(net) for net in (net_a, net_b)]  # raises for a file's path, which `compare` accepts
    comparison = compare(net_a, net_b)
    ties = [{frozenset(group.paths) for group in shared_groups(net)} for net in (net_a, net_b)]
    if comparison.same and ties[0] == ties[1]:
        return
    lines = [str(comparison)] if comparison.differences else []
    for which, described, here, there in zip(("first", "second"), parameters, ties, reversed(ties)):
        empty = [info.label for param, _, info in described if not arrays_of(param)]
        if empty:
            lines.append(f"No values to compare in the {which}: {', '.join(empty)}.")
        lines += [f"Shared in the {which} only: {', '.join(paths)}." for paths in sorted(map(sorted, here - there))]
    raise AssertionError(printable("\n".join(lines), keep="\n"))


def _count(key: str, heading: str) -> Column:
    return Column(key, lambda row: row[2] and getattr(row[2], key), heading, number=True)


_NOT_FINITE = (
    Column("path", itemgetter(0), "parameter", path=True),
    Column("on", itemgetter(1)),
    *(_count(*names) for names in (("count", "values"), ("nan", "nan"), ("posinf", "+inf"), ("neginf", "-inf"))),
)
_PARAMETERS = tuple(replace(COLUMNS[key], hoist=False) for key in ("path", "shape", "dtype", "state", "mean", "std"))
_FINDINGS = (
    Column("finding", lambda finding: f"{finding.severity}\n{finding.code}"),
    Column("parameter", attrgetter("paths"), path=True),
    Column("evidence", attrgetter("evidence")),
    Column("what to do", attrgetter("hint")),
)
