"""Collect the records of a parameter file, without a network and without MXNet: `files` says what stands where."""

import math
from typing import Any, Dict, Iterator, Optional, Tuple

from ..files import StoredArray, StoredValues
from ..parameters import role_of
from .records import ParameterRecord, SharedValues, Statistics
from .shared_values import shared_values
from .statistics import statistics_of_all

_MOST = 1 << 31  # bytes that all of a file's sparse and deflated arrays may become, besides 64 for each stored one

Collected = Tuple[Tuple[ParameterRecord, ...], Tuple[SharedValues, ...], StoredValues]


def collect_file(path: Any, stats: Any = False) -> Collected:
    """A record of each array of a ``.params`` file, in its order; what is shared; and what reads values later.

    A record's path is the name in the file, ``arg:`` included; an array without a name is called by its number. An
    array whose values cannot be had has no statistics: one saved before its shape was known, or a sparse or deflated
    one that would become 64 times as large as what is stored (and over 16 MiB), or of which a file holds so many that
    they would become 2 GiB more than that.
    """
    live = StoredValues(path)
    arrays = list(live.arrays.values())
    if not stats:
        records = tuple([_record(array, None) for array in arrays])
        return records, shared_values(records), live
    with live.reading() as open_values:
        values = {array.name: open_values(array) for array in _affordable(live)}
        statistics = dict(zip(values, statistics_of_all(list(values.values()), full=stats == "full")))
        records = tuple([_record(array, statistics.get(array.name)) for array in arrays])
        return records, shared_values(records, [values.get(array.name) for array in arrays]), live


def _affordable(live: StoredValues) -> Iterator[StoredArray]:
    """The arrays that have values which may be read. Many small lies are no better than a great one."""
    left = _MOST
    for array in live.arrays.values():
        if live.has_values(array):
            left -= live.growth(array)
            if left >= 0:
                yield array


def _record(array: StoredArray, stats: Optional[Statistics]) -> ParameterRecord:
    # What is as in most arrays is left to the class: of a million records each entry takes memory.
    facts: Dict[str, Any] = {}
    if stats is not None:
        facts["stats"] = stats
    if array.aliases:
        facts.update(aliases=array.aliases, transposed=array.transposed)
    if array.stype != "default":
        facts["stype"] = array.stype
    name, shape, parts = array.name, array.shape, array.parts
    if parts:
        if array.context:
            facts["contexts"] = (array.context,)
        facts["size"] = math.prod(shape)  # type: ignore[arg-type]  # no dimension is None
        facts["bytes"] = parts[0].size if len(parts) == 1 else sum(part.size for part in parts)
    return ParameterRecord(name, name, role_of(name), shape, array.dtype, **facts)
