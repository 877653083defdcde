"""Buckets: maps from values to small integers that are monotone, so that counting says where each rank and edge lies.

Equal steps between the extremes suit almost every array. Where a few values lie far out, most others fall into one
step; the high bits of a value then tell them apart, whatever its size.
"""

import math
import sys

import numpy

__all__ = ["Bits", "Buckets", "buckets_between"]


class Buckets:
    """A monotone map of values to ``0 ... number - 1``."""

    number: int

    def of(self, values: numpy.ndarray) -> numpy.ndarray:
        """The bucket of each finite value."""
        raise NotImplementedError


class Steps(Buckets):
    """Equal steps between two numbers. Rounding is monotone, so each operation here is."""

    def __init__(self, low: float, high: float, number: int) -> None:
        self.number, self._low, self._scale = number, low, (number - 1) / (high - low)

    def of(self, values: numpy.ndarray) -> numpy.ndarray:
        scaled = values - self._low
        scaled *= self._scale
        return scaled.astype(numpy.intp)


class Bits(Buckets):
    """The high sixteen bits of a value as float32, in the order of the values."""

    number = 1 << 16

    def of(self, values: numpy.ndarray) -> numpy.ndarray:
        with numpy.errstate(all="ignore"):
            single = values.astype(numpy.float32)
        return _POSITION[single.view(numpy.uint16)[_HIGH::2]]


_HIGH = 1 if sys.byteorder == "little" else 0  # where the high half of four bytes stands
# Negative numbers have the sign bit set and grow downwards.
_POSITION = numpy.concatenate([numpy.arange(0x8000, 0x10000), numpy.arange(0x7FFF, -1, -1)]).astype(numpy.intp)


def buckets_between(low: float, high: float, size: int) -> Buckets:
    """Buckets for so many values between these extremes."""
    steps = min(max(size // 4, 1 << 10), 1 << 13)
    width = float(high) - float(low)
    if not (width > 0 and math.isfinite(width) and math.isfinite(steps / width)):
        return Bits()
    return Steps(low, high, steps)
