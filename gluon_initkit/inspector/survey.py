"""The statistics of one array, in steps that several threads can share. Needs NumPy and nothing else.

Moments and counts take one pass over blocks that fit the cache, and are merged. Quantiles and a histogram, where they
are asked for, come from NumPy's sort and search; of a large array only the values are sorted that they depend on. The
first pass counts the upper bits of all values, and the second keeps those whose upper bits a quantile or an edge has.
Blocks are always cut alike and merged in their order, so the number of threads changes no bit of the result.
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

# Values, a MiB as float64. They fit the cache, and an operation takes so long that threads seldom wait for each other.
_BLOCK = 1 << 17
_CHUNK = 2 * _BLOCK  # values whose upper bits are counted at once
_PIECE = 8 * _BLOCK  # values that one job reads
MOST_AT_ONCE = 2 * _PIECE  # values of an array that one thread takes all steps of
_FEW = 1 << 15  # values of an array that are sorted sooner than their upper bits are counted

_Section = Callable[[int, int], numpy.ndarray]  # the values from one number to another


def merge(parts: Iterable[Optional[Statistics]]) -> Optional[Statistics]:
    """The statistics of all values of several arrays, without a second look at them; None where there are none.

    The variance is the mean variance plus the variance of the means, each by its number of finite values (Chan, Golub
    and LeVeque, 1983). Quantiles and histograms cannot be merged and are left out.
    """
    known = [part for part in parts if part is not None]
    if len(known) < 2:
        return known[0] if known else None
    mean = std = low = high = None
    moments: Any = [(_finite(part), part.mean, part.std) for part in known if part.mean is not None]
    if moments:
        finite = sum(size for size, _, _ in moments)
        mean = _total(size * part_mean for size, part_mean, _ in moments) / finite
        # A product is inf where a power raises.
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
    """An array in memory, to be read as the `Values` of a file are."""

    order, forward = "C", False

    def sections(self) -> _Section:
        flat = self.view(numpy.ndarray).reshape(-1)
        return lambda begin, end: flat[begin:end]


def readable(array: Any) -> Any:
    """What is read in sections: the `Values` of a file, or an array in memory."""
    return array.view(_InMemory) if isinstance(array, numpy.ndarray) else array


def steps(array: Any, full: bool, result: List[Statistics]) -> Iterator[List[Job]]:
    """The jobs of each step of computing an array's statistics, which the last job puts into `result`."""
    if array.dtype.kind not in "biuf" and array.dtype.names != ("bfloat16",):
        raise TypeError(f"statistics need real numbers, found an array of dtype {printable(str(array.dtype))}")
    values, order = array.sections(), _Order(array) if full else None
    blocks: List[Optional[Statistics]] = [None] * -(-array.size // _BLOCK)

    def read(begin: int, end: int) -> None:
        # The system gives the memory of a larger array page by page, which takes longer than all arithmetic: once.
        scratch = numpy.empty(min(end - begin, _BLOCK))
        for start, stop in cut(end, _CHUNK, begin):
            chunk = values(start, stop)
            for offset, until in cut(stop - start, _BLOCK):
                blocks[(start + offset) // _BLOCK] = _moments(chunk[offset:until], scratch)
            if order is not None:
                order.count(chunk)

    def look_again(begin: int, end: int) -> None:
        for start, stop in cut(end, _CHUNK, begin):
            order.keep(values(start, stop))  # type: ignore[union-attr]

    def finish() -> None:
        found = order.found() if order is not None else {}
        result.append(Statistics(**{**vars(moments), "identical_rows": _has_identical_rows(array, values), **found}))

    pieces = [((end - begin) * array.itemsize, begin, end) for begin, end in cut(array.size, _PIECE)]
    yield [(size, partial(read, begin, end)) for size, begin, end in pieces]
    moments = merge(blocks) or Statistics(0, None, None, None, None, 0.0, 0, 0, 0, 0)
    if moments.min is None:  # there is no finite value
        order = None
    if order is not None:
        order.choose(moments)
    yield [(size, partial(look_again, begin, end)) for size, begin, end in pieces if order is not None]
    yield [(array.nbytes, finish)]


def survey(array: Any, full: bool, result: List[Statistics]) -> None:
    """Take all steps on this thread. A file's array may have to be unpacked, once and no longer than this."""
    for jobs in steps(array, full, result):
        for _, job in jobs:
            job()


class _Order:
    """Quantiles and a histogram of one array: `count` all values, `choose`, `keep` all again, and they are `found`."""

    def __init__(self, array: Any) -> None:
        self._kind = _as_float(numpy.empty(0, array.dtype)).dtype
        # Of a small array, and of other types, all values are kept.
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
        """Choose the values whose upper bits are those of a quantile's neighbours, or of an edge."""
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
            left = numpy.where(self._ranked, 0, self._counts)[upward]
            self._ranks -= (numpy.cumsum(left) - left)[places]  # among the values that have them
            self._chosen = self._ranked | _marked(_upper_bits(self._edges.astype(self._kind)))
            left = numpy.where(self._chosen, 0, self._counts)[upward]
            some = left > 0
            self._counts, self._bits = left[some], upward[some]

    def keep(self, values: numpy.ndarray) -> None:
        """Keep the chosen ones of these values."""
        values = _as_float(values)
        if self._counted:
            values = values[numpy.flatnonzero(self._chosen[_upper_bits(values)])]
        elif not self._all_finite:
            values = values[numpy.isfinite(values)]
        self._kept.append(values)

    def found(self) -> Dict[str, Any]:
        """NumPy's linear quantiles and its histogram of 50 bins between the extremes, in float64."""
        kept = numpy.concatenate(self._kept)
        ranked = numpy.sort(kept[self._ranked[_upper_bits(kept)]] if self._counted else kept)
        low, high = ranked[self._ranks].astype(numpy.float64)
        with numpy.errstate(over="ignore", invalid="ignore"):
            # From the nearer end, as NumPy does; + 0.0 makes 0 of -0.
            quantiles = numpy.where(self._share < 0.5, low + (high - low) * self._share,
                                    high - (high - low) * (1 - self._share)) + 0.0  # fmt: skip
        if self._counted:
            low, high = self._edges[[0, -1]].tolist()
            # Of too narrow or too wide a range, NumPy finds no bin by dividing.
            even = BINS / sys.float_info.max < high - low < math.inf and bool((numpy.diff(self._edges) > 0).all())
            counts = numpy.histogram(kept.astype(numpy.float64), BINS if even else self._edges, (low, high))[0]
            # Values that were left out and have the same upper bits lie in the same bin: any of them represents all.
            size = self._kind.itemsize
            any_of_them = (self._bits.astype(f"u{size}") << (8 * size - 16)).view(self._kind)
            left = numpy.append(0, numpy.cumsum(self._counts))
            counts = counts + numpy.diff(left[numpy.searchsorted(any_of_them, self._edges)])
        else:
            below = numpy.searchsorted(ranked.astype(numpy.float64), self._edges)
            below[-1] = kept.size  # the last bin has its right edge, too
            counts = numpy.diff(below)
        histogram = Histogram(tuple(self._edges.tolist()), tuple(counts.tolist()))
        return {"quantiles": tuple(zip(QUANTILES, quantiles.tolist())), "histogram": histogram}


# The upper 16 bits of floating-point numbers (sign, exponent, and some of the fraction), from the least number up.
_UPWARD = numpy.concatenate([numpy.arange(0xFFFF, 0x7FFF, -1), numpy.arange(0x8000)])


def _upper_bits(values: numpy.ndarray) -> numpy.ndarray:
    words = values.dtype.itemsize // 2
    return numpy.ascontiguousarray(values).view(numpy.uint16)[words - 1 :: words]  # MXNet's machines are little-endian


def _marked(bits: numpy.ndarray) -> numpy.ndarray:
    marked = numpy.zeros(1 << 16, bool)
    marked[bits] = True
    marked[[0, 0x8000]] |= marked[[0x8000, 0]]  # numbers beside 0, which stand for 0
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
    lines = (_as_float(values(begin, end)).reshape(-1, width) for begin, end in blocks)
    with numpy.errstate(invalid="ignore"):  # NumPy 1.17 warns where a NaN is compared
        return all((some == (some[:, :1] if columns else first)).all() for some in lines)


def cut(end: int, step: int, begin: int = 0) -> Iterator[Tuple[int, int]]:
    return ((start, min(start + step, end)) for start in range(begin, end, step))


def _as_float(values: numpy.ndarray) -> numpy.ndarray:
    """The values, with float16 and bfloat16 as float32: NumPy lacks the one and computes slowly with the other."""
    if values.dtype.names:  # as MXNet writes bfloat16
        return (values["bfloat16"].astype(numpy.uint32) << 16).view(numpy.float32)
    return values.astype(numpy.float32) if values.dtype == numpy.float16 else values


def _moments(values: numpy.ndarray, scratch: numpy.ndarray) -> Statistics:
    """Moments and counts of one block that has values; `scratch` has room for them."""
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
        if low == high:  # one number, which is all that there is to know
            mean, squares, zeros = low, 0.0, values.size if low == 0 else 0
        else:
            zeros = int(numpy.count_nonzero(values == 0))  # NumPy counts True much faster than it counts numbers
            exact = scratch[: values.size]
            exact[...] = values
            mean = float(exact.sum()) / values.size
            # About the block's own mean, so that nothing cancels however far from 0 the values are.
            exact -= mean
            squares = float(numpy.square(exact, out=exact).sum())
    norm = math.sqrt(squares + values.size * mean * mean)
    norm = math.inf if math.isnan(norm) else norm  # a sum of these finite values is no float64
    # -0 becomes 0, which it equals.
    return Statistics(count, mean + 0.0, math.sqrt(squares / values.size), low + 0.0, high + 0.0, norm, zeros, nan,
                      posinf, neginf)  # fmt: skip


def _total(values: Iterable[float]) -> float:
    """The sum, rounded once; inf or NaN beyond float64, as NumPy answers."""
    values = list(values)
    try:
        return math.fsum(values)
    except (OverflowError, ValueError):
        return sum(values)
