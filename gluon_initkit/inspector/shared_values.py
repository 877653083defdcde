"""What shares values: one Parameter under several paths, two over one buffer, and weights of equal values.

A tie that broke shows only as equal values in memory of their own. Equal statistics find candidates, and the digest of
their bytes decides, so that no two of them have to be in memory at once. Only weights are compared: two biases, or two
betas, that start alike and feed one sum get the same gradient and stay equal for ever, as an LSTM's ``i2h_bias`` and
``h2h_bias`` do. Values that any two layers may well have in common are no evidence: one number throughout, rows that
are all alike, no more than two numbers (identity matrices); nor are Constants.
"""

import hashlib
from typing import Any, Callable, Dict, Iterator, List, Sequence, Tuple

import numpy

from .records import ParameterRecord, SharedValues
from .summing import readable

__all__ = ["equal_bytes", "shared_values"]

_STEP = 1 << 18  # values that are looked at at once


def shared_values(
    records: Sequence[ParameterRecord], read: Callable[[int], Any]
) -> Tuple[SharedValues, ...]:
    """All sharing among these parameters. ``read(number)`` answers a record's values, an array or the `Values` of a
    file; where it has no statistics, equal values are not looked for.
    """
    found = [SharedValues("parameter", each.paths) for each in records if each.aliases]
    held = [record.buffer for record in records if record.buffer is not None]
    if len(set(held)) < len(held):
        buffers: Dict[int, List[str]] = {}
        for record in records:
            if record.buffer is not None:
                buffers.setdefault(record.buffer, []).append(record.path)
        found += [SharedValues("buffer", tuple(paths)) for paths in buffers.values() if len(paths) > 1]
    if any(record.stats for record in records):
        found += _equal_weights(records, read)
    return tuple(found)


def _equal_weights(records: Sequence[ParameterRecord], read: Callable[[int], Any]) -> Iterator[SharedValues]:
    alike: Dict[Any, List[int]] = {}
    seen = set()
    for number, record in enumerate(records):
        if record.buffer not in seen and _is_evidence(record):
            if record.buffer is not None:
                seen.add(record.buffer)
            alike.setdefault((record.shape, record.dtype, record.stats), []).append(number)
    for candidates in alike.values():
        tied: Dict[bytes, List[int]] = {}
        for number in candidates if len(candidates) > 1 else ():
            tied.setdefault(_digest(readable(read(number))), []).append(number)
        for numbers in tied.values():
            if len(numbers) > 1 and _is_drawn(readable(read(numbers[0]))):
                yield SharedValues("values", tuple(records[number].path for number in numbers))


def _digest(array: Any) -> bytes:
    digest, section = hashlib.sha256(array.order.encode()), array.sections()
    for start in range(0, array.size, _STEP):
        values = numpy.ascontiguousarray(section(start, min(start + _STEP, array.size)))
        digest.update(values.view(numpy.uint8))  # type: ignore[arg-type]
    return digest.digest()


def _is_evidence(record: ParameterRecord) -> bool:
    stats = record.stats
    return (
        stats is not None
        and not record.constant
        and record.role == "weight"
        and stats.min != stats.max
        and not stats.identical_rows
    )


def _is_drawn(array: Any) -> bool:
    return len(numpy.unique(array.sections()(0, min(array.size, 1 << 16)))) > 2


def equal_bytes(one: numpy.ndarray, other: numpy.ndarray) -> bool:
    """Whether two arrays of one dtype and shape are the same bits."""
    if one.dtype != other.dtype or one.shape != other.shape:
        return False
    first, second = (numpy.ascontiguousarray(each).reshape(-1).view(numpy.uint8) for each in (one, other))
    return all(
        numpy.array_equal(first[start : start + _STEP], second[start : start + _STEP])
        for start in range(0, first.size, _STEP)
    )
