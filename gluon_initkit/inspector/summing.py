"""The sums behind `statistics`: what one block of values adds, and what all blocks of an array make together."""

import math
from typing import Any, Callable, Iterable, List, Optional, Tuple

import numpy

from .records import Histogram, Statistics

__all__ = ["Block", "Summed", "exact", "identical_rows", "is_bfloat16", "readable", "total"]


def is_bfloat16(dtype: numpy.dtype) -> bool:
    """Whether this is how MXNet writes bfloat16, which NumPy lacks."""
    return dtype.names == ("bfloat16",)


def exact(values: numpy.ndarray) -> numpy.ndarray:
    """A block as float64, in memory of its own; -0 becomes 0, which it equals."""
    if is_bfloat16(values.dtype):
        values = (values["bfloat16"].astype(numpy.uint32) << 16).view(numpy.float32)
    made = values.astype(numpy.float64)
    made += 0.0
    return made


class _Held:
    """An array in memory, which is read as the `Values` of a file are."""

    order, forward = "C", False

    def __init__(self, array: numpy.ndarray) -> None:
        self.shape, self.dtype, self.size, self.nbytes = array.shape, array.dtype, array.size, array.nbytes
        self.itemsize, self._flat = array.itemsize, array.reshape(-1)

    def sections(self) -> Callable[[int, int], numpy.ndarray]:
        """What answers the values from one number to another."""
        return lambda begin, end: self._flat[begin:end]


def readable(array: Any) -> Any:
    """What is read in sections: the `Values` of a file as they are, an array in memory likewise."""
    return _Held(array) if isinstance(array, numpy.ndarray) else array


def identical_rows(array: Any) -> bool:
    """Whether an array of two dimensions or more has at least two rows, and all are the same.

    """
    array = readable(array)
    if len(array.shape) < 2 or array.shape[0] < 2 or not array.size:
        return False
    rows, ahead, behind = array.shape[0], array.sections(), array.sections()
    # Each value is held against the one above it, which stands a row before; in Fortran's order it is the neighbour.
    apart = 1 if array.order == "F" else array.size // rows
    begin, step = apart, 1 << 10  # most arrays differ at once
    while begin < array.size:
        end = min(begin + step, array.size)
        equal = ahead(begin, end) == behind(begin - apart, end - apart)
        if array.order == "F":
            equal[-begin % rows :: rows] = True  # the first row has none above it
        if not equal.all():
            return False
        begin, step = end, min(4 * step, 1 << 17)
    return True


class Block:
    """What one block adds: counts, extremes, its mean, and the squares about it."""

    def __init__(self, values: numpy.ndarray) -> None:
        self.nan = self.posinf = self.neginf = 0
        with numpy.errstate(all="ignore"):
            self.low = self.high = math.nan
            if values.size:
                self.low, self.high = float(values.min()), float(values.max())
                if not (math.isfinite(self.low) and math.isfinite(self.high)):
                    values = self._without_others(values)
            if self.low == self.high:  # one number, which is all that there is to know
                self.size, self.zeros = values.size, values.size if self.low == 0 else 0
                self.sum = self.low * self.size
                self.squares = (self.low - self.mean) * (self.low - self.mean) * self.size
                return
            # NumPy counts True much faster than it counts numbers.
            self.size, self.zeros = values.size, int(numpy.count_nonzero(values == 0))
            self.sum = float(values.sum())
            # About the block's own mean, so that nothing cancels however far from 0 the values are.
            apart = values - self.mean
            self.squares = float(numpy.square(apart, out=apart).sum())

    def _without_others(self, values: numpy.ndarray) -> numpy.ndarray:
        self.nan = int(numpy.count_nonzero(numpy.isnan(values)))
        self.posinf = int(numpy.count_nonzero(values == math.inf))
        self.neginf = int(numpy.count_nonzero(values == -math.inf))
        values = values[numpy.isfinite(values)]
        self.low, self.high = (float(values.min()), float(values.max())) if values.size else (math.nan, math.nan)
        return values

    @property
    def all_finite(self) -> bool:
        """Whether no value is NaN or infinite."""
        return not (self.nan or self.posinf or self.neginf)

    @property
    def mean(self) -> float:
        """Of its finite values."""
        return self.sum / self.size if self.size else 0.0


class Summed:
    """The blocks of an array together, in their order."""

    def __init__(self, blocks: List[Block]) -> None:
        self.nan = sum(block.nan for block in blocks)
        self.posinf = sum(block.posinf for block in blocks)
        self.neginf = sum(block.neginf for block in blocks)
        self.zeros = sum(block.zeros for block in blocks)
        full = [block for block in blocks if block.size]
        self.finite = sum(block.size for block in full)
        if not self.finite:
            return
        self.low, self.high = min(block.low for block in full), max(block.high for block in full)
        self.mean = total([block.sum for block in full]) / self.finite
        squares = total([block.squares for block in full])
        # Chan, Golub and LeVeque (1983): squares about the common mean, from squares about each block's own.
        squares += total([block.size * (block.mean - self.mean) * (block.mean - self.mean) for block in full])
        self.std = math.sqrt(squares / self.finite)
        norm = math.sqrt(squares + self.finite * self.mean * self.mean)
        self.norm = math.inf if math.isnan(norm) else norm  # a sum of these finite values is no float64

    def statistics(
        self, array: Any, quantiles: Tuple[Tuple[float, float], ...], histogram: Optional[Histogram]
    ) -> Statistics:
        """The statistics of the array that the blocks came from."""
        some = bool(self.finite)
        return Statistics(
            count=array.size,
            mean=self.mean if some else None,
            std=self.std if some else None,
            min=self.low if some else None,
            max=self.high if some else None,
            norm=self.norm if some else 0.0,
            zeros=self.zeros,
            nan=self.nan,
            posinf=self.posinf,
            neginf=self.neginf,
            quantiles=quantiles,
            histogram=histogram,
            identical_rows=self._all_the_same(array) or identical_rows(array),
        )


    def _all_the_same(self, array: Any) -> bool:
        """Whether it has rows, and is one number throughout, for which it need not be read again."""
        several = len(array.shape) > 1 and array.shape[0] > 1
        return several and bool(self.finite) and self.finite == array.size and self.low == self.high


def total(values: Iterable[float]) -> float:
    """The sum, rounded once; inf or NaN beyond float64, as NumPy answers."""
    values = list(values)
    try:
        return math.fsum(values)
    except (OverflowError, ValueError):
        return sum(values)
