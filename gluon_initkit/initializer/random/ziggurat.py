"""Standard normal numbers by the ziggurat (Marsaglia and Tsang 2000, 256 layers), a whole vector at a time.

The bits are the same on every machine: tables and rejection need one function that libraries round differently, the
logarithm, and that is computed here by IEEE operations alone.
"""

from typing import Tuple

import numpy

from .streams import BLOCK, words

__all__ = ["log", "normals"]


def normals(rng: numpy.random.Generator, out: numpy.ndarray) -> None:
    """Fill a float32 or float64 vector with standard normal numbers, of 23 or 53 bits a layer.

    A word's low 8 bits after the first choose the layer, the first the sign, the high ones the place in the layer.
    """
    redo, which = _candidates(rng, out)
    while redo.size:
        x = out[redo].astype(numpy.float64)
        height = _HEIGHT[which] + rng.random(redo.size) * (_HEIGHT[which + 1] - _HEIGHT[which])
        settled = log(height) < -0.5 * x * x
        lowest = (which == 0).nonzero()[0]
        if lowest.size:
            out[redo[lowest]] = numpy.copysign(_tail(rng, lowest.size), x[lowest])
            settled[lowest] = True
        redo = redo[~settled]
        drawn = numpy.empty(redo.size, out.dtype)
        again, which = _candidates(rng, drawn)
        out[redo] = drawn
        redo = redo[again]


def log(values: numpy.ndarray) -> numpy.ndarray:
    """The natural logarithm by IEEE operations alone, whose bits no library's version changes.

    ``log(m 2**e) = e log 2 + 2 atanh((m-1)/(m+1))`` with m in [sqrt(1/2), sqrt(2)).

    Examples
    --------
    >>> bool(abs(log(numpy.array([0.25])) / numpy.log(0.25) - 1) < 1e-15)
    True
    """
    mantissa, exponent = numpy.frexp(values)
    low = mantissa < 0.7071067811865476
    mantissa, exponent = numpy.where(low, 2 * mantissa, mantissa), exponent - low
    s = (mantissa - 1) / (mantissa + 1)
    square, series = s * s, numpy.zeros_like(s)
    for odd in range(23, 1, -2):
        series = (series + 1 / odd) * square
    return exponent * 0.6931471805599453 + 2 * (s + s * series)


_TAIL = 3.6541528853610088  # where the lowest layer ends, and the tail begins
_DENSITY = 0.001260285930498598  # exp(-_TAIL**2 / 2)
_AREA = 0.00492867323399  # of each layer, the tail's included


def _candidates(rng: numpy.random.Generator, out: numpy.ndarray) -> Tuple[numpy.ndarray, numpy.ndarray]:
    """Fill with points under the layers' outer edges. Which of them may lie outside the curve, and their layers."""
    bits = 8 * out.dtype.itemsize
    scale, limit = _TABLES[bits]
    doubtful, layers = [_NOTHING], [_NOTHING]
    for start in range(0, out.size, BLOCK):
        block = out[start : start + BLOCK]
        drawn = words(rng, block.size, bits)
        layer = (drawn & drawn.dtype.type(511)).astype(numpy.intp)
        drawn >>= drawn.dtype.type(_SHIFT[bits])
        numpy.copyto(block, drawn.view(f"<i{bits // 8}"), casting="unsafe")
        block *= scale[layer]
        found = (drawn >= limit[layer]).nonzero()[0]
        doubtful.append(found + start)
        layers.append(layer[found] >> 1)
    return numpy.concatenate(doubtful), numpy.concatenate(layers)


def _tail(rng: numpy.random.Generator, size: int) -> numpy.ndarray:
    """Normal numbers beyond the lowest layer (Marsaglia 1964)."""
    drawn: Tuple[numpy.ndarray, ...] = ()
    while sum(map(len, drawn)) < size:
        beyond = -log(1 - rng.random(size)) / _TAIL
        taken = -2 * log(1 - rng.random(size)) > beyond * beyond
        drawn = (*drawn, _TAIL + beyond[taken])
    return numpy.concatenate(drawn)[:size]


def _edges() -> Tuple[numpy.ndarray, numpy.ndarray]:
    """Each layer's outer edge and the curve's height there; the first is the lowest, as wide as its area asks."""
    edges, heights = [_AREA / _DENSITY, _TAIL], [0.0, _DENSITY]
    for _ in range(254):
        heights.append(heights[-1] + _AREA / edges[-1])
        edges.append(float(numpy.sqrt(-2 * log(numpy.array([heights[-1]])))[0]))
    return numpy.array([*edges, 0.0]), numpy.array([*heights, 1.0])


_EDGE, _HEIGHT = _edges()
_SHIFT = {32: 9, 64: 11}
_NOTHING = numpy.empty(0, numpy.intp)


def _table(bits: int) -> Tuple[numpy.ndarray, numpy.ndarray]:
    """For each layer and sign: what a word's high bits are multiplied by, and below which they are sure to be in."""
    steps = 2.0 ** (bits - _SHIFT[bits])
    scale = numpy.repeat(_EDGE[:256] / steps, 2)
    scale[1::2] *= -1
    limit = numpy.repeat(numpy.floor(_EDGE[1:] / _EDGE[:256] * steps), 2)
    return scale.astype(f"<f{bits // 8}"), limit.astype(f"<u{bits // 8}")


_TABLES = {32: _table(32), 64: _table(64)}
