"""`compare`: the differences between two networks, reports or files, and whether a network could load a file.

Two arrays form a pair if `files.match` pairs them (a network and a file) or if they have the same path. Of the rest,
arrays with the same content form a pair. If a side has no values, an array forms a pair with the only array of its
shape and role on the other side.
"""

from collections import Counter
from dataclasses import asdict, dataclass, replace
from functools import partial
import json
import math
from typing import TYPE_CHECKING, Any, Dict, Iterator, List, Mapping, NamedTuple, Optional, Sequence, Set, Tuple

import numpy

from ..display import Column, Table, TableReport, printable, shape_text
from ..files import StoredValues, is_path
from ..files.match import renamed_names, strip_prefix
from ..parameters import did_you_mean, list_parameters
from ..shapes import agree, is_known
from .inspect import inspect
from .records import Statistics
from .report import Report
from .report_json import to_plain
from .statistics import digest_of, statistics_of
from .survey import cut

if TYPE_CHECKING:
    from ..sharing.load import LoadReport

_Shape = Optional[Tuple[Optional[int], ...]]
_ALIKE = ("equal", "unread")  # statuses of rows without a known difference
_EQUAL: Dict[str, Any] = {"change": 0.0, "cosine": 1.0, "sign_flips": 0, "nonfinite": 0}
_BLOCK = 1 << 18  # values read at once


@dataclass(frozen=True)
class ComparisonRow:
    """One array that only one side has, or a pair of arrays.

    Attributes
    ----------
    status : str
        ``'added'`` or ``'removed'``: only the second, or the first, has the array; ``'renamed'``: the same content
        under another path; ``'reshaped'``; ``'retyped'``; ``'changed'``: other values; ``'equal'``; ``'unread'``: no
        known difference, but a side has no values (an uninitialized network, a report without statistics).
    path, other : str or None
    shapes, dtypes : tuple
        In the first and in the second; None on a side without the array.
    by : str
        Basis of the status: ``'values'``, ``'statistics'`` or ``'shape'``. With the last two, ``'renamed'`` is a guess:
        no values could be compared, and no other array has the same shape and role.
    change, cosine : float or None
        L2 norm of the difference divided by the norm of the first, and the cosine of the angle between both. None if a
        norm is 0, or if no values were compared.
    sign_flips, nonfinite : int or None
        Number of values that changed sign; number of values that differ in being NaN or infinite.
    load : str or None
        What `load` would do with the array: a status of `LoadReport`.
    norm : float or None
        L2 norm of the second if the first is all 0, since `change` is None then. It is not in the JSON.
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
    """The result of `compare`, with a row for each array. ``str()`` is a table of differences; ``bool()`` is `same`.

    Attributes
    ----------
    rows : tuple of ComparisonRow
        In the order of the first, then of the second. ``comparison['0.weight']`` finds a row by either path.
    sources : tuple of (str, str)
        Names of the two sides.
    load : LoadReport or None
        What `load` would do, if a network was compared with a file.

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
        known = [label for row in self.rows for label in (row.path, row.other) if label]
        raise KeyError(f"no row has the path {path!r}; {did_you_mean(path, list(dict.fromkeys(known)))}")

    @property
    def same(self) -> bool:
        """Whether all values were compared and are equal, under equal paths."""
        return all(row.status == "equal" for row in self.rows)

    @property
    def differences(self) -> Tuple[ComparisonRow, ...]:
        """The rows with a difference."""
        return tuple(row for row in self.rows if row.status not in _ALIKE)

    @property
    def counts(self) -> Dict[str, int]:
        """The number of rows with each status."""
        return dict(Counter(row.status for row in self.rows))

    def to_json(self) -> str:
        """The whole comparison as JSON: ``schema`` (1), ``sources``, ``same``, ``counts``, ``rows`` and ``load``.

        JSON has no NaN and no infinity, so they are written as text.
        """
        load = None if self.load is None else {**asdict(self.load), "loads": self.load.loads}
        rows = [{key: value for key, value in row.items() if key != "norm"} for row in map(asdict, self.rows)]
        fields = {"sources": self.sources, "same": self.same, "counts": self.counts, "rows": rows}
        return json.dumps(to_plain({"schema": 1, **fields, "load": load}), allow_nan=False)

    def _table(self) -> Table:
        counts = ", ".join(f"{count} {status}" for status, count in self.counts.items()) or "nothing to compare"
        title = f"{self.sources[0]} -> {self.sources[1]}: {counts}"
        rows = sorted(self.rows, key=lambda row: (row.status in _ALIKE, -_size_of_change(row)))
        notes: List[str] = []
        if self.load is not None:
            would = "load it" if self.load.loads else "raise a LoadError:"
            notes.append(f"gluon_initkit.load(net, {self.load.source!r}) would {would}")
            notes += [line.strip() for line in (self.load.error or "").splitlines()[1:]]
        return Table(title, _COLUMNS, rows, tuple(notes), parts=None,
                     emphasis=lambda row: "error" if row.load not in (None, "loaded", "unselected") else
                     "" if row.status in _ALIKE else "changed",
                     shown=lambda row: row.status not in _ALIKE or row.load not in (None, "loaded"))  # fmt: skip


def _size_of_change(row: ComparisonRow) -> float:
    """The sort key of rows: another shape, or an array without a pair, is larger than any change of values."""
    if row.status not in ("changed", "retyped") or row.nonfinite:
        return math.inf
    return (math.inf if row.norm else 0.0) if row.change is None else row.change


def _both(a: Optional[str], b: Optional[str]) -> str:
    return " -> ".join(dict.fromkeys(filter(None, (a, b))))


_COLUMNS = (
    Column("status", lambda row: row.status, ""),
    Column("path", lambda row: (row.path, f"-> {row.other}") if row.path and row.other and row.path != row.other
           else (row.path or row.other or "",), "parameter", path=True),
    Column("shape", lambda row: _both(*(None if shape is None else shape_text(shape) for shape in row.shapes))),
    Column("dtype", lambda row: _both(*row.dtypes), hoist="{}"),
    Column("change", lambda row: f"from 0 to norm {row.norm:.3g}" if row.norm else
           "" if row.change is None else f"{row.change:.3g}", number=True),
    Column("cosine", lambda row: "" if row.cosine is None else f"{row.cosine:.4f}", number=True),
    Column("flips", lambda row: "" if row.sign_flips is None else f"{row.sign_flips:,}", number=True),
    Column("nan/inf", lambda row: f"{row.nonfinite:,}" if row.nonfinite else "", number=True),
    Column("load", lambda row: row.load or ""),
)  # fmt: skip


def compare(a: Any, b: Any, **options: Any) -> Comparison:
    """Compare two networks, reports or files, in any combination. Changes nothing.

    If a network is compared with a file, ``.load`` predicts ``ik.load(a, b, **options)``. It is the report that `load`
    would return; ``.load.error`` is the error that it would raise, with the `rename` that would make more names fit.

    Parameters
    ----------
    a, b : Block, Report, str or path-like
        The old and the new side: ``change`` is relative to `a`. Networks and files are compared by their values. A
        report of a network holds no values, so its statistics are compared, if it has any.
    **options
        Options of `load`, if a network is compared with a file: ``mismatched='skip'``, ``rename={'l1.': 'l2.'}``.

    Returns
    -------
    Comparison

    Raises
    ------
    CheckpointError, TypeError
        A file has an unknown format or is damaged; `a` or `b` has a type that cannot be compared.

    Examples
    --------
    >>> before, after = mx.gluon.nn.Dense(2, in_units=2), mx.gluon.nn.Dense(2, in_units=2)
    >>> before.initialize(mx.init.One())
    >>> after.initialize(mx.init.Constant(1.5))
    >>> comparison = compare(before, after)
    >>> [(row.status, row.path, row.change) for row in comparison]
    [('changed', 'weight', 0.5), ('equal', 'bias', 0.0)]
    """
    first, second = (_source(side, options.get("rename")) for side in (a, b))
    network, file = (first, second) if first.network is not None else (second, first)
    load = None
    if network.network is not None and file.file is not None:
        from ..sharing.load import forecast_load

        load = forecast_load(network.network, file.file, **options)
    elif options:
        raise TypeError(f"{next(iter(options))!r} is an option of load, for a network that is compared with a file")
    pairs = _pairs(first, second, load)
    load = load if network is first else None
    statuses = {path: row.status for row in load or () for path in (row.path, *row.aliases)}
    rows = tuple(_row(*pair, statuses) for pair in pairs)
    return Comparison(rows, (first.name, second.name), load)


@dataclass(frozen=True, eq=False)
class _Entry:
    """One array of a source. A path of a transposed tie has an entry of its own."""

    path: str
    paths: Tuple[str, ...]
    role: str
    shape: _Shape
    dtype: str
    stats: Optional[Statistics] = None
    values: Any = None  # the function that reads the values; None if there are none


class _Source(NamedTuple):
    name: str
    entries: List[_Entry]
    network: Any = None
    file: Optional[StoredValues] = None


def _source(side: Any, rename: Any) -> _Source:
    if is_path(side):
        side = inspect(side)
    entries: List[_Entry] = []
    if isinstance(side, Report):
        file = side.live if isinstance(side.live, StoredValues) else None
        renamed = renamed_names(rename, [path for record in side.records for path in record.paths] if file else ())
        for record in side.records:
            readable = file is not None and file.has_values(file.arrays[record.path])
            reader = partial(file.values, record.path) if file is not None and readable else None
            entries += _entries(record, record.transposed, reader, renamed)
        return _Source(side.source or "report", entries, file=file)
    if not hasattr(side, "collect_params"):
        raise TypeError(
            f"cannot compare {printable(type(side).__name__)}: {side!r:.80}. Expected a network (an "
            f"mxnet.gluon.Block), a report of ik.inspect, or the path of a parameter file, such as net.params."
        )
    from .._mxnet.arrays import context_of, is_host, memory_view, wait_for
    from .._mxnet.parameter import arrays_of

    listed = [(place, info, arrays_of(param)[:1]) for param, place, info in list_parameters(side)]
    wait_for(array for *_, arrays in listed for array in arrays)  # `memory_view` does not wait
    for place, info, arrays in listed:
        reader = None
        for array in arrays:
            in_place = array.stype == "default" and is_host(context_of(array))
            info = info._replace(shape=tuple(array.shape))
            reader = partial(memory_view, array) if in_place else array.asnumpy
        entries += _entries(info, place.transposed, reader, {})
    return _Source(type(side).__name__, entries, network=side)


def _entries(record: Any, transposed: Sequence[str], values: Any, renamed: Mapping[str, str]) -> Iterator[_Entry]:
    """The entry of a record or a `ParameterInfo`, and an entry for each of its transposed paths."""
    names = {path: renamed.get(path, path) for path in record.paths}
    names.setdefault(strip_prefix(record.path), renamed.get(record.path, strip_prefix(record.path)))
    paths = dict.fromkeys(new for path, new in names.items() if path not in transposed)
    stats = getattr(record, "stats", None)
    entry = _Entry(record.paths[0], tuple(paths), record.role, record.shape, record.dtype, stats, values)
    yield entry
    flipped = None if entry.shape is None else entry.shape[::-1]
    transpose = None if values is None else lambda: values().reshape(entry.shape).T
    for path in transposed:
        yield replace(entry, path=path, paths=(names[path],), shape=flipped, values=transpose)


_Pair = Tuple[Optional[_Entry], Optional[_Entry], bool]  # and whether it is renamed: paired by content or by shape


def _pairs(a: _Source, b: _Source, load: Any) -> List[_Pair]:
    """All pairs and unpaired entries: in the order of `a`, then the entries that only `b` has.

    An array with two paths is in two pairs if these paths are two arrays on the other side.
    """
    pairs: List[_Pair] = []
    done: Set[_Entry] = set()

    def add(matches: Sequence[Tuple[_Entry, _Entry]], renamed: bool) -> None:
        for pair in matches:
            done.update(pair)
            pairs.append((*pair, renamed))

    def unpaired() -> Tuple[List[_Entry], List[_Entry]]:
        return [entry for entry in a.entries if entry not in done], [entry for entry in b.entries if entry not in done]

    named = _named_pairs(a, b, load)
    add([pair for pair in named if agree(pair[0].shape, pair[1].shape)], False)
    add(_alike(*unpaired(), by_content=True), True)
    for pair in named:
        add([pair] if done.isdisjoint(pair) else [], False)
    add(_alike(*unpaired(), by_content=False), True)
    only_a, only_b = unpaired()
    order = {entry: number for number, entry in enumerate(a.entries)}
    pairs += [(entry, None, False) for entry in only_a]
    return sorted(pairs, key=lambda pair: order[pair[0]]) + [(None, entry, False) for entry in only_b]  # type: ignore


def _named_pairs(a: _Source, b: _Source, load: Any) -> List[Tuple[_Entry, _Entry]]:
    """Pairs of entries with a common path, and pairs that `load` would match."""
    by_path = {path: entry for entry in b.entries for path in entry.paths}
    pairs = {(entry, by_path[path]): None for entry in a.entries for path in entry.paths if path in by_path}
    done = {entry for pair in pairs for entry in pair}
    network, file = (a, b) if a.network is not None else (b, a)
    by_network_path = {path: entry for entry in network.entries for path in entry.paths}
    by_file_path = {entry.path: entry for entry in file.entries}
    for row in load or ():
        one, other = by_network_path.get(row.path), by_file_path.get(row.name)
        if one is not None and other is not None and one not in done:
            pairs[(one, other) if network is a else (other, one)] = None
    return list(pairs)


def _alike(entries_a: List[_Entry], entries_b: List[_Entry], by_content: bool) -> List[Tuple[_Entry, _Entry]]:
    """Pairs of equal content, or pairs of a shape and role that are unique on both sides, if a side has no values."""
    shapes = {entry.shape for entry in entries_a} & {entry.shape for entry in entries_b}
    groups: Dict[Any, Tuple[List[_Entry], List[_Entry]]] = {}
    for side, entries in enumerate((entries_a, entries_b)):
        for entry in entries:
            if entry.shape not in shapes or (entry.values is None if by_content else not is_known(entry.shape)):
                continue
            key: Tuple[Any, ...] = (entry.shape, entry.role)
            if by_content:
                key += (entry.dtype, digest_of(entry.values()))
            groups.setdefault(key, ([], []))[side].append(entry)
    return [pair for ones, others in groups.values() for pair in zip(ones, others) if by_content
            or (len(ones) == len(others) == 1 and not (pair[0].values and pair[1].values))]  # fmt: skip


def _row(a: Optional[_Entry], b: Optional[_Entry], renamed: bool, verdicts: Dict[str, str]) -> ComparisonRow:
    paths = [*(a.paths if a else ()), *(b.paths if b else ())]
    fields: Dict[str, Any] = {
        "path": a.path if a else None,
        "other": b.path if b else None,
        "shapes": (a.shape if a else None, b.shape if b else None),
        "dtypes": (a.dtype if a else None, b.dtype if b else None),
        "load": next((verdicts[path] for path in paths if path in verdicts), None),
    }
    if a is None or b is None:
        return ComparisonRow("added" if a is None else "removed", **fields)
    if not agree(a.shape, b.shape):
        return ComparisonRow("reshaped", **fields)
    numbers: Dict[str, Any] = {}
    if a.values is not None and b.values is not None:
        numbers, by = _change_between(a.values(), b.values()), "values"
        equal: Optional[bool] = numbers is _EQUAL
    elif any(entry.values is None and entry.stats is None for entry in (a, b)):
        by, equal = "shape", None
    else:
        by, equal = "statistics", _equal_statistics(*(entry.stats or statistics_of(entry.values()) for entry in (a, b)))
    status = ("retyped" if a.dtype != b.dtype else "renamed" if renamed else "unread" if equal is None else
              "equal" if equal else "changed")  # fmt: skip
    return ComparisonRow(status, by=by, **fields, **numbers)


def _equal_statistics(a: Statistics, b: Statistics) -> bool:
    exact = ("count", "min", "max", "zeros", "nan", "posinf", "neginf")
    if any(getattr(a, name) != getattr(b, name) for name in exact):
        return False
    close = ((getattr(a, name), getattr(b, name)) for name in ("mean", "std", "norm"))
    # Sums that were taken over other blocks round differently.
    return all(x == y or (x is not None and y is not None and math.isclose(x, y, rel_tol=1e-9)) for x, y in close)


def _change_between(a: numpy.ndarray, b: numpy.ndarray) -> Dict[str, Any]:
    """The numbers of a `ComparisonRow` for two arrays of the same size, summed in float64 block by block.

    Returns `_EQUAL` if all values are equal; a NaN equals a NaN. All numbers but `nonfinite` leave out the positions
    where either array is NaN or infinite.
    """
    a, b = a.reshape(-1), b.reshape(-1)
    blocks = [slice(begin, end) for begin, end in cut(a.size, _BLOCK)]
    if all(_same(a[block], b[block]).all() for block in blocks):
        return _EQUAL
    # In float64, squares of numbers above 1e154 overflow and those below 1e-162 are 0, so values are scaled to about 1.
    scale_a, scale_b = (_scale(array[block] for block in blocks) for array in (a, b))
    scale = max(scale_a, scale_b)
    squares_a = squares_b = product = difference = 0.0
    flips = nonfinite = 0
    for block in blocks:
        x, y = a[block].astype(numpy.float64), b[block].astype(numpy.float64)
        finite = numpy.isfinite(x) & numpy.isfinite(y)
        if not finite.all():
            nonfinite += int((~finite & ~_same(x, y)).sum())
            x, y = x[finite], y[finite]
        flips += int((((x < 0) & (y > 0)) | ((x > 0) & (y < 0))).sum())  # a product could underflow
        delta = y / scale - x / scale
        difference += float(delta @ delta)
        x /= scale_a
        y /= scale_b
        squares_a += float(x @ x)
        squares_b += float(y @ y)
        product += float(x @ y)
    with numpy.errstate(over="ignore"):  # a ratio above 1e308 is infinite
        relative = float(numpy.sqrt(difference / squares_a) * numpy.float64(scale / scale_a)) if squares_a else None
    cosine = max(-1.0, min(1.0, product / math.sqrt(squares_a * squares_b))) if squares_a and squares_b else None
    norm = None if squares_a else math.sqrt(squares_b) * scale_b
    return {"change": relative, "cosine": cosine, "sign_flips": flips, "nonfinite": nonfinite, "norm": norm}


def _scale(blocks: Iterator[numpy.ndarray]) -> float:
    """A power of two near the largest finite magnitude; division by it does not round. 1 if all values are 0."""
    exact = (values.astype(numpy.float64) for values in blocks)
    largest = max(float(numpy.max(numpy.abs(values), where=numpy.isfinite(values), initial=0.0)) for values in exact)
    return math.ldexp(1.0, max(-1000, min(1000, math.frexp(largest)[1]))) if largest else 1.0


def _same(x: numpy.ndarray, y: numpy.ndarray) -> numpy.ndarray:
    return (x == y) | ((x != x) & (y != y))
