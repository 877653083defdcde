"""What shares values: one Parameter under several paths, two over one buffer, and a tie that broke.

A broken tie shows only as equal values in memory of their own. Equal statistics are the digest that finds candidates,
and equal bytes decide. Values that any two layers may well have in common are no evidence: one number throughout, rows
that are all alike, no more than two numbers (identity matrices, LSTM biases); nor are running statistics, Constants.
"""

from typing import Any, Dict, List, Optional, Sequence, Tuple

import numpy

from .records import ParameterRecord, SharedValues

__all__ = ["equal_bytes", "shared_values"]

_STEP = 1 << 20  # bytes that are compared at once


def shared_values(
    records: Sequence[ParameterRecord], values: Sequence[Optional[numpy.ndarray]]
) -> Tuple[SharedValues, ...]:
    """All sharing among these parameters; `values` are theirs, None where equal values are not to be looked for."""
    found = [SharedValues("parameter", (record.path, *record.aliases)) for record in records if record.aliases]
    buffers: Dict[int, List[str]] = {}
    for record in records:
        if record.buffer is not None:
            buffers.setdefault(record.buffer, []).append(record.path)
    found += [SharedValues("buffer", tuple(paths)) for paths in buffers.values() if len(paths) > 1]
    return (*found, *_broken_ties(records, values))


def _broken_ties(
    records: Sequence[ParameterRecord], values: Sequence[Optional[numpy.ndarray]]
) -> List[SharedValues]:
    alike: Dict[Any, List[Tuple[ParameterRecord, numpy.ndarray]]] = {}
    seen = set()
    for record, array in zip(records, values):
        if array is not None and record.buffer not in seen and _is_evidence(record):
            seen.add(record.buffer)
            alike.setdefault((record.shape, record.dtype, record.stats), []).append((record, array))
    found = []
    for candidates in alike.values():
        while len(candidates) > 1:
            (_, first), *_ = candidates
            same = [equal_bytes(first, array) for _, array in candidates]
            tied = tuple(record.path for (record, _), is_same in zip(candidates, same) if is_same)
            if len(tied) > 1 and _is_drawn(first):
                found.append(SharedValues("values", tied))
            candidates = [each for each, is_same in zip(candidates, same) if not is_same]
    return found


def _is_evidence(record: ParameterRecord) -> bool:
    stats = record.stats
    return (
        stats is not None
        and not record.constant
        and record.role not in ("running_mean", "running_var")
        and stats.min != stats.max
        and not stats.identical_rows
    )


def _is_drawn(array: numpy.ndarray) -> bool:
    return len(numpy.unique(array.reshape(-1)[: 1 << 16])) > 2


def equal_bytes(one: numpy.ndarray, other: numpy.ndarray) -> bool:
    """Whether two arrays of one dtype and shape are the same bits."""
    if one.dtype != other.dtype or one.shape != other.shape:
        return False
    first, second = (numpy.ascontiguousarray(each).reshape(-1).view(numpy.uint8) for each in (one, other))
    return all(
        numpy.array_equal(first[start : start + _STEP], second[start : start + _STEP])
        for start in range(0, first.size, _STEP)
    )
