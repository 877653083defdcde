"""What shares values: one Parameter under several paths, two over one buffer, and weights of equal values.

A tie that broke shows only as equal values in memory of their own. Equal statistics find candidates, and the digest of
their bytes decides, so that no two of them have to be in memory at once. Only weights are compared: two biases, or two
betas, that start alike and feed one sum get the same gradient and stay equal for ever, as an LSTM's ``i2h_bias`` and
``h2h_bias`` do. Values that any two layers may well have in common are no evidence: one number throughout, rows that
are all alike, no more than two numbers (identity matrices); nor are Constants.
"""

import hashlib
from typing import Any, Dict, Iterator, List, Sequence, Tuple

import numpy

from .records import ParameterRecord, SharedValues
from .survey import readable

_STEP = 1 << 18  # values that are looked at at once


def shared_values(records: Sequence[ParameterRecord], arrays: Sequence[Any] = ()) -> Tuple[SharedValues, ...]:
    """All sharing among these parameters. `arrays` are their values, in memory or the `Values` of a file; without them,
    equal values are not looked for.
    """
    groups = [SharedValues("parameter", record.paths) for record in records if record.aliases]
    buffers: Dict[int, List[str]] = {}
    for record in records:
        if record.buffer is not None:
            buffers.setdefault(record.buffer, []).append(record.path)
    groups += [SharedValues("buffer", tuple(paths)) for paths in buffers.values() if len(paths) > 1]
    return (*groups, *(_equal_weights(records, arrays) if arrays else ()))


def _equal_weights(records: Sequence[ParameterRecord], arrays: Sequence[Any]) -> Iterator[SharedValues]:
    candidates: Dict[Any, Dict[Any, int]] = {}
    for number, record in enumerate(records):
        if _may_be_tied(record):  # of one buffer, the first parameter alone
            alike = candidates.setdefault((record.shape, record.dtype, record.stats), {})
            alike.setdefault(-1 - number if record.buffer is None else record.buffer, number)
    for alike in candidates.values():
        equal: Dict[bytes, List[int]] = {}
        for number in alike.values() if len(alike) > 1 else ():
            equal.setdefault(_digest(readable(arrays[number])), []).append(number)
        for numbers in equal.values():
            if len(numbers) > 1 and _has_many_numbers(readable(arrays[numbers[0]])):
                yield SharedValues("values", tuple(records[number].path for number in numbers))


def _may_be_tied(record: ParameterRecord) -> bool:
    stats = record.stats
    drawn = stats is not None and stats.min != stats.max and not stats.identical_rows
    return drawn and record.role == "weight" and not record.constant


def _digest(array: Any) -> bytes:
    digest, read = hashlib.sha256(array.order.encode()), array.sections()
    for begin in range(0, array.size, _STEP):
        values = numpy.ascontiguousarray(read(begin, min(begin + _STEP, array.size)))
        digest.update(values.view(numpy.uint8))  # type: ignore[arg-type]
    return digest.digest()


def _has_many_numbers(array: Any) -> bool:
    return len(numpy.unique(array.sections()(0, min(array.size, 1 << 16)))) > 2


def equal_bytes(one: numpy.ndarray, other: numpy.ndarray) -> bool:
    """Whether two arrays of one dtype and shape are the same bits."""
    if one.dtype != other.dtype or one.shape != other.shape:
        return False
    first, second = (numpy.ascontiguousarray(array).reshape(-1).view(numpy.uint8) for array in (one, other))
    steps = [slice(start, start + _STEP) for start in range(0, first.size, _STEP)]
    return all(numpy.array_equal(first[step], second[step]) for step in steps)
