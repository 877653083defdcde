"""Fan-in and fan-out: counted along the axes that a layer uses, whatever its layout."""

from typing import Tuple

import numpy

from .distributions import Shape

__all__ = ["channels", "fans"]


def fans(shape: Shape, axes: str) -> Tuple[float, float]:
    """Fan-in and fan-out of a weight: the channels along its input and output axis, times its receptive field."""
    if len(shape) < 2:
        raise ValueError(f"an array of shape {shape!r} has no fan-in and fan-out: expected 2 dimensions or more")
    output, into = channels(shape, axes)
    area = int(numpy.prod(shape, dtype=numpy.int64)) // (shape[output] * shape[into])
    return shape[into] * area, shape[output] * area


def channels(shape: Shape, axes: str) -> Tuple[int, int]:
    """The output axis and the input axis."""
    axes = axes if len(axes) == len(shape) else "OI"
    return axes.index("O"), axes.index("I")
