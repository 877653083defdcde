"""What `compare` compares: the arrays of a network, a report or a file, all in one form, and which belongs to which.

A network is told by paths; a file by paths or by MXNet's global names, with ``arg:`` and ``aux:`` before them where it
was exported. Two arrays belong together where path and shape are the same; else where the file has the parameter's
global name; else where the content is the same under another name; else where the path is the same; and where a side
has no values, where one array alone on each side has the shape and the role.
"""

from dataclasses import dataclass, replace
import hashlib
from typing import Any, Callable, Dict, Iterator, List, Optional, Sequence, Tuple

import numpy

from ...display import printable
from ...files import StoredValues, is_path
from ...files.match import bare
from ...parameters import list_parameters
from ...shapes import agree, is_known
from ..file_report import read_checkpoint
from ..records import Statistics
from ..report.report import Report

__all__ = ["Entry", "Pair", "Side", "paired", "side_of"]


@dataclass(frozen=True)
class Entry:
    """One array of a side."""

    path: str
    keys: Tuple[str, ...]
    """Every path of it."""
    names: Tuple[str, ...]
    """MXNet's names of it, for files that hold those."""
    role: str
    shape: Optional[Tuple[Optional[int], ...]]
    dtype: str
    stats: Optional[Statistics] = None
    values: Optional[Callable[[], numpy.ndarray]] = None
    """Its values, flat or in shape; None where there are none to be had."""


@dataclass(frozen=True)
class Side:
    """One of the two things that are compared."""

    source: str
    kind: str
    """``'network'``, ``'file'`` or ``'report'``."""
    entries: Tuple[Entry, ...]
    live: Any = None
    """The network, or the `StoredValues` of a file."""


Pair = Tuple[Optional[Entry], Optional[Entry], str]


def side_of(thing: Any) -> Side:
    """A network, a report or a file as a side; a TypeError for anything else."""
    if is_path(thing):
        thing = read_checkpoint(thing)
    if isinstance(thing, Report):
        stored = thing.live if isinstance(thing.live, StoredValues) else None
        turned = (_turned(_recorded(record, stored), record.transposed) for record in thing.records)
        entries = tuple(entry for each in turned for entry in each)
        return Side(thing.source or "report", "report" if stored is None else "file", entries, stored)
    if not hasattr(thing, "collect_params"):
        raise TypeError(
            f"cannot compare {printable(type(thing).__name__)}: {thing!r:.80}. Expected a network (an "
            f"mxnet.gluon.Block), a report of ik.inspect, or the path of a .params file."
        )
    return _network(thing)


def _recorded(record: Any, stored: Optional[StoredValues]) -> Entry:
    has_values = stored is not None and stored.has_values(stored.arrays[record.path])
    return Entry(
        path=record.path,
        keys=tuple(dict.fromkeys((record.path, bare(record.path), *_alike(record.aliases, record.transposed)))),
        names=(bare(record.name),),
        role=record.role,
        shape=record.shape,
        dtype=record.dtype,
        stats=record.stats,
        values=(lambda: stored.values(record.path)) if stored is not None and has_values else None,
    )


def _alike(paths: Tuple[str, ...], transposed: Tuple[str, ...]) -> Tuple[str, ...]:
    return tuple(path for path in paths if path not in transposed)


def _turned(entry: Entry, transposed: Tuple[str, ...]) -> Iterator[Entry]:
    """The entry, and one more for every path at which it stands transposed: there it has a layout of its own."""
    yield entry
    for path in transposed:
        shape = None if entry.shape is None else entry.shape[::-1]
        yield replace(entry, path=path, keys=(path,), names=(), shape=shape, values=_transposed(entry))


def _transposed(entry: Entry) -> Optional[Callable[[], numpy.ndarray]]:
    read, shape = entry.values, entry.shape
    if read is None or shape is None:
        return None
    return lambda: read().reshape(shape).T  # type: ignore[arg-type]  # what has values has a shape


def _network(net: Any) -> Side:
    from ..._mxnet import backend
    from ..._mxnet.arrays import context_of, is_host, memory_view, wait_to_read
    from ..._mxnet.parameter import arrays_of

    def values_of(array: Any) -> Callable[[], numpy.ndarray]:
        on_host = array.stype == "default" and is_host(context_of(array))
        return lambda: memory_view(array) if on_host else array.asnumpy()

    described = list_parameters(net)
    wait_to_read(array for param, _, _ in described for array in arrays_of(param)[:1])  # `view` does not
    entries: List[Entry] = []
    prefix = backend.prefix_of(net)
    for param, place, info in described:
        held = arrays_of(param)
        short = info.name[len(prefix) :] if info.name.startswith(prefix) else info.name
        entry = Entry(
            path=info.label,
            keys=_alike(info.paths, place.transposed),
            names=(info.name, short),
            role=info.role,
            shape=tuple(held[0].shape) if held else info.shape,
            dtype=info.dtype,
            values=values_of(held[0]) if held else None,
        )
        entries += _turned(entry, place.transposed)
    return Side(type(net).__name__, "network", tuple(entries), net)


def paired(a: Side, b: Side) -> List[Pair]:
    """Which array of `a` belongs to which of `b`, and by what: ``'path'``, ``'name'``, ``'values'`` or ``'shape'``.

    In the order of `a`; then what only `b` has. An array of two paths on one side, whose paths are two arrays on the
    other, is in two pairs.
    """
    pairs: List[Pair] = []
    seen = set()
    by_key = {key: entry for entry in b.entries for key in entry.keys}
    for entry in a.entries:
        for key in entry.keys:
            other = by_key.get(key)
            if other is not None and (id(entry), id(other)) not in seen and agree(entry.shape, other.shape):
                seen.add((id(entry), id(other)))
                pairs.append((entry, other, "path"))
    steps = (("name", _names(a, b)), ("values", _content), ("path", lambda entry: entry.keys), ("shape", _shape))
    for how, key_of in steps:
        pairs += [(*pair, how) for pair in _matched(*_left(a, b, pairs), key_of, unique=how == "shape")]
    left_a, left_b = _left(a, b, pairs)
    pairs += [(entry, None, "") for entry in left_a]
    order = {id(entry): number for number, entry in enumerate(a.entries)}
    return sorted(pairs, key=lambda pair: order[id(pair[0])]) + [(None, entry, "") for entry in left_b]


def _left(a: Side, b: Side, pairs: Sequence[Pair]) -> Tuple[List[Entry], List[Entry]]:
    """What stands in no pair yet."""
    done = {id(entry) for pair in pairs for entry in pair[:2]}
    return [each for each in a.entries if id(each) not in done], [each for each in b.entries if id(each) not in done]


def _matched(left_a: List[Entry], left_b: List[Entry], key_of: Any, unique: bool) -> Iterator[Tuple[Entry, Entry]]:
    """Pairs of what has an equal key, in order; if `unique`, it stands once on each side, and one has no values."""
    shapes = {each.shape for each in left_a} & {each.shape for each in left_b}
    groups: Tuple[Dict[Any, List[Entry]], ...] = ({}, {})
    for left, group in zip((left_a, left_b), groups):
        for entry in left:
            if entry.shape in shapes or key_of not in (_content, _shape):
                for key in key_of(entry):
                    group.setdefault(key, []).append(entry)
    done = set()
    for key, entries in groups[0].items():
        others = groups[1].get(key, [])
        if not unique or len(entries) == len(others) == 1:
            for entry, other in zip(entries, others):
                hopeless = unique and entry.values and other.values  # their values differ, or they were a pair
                if id(entry) not in done and id(other) not in done and not hopeless:
                    done |= {id(entry), id(other)}
                    yield entry, other


def _names(a: Side, b: Side) -> Callable[[Entry], Sequence[Any]]:
    # Two networks never agree in MXNet's names: those count what was built before.
    return (lambda entry: entry.names) if {a.kind, b.kind} == {"network", "file"} else lambda entry: ()


def _content(entry: Entry) -> Sequence[Any]:
    if entry.values is None:
        return ()
    values = numpy.ascontiguousarray(entry.values()).reshape(-1).view(numpy.uint8)
    return ((entry.shape, entry.dtype, entry.role, hashlib.sha256(values).digest()),)  # type: ignore[arg-type]


def _shape(entry: Entry) -> Sequence[Any]:
    return ((entry.shape, entry.role),) if is_known(entry.shape) else ()
