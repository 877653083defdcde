"""Statistics of arrays, in float64. Needs NumPy and nothing else.

Moments and counts take one pass over blocks that fit the cache; what several blocks, or several arrays, come to is
merged from them. Quantiles and a histogram are computed where they are asked for, by NumPy's partition and search.
Blocks are always cut alike and merged in their order, so the number of threads changes no bit of the result.
"""

from functools import partial
import math
from typing import Any, Callable, Iterable, Iterator, List, Optional, Sequence, Tuple

import numpy

from ..display import printable
from ..parallel import run
from .records import Histogram, Statistics

__all__ = ["BINS", "QUANTILES", "merge", "readable", "statistics_of", "statistics_of_all"]

QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
BINS = 50

# Values, half a MiB as float64: they fit the cache. The memory of larger arrays goes back to the system each time and
# is fetched anew for the next block, page by page, which costs more than all arithmetic.
_BLOCK = 1 << 16
_PIECE = 16 * _BLOCK  # values that one job reads

_Section = Callable[[int, int], numpy.ndarray]  # the values from one number to another


def statistics_of(array: numpy.ndarray) -> Statistics:
    """All statistics of one array of numbers, with quantiles and a histogram.

    Raises
    ------
    TypeError
        The array does not hold real numbers.
    """
    return statistics_of_all([array], full=True)[0]


def statistics_of_all(arrays: Sequence[Any], full: bool = False) -> List[Statistics]:
    """Moments and counts of many arrays, which share the cores; with `full`, quantiles and histograms as well.

    An array may be the `Values` of a file. For moments no more of it is in memory than the blocks that are being read,
    unless it has to be unpacked.
    """
    surveys = [_Survey(readable(array), full) for array in arrays]
    large = [survey for survey in surveys if survey.array.size > 2 * _PIECE and not survey.array.forward]
    pieces = [((end - begin) * survey.array.itemsize, partial(survey.read, begin, end))
              for survey in large for begin, end in _cut(survey.array.size, _PIECE)]  # fmt: skip
    apart = set(map(id, large))
    run(pieces + [(survey.array.nbytes, survey.whole) for survey in surveys if id(survey) not in apart])
    run([(survey.array.nbytes, survey.finish) for survey in large])
    return [survey.result for survey in surveys]


def merge(parts: Iterable[Optional[Statistics]]) -> Optional[Statistics]:
    """The statistics of all values of several arrays, without a second look at them; None where there are none.

    The variance is the mean variance plus the variance of the means, each by its number of finite values (Chan, Golub
    and LeVeque, 1983). Quantiles and histograms cannot be merged and are left out.

    Examples
    --------
    >>> one = Statistics(1, 1.0, 0.0, 1.0, 1.0, 1.0, 0, 0, 0, 0)
    >>> three = Statistics(1, 3.0, 0.0, 3.0, 3.0, 3.0, 0, 0, 0, 0)
    >>> both = merge([one, three, None])
    >>> both.mean, both.std, both.max
    (2.0, 1.0, 3.0)
    """
    known = [part for part in parts if part is not None]
    if len(known) < 2:
        return known[0] if known else None
    mean = std = low = high = None
    moments: Any = [(part.count - part.nan - part.posinf - part.neginf, part.mean, part.std, part.min, part.max)
                    for part in known if part.mean is not None]  # fmt: skip
    if moments:
        finite = sum(size for size, *_ in moments)
        mean = _total(size * part_mean for size, part_mean, *_ in moments) / finite
        # A product is inf where a power raises.
        squares = (size * (part_std * part_std + (part_mean - mean) * (part_mean - mean))
                   for size, part_mean, part_std, *_ in moments)  # fmt: skip
        std = math.sqrt(_total(squares) / finite)
        low, high = min(moment[3] for moment in moments), max(moment[4] for moment in moments)
    return Statistics(
        count=sum(part.count for part in known),
        mean=mean,
        std=std,
        min=low,
        max=high,
        norm=math.sqrt(_total(part.norm * part.norm for part in known)),
        zeros=sum(part.zeros for part in known),
        nan=sum(part.nan for part in known),
        posinf=sum(part.posinf for part in known),
        neginf=sum(part.neginf for part in known),
    )


class _InMemory:
    """An array in memory, to be read as the `Values` of a file are."""

    order, forward = "C", False

    def __init__(self, array: numpy.ndarray) -> None:
        self.shape, self.dtype, self.size, self.nbytes = array.shape, array.dtype, array.size, array.nbytes
        self.itemsize, self._flat = array.itemsize, array.reshape(-1)

    def sections(self) -> _Section:
        """What answers the values from one number to another."""
        return lambda begin, end: self._flat[begin:end]


def readable(array: Any) -> Any:
    """What is read in sections: the `Values` of a file as they are, an array in memory likewise."""
    return _InMemory(array) if isinstance(array, numpy.ndarray) else array


class _Survey:
    """One array whose statistics are being computed: `read` every piece, then `finish`."""

    result: Statistics

    def __init__(self, array: Any, full: bool) -> None:
        if array.dtype.kind not in "biuf" and array.dtype.names != ("bfloat16",):
            raise TypeError(f"statistics need real numbers, found an array of dtype {printable(str(array.dtype))}")
        self.array, self._full = array, full
        self._blocks: List[Optional[Statistics]] = [None] * -(-array.size // _BLOCK)

    def read(self, begin: int, end: int, values: Optional[_Section] = None) -> None:
        """Compute the moments of the blocks between two numbers."""
        values = values or self.array.sections()
        for start in range(begin, end, _BLOCK):
            self._blocks[start // _BLOCK] = _moments(values(start, min(start + _BLOCK, end)))

    def finish(self, values: Optional[_Section] = None) -> None:
        """The statistics of the whole."""
        values = values or self.array.sections()
        merged = merge(self._blocks) or _NOTHING
        facts = {**vars(merged), "identical_rows": _has_identical_rows(self.array, values)}
        if self._full and merged.min is not None and merged.max is not None:
            finite = _as_float(values(0, self.array.size))
            if merged.nan or merged.posinf or merged.neginf:
                finite = finite[numpy.isfinite(finite)]
            facts["quantiles"] = _quantiles(finite)
            facts["histogram"] = _histogram(finite, merged.min, merged.max)
        self.result = Statistics(**facts)

    def whole(self) -> None:
        """Read and finish on this thread. A file's array may have to be unpacked, once and no longer than this."""
        values = self.array.sections()
        self.read(0, self.array.size, values)
        self.finish(values)


_NOTHING = Statistics(0, None, None, None, None, 0.0, 0, 0, 0, 0)


def _has_identical_rows(array: Any, values: _Section) -> bool:
    rows = array.shape[0] if len(array.shape) > 1 else 0
    if rows < 2 or not array.size:
        return False
    columns = array.order == "F"
    width = rows if columns else array.size // rows
    first = _as_float(values(0, width))
    for begin, end in _cut(array.size, max(1, _BLOCK // width) * width):
        lines = _as_float(values(begin, end)).reshape(-1, width)
        with numpy.errstate(invalid="ignore"):  # NumPy 1.17 warns where a NaN is compared
            alike = bool((lines == (lines[:, :1] if columns else first)).all())
        if not alike:
            return False
    return True


def _cut(size: int, step: int) -> Iterator[Tuple[int, int]]:
    return ((begin, min(begin + step, size)) for begin in range(0, size, step))


def _as_float(values: numpy.ndarray) -> numpy.ndarray:
    """The values, with float16 and bfloat16 as float32: NumPy lacks the one and computes slowly with the other."""
    if values.dtype.names:  # as MXNet writes bfloat16
        return (values["bfloat16"].astype(numpy.uint32) << 16).view(numpy.float32)
    return values.astype(numpy.float32) if values.dtype == numpy.float16 else values


def _moments(values: numpy.ndarray) -> Statistics:
    """Moments and counts of one block that has values."""
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
            exact = values.astype(numpy.float64)
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


def _quantiles(values: numpy.ndarray) -> Tuple[Tuple[float, float], ...]:
    """NumPy's linear quantiles, in float64."""
    positions = numpy.multiply(QUANTILES, values.size - 1)
    below = positions.astype(numpy.intp)
    above = numpy.minimum(below + 1, values.size - 1)
    ordered = numpy.partition(values, numpy.unique([below, above]))
    low, high = ordered[below].astype(numpy.float64), ordered[above].astype(numpy.float64)
    share = positions - below
    with numpy.errstate(over="ignore", invalid="ignore"):
        # From the nearer end, as NumPy does; + 0.0 makes 0 of -0.
        found = numpy.where(share < 0.5, low + (high - low) * share, high - (high - low) * (1 - share)) + 0.0
    return tuple(zip(QUANTILES, found.tolist()))


def _histogram(values: numpy.ndarray, low: float, high: float) -> Histogram:
    """NumPy's histogram of the values between the extremes, in float64."""
    if low == high:
        low, high = low - 0.5, high + 0.5
    if math.isfinite(high - low):
        edges = numpy.linspace(low, high, BINS + 1)
    else:
        edges = 2 * numpy.linspace(low / 2, high / 2, BINS + 1)
        edges[0], edges[-1] = low, high
    # In an interval NumPy computes a value's bin, which is fast; it refuses intervals too narrow or too wide for that.
    even = bool((numpy.diff(edges) > 0).all()) and math.isfinite(high - low) and math.isfinite(BINS / (high - low))
    asked: Any = {"bins": BINS, "range": (low, high)} if even else {"bins": edges}
    counts = numpy.zeros(BINS, numpy.int64)
    for begin, end in _cut(values.size, _BLOCK):
        counts += numpy.histogram(values[begin:end].astype(numpy.float64), **asked)[0]
    return Histogram(tuple(edges.tolist()), tuple(counts.tolist()))
