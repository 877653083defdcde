"""Statistics of arrays: all cores, no copy of the whole, no sampling, in float64. Needs NumPy and nothing else.

An array is looked at in blocks that fit the cache. The high sixteen bits of a value as float32 are monotone in it, for
every dtype, so one count of them says in which of 65,536 buckets each quantile and each edge of the histogram falls; a
second pass then reads only the values of those buckets. Blocks are always cut alike, so the result does not depend on
the number of threads.
"""

import math
import threading
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple

import numpy

from ..parallel import Job, run
from .records import Histogram, Statistics
from .summing import Block, Summed, exact, is_bfloat16, keys

__all__ = ["BINS", "QUANTILES", "statistics_of", "statistics_of_all"]

QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
BINS = 50

_SMALL = 4096  # values that are sorted sooner than counted
_BLOCK = 1 << 17  # values, 1 MiB as float64
_PIECE = 8 * _BLOCK  # values that one job looks at
# From the lowest bucket to the highest: negative numbers have the sign bit set and grow downwards.
_ORDER = numpy.concatenate([numpy.arange(0xFFFF, 0x7FFF, -1), numpy.arange(0x8000)])
_LOWEST = (_ORDER.astype(numpy.uint32) << 16).view(numpy.float32).astype(numpy.float64)


def statistics_of(array: numpy.ndarray) -> Statistics:
    """The statistics of one array of numbers; a memory map is read once, block by block (its middle twice).

    Raises
    ------
    TypeError
        The array does not hold real numbers.
    """
    return statistics_of_all([array])[0]


def statistics_of_all(arrays: Sequence[numpy.ndarray]) -> List[Statistics]:
    """The statistics of many arrays, which share the cores."""
    surveys = [_Survey(array) for array in arrays]
    large = [survey for survey in surveys if survey.size > 2 * _PIECE]
    # What is not large is done whole by one job, so that its 65,536 counts are not kept while others are looked at.
    jobs: List[Job] = [(survey.array.nbytes, survey.whole) for survey in surveys if survey.size <= 2 * _PIECE]
    run([job for survey in large for job in survey.jobs(survey.look)] + jobs)
    run([(each.array.nbytes, each.resolve) for each in large])
    run([job for survey in large for job in survey.jobs(survey.pick)])
    run([(each.array.nbytes, each.finish) for each in large])
    return [survey.result for survey in surveys]


class _Survey:
    """One array under way: `look` at every piece, `resolve`, `pick` from every piece, `finish`."""

    result: Statistics

    def __init__(self, array: numpy.ndarray) -> None:
        if array.dtype.kind not in "biuf" and not is_bfloat16(array.dtype):
            raise TypeError(f"statistics need real numbers, found an array of dtype {array.dtype}")
        self.array, self.size = array, array.size
        self._flat = array.reshape(-1)
        self._blocks: List[Optional[Block]] = [None] * -(-self.size // _BLOCK)
        self._counts = self._held = numpy.zeros(0, numpy.int64)
        self._picked: List[Tuple[numpy.ndarray, numpy.ndarray]] = []
        self._lock = threading.Lock()

    def jobs(self, call: Callable[[int], None]) -> List[Job]:
        """One job a piece."""
        size = min(self.size, _PIECE) * self.array.itemsize
        return [(size, _Call(call, start)) for start in range(0, self.size, _PIECE)]

    def whole(self) -> None:
        """All of it, on this thread."""
        if self.size <= _SMALL:
            self._sorted()
            return
        for _, job in self.jobs(self.look):
            job()
        self.resolve()
        for _, job in self.jobs(self.pick):
            job()
        self.finish()

    def look(self, start: int) -> None:
        """First pass over a piece: moments, extremes, and counts of the buckets."""
        counts = numpy.zeros(1 << 16, numpy.int64)
        for block, values in self._values(start):
            self._blocks[block] = found = Block(values)
            counts += numpy.bincount(keys(found.finite), minlength=1 << 16)
            found.finite = None
        with self._lock:
            self._counts = self._counts + counts if self._counts.size else counts

    def resolve(self) -> None:
        """Where the quantiles and the edges are: the buckets that the second pass has to read."""
        self._summed = Summed([block for block in self._blocks if block is not None])
        self._edges = _edges(self._summed)
        self._bins = numpy.zeros(BINS, numpy.int64)
        if self._edges is None:
            return
        counts = self._counts[_ORDER]
        self._below = numpy.cumsum(counts)
        ranks = sorted({rank for low, _, _ in _ranks(self._summed.finite) for rank in (low, low + 1)})
        self._ranks = numpy.array([rank for rank in ranks if rank < self._summed.finite])
        self._on_edge, self._on_rank = numpy.zeros((2, 1 << 16), numpy.bool_)
        self._on_edge[keys(self._edges)] = True
        self._on_rank[_ORDER[numpy.searchsorted(self._below, self._ranks, "right")]] = True
        self._wanted = self._on_edge | self._on_rank
        # A bucket without an edge lies in one bin, and so does its lowest value.
        whole = numpy.flatnonzero((counts > 0) & ~self._on_edge[_ORDER])
        numpy.add.at(self._bins, _bin(self._edges, _LOWEST[whole]), counts[whole])

    def pick(self, start: int) -> None:
        """Second pass over a piece: the values of the buckets that are wanted."""
        if self._edges is None:
            return
        bins, picked = numpy.zeros(BINS, numpy.int64), []
        for _, values in self._values(start):
            values = values if self._summed.all_finite else values[numpy.isfinite(values)]
            bucket = keys(values)
            where = numpy.flatnonzero(self._wanted[bucket])
            values, bucket = values[where], bucket[where]
            bins += numpy.bincount(_bin(self._edges, values[self._on_edge[bucket]]), minlength=BINS)
            picked.append(numpy.unique(values[self._on_rank[bucket]], return_counts=True))
        with self._lock:
            self._bins += bins
            self._picked += picked

    def finish(self) -> None:
        """The statistics, from what both passes found."""
        quantiles: Tuple[Tuple[float, float], ...] = ()
        histogram = None
        if self._edges is not None:
            values, counts = (numpy.concatenate(each) for each in zip(*self._picked))
            order = numpy.argsort(values)
            values, counts = values[order], counts[order]
            # The rank of a value: those in lower buckets, and those that were picked before it in its own.
            bucket = _POSITION[keys(values)]
            picked = numpy.cumsum(counts)
            first = numpy.searchsorted(bucket, bucket, "left")
            before = numpy.where(first > 0, picked[first - 1], 0)
            last = numpy.where(bucket > 0, self._below[bucket - 1], 0) + picked - before
            found = values[numpy.searchsorted(last, self._ranks, "right")]
            quantiles = _interpolated(self._summed.finite, dict(zip(self._ranks.tolist(), found.tolist())))
            histogram = Histogram(tuple(self._edges.tolist()), tuple(self._bins.tolist()))
        self.result = self._summed.statistics(self.array, quantiles, histogram)
        self._counts = self._wanted = self._below = None  # type: ignore[assignment]  # half a megabyte each

    def _sorted(self) -> None:
        """A small array: sorting it says all."""
        block = Block(exact(self._flat))
        summed = Summed([block] if self.size else [])
        edges = _edges(summed)
        if edges is None:
            self.result = summed.statistics(self.array, (), None)
            return
        values = numpy.sort(block.finite)
        ranks = {rank: float(values[rank]) for low, _, _ in _ranks(values.size)
                 for rank in (low, min(low + 1, values.size - 1))}  # fmt: skip
        below = numpy.searchsorted(values, edges, "left")
        below[-1] = values.size  # the last bin is closed
        histogram = Histogram(tuple(edges.tolist()), tuple(numpy.diff(below).tolist()))
        self.result = summed.statistics(self.array, _interpolated(values.size, ranks), histogram)

    def _values(self, start: int) -> Any:
        for begin in range(start, min(start + _PIECE, self.size), _BLOCK):
            yield begin // _BLOCK, exact(self._flat[begin : begin + _BLOCK])


_POSITION = numpy.argsort(_ORDER)


class _Call:
    __slots__ = ("call", "start")

    def __init__(self, call: Callable[[int], None], start: int) -> None:
        self.call, self.start = call, start

    def __call__(self) -> None:
        self.call(self.start)


def _bin(edges: numpy.ndarray, values: numpy.ndarray) -> numpy.ndarray:
    """In which bin each value lies: bins are closed below, the last one above too."""
    return numpy.minimum(numpy.searchsorted(edges, values, "right") - 1, BINS - 1)


def _edges(summed: Summed) -> Optional[numpy.ndarray]:
    """The edges of the histogram, as `numpy.histogram` makes them; None where no value is finite."""
    if not summed.finite:
        return None
    low, high = summed.low, summed.high
    if low == high:
        low, high = low - 0.5, high + 0.5
    if math.isfinite(high - low):
        return numpy.linspace(low, high, BINS + 1)
    edges = 2 * numpy.linspace(low / 2, high / 2, BINS + 1)
    edges[0], edges[-1] = low, high
    return edges


def _ranks(size: int) -> List[Tuple[int, float, float]]:
    """For each quantile the rank below it, how far it is to the next, and the quantile: NumPy's linear method."""
    exact = [(size - 1) * quantile for quantile in QUANTILES]
    return [(int(rank), rank - int(rank), quantile) for rank, quantile in zip(exact, QUANTILES)]


def _interpolated(size: int, values: Dict[int, float]) -> Tuple[Tuple[float, float], ...]:
    found = []
    for rank, share, quantile in _ranks(size):
        low, high = values[rank], values.get(rank + 1, values[rank])
        apart = high - low
        # From the nearer end, as NumPy does.
        found.append((quantile, low + apart * share if share < 0.5 else high - apart * (1 - share)))
    return tuple(found)
