"""Standard normal numbers by the modified ziggurat (McFarland 2014, arXiv:1403.6870), a whole vector at a time.

1,021 rectangles lie wholly under the curve, each with 1/1024 of the area under it. A random word chooses one by its low
bits, and the place in it by all its bits, so nothing has to be rejected. The words that choose no rectangle stand for
the rest, 3/1024: what lies between the rectangles and the curve, and the tail. These are drawn by rejection.

The bits are the same on every machine. Only IEEE operations are used; the logarithm, which libraries round differently,
is made of them here.
"""

import math

import numpy

from .streams import BLOCK, words


def normals(rng: numpy.random.Generator, out: numpy.ndarray, stdev: float = 1.0) -> None:
    """Fill a float32 or float64 vector with normal numbers of mean 0, of 22 or 53 bits in each rectangle."""
    bits = 8 * out.dtype.itemsize
    scale = (_WIDTH * (stdev * 2.0 ** (1 - bits))).astype(out.dtype)
    rest, rectangles = [], numpy.empty(min(out.size, BLOCK), numpy.intp)  # memory is slow when it is first written
    for start in range(0, out.size, BLOCK):
        block = out[start : start + BLOCK]
        drawn = words(rng, block.size, bits)
        rectangle = rectangles[: block.size]
        numpy.bitwise_and(drawn, drawn.dtype.type(1023), out=rectangle, casting="unsafe")
        numpy.copyto(block, drawn.view(f"<i{bits // 8}"), casting="unsafe")  # with its sign
        block *= scale[rectangle]
        rest.append((rectangle >= _COUNT).nonzero()[0] + start)
    outside = numpy.concatenate(rest) if rest else numpy.empty(0, numpy.intp)
    out[outside] = _outside(rng, outside.size) * stdev


def log(values: numpy.ndarray) -> numpy.ndarray:
    """The natural logarithm by IEEE operations alone, whose bits no library's version changes.

    ``log(m 2**e) = e log 2 + 2 atanh((m-1)/(m+1))`` with m in [sqrt(1/2), sqrt(2)).
    """
    mantissa, exponent = numpy.frexp(values)
    low = mantissa < 0.7071067811865476
    mantissa, exponent = mantissa * (1 + low), exponent - low
    s = (mantissa - 1) / (mantissa + 1)
    square = s * s
    series = 1 / 23 * square
    for odd in range(21, 1, -2):
        series += 1 / odd
        series *= square
    return exponent * 0.6931471805599453 + 2 * (s + s * series)


def _outside(rng: numpy.random.Generator, size: int) -> numpy.ndarray:
    """Standard normal numbers that lie in no rectangle.

    A piece is chosen by the area of what surrounds it: a box for what lies beside a rectangle, an exponential curve for
    the tail. A point of the box is kept if it is under the curve; of the tail as Marsaglia (1964) does it.
    """
    kept = numpy.empty(0)
    while kept.size < size:
        piece, across, up = rng.random((3, (size - kept.size) * 9 // 5 + 64))
        piece *= 2
        negative = piece >= 1
        index = numpy.searchsorted(_AREAS, (piece - negative) * _AREAS[-1], side="right")
        tail = (index >= _COUNT).nonzero()[0]
        index[tail] = 0
        x = _INNER[index] + across * (_OUTER[index] - _INNER[index])
        height = _LOW[index] + up * (_HIGH[index] - _LOW[index])
        logs = log(numpy.concatenate([height, 1 - across[tail], 1 - up[tail]]))  # one call, since each is slow
        log_height, log_across, log_up = numpy.split(logs, [height.size, height.size + tail.size])
        inside = log_height < -0.5 * x * x
        beyond = -log_across / _OUTER[0]
        x[tail] = _OUTER[0] + beyond
        inside[tail] = -2 * log_up > beyond * beyond
        x[negative] *= -1
        kept = numpy.concatenate([kept, x[inside]])
    return kept[:size]


def _corners() -> numpy.ndarray:
    """The corners (x, y) of the rectangles on the curve, from the lowest to the highest.

    From the highest down, each next height follows from the area. The first is chosen so that the last ends at 0.
    """
    height, corners = 0.9856020531168893, []
    for _ in range(_COUNT):
        x = math.sqrt(-2 * log(height))  # type: ignore[arg-type]
        corners.append((x, height))
        height -= math.sqrt(math.pi / 2) / 1024 / x
    return numpy.array(corners[::-1]).T


_COUNT = 1021
_OUTER, _LOW = _corners()
_WIDTH = numpy.concatenate([_OUTER, numpy.zeros(1024 - _COUNT)])
# Beside each rectangle but the lowest stands a box that reaches to the corner below; a last one stands on the highest.
_INNER, _HIGH = numpy.append(_OUTER[1:], 0.0), numpy.append(_LOW[1:], 1.0)
_AREAS = numpy.cumsum(numpy.append((_OUTER - _INNER) * (_HIGH - _LOW), _LOW[0] / _OUTER[0]))
