"""`Comparison`: what `compare` found, one row an array, as text, HTML, JSON and records."""

from dataclasses import asdict, dataclass
import json
import math
from typing import TYPE_CHECKING, Dict, Iterator, Optional, Tuple

from ...display import Column, Table, TableReport, shape_text
from ...parameters import did_you_mean
from ..report.json import to_plain

if TYPE_CHECKING:
    from ...sharing.load import LoadReport

_Shape = Optional[Tuple[Optional[int], ...]]


@dataclass(frozen=True)
class ComparisonRow:
    """One array of either side, or two that belong together.

    Attributes
    ----------
    status : str
        ``'added'`` or ``'removed'``: only the second, or the first, has it; ``'renamed'``: the same content under
        another path; ``'reshaped'``; ``'retyped'``; ``'changed'``: other values; ``'equal'``; ``'unread'``: no
        difference is known, but a side has no values (an uninitialized network, a report without statistics).
    path, other : str or None
        Its path in the first and in the second.
    shapes, dtypes : tuple
        In the first and in the second; None where it is not there.
    by : str
        What the status rests on: ``'values'``, ``'statistics'`` or ``'shape'``. With one of the last two ``'renamed'``
        is a guess: no values could be compared, and no other array has its shape and role.
    change, cosine : float or None
        L2 norm of the difference over the norm of the first, and the cosine between them; None where a norm is 0, or no
        values were compared.
    sign_flips, nonfinite : int or None
        How many values changed their sign; how many differ in being NaN or infinite.
    load : str or None
        What `load` would make of it: a status of `LoadReport`.
    norm : float or None
        L2 norm of the second, where the first is all 0 and `change` therefore None. It is not in the JSON.
    """

    status: str
    path: Optional[str]
    other: Optional[str]
    shapes: Tuple[_Shape, _Shape]
    dtypes: Tuple[Optional[str], Optional[str]]
    by: str = "shape"
    change: Optional[float] = None
    cosine: Optional[float] = None
    sign_flips: Optional[int] = None
    nonfinite: Optional[int] = None
    load: Optional[str] = None
    norm: Optional[float] = None


@dataclass(frozen=True, repr=False)
class Comparison(TableReport[ComparisonRow]):
    """What `compare` returns: one row an array. ``str()`` is a table of what differs, Jupyter shows it as HTML.

    It is true in a condition where everything is the same.

    Attributes
    ----------
    rows : tuple of ComparisonRow
        In the order of the first; then what only the second has. ``comparison['0.weight']`` finds one by either path.
    sources : tuple of (str, str)
        What was compared.
    load : LoadReport or None
        What `load` would do, where a network was compared with a file.

    Examples
    --------
    >>> net = mx.gluon.nn.Dense(1, in_units=1)
    >>> comparison = ik.compare(net, net)
    >>> comparison.same, comparison.counts      # without values, nothing can be said to be the same
    (False, {'unread': 2})
    """

    rows: Tuple[ComparisonRow, ...]
    sources: Tuple[str, str]
    load: Optional["LoadReport"] = None

    def __bool__(self) -> bool:
        return self.same

    def __getitem__(self, path: str) -> ComparisonRow:
        for row in self.rows:
            if path in (row.path, row.other):
                return row
        known = [each for row in self.rows for each in (row.path, row.other) if each]
        raise KeyError(f"no row has the path {path!r}; {did_you_mean(path, list(dict.fromkeys(known)))}")

    @property
    def same(self) -> bool:
        """Whether all values were compared, and are equal, under equal names."""
        return all(row.status == "equal" for row in self.rows)

    @property
    def differences(self) -> Tuple[ComparisonRow, ...]:
        """The rows that differ."""
        return tuple(row for row in self.rows if row.status not in ("equal", "unread"))

    @property
    def counts(self) -> Dict[str, int]:
        """How many rows have each status."""
        statuses = [row.status for row in self.rows]
        return {status: statuses.count(status) for status in dict.fromkeys(statuses)}

    def to_json(self) -> str:
        """The whole comparison as JSON: ``schema`` (1), ``sources``, ``same``, ``counts``, ``rows`` and ``load``.

        NaN and infinity, which JSON lacks, are written as text.
        """
        load = None if self.load is None else {**asdict(self.load), "loads": self.load.loads}
        rows = [{key: value for key, value in row.items() if key != "norm"} for row in map(asdict, self.rows)]
        fields = {"sources": self.sources, "same": self.same, "counts": self.counts, "rows": rows}
        return json.dumps(to_plain({"schema": 1, **fields, "load": load}), allow_nan=False)

    def _table(self) -> Table:
        counts = ", ".join(f"{count} {status}" for status, count in self.counts.items()) or "nothing to compare"
        title = f"{self.sources[0]} -> {self.sources[1]}: {counts}"
        rows = sorted(self.rows, key=lambda row: (row.status in ("equal", "unread"), -_size_of_change(row)))
        return Table(title, _COLUMNS, rows, tuple(self._notes()), _emphasis, parts=None, shown=_differs)

    def _notes(self) -> Iterator[str]:
        if self.load is None:
            return
        would = "load it" if self.load.loads else "raise a LoadError:"
        yield f"gluon_initkit.load(net, {self.load.source!r}) would {would}"
        yield from (line.strip() for line in (self.load.error or "").splitlines()[1:])


def _differs(row: ComparisonRow) -> bool:
    return row.status not in ("equal", "unread") or row.load not in (None, "loaded")


def _size_of_change(row: ComparisonRow) -> float:
    """By which rows are sorted: another shape or nothing to compare is more than any change of values."""
    if row.status not in ("changed", "retyped") or row.nonfinite:
        return math.inf
    return (math.inf if row.norm else 0.0) if row.change is None else row.change


def _change_text(row: ComparisonRow) -> str:
    if row.norm:
        return f"from 0 to norm {row.norm:.3g}"
    return "" if row.change is None else f"{row.change:.3g}"


def _emphasis(row: ComparisonRow) -> str:
    refused = row.load not in (None, "loaded", "unselected")
    return "error" if refused else ("" if row.status in ("equal", "unread") else "changed")


def _paths(row: ComparisonRow) -> Tuple[str, ...]:
    if row.path is None or row.other is None or row.path == row.other:
        return (row.path or row.other or "",)
    return row.path, f"-> {row.other}"


def _both(a: str, b: str) -> str:
    return a if a == b or not b else (b if not a else f"{a} -> {b}")


_COLUMNS = (
    Column("status", lambda row: row.status, ""),
    Column("path", _paths, "parameter", path=True),
    Column("shape", lambda row: _both(*("" if each is None else shape_text(each) for each in row.shapes))),
    Column("dtype", lambda row: _both(*(each or "" for each in row.dtypes)), hoist="{}"),
    Column("change", _change_text, number=True),
    Column("cosine", lambda row: "" if row.cosine is None else f"{row.cosine:.4f}", number=True),
    Column("flips", lambda row: "" if row.sign_flips is None else f"{row.sign_flips:,}", number=True),
    Column("nan/inf", lambda row: f"{row.nonfinite:,}" if row.nonfinite else "", number=True),
    Column("load", lambda row: row.load or ""),
)
