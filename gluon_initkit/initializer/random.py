"""Random streams that are a function of a key, and random orthogonal matrices: the same bits on every machine and every
NumPy since 1.17.

A key is a cryptographic hash of everything that the values depend on. A large array is cut into chunks. Each chunk has
its own stream, so chunks are filled in any order and on any thread. The generator is SFC64 (Doty-Humphrey 2010). Its
state is set from the hash, since `SeedSequence` has changed since NumPy 1.19. NumPy's float32 uniforms and ziggurats
have changed too, and libraries round logarithms differently. Vectorized IEEE operations on raw words replace them here.
"""

import hashlib
import math
import threading
from typing import Any, Optional

import numpy

CHUNK = 1 << 18
"""Values in a chunk: enough to hide Python's overhead, few enough to divide an array among threads."""

BLOCK = 1 << 16
"""Values that are processed at a time: few enough to stay in a core's cache."""

_thread = threading.local()


def key_of(*parts: Any) -> bytes:
    """256 bits of BLAKE2b over the parts. Each is preceded by its length, so ("ab", "c") and ("a", "bc") differ."""
    texts = [str(part).encode("utf-8", "surrogatepass") for part in parts]
    message = b"".join([len(text).to_bytes(8, "little") + text for text in texts])
    return hashlib.blake2b(message, digest_size=32, person=b"gluon_initkit 1").digest()


def generator(key: bytes, index: int = 0, reuse: Optional[numpy.random.Generator] = None) -> numpy.random.Generator:
    """A generator at the beginning of the stream of chunk `index`: the generator `reuse`, or else a new one."""
    rng = reuse or numpy.random.Generator(numpy.random.SFC64(0))
    words = hashlib.blake2b(index.to_bytes(8, "little"), key=key, digest_size=24).digest()
    state = numpy.ones(4, numpy.uint64)  # three words, and the counter, which starts at 1
    state[:3] = numpy.frombuffer(words, "<u8")
    rng.bit_generator.state = {"bit_generator": "SFC64", "state": {"state": state}, "has_uint32": 0, "uinteger": 0}
    return rng


def stream(key: bytes, index: int) -> numpy.random.Generator:
    """This thread's generator at the beginning of a chunk's stream; valid until the next call."""
    _thread.rng = generator(key, index, getattr(_thread, "rng", None))
    return _thread.rng


def _words(rng: numpy.random.Generator, size: int, bits: int) -> numpy.ndarray:
    """`size` random unsigned integers of 32 or 64 bits."""
    raw = rng.bit_generator.random_raw(-(-size * bits // 64)).astype("<u8", copy=False)
    return raw.view(f"<u{bits // 8}")[:size]


def uniforms(rng: numpy.random.Generator, out: numpy.ndarray, low: float = 0.0, high: float = 1.0) -> None:
    """Fill a float32 or float64 vector with uniform numbers from [low, high), of 24 or 53 bits."""
    width, low = out.dtype.type(high - low), out.dtype.type(low)
    if out.dtype == numpy.float64:
        rng.random(out=out)
        out *= width
        out += low
        return
    width *= numpy.float32(2**-24)  # a power of 2, so one product rounds as two would
    for start in range(0, out.size, BLOCK):
        block = out[start : start + BLOCK]
        raw = _words(rng, block.size, 32)
        raw >>= numpy.uint32(8)
        numpy.copyto(block, raw.view(numpy.int32), casting="unsafe")
        block *= width
        block += low


def normals(rng: numpy.random.Generator, out: numpy.ndarray, stdev: float = 1.0) -> None:
    """Fill a float32 or float64 vector with normal numbers of mean 0, of 22 or 53 bits in each rectangle.

    The method is the modified ziggurat (McFarland 2014, arXiv:1403.6870). 1,021 rectangles lie under the curve, each
    with 1/1024 of the area under it. The low bits of a word choose a rectangle and all its bits a position in it, so
    none is rejected. Low bits that choose none stand for the other 3/1024 of the area, drawn by rejection.
    """
    bits = 8 * out.dtype.itemsize
    scale = (_WIDTH * (stdev * 2.0 ** (1 - bits))).astype(out.dtype)
    indices, buffer = [], numpy.empty(min(out.size, BLOCK), numpy.intp)  # reused, since new memory is slow at first
    for start in range(0, out.size, BLOCK):
        block = out[start : start + BLOCK]
        words = _words(rng, block.size, bits)
        rectangle = buffer[: block.size]
        numpy.bitwise_and(words, words.dtype.type(1023), out=rectangle, casting="unsafe")
        numpy.copyto(block, words.view(f"<i{bits // 8}"), casting="unsafe")  # with its sign
        block *= scale[rectangle]
        indices.append((rectangle >= _COUNT).nonzero()[0] + start)
    outside = numpy.concatenate(indices) if indices else numpy.empty(0, numpy.intp)
    out[outside] = _outside(rng, outside.size) * stdev


def log(values: numpy.ndarray) -> numpy.ndarray:
    """The natural logarithm, ``log(m 2**e) = e log 2 + 2 atanh((m-1)/(m+1))`` with m in [sqrt(1/2), sqrt(2))."""
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
    """Standard normal numbers that lie in no rectangle: beside one, or in the tail."""
    # A piece is chosen by the area of its envelope: a box beside a rectangle, or an exponential curve over the tail.
    # A point in a box is kept if it is under the curve. A point in the tail is kept by Marsaglia's test (1964).
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
    """The corners (x, y) of the rectangles on the curve, from the lowest to the highest."""
    # From the highest down, each height follows from the area. The first is chosen so that the last reaches 0.
    height, corners = 0.9856020531168893, []
    for _ in range(_COUNT):
        x = math.sqrt(-2 * log(height))  # type: ignore[arg-type]
        corners.append((x, height))
        height -= math.sqrt(math.pi / 2) / 1024 / x
    return numpy.array(corners[::-1]).T


_COUNT = 1021
_OUTER, _LOW = _corners()
_WIDTH = numpy.concatenate([_OUTER, numpy.zeros(1024 - _COUNT)])
# The box beside each rectangle but the lowest reaches to the corner below. The last box stands on the highest one.
_INNER, _HIGH = numpy.append(_OUTER[1:], 0.0), numpy.append(_LOW[1:], 1.0)
_AREAS = numpy.cumsum(numpy.append((_OUTER - _INNER) * (_HIGH - _LOW), _LOW[0] / _OUTER[0]))

_BITS = 19  # a product has 2 * 19 of 53 bits, so sums of 2**15 products are exact
_TERMS = 1 << 15
_PANEL = 32


def orthonormal_rows(matrix: numpy.ndarray) -> numpy.ndarray:
    """Make the rows of an n x m matrix, n <= m, orthonormal in order, with errors of about 1e-10.

    For independent normal numbers the result has the Haar distribution (Stewart 1980). LAPACK's last bits differ
    between builds and processors. The Gram-Schmidt method needs only sums, and a sum of integers below 2**53 is exact
    in any order. So factors are rounded to fixed point with 19 + 19 bits, and BLAS multiplies them slice by slice
    (Ozaki, Ogita, Oishi and Rump 2012).
    """
    rows = numpy.array(matrix, numpy.float64)
    for start in range(0, len(rows), _PANEL):
        panel, done = rows[start : start + _PANEL], rows[:start]
        _normalize(panel)
        for _ in range(2 if start else 0):  # twice is enough (Giraud and Langou 2005)
            panel -= _product(_product(panel, done.T), done)
            _normalize(panel)
        for _ in range(2):
            for i in range(len(panel)):
                if i:
                    panel[i] -= _sum(panel[:i] * _sum((panel[:i] * panel[i]).T)[:, None])
                panel[i : i + 1] /= numpy.sqrt(_sum(panel[i] * panel[i]))
    return rows


def _normalize(rows: numpy.ndarray) -> None:
    rows /= numpy.sqrt(_sum((rows * rows).T))[:, None]


def _sum(terms: numpy.ndarray) -> numpy.ndarray:
    """The sum over the first axis in a fixed order: the second half is added to the first half, again and again."""
    while len(terms) > 1:
        half = len(terms) // 2
        odd = terms[2 * half :]
        terms = terms[:half] + terms[half : 2 * half]
        if len(odd):
            terms[:1] += odd
    return terms[0]


def _product(left: numpy.ndarray, right: numpy.ndarray) -> numpy.ndarray:
    """A matrix product of factors within [-1, 1], exact except for the rounding of the factors."""
    total = numpy.zeros((left.shape[0], right.shape[1]))
    for start in range(0, left.shape[1], _TERMS):
        a, b = _slices(left[:, start : start + _TERMS]), _slices(right[start : start + _TERMS])
        part = (a[0] @ b[1] + a[1] @ b[0]) * 2.0**-_BITS + a[0] @ b[0]
        total += part * 2.0 ** (-2 * _BITS + 2)
    return total


def _slices(factor: numpy.ndarray) -> tuple:
    """The high and the low digit, each of 18 bits and a sign, of a factor within [-1, 1]."""
    scaled = factor * 2.0 ** (_BITS - 1)
    high = numpy.rint(scaled)
    return high, numpy.rint((scaled - high) * 2.0**_BITS)
