"""`compare`: what differs between two networks, reports or files, and whether a network could load a file.

Two arrays belong together where `files.match` says so of a network and a file; else where their paths are the same;
else where their content is the same under another name; and where a side has no values, where one array alone on each
side has the shape and the role.
"""

from dataclasses import dataclass, replace
from functools import partial
import hashlib
import math
from typing import Any, Dict, Iterator, List, Mapping, NamedTuple, Optional, Sequence, Tuple

import numpy

from ...display import printable
from ...files import StoredValues, is_path
from ...files.match import renamed_names, strip_prefix
from ...parameters import list_parameters
from ...shapes import agree, is_known
from ..inspect import inspect
from ..records import Statistics
from ..report.report import Report
from ..statistics import statistics_of
from .comparison import Comparison, ComparisonRow
from .diff import EQUAL, change_between


def compare(a: Any, b: Any, **options: Any) -> Comparison:
    """Say what differs between two networks, reports or files, in any mix. Changes nothing.

    Where a network is compared with a file, ``.load`` foretells ``ik.load(a, b, **options)``: the report that it would
    return, or with ``.load.error`` what it would raise, and the `rename` under which more of the file would fit.

    Parameters
    ----------
    a, b : Block, Report, str or path-like
        What was, and what is: ``change`` is relative to `a`. The values of networks and files are compared. A report
        of a network holds none: its statistics are compared, where it has any.
    **options
        As for `load`, where a network is compared with a file: ``mismatched='skip'``, ``rename={'l1.': 'l2.'}``.

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
    first, second = (_source(thing, options.get("rename")) for thing in (a, b))
    network, file = (first, second) if first.network is not None else (second, first)
    load = None
    if network.network is not None and file.file is not None:
        from ...sharing.load import forecast_load

        load = forecast_load(network.network, file.file, **options)
    elif options:
        raise TypeError(f"{next(iter(options))!r} is an option of load, for a network that is compared with a file")
    pairs = _pairs(first, second, load)
    load = load if network is first else None
    statuses = {path: row.status for row in load or () for path in (row.path, *row.aliases)}
    rows = tuple(_row(*pair, statuses) for pair in pairs)
    return Comparison(rows, (first.name, second.name), load)


@dataclass(frozen=True)
class _Entry:
    """One array of a source; one more for each path at which it stands transposed."""

    path: str
    paths: Tuple[str, ...]
    name: str  # MXNet's name of the parameter, or the file's of the array
    role: str
    shape: Optional[Tuple[Optional[int], ...]]
    dtype: str
    stats: Optional[Statistics] = None
    values: Any = None  # what reads the values; None where there are none


class _Source(NamedTuple):
    name: str
    entries: List[_Entry]
    network: Any = None
    file: Optional[StoredValues] = None


def _source(thing: Any, rename: Any) -> _Source:
    if is_path(thing):
        thing = inspect(thing)
    if isinstance(thing, Report):
        file = thing.live if isinstance(thing.live, StoredValues) else None
        renamed = renamed_names(rename, [path for record in thing.records for path in record.paths] if file else ())
        entries = [entry for record in thing.records
                   for entry in _entries(record, record.transposed, _reader(record, file), renamed)]  # fmt: skip
        return _Source(thing.source or "report", entries, file=file)
    if not hasattr(thing, "collect_params"):
        raise TypeError(
            f"cannot compare {printable(type(thing).__name__)}: {thing!r:.80}. Expected a network (an "
            f"mxnet.gluon.Block), a report of ik.inspect, or the path of a parameter file, such as net.params."
        )
    return _Source(type(thing).__name__, _network_entries(thing), network=thing)


def _reader(record: Any, file: Optional[StoredValues]) -> Any:
    readable = file is not None and file.has_values(file.arrays[record.path])
    return partial(file.values, record.path) if file is not None and readable else None


def _network_entries(net: Any) -> List[_Entry]:
    from ..._mxnet.arrays import context_of, is_host, memory_view, wait_for
    from ..._mxnet.parameter import arrays_of

    listed = [(param, place, info, arrays_of(param)[:1]) for param, place, info in list_parameters(net)]
    wait_for(array for *_, arrays in listed for array in arrays)  # `memory_view` does not
    entries: List[_Entry] = []
    for _, place, info, arrays in listed:
        reader: Any = None
        for array in arrays:
            in_place = array.stype == "default" and is_host(context_of(array))
            info = info._replace(shape=tuple(array.shape))
            reader = partial(memory_view, array) if in_place else array.asnumpy
        entries += _entries(info, place.transposed, reader, {})
    return entries


def _entries(record: Any, transposed: Sequence[str], values: Any, renamed: Mapping[str, str]) -> Iterator[_Entry]:
    """The entry of a record or a `ParameterInfo`, and one for each path at which it stands transposed."""
    bare = {path: renamed.get(path, path) for path in record.paths}
    bare.setdefault(strip_prefix(record.path), renamed.get(record.path, strip_prefix(record.path)))
    paths = dict.fromkeys(new for path, new in bare.items() if path not in transposed)
    entry = _Entry(record.paths[0], tuple(paths), record.name, record.role, record.shape, record.dtype,
                   getattr(record, "stats", None), values)  # fmt: skip
    yield entry
    flipped = None if entry.shape is None else entry.shape[::-1]
    transpose = None if values is None else lambda: values().reshape(entry.shape).T
    for path in transposed:
        yield replace(entry, path=path, paths=(bare[path],), name="", shape=flipped, values=transpose)


_Pair = Tuple[Optional[_Entry], Optional[_Entry], bool]  # with whether it is renamed: found by content, or by shape


def _pairs(a: _Source, b: _Source, load: Any) -> List[_Pair]:
    """The entries that belong together, in the order of `a`; then what only `b` has.

    An array of two paths on one side, whose paths are two arrays on the other, is in two pairs.
    """
    named = _named_pairs(a, b, load)
    pairs: List[_Pair] = [(one, other, False) for one, other in named if agree(one.shape, other.shape)]
    pairs += _matched(*_left(a, b, pairs), _content)
    done = {id(entry) for pair in pairs for entry in pair[:2]}
    for one, other in named:
        if not done & {id(one), id(other)}:
            done |= {id(one), id(other)}
            pairs.append((one, other, False))
    pairs += _matched(*_left(a, b, pairs), _shape_and_role)
    left_a, left_b = _left(a, b, pairs)
    pairs += [(entry, None, False) for entry in left_a]
    order = {id(entry): number for number, entry in enumerate(a.entries)}
    return sorted(pairs, key=lambda pair: order[id(pair[0])]) + [(None, entry, False) for entry in left_b]


def _named_pairs(a: _Source, b: _Source, load: Any) -> List[Tuple[_Entry, _Entry]]:
    """Entries of one path, and those that `load` would match."""
    by_path = {path: entry for entry in b.entries for path in entry.paths}
    pairs = [(entry, by_path[path]) for entry in a.entries for path in entry.paths if path in by_path]
    done = {id(entry) for pair in pairs for entry in pair}
    network, file = (a, b) if a.network is not None else (b, a)
    ours = {path: entry for entry in network.entries for path in entry.paths}
    theirs = {entry.path: entry for entry in file.entries}
    for row in load or ():
        one, other = ours.get(row.path), theirs.get(row.name)
        if one is not None and other is not None and id(one) not in done:
            pairs.append((one, other) if network is a else (other, one))
    return list({tuple(map(id, pair)): pair for pair in pairs}.values())


def _left(a: _Source, b: _Source, pairs: Sequence[_Pair]) -> Tuple[List[_Entry], List[_Entry]]:
    done = {id(entry) for pair in pairs for entry in pair[:2]}
    return [each for each in a.entries if id(each) not in done], [each for each in b.entries if id(each) not in done]


def _matched(left_a: List[_Entry], left_b: List[_Entry], key_of: Any) -> Iterator[Tuple[_Entry, _Entry, bool]]:
    """Entries with an equal key, in order; by shape only where no other has it, and one side has no values."""
    shapes = {entry.shape for entry in left_a} & {entry.shape for entry in left_b}
    groups: Tuple[Dict[Any, List[_Entry]], ...] = ({}, {})
    for entries, group in zip((left_a, left_b), groups):
        for entry in entries:
            key = key_of(entry) if entry.shape in shapes else None
            if key is not None:
                group.setdefault(key, []).append(entry)
    for key, entries in groups[0].items():
        others = groups[1].get(key, [])
        alone = len(entries) == len(others) == 1 and not (entries[0].values and others[0].values)
        if key_of is _content or alone:
            for one, other in zip(entries, others):
                yield one, other, True


def _content(entry: _Entry) -> Any:
    if entry.values is None:
        return None
    values = numpy.ascontiguousarray(entry.values()).reshape(-1).view(numpy.uint8)
    return entry.shape, entry.dtype, entry.role, hashlib.sha256(values).digest()  # type: ignore[arg-type]


def _shape_and_role(entry: _Entry) -> Any:
    return (entry.shape, entry.role) if is_known(entry.shape) else None


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
    if a.values is not None and b.values is not None:
        numbers, by = change_between(a.values(), b.values()), "values"
        equal = numbers is EQUAL
    elif any(entry.values is None and entry.stats is None for entry in (a, b)):
        numbers, by, equal = {}, "shape", None
    else:
        numbers, by, equal = {}, "statistics", _equal_statistics(*(entry.stats or statistics_of(entry.values())
                                                                   for entry in (a, b)))  # fmt: skip
    status = ("retyped" if a.dtype != b.dtype else "renamed" if renamed else "unread" if equal is None else
              "equal" if equal else "changed")  # fmt: skip
    return ComparisonRow(status, by=by, **fields, **numbers)


def _equal_statistics(a: Statistics, b: Statistics) -> bool:
    exact = ("count", "min", "max", "zeros", "nan", "posinf", "neginf")
    if any(getattr(a, name) != getattr(b, name) for name in exact):
        return False
    close = ((getattr(a, name), getattr(b, name)) for name in ("mean", "std", "norm"))
    # Sums over other blocks, on other threads, round differently.
    return all(x == y or (x is not None and y is not None and math.isclose(x, y, rel_tol=1e-9)) for x, y in close)
