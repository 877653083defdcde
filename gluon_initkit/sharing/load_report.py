"""`LoadReport`: what `load` did with each parameter and each array of the file, or would do."""

from collections import Counter
from dataclasses import dataclass
from typing import Any, Optional, Tuple

from ..display import Column, Table, TableReport, shape_text

_Shape = Optional[Tuple[Optional[int], ...]]


@dataclass(frozen=True)
class LoadRow:
    """One parameter of the network, or an array of the file that belongs to none.

    Attributes
    ----------
    path : str
        Of an array that belongs to no parameter its name in the file.
    name : str or None
        What the file calls the array; None where the file has none.
    status : str
        ``'loaded'``; ``'missing'``: not in the file; ``'mismatched'``: of another shape in the file; ``'unselected'``;
        ``'extra'``: in the file alone; ``'refused'``, in a forecast alone: of another dtype or context, or different
        values for one shared parameter.
    shapes, dtypes : tuple
        The network's, before it was loaded, and the file's; None where it is not there.
    """

    path: str
    aliases: Tuple[str, ...]
    name: Optional[str]
    status: str
    shapes: Tuple[_Shape, _Shape]
    dtypes: Tuple[Optional[str], Optional[str]]


def _paths(status: str, doc: str) -> Any:
    return property(lambda self: tuple(row.path for row in self.rows if row.status == status), doc=doc)


@dataclass(frozen=True, repr=False)
class LoadReport(TableReport[LoadRow]):
    """What `load` returns, and `compare` foretells: one row a parameter, then what only the file `source` has.

    ``report['0.weight']`` finds a row. `error` is, in a forecast, the text of the LoadError that `load` would raise;
    nothing is loaded then, and ``'loaded'`` is what fits.
    """

    rows: Tuple[LoadRow, ...]
    source: str
    error: Optional[str] = None

    @property
    def loads(self) -> bool:
        """Whether nothing is refused."""
        return self.error is None

    loaded = _paths("loaded", "The paths of the parameters that have the file's values.")
    missing = _paths("missing", "The paths of the parameters that the file has not.")
    mismatched = _paths("mismatched", "The paths of the parameters that have another shape in the file.")
    extra = _paths("extra", "What the file has, under its names there, and the network has not.")

    def _table(self) -> Table:
        words = {"loaded": "fit"} if self.error else {}
        counts = Counter(row.status for row in self.rows)
        title = f"{self.source}{' would not be loaded' if self.error else ''}: "
        title += ", ".join(f"{counts[status]} {words.get(status, status)}" for status in _STATUSES if counts[status])
        title += "" if counts else "nothing to load"
        wrong = "error" if self.error else "warning"
        below = tuple(("error", line.strip()) for line in (self.error or "").splitlines())
        return Table(title, _COLUMNS, self.rows, (),
                     lambda row: "" if row.status in ("loaded", "unselected") else wrong, below)  # fmt: skip


_STATUSES = ("loaded", "missing", "mismatched", "refused", "unselected", "extra")


def _both(ours: str, theirs: str) -> str:
    return ours if ours == theirs or not theirs else f"{ours} <- {theirs}" if ours else theirs


def _shapes(row: LoadRow) -> str:
    return _both(*("" if dtype is None else shape_text(shape) for shape, dtype in zip(row.shapes, row.dtypes)))


_COLUMNS = (
    Column("status", lambda row: row.status),
    Column("parameter", lambda row: (row.path, *(f"= {alias}" for alias in row.aliases)), path=True),
    Column("in the file as", lambda row: "" if row.name in (None, row.path) else row.name),
    Column("shape", _shapes),
    Column("dtype", lambda row: _both(*(dtype or "" for dtype in row.dtypes)), hoist="{}"),
)
