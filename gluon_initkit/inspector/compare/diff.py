"""How far two arrays are apart."""

import math
from typing import Any, Dict

import numpy

EQUAL: Dict[str, Any] = {"change": 0.0, "cosine": 1.0, "sign_flips": 0, "nonfinite": 0}
_BLOCK = 1 << 18  # values that are read at once


def change_between(a: numpy.ndarray, b: numpy.ndarray) -> Dict[str, Any]:
    """The numbers of a `ComparisonRow` for two arrays of as many values, summed up in blocks of float64.

    They are `EQUAL` where all values are equal; a NaN is equal to a NaN. All numbers but `nonfinite` leave out what is
    NaN or infinite in either array.
    """
    a, b = a.reshape(-1), b.reshape(-1)
    blocks = [slice(start, start + _BLOCK) for start in range(0, a.size, _BLOCK)]
    if all(_same(a[block], b[block]).all() for block in blocks):
        return EQUAL
    # Squares of numbers beyond 1e154 are no float64, and those below 1e-162 are 0: what is squared is scaled to 1.
    scale_a, scale_b = (_power_near(max((_largest(each[block]) for block in blocks), default=0.0)) for each in (a, b))
    scale = max(scale_a, scale_b)
    squares_a = squares_b = product = difference = 0.0
    flips = nonfinite = 0
    for block in blocks:
        x, y = a[block].astype(numpy.float64), b[block].astype(numpy.float64)
        finite = numpy.isfinite(x) & numpy.isfinite(y)
        if not finite.all():
            nonfinite += int((~finite & ~_same(x, y)).sum())
            x, y = x[finite], y[finite]
        flips += int((((x < 0) & (y > 0)) | ((x > 0) & (y < 0))).sum())  # a product could underflow
        apart = y / scale - x / scale
        difference += float(apart @ apart)
        x /= scale_a
        y /= scale_b
        squares_a += float(x @ x)
        squares_b += float(y @ y)
        product += float(x @ y)
    with numpy.errstate(over="ignore"):  # a norm beyond 1e308 times the other is infinite
        relative = float(numpy.sqrt(difference / squares_a) * numpy.float64(scale / scale_a)) if squares_a else None
    cosine = max(-1.0, min(1.0, product / math.sqrt(squares_a * squares_b))) if squares_a and squares_b else None
    norm = None if squares_a else math.sqrt(squares_b) * scale_b
    return {"change": relative, "cosine": cosine, "sign_flips": flips, "nonfinite": nonfinite, "norm": norm}


def _largest(values: numpy.ndarray) -> float:
    """The greatest magnitude among the finite values; 0 where there is none."""
    values = values.astype(numpy.float64)
    return float(numpy.max(numpy.abs(values), where=numpy.isfinite(values), initial=0.0))


def _power_near(value: float) -> float:
    """The power of two at a value, by which one divides without rounding; 1 for 0."""
    return math.ldexp(1.0, max(-1000, min(1000, math.frexp(value)[1]))) if value else 1.0


def _same(x: numpy.ndarray, y: numpy.ndarray) -> numpy.ndarray:
    return (x == y) | ((x != x) & (y != y))
