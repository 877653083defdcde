"""The statistics of one array, in steps that several threads can share. Needs only NumPy.

Moments and counts are computed in one pass over blocks that fit the cache, and merged. Quantiles and a histogram, if
requested, use NumPy's sort and search. Of a large array, only the values that they depend on are sorted: the first pass
counts the upper bits of all values, and the second keeps the values with the upper bits of a quantile or an edge.
Blocks have fixed bounds and are merged in order, so the number of threads changes no bit of the result.
"""

from functools import partial
import math
import sys
import threading
from typing import Any, Callable, Dict, Iterable, Iterator, List, Optional, Tuple

import numpy

from ..display import printable
from ..parallel import Job
from .records import Histogram, Statistics

QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
BINS = 50

# Values of a block: 1 MiB as float64. It fits the cache, and is large enough that threads seldom wait for each other.
_BLOCK = 1 << 17
_CHUNK = 2 * _BLOCK  # values whose upper bits are counted at once
_PIECE = 8 * _BLOCK  # values that one job reads
MOST_AT_ONCE = 2 * _PIECE  # values of the largest array whose steps all run on one thread
_FEW = 1 << 15  # values of the largest array that is sorted as a whole, which is faster than counting

_Section = Callable[[int, int], numpy.ndarray]  # the values from a begin to an end


def merge(parts: Iterable[Optional[Statistics]]) -> Optional[Statistics]:
    """Merge the statistics of several arrays without reading the values again. Returns None if there are none.

    The variance is the mean variance plus the variance of the means, weighted by the numbers of finite values (Chan,
    Golub and LeVeque, 1983). Quantiles and histograms cannot be merged and are left out.
    """
    known = [part for part in parts if part is not None]
    if len(known) < 2:
        return known[0] if known else None
    mean = std = low = high = None
    moments: Any = [(_finite(part), part.mean, part.std) for part in known if part.mean is not None]
    if moments:
        finite = sum(size for size, _, _ in moments)
        mean = _total(size * part_mean for size, part_mean, _ in moments) / finite
        # A product overflows to inf; a power would raise an OverflowError.
        squares = (size * (part_std * part_std + (part_mean - mean) * (part_mean - mean))
                   for size, part_mean, part_std in moments)  # fmt: skip
        std = math.sqrt(_total(squares) / finite)
        low = min(part.min for part in known if part.min is not None)
        high = max(part.max for part in known if part.max is not None)
    norm = math.sqrt(_total(part.norm * part.norm for part in known))
    names = ("count", "zeros", "nan", "posinf", "neginf")
    counts = {name: sum(getattr(part, name) for part in known) for name in names}
    return Statistics(mean=mean, std=std, min=low, max=high, norm=norm, **counts)


def _finite(part: Statistics) -> int:
    return part.count - part.nan - part.posinf - part.neginf


class _InMemory(numpy.ndarray):
    """An array in memory, with the interface of the `Values` of a file."""

    order, forward = "C", False

    def sections(self) -> _Section:
        flat = self.view(numpy.ndarray).reshape(-1)
        return lambda begin, end: flat[begin:end]


def readable(array: Any) -> Any:
    """The array as an object with `sections`: the `Values` of a file, or a view of an array in memory."""
    return array.view(_InMemory) if isinstance(array, numpy.ndarray) else array


def steps(array: Any, full: bool, result: List[Statistics]) -> Iterator[List[Job]]:
    """Yield the jobs of each step that computes an array's statistics. The last job appends them to `result`."""
    if array.dtype.kind not in "biuf" and array.dtype.names != ("bfloat16",):
        raise TypeError(f"statistics need real numbers, found an array of dtype {printable(str(array.dtype))}")
    values, order = array.sections(), _Order(array) if full else None
    blocks: List[Optional[Statistics]] = [None] * -(-array.size // _BLOCK)

    def first_pass(begin: int, end: int) -> None:
        # One allocation: the page faults of new memory take longer than the arithmetic.
        scratch = numpy.empty(min(end - begin, _BLOCK))
        for start, stop in cut(end, _CHUNK, begin):
            chunk = values(start, stop)
            for offset, until in cut(stop - start, _BLOCK):
                blocks[(start + offset) // _BLOCK] = _moments(chunk[offset:until], scratch)
            if order is not None:
                order.count(chunk)

    def second_pass(begin: int, end: int) -> None:
        for start, stop in cut(end, _CHUNK, begin):
            order.keep(values(start, stop))  # type: ignore[union-attr]

    def finish() -> None:
        extras = order.results() if order is not None else {}
        result.append(Statistics(**{**vars(moments), "identical_rows": _has_identical_rows(array, values), **extras}))

    pieces = [((end - begin) * array.itemsize, begin, end) for begin, end in cut(array.size, _PIECE)]
    yield [(size, partial(first_pass, begin, end)) for size, begin, end in pieces]
    moments = merge(blocks) or Statistics(0, None, None, None, None, 0.0, 0, 0, 0, 0)
    if moments.min is None:  # there is no finite value
        order = None
    if order is not None:
        order.choose(moments)
    yield [(size, partial(second_pass, begin, end)) for size, begin, end in pieces if order is not None]
    yield [(array.nbytes, finish)]


def survey(array: Any, full: bool, result: List[Statistics]) -> None:
    """Run all steps on this thread. A file's array that has to be unpacked stays in memory only meanwhile."""
    for jobs in steps(array, full, result):
        for _, job in jobs:
            job()


class _Order:
    """Quantiles and a histogram of one array: `count` all values, `choose`, pass all to `keep`, then get `results`."""

    def __init__(self, array: Any) -> None:
        self._kind = _as_float(numpy.empty(0, array.dtype)).dtype
        # All values of small arrays and of other types are kept.
        self._counted = array.size > _FEW and self._kind in (numpy.float32, numpy.float64)
        self._counts: Any = 0
        self._kept: List[numpy.ndarray] = []
        self._lock = threading.Lock()

    def count(self, values: numpy.ndarray) -> None:
        """Count the upper bits of these values."""
        if self._counted:
            counts = numpy.bincount(_upper_bits(_as_float(values)), minlength=1 << 16)
            with self._lock:
                self._counts = self._counts + counts

    def choose(self, moments: Statistics) -> None:
        """Choose the upper bits of values to keep: those of the quantiles' neighbours and of the edges."""
        size = _finite(moments)
        self._all_finite = size == moments.count
        self._edges = _edges(moments.min, moments.max)
        positions = numpy.multiply(QUANTILES, size - 1)
        ranks = positions.astype(numpy.intp)
        self._share, self._ranks = positions - ranks, numpy.stack([ranks, numpy.minimum(ranks + 1, size - 1)])
        if self._counted:
            infinite = int(_upper_bits(numpy.array([math.inf], self._kind))[0])
            upward = _UPWARD[numpy.less(_UPWARD & 0x7FFF, infinite)]
            places = numpy.searchsorted(numpy.cumsum(self._counts[upward]), self._ranks, "right")
            self._ranked = _marked(upward[places])  # the upper bits of the quantiles' neighbours
            skipped = numpy.where(self._ranked, 0, self._counts)[upward]
            self._ranks -= (numpy.cumsum(skipped) - skipped)[places]  # ranks among the values that have these bits
            self._chosen = self._ranked | _marked(_upper_bits(self._edges.astype(self._kind)))
            skipped = numpy.where(self._chosen, 0, self._counts)[upward]
            nonzero = skipped > 0
            self._counts, self._bits = skipped[nonzero], upward[nonzero]

    def keep(self, values: numpy.ndarray) -> None:
        """Keep the values with chosen upper bits, or all finite values of a small array."""
        values = _as_float(values)
        if self._counted:
            values = values[numpy.flatnonzero(self._chosen[_upper_bits(values)])]
        elif not self._all_finite:
            values = values[numpy.isfinite(values)]
        self._kept.append(values)

    def results(self) -> Dict[str, Any]:
        """NumPy's linear quantiles and its histogram of 50 bins between the extremes, in float64."""
        kept = numpy.concatenate(self._kept)
        ranked = numpy.sort(kept[self._ranked[_upper_bits(kept)]] if self._counted else kept)
        low, high = ranked[self._ranks].astype(numpy.float64)
        with numpy.errstate(over="ignore", invalid="ignore"):
            # Interpolated from the nearer end, as in NumPy; + 0.0 turns -0 into 0.
            quantiles = numpy.where(self._share < 0.5, low + (high - low) * self._share,
                                    high - (high - low) * (1 - self._share)) + 0.0  # fmt: skip
        if self._counted:
            low, high = self._edges[[0, -1]].tolist()
            # NumPy cannot compute bins of too narrow or too wide a range by division.
            even = BINS / sys.float_info.max < high - low < math.inf and bool((numpy.diff(self._edges) > 0).all())
            counts = numpy.histogram(kept.astype(numpy.float64), BINS if even else self._edges, (low, high))[0]
            # Skipped values with the same upper bits lie in the same bin, so any of them represents all.
            size = self._kind.itemsize
            representatives = (self._bits.astype(f"u{size}") << (8 * size - 16)).view(self._kind)
            skipped = numpy.append(0, numpy.cumsum(self._counts))
            counts = counts + numpy.diff(skipped[numpy.searchsorted(representatives, self._edges)])
        else:
            below = numpy.searchsorted(ranked.astype(numpy.float64), self._edges)
            below[-1] = kept.size  # the last bin includes its right edge
            counts = numpy.diff(below)
        histogram = Histogram(tuple(self._edges.tolist()), tuple(counts.tolist()))
        return {"quantiles": tuple(zip(QUANTILES, quantiles.tolist())), "histogram": histogram}


# The upper 16 bits of floats (sign, exponent, part of the fraction), in ascending order of the floats.
_UPWARD = numpy.concatenate([numpy.arange(0xFFFF, 0x7FFF, -1), numpy.arange(0x8000)])


def _upper_bits(values: numpy.ndarray) -> numpy.ndarray:
    words = values.dtype.itemsize // 2
    return numpy.ascontiguousarray(values).view(numpy.uint16)[words - 1 :: words]  # MXNet runs on little-endian CPUs


def _marked(bits: numpy.ndarray) -> numpy.ndarray:
    marked = numpy.zeros(1 << 16, bool)
    marked[bits] = True
    marked[[0, 0x8000]] |= marked[[0x8000, 0]]  # 0 and -0 are equal
    return marked


def _edges(low: Any, high: Any) -> numpy.ndarray:
    """The edges of NumPy's histogram."""
    if low == high:
        low, high = low - 0.5, high + 0.5
    if math.isfinite(high - low):
        return numpy.linspace(low, high, BINS + 1)
    edges = 2 * numpy.linspace(low / 2, high / 2, BINS + 1)
    edges[0], edges[-1] = low, high
    return edges


def _has_identical_rows(array: Any, values: _Section) -> bool:
    rows = array.shape[0] if len(array.shape) > 1 else 0
    if rows < 2 or not array.size:
        return False
    columns = array.order == "F"
    width = rows if columns else array.size // rows
    first = _as_float(values(0, width))
    blocks = cut(array.size, max(1, _BLOCK // width) * width)
    parts = (_as_float(values(begin, end)).reshape(-1, width) for begin, end in blocks)
    with numpy.errstate(invalid="ignore"):  # NumPy 1.17 warns if a NaN is compared
        return all((part == (part[:, :1] if columns else first)).all() for part in parts)


def cut(end: int, step: int, begin: int = 0) -> Iterator[Tuple[int, int]]:
    return ((start, min(start + step, end)) for start in range(begin, end, step))


def _as_float(values: numpy.ndarray) -> numpy.ndarray:
    """The values, with float16 and bfloat16 as float32: NumPy is slow with float16 and has no bfloat16."""
    if values.dtype.names:  # MXNet's bfloat16, a structured type
        return (values["bfloat16"].astype(numpy.uint32) << 16).view(numpy.float32)
    return values.astype(numpy.float32) if values.dtype == numpy.float16 else values


def _moments(values: numpy.ndarray, scratch: numpy.ndarray) -> Statistics:
    """Moments and counts of one block, which is not empty. `scratch` is at least as large."""
    count, nan, posinf, neginf = values.size, 0, 0, 0
    values = _as_float(values)
    with numpy.errstate(all="ignore"):
        low, high = float(values.min()), float(values.max())
        if not (math.isfinite(low) and math.isfinite(high)):
            nan = int(numpy.count_nonzero(numpy.isnan(values)))
            posinf, neginf = (int(numpy.count_nonzero(values == sign * math.inf)) for sign in (1, -1))
            values = values[numpy.isfinite(values)]
            if not values.size:
                return Statistics(count, None, None, None, None, 0.0, 0, nan, posinf, neginf)
            low, high = float(values.min()), float(values.max())
        if low == high:  # all values are the same
            mean, squares, zeros = low, 0.0, values.size if low == 0 else 0
        else:
            zeros = int(numpy.count_nonzero(values == 0))  # NumPy counts booleans much faster than numbers
            exact = scratch[: values.size]
            exact[...] = values
            mean = float(exact.sum()) / values.size
            # Squares about the block's own mean, so that nothing cancels if values are far from 0.
            exact -= mean
            squares = float(numpy.square(exact, out=exact).sum())
    norm = math.sqrt(squares + values.size * mean * mean)
    norm = math.inf if math.isnan(norm) else norm  # a sum of finite values has overflowed
    # + 0.0 turns -0 into 0.
    return Statistics(count, mean + 0.0, math.sqrt(squares / values.size), low + 0.0, high + 0.0, norm, zeros, nan,
                      posinf, neginf)  # fmt: skip


def _total(values: Iterable[float]) -> float:
    """The sum, rounded once; inf or NaN if it overflows, as in NumPy."""
    values = list(values)
    try:
        return math.fsum(values)
    except (OverflowError, ValueError):
        return sum(values)
