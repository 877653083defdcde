"""`compare`: what differs between two networks, reports or files, and whether a network could load a file.

`match` says which array belongs to which, `changes` measures, `load_forecast` foretells; here it is put together, and
`comparison` shows it.
"""

import math
from typing import Any, Dict, Optional, Tuple

from ...shapes import agree
from ..records import Statistics
from ..statistics import statistics_of
from .changes import Change, change_between
from .comparison import Comparison, ComparisonRow
from .load_forecast import foretell
from .match import Entry, paired, side_of

__all__ = ["compare"]


def compare(
    a: Any, b: Any, *, allow_missing: bool = False, ignore_extra: bool = False, cast_dtype: bool = False
) -> Comparison:
    """Say what differs between two networks, reports or files, in any mix. Changes nothing.

    Where a network is compared with a file, it also foretells ``a.load_parameters(b)``, parameter by parameter, and
    where that would fail, names the change of prefix under which the file would fit.

    Parameters
    ----------
    a, b : Block, Report, str or path-like
        What was, and what is: ``change`` is relative to `a`. The values of networks and files are compared. A report
        of a network holds none: its statistics are compared, where it has any.
    allow_missing, ignore_extra, cast_dtype : bool
        As `load_parameters` would be given them; they matter to the forecast alone.

    Returns
    -------
    Comparison

    Raises
    ------
    CheckpointError
        A file is none of MXNet's, or broken.
    TypeError
        `a` or `b` is nothing that can be compared.

    Examples
    --------
    >>> before, after = mx.gluon.nn.Dense(2, in_units=2), mx.gluon.nn.Dense(2, in_units=2)
    >>> before.initialize(mx.init.One())
    >>> after.initialize(mx.init.Constant(1.5))
    >>> comparison = compare(before, after)
    >>> [(row.status, row.path, row.change) for row in comparison]
    [('changed', 'weight', 0.5), ('equal', 'bias', 0.0)]
    """
    first, second = side_of(a), side_of(b)
    load = None
    if first.kind == "network" and second.kind == "file":
        flags = {"allow_missing": allow_missing, "ignore_extra": ignore_extra, "cast_dtype": cast_dtype}
        load = foretell(first.live, second.source, list(second.live.arrays.values()), flags)
    verdicts = dict(load.verdicts) if load else {}
    rows = tuple(_row(x, y, how, verdicts) for x, y, how in paired(first, second))
    return Comparison(rows, (first.source, second.source), load)


def _row(a: Optional[Entry], b: Optional[Entry], how: str, verdicts: Dict[str, str]) -> ComparisonRow:
    keys = [*(a.keys if a else ()), *(b.keys if b else ())]
    facts: Dict[str, Any] = {
        "path": a.path if a else None,
        "other": b.path if b else None,
        "shapes": (a.shape if a else None, b.shape if b else None),
        "dtypes": (a.dtype if a else None, b.dtype if b else None),
        "load": next((verdicts[key] for key in keys if key in verdicts), None),
    }
    if a is None or b is None:
        return ComparisonRow("added" if a is None else "removed", **facts)
    if not agree(a.shape, b.shape):
        return ComparisonRow("reshaped", **facts)
    change, by = _change(a, b)
    if a.dtype != b.dtype:
        status = "retyped"
    elif how in ("values", "shape"):
        status = "renamed"
    else:
        status = "unread" if change is None else ("equal" if change.equal else "changed")
    if change is not None and by == "values":
        facts.update(change=change.relative, cosine=change.cosine)
        facts.update(sign_flips=change.sign_flips, nonfinite=change.nonfinite)
    return ComparisonRow(status, by=by, **facts)


def _change(a: Entry, b: Entry) -> Tuple[Optional[Change], str]:
    """How the values changed, and what that is known by."""
    if a.values is not None and b.values is not None:
        return change_between(a.values(), b.values()), "values"
    if (a.values is None and a.stats is None) or (b.values is None and b.stats is None):
        return None, "shape"
    return Change(equal=_alike(_statistics(a), _statistics(b))), "statistics"


def _statistics(entry: Entry) -> Statistics:
    return entry.stats or statistics_of(entry.values())  # type: ignore[misc]


def _alike(a: Statistics, b: Statistics) -> bool:
    exact = ("count", "min", "max", "zeros", "nan", "posinf", "neginf")
    if any(getattr(a, name) != getattr(b, name) for name in exact):
        return False
    close = ((getattr(a, name), getattr(b, name)) for name in ("mean", "std", "norm"))
    # Sums of other blocks, on other threads, round otherwise.
    return all(x == y or (x is not None and y is not None and math.isclose(x, y, rel_tol=1e-9)) for x, y in close)
