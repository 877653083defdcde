"""Statistics of many arrays, computed on all cores (`survey`), and groups of parameters that share values.

A broken tie shows only as equal values in separate memory. Arrays with equal statistics are candidates, and digests of
their bytes decide, so that no two arrays have to be in memory at once. Only weights are compared: two biases or betas
that start equal and feed one sum get the same gradient and stay equal for ever, as an LSTM's ``i2h_bias`` and
``h2h_bias`` do. Values that unrelated layers often have in common are no evidence: a constant array, identical rows, at
most two different numbers (identity matrices). Neither are Constants.
"""

from functools import partial
import hashlib
from itertools import chain
from typing import Any, Dict, Iterator, List, Sequence, Tuple

import numpy

from ..parallel import Job, run
from .records import ParameterRecord, SharedValues, Statistics
from .survey import MOST_AT_ONCE, cut, readable, steps, survey

_STEP = 1 << 18  # values read at once


def statistics_of(array: numpy.ndarray) -> Statistics:
    """All statistics of one array, with quantiles and a histogram. Raises a TypeError if it holds no real numbers."""
    return statistics_of_all([array], full=True)[0]


def statistics_of_all(arrays: Sequence[Any], full: bool = False) -> List[Statistics]:
    """Moments and counts of many arrays, computed on all cores; with `full`, quantiles and histograms as well.

    An array may be the `Values` of a file. For moments, only the blocks that are being read are in memory, unless the
    array has to be unpacked.
    """
    results: List[List[Statistics]] = [[] for _ in arrays]
    small: List[Job] = []
    large: List[Iterator[List[Job]]] = []
    for array, result in zip(map(readable, arrays), results):
        if array.size > MOST_AT_ONCE and not array.forward:
            large.append(steps(array, full, result))
        else:
            small.append((array.nbytes, partial(survey, array, full, result)))
    jobs = zip(*large)
    run([*small, *chain.from_iterable(next(jobs, ()))])
    for step in jobs:
        run([*chain.from_iterable(step)])
    return [result for (result,) in results]


def shared_values(records: Sequence[ParameterRecord], arrays: Sequence[Any] = ()) -> Tuple[SharedValues, ...]:
    """All groups of these parameters that share values. `arrays` are their values, in memory or the `Values` of a file.
    Without `arrays`, equal values are not searched.
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
        stats = record.stats
        drawn = stats is not None and stats.min != stats.max and not stats.identical_rows
        if drawn and record.role == "weight" and not record.constant:  # a buffer counts once
            by_buffer = candidates.setdefault((record.shape, record.dtype, stats), {})
            by_buffer.setdefault(-1 - number if record.buffer is None else record.buffer, number)
    for by_buffer in candidates.values():
        equal: Dict[bytes, List[int]] = {}
        for number in by_buffer.values() if len(by_buffer) > 1 else ():
            equal.setdefault(digest_of(arrays[number]), []).append(number)
        for numbers in equal.values():
            first = readable(arrays[numbers[0]])
            if len(numbers) > 1 and len(numpy.unique(first.sections()(0, min(first.size, 1 << 16)))) > 2:
                yield SharedValues("values", tuple(records[number].path for number in numbers))


def digest_of(array: Any) -> bytes:
    """A digest of an array's bytes and their memory order."""
    array = readable(array)
    digest, read = hashlib.sha256(array.order.encode()), array.sections()
    for begin, end in cut(array.size, _STEP):
        digest.update(numpy.ascontiguousarray(read(begin, end)).view(numpy.uint8))  # type: ignore[arg-type]
    return digest.digest()


def equal_bytes(one: numpy.ndarray, other: numpy.ndarray) -> bool:
    """Whether two arrays have the same dtype, shape and bits."""
    if one.dtype != other.dtype or one.shape != other.shape:
        return False
    first, second = (numpy.ascontiguousarray(array).reshape(-1).view(numpy.uint8) for array in (one, other))
    return all(numpy.array_equal(first[begin:end], second[begin:end]) for begin, end in cut(first.size, _STEP))
