"""Statistics of arrays: all cores, no copy of the whole, no sampling, in float64. Needs NumPy and nothing else.

An array, or what a file holds of one, is read in blocks that fit the cache: once for its moments and extremes; once to
count how many values fall in each of some thousand buckets, which are monotone in the values (`buckets`); and once for
the values of those buckets alone that hold a quantile or an edge of the histogram. Blocks are always cut alike, so the
number of threads changes no bit of the result.
"""

import math
import threading
from typing import Any, Callable, Dict, Iterator, List, Optional, Sequence, Tuple

import numpy

from ..display import printable
from ..parallel import Job, run
from .buckets import Bits, Buckets, buckets_between
from .records import Histogram, Statistics
from .summing import Block, Summed, exact, is_bfloat16, readable

__all__ = ["BINS", "QUANTILES", "statistics_of", "statistics_of_all"]

QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
BINS = 50

_SMALL = 2048  # values that are sorted sooner than counted
# Values, half a MiB as float64: they fit the cache. The memory of larger arrays goes back to the system each time and
# is fetched anew for the next block, page by page, which costs more than all arithmetic.
_BLOCK = 1 << 16
_PIECE = 16 * _BLOCK  # values that one job looks at
_MANY = 1 / 8  # of all values: so many in the buckets that matter are too many


def statistics_of(array: numpy.ndarray) -> Statistics:
    """The statistics of one array of numbers.

    Raises
    ------
    TypeError
        The array does not hold real numbers.
    """
    return statistics_of_all([array])[0]


def statistics_of_all(arrays: Sequence[Any], quantiles: bool = True) -> List[Statistics]:
    """The statistics of many arrays, which share the cores; without quantiles and histograms the values are read once.

    An array may be the `Values` of a file: then no more of it is in memory than the blocks under way.
    """
    surveys = [_Survey(readable(array), quantiles) for array in arrays]
    large = [survey for survey in surveys if survey.size > 2 * _PIECE and not survey.array.forward]
    apart = {id(survey) for survey in large}
    whole: List[Job] = [(each.array.nbytes, each.whole) for each in surveys if id(each) not in apart]
    run([job for survey in large for job in survey.jobs(survey.look)] + whole)
    for survey in large:
        survey.summarize()
    while any(survey.counting for survey in large):  # a second time where the first buckets told too little
        under_way = [survey for survey in large if survey.counting]
        run([job for survey in under_way for job in survey.jobs(survey.count)])
        for survey in under_way:
            survey.resolve()
    run([job for survey in large for job in survey.jobs(survey.pick)])
    run([(each.array.nbytes, each.finish) for each in large])
    return [survey.result for survey in surveys]


class _Survey:
    """One array under way: `look` at every piece, `summarize`, `count` and `resolve`, `pick`, `finish`."""

    result: Statistics

    def __init__(self, array: Any, quantiles: bool) -> None:
        if array.dtype.kind not in "biuf" and not is_bfloat16(array.dtype):
            raise TypeError(f"statistics need real numbers, found an array of dtype {printable(str(array.dtype))}")
        self.array, self.size, self._quantiles = array, array.size, quantiles
        self._read: Callable[[int, int], numpy.ndarray] = array.sections() if not array.forward else _nothing
        self._blocks: List[Optional[Block]] = [None] * -(-self.size // _BLOCK)
        self._buckets: Optional[Buckets] = None  # where counting is still to be done
        self._wanted: Optional[numpy.ndarray] = None  # which buckets matter, where counting has told
        self._picked: List[Tuple[numpy.ndarray, numpy.ndarray]] = []
        self._kept: Optional[numpy.ndarray] = None  # the values of the only block there is, once they were read
        self._lock = threading.Lock()

    def jobs(self, call: Callable[[int], None]) -> List[Job]:
        """One job a piece."""
        size = min(self.size, _PIECE) * self.array.itemsize
        return [(size, _Call(call, start)) for start in range(0, self.size, _PIECE)]

    def whole(self) -> None:
        """All of it, on this thread."""
        if self.array.forward:  # what it keeps in memory, it keeps no longer than this
            self._read = self.array.sections()
        starts = range(0, self.size, _PIECE)
        for start in starts:
            self.look(start)
        self.summarize()
        while self.counting:
            for start in starts:
                self.count(start)
            self.resolve()
        for start in starts:
            self.pick(start)
        self.finish()

    def look(self, start: int) -> None:
        """First pass over a piece: moments and extremes."""
        for block, values, _ in self._values(start):
            self._blocks[block] = Block(values)

    def summarize(self) -> None:
        """What the array comes to; where the edges of the histogram are, and the values that quantiles lie between."""
        self._summed = summed = Summed([block for block in self._blocks if block is not None])
        self._edges: Any = _edges(summed) if self._quantiles else None
        if self._edges is None or summed.low == summed.high:
            return
        ranks = {rank for low, _, _ in _ranks(summed.finite) for rank in (low, min(low + 1, summed.finite - 1))}
        self._ranks = numpy.array(sorted(ranks))
        if self.size > _SMALL:
            self._use(buckets_between(summed.low, summed.high, summed.finite))

    @property
    def counting(self) -> bool:
        """Whether it has to be counted (again)."""
        return self._buckets is not None

    def _use(self, buckets: Buckets) -> None:
        self._buckets, self._counts = buckets, numpy.zeros(buckets.number, numpy.int64)

    def count(self, start: int) -> None:
        """Second pass over a piece: how many values are in each bucket."""
        assert self._buckets is not None
        counts = numpy.zeros(self._buckets.number, numpy.int64)
        for _, values, times in self._values(start):
            counts += times * numpy.bincount(self._buckets.of(values), minlength=counts.size)
        with self._lock:
            self._counts += counts

    def resolve(self) -> None:
        """In which buckets the edges and the ranks are: those that the third pass has to read."""
        assert self._buckets is not None
        self._below = numpy.cumsum(self._counts)
        edges = self._buckets.of(self._edges)
        self._on_edge, self._on_rank = numpy.zeros((2, self._counts.size), numpy.bool_)
        self._on_edge[edges] = True
        self._on_rank[numpy.searchsorted(self._below, self._ranks, "right")] = True
        self._wanted = self._on_edge | self._on_rank
        if self._counts[self._wanted].sum() > _MANY * self._summed.finite and not isinstance(self._buckets, Bits):
            self._use(Bits())  # far apart from the rest lie some values
            return
        self._used, self._buckets = self._buckets, None
        # What is in a bucket without an edge lies in one bin: above all edges of the buckets below.
        full = numpy.flatnonzero((self._counts > 0) & ~self._on_edge)
        bins = numpy.searchsorted(edges, full) - 1
        self._bins = numpy.bincount(bins, self._counts[full], BINS).astype(numpy.int64)  # sums below 2**53 are exact

    def pick(self, start: int) -> None:
        """Third pass over a piece: the values of the buckets that matter."""
        if self._wanted is None:
            return
        bins, picked = numpy.zeros(BINS, numpy.int64), []
        for _, values, times in self._values(start):
            bucket = self._used.of(values)
            where = numpy.flatnonzero(self._wanted[bucket])
            values, bucket = values[where], bucket[where]
            on_edge = values[self._on_edge[bucket]]
            # Bins are closed below, the last one above too.
            in_bin = numpy.minimum(numpy.searchsorted(self._edges, on_edge, "right") - 1, BINS - 1)
            bins += times * numpy.bincount(in_bin, minlength=BINS)
            unique, counts = numpy.unique(values[self._on_rank[bucket]], return_counts=True)
            picked.append((unique, times * counts))
        with self._lock:
            self._bins += bins
            self._picked += picked

    def finish(self) -> None:
        """The statistics, from what all passes found."""
        quantiles: Tuple[Tuple[float, float], ...] = ()
        histogram = None
        if self._edges is not None:
            quantiles = self._found_quantiles()
            histogram = Histogram(tuple(self._edges.tolist()), tuple(self._bins.tolist()))
        self.result = self._summed.statistics(self.array, quantiles, histogram)
        self._kept = self._wanted = None
        self._picked, self._read = [], _nothing

    def _found_quantiles(self) -> Tuple[Tuple[float, float], ...]:
        summed = self._summed
        if summed.low == summed.high:  # which the first pass has told: no second one is needed
            place = min(int(numpy.searchsorted(self._edges, summed.low, "right")) - 1, BINS - 1)
            self._bins = numpy.bincount([place], [summed.finite], BINS).astype(numpy.int64)
            return tuple((quantile, summed.low) for quantile in QUANTILES)
        found = self._sorted() if self._wanted is None else self._selected()
        return _interpolated(summed.finite, dict(zip(self._ranks.tolist(), found.tolist())))

    def _sorted(self) -> numpy.ndarray:
        """The values of the ranks of a small array; and its histogram."""
        values = numpy.sort(next(self._values(0))[1])
        below: Any = numpy.searchsorted(values, self._edges, "left")
        below[-1] = values.size  # the last bin is closed
        self._bins = numpy.diff(below)
        return values[self._ranks]

    def _selected(self) -> numpy.ndarray:
        """The values of the ranks, from those that were picked."""
        values, counts = (numpy.concatenate(each) for each in zip(*self._picked))
        order = numpy.argsort(values)
        values, picked = values[order], numpy.cumsum(counts[order])
        # How many are not above a value: those in lower buckets, and those that were picked up to it in its own.
        bucket = self._used.of(values)
        first = numpy.searchsorted(bucket, bucket, "left")
        before = numpy.where(first > 0, picked[first - 1], 0)
        upto = self._below[bucket] - self._counts[bucket] + picked - before
        return values[numpy.searchsorted(upto, self._ranks, "right")]

    def _values(self, start: int) -> Iterator[Tuple[int, numpy.ndarray, int]]:
        """The blocks of a piece, by number, and how often their values stand there.

        Once the piece was looked at, of finite values alone, and a block of one number is not read again.
        """
        if self._kept is not None:
            yield 0, self._kept, 1
            return
        for begin in range(start, min(start + _PIECE, self.size), _BLOCK):
            block = begin // _BLOCK
            seen = self._blocks[block]
            if seen is not None and seen.low == seen.high:
                yield block, numpy.array([seen.low]), seen.size
                continue
            values = exact(self._read(begin, min(begin + _BLOCK, self.size)))
            yield block, values if seen is None or seen.all_finite else values[numpy.isfinite(values)], 1
            if self.size <= _BLOCK and seen is None:
                found = self._blocks[block]
                self._kept = values if found is None or found.all_finite else values[numpy.isfinite(values)]


def _nothing(begin: int, end: int) -> numpy.ndarray:
    raise RuntimeError("the values are not open")


class _Call:
    __slots__ = ("call", "start")

    def __init__(self, call: Callable[[int], None], start: int) -> None:
        self.call, self.start = call, start

    def __call__(self) -> None:
        self.call(self.start)


_STEPS = numpy.arange(BINS + 1, dtype=numpy.float64)


def _edges(summed: Summed) -> Optional[numpy.ndarray]:
    """The edges of the histogram, as `numpy.histogram` makes them; None where no value is finite."""
    if not summed.finite:
        return None
    low, high = summed.low, summed.high
    if low == high:
        low, high = low - 0.5, high + 0.5
    step = (high - low) / BINS
    if math.isfinite(step) and step:
        edges = _STEPS * step  # numpy.linspace, without its overhead
        edges += low
        edges[-1] = high
        return edges
    if not step:
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
