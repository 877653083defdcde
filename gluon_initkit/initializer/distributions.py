"""Laws: the distributions that parameters are drawn from, as plain data, and how a stream fills memory by each.

A law of independent values fills chunks, each from its own stream; a `Whole` makes one array at once. What an
initializer's hook means as a law is `mxnet_distributions`'s business.
"""

from dataclasses import dataclass
import math
from typing import Any, Callable, List, Optional, Tuple

import numpy

from .random.streams import CHUNK, stream, uniforms
from .random.ziggurat import normals

__all__ = ["Constant", "Law", "Normal", "Shape", "Truncated", "Uniform", "Whole", "drawn", "jobs"]

Shape = Tuple[int, ...]


class Law:
    """A distribution of independent values."""

    def fill(self, key: bytes, index: int, out: numpy.ndarray) -> None:
        """Fill the vector `out`, chunk `index` of the array of `key`, whatever its dtype."""
        raise NotImplementedError

    def moments(self) -> Tuple[float, float]:
        """Mean and standard deviation."""
        raise NotImplementedError


@dataclass(frozen=True)
class Constant(Law):
    """One value everywhere."""

    value: float

    def fill(self, key: bytes, index: int, out: numpy.ndarray) -> None:
        out[...] = self.value

    def moments(self) -> Tuple[float, float]:
        return self.value, 0.0


@dataclass(frozen=True)
class Uniform(Law):
    """Uniform on [low, high)."""

    low: float
    high: float

    def fill(self, key: bytes, index: int, out: numpy.ndarray) -> None:
        drawn = _float(out)
        uniforms(stream(key, index), drawn, self.low, self.high)
        if drawn is not out:
            out[...] = drawn

    def moments(self) -> Tuple[float, float]:
        return (self.low + self.high) / 2, (self.high - self.low) / math.sqrt(12)


@dataclass(frozen=True)
class Normal(Law):
    """Normal."""

    mean: float
    stdev: float

    def fill(self, key: bytes, index: int, out: numpy.ndarray) -> None:
        drawn = _float(out)
        normals(stream(key, index), drawn)
        drawn *= drawn.dtype.type(self.stdev)
        if self.mean:
            drawn += drawn.dtype.type(self.mean)
        if drawn is not out:
            out[...] = drawn

    def moments(self) -> Tuple[float, float]:
        return self.mean, self.stdev


@dataclass(frozen=True)
class Truncated(Law):
    """Normal, conditioned on [low, high]; by rejection, from the normal or the uniform that is rejected less."""

    mean: float
    stdev: float
    low: float
    high: float

    def fill(self, key: bytes, index: int, out: numpy.ndarray) -> None:
        rng, low, high = stream(key, index), *self._limits()
        from_uniform = self._from_uniform() > self._from_normal()
        found = numpy.empty(0)
        while found.size < out.size:
            size = out.size - found.size
            size += size // 8 + 16
            if from_uniform:
                drawn = low + (high - low) * rng.random(size)
                peak = min(max(low, 0.0), high)
                drawn = drawn[rng.random(size) < numpy.exp((peak * peak - drawn * drawn) / 2)]
            else:
                drawn = numpy.empty(size)
                normals(rng, drawn)
                drawn = drawn[(drawn >= low) & (drawn <= high)]
            found = numpy.concatenate([found, drawn])
        # Rounding to a narrower dtype may step over a limit.
        values = (found[: out.size] * self.stdev + self.mean).astype(out.dtype)
        out[...] = numpy.clip(values, *_inside(self.low, self.high, out.dtype))

    def moments(self) -> Tuple[float, float]:
        low, high = self._limits()
        mass, density = self._from_normal(), [_density(low), _density(high)]
        ends = [0.0 if math.isinf(end) else end * at for end, at in zip((low, high), density)]
        shift = (density[0] - density[1]) / mass
        spread = 1 + (ends[0] - ends[1]) / mass - shift * shift
        return self.mean + self.stdev * shift, self.stdev * math.sqrt(spread)

    def acceptance(self) -> float:
        """How much of what is drawn is kept: the larger share of the two ways."""
        return max(self._from_normal(), self._from_uniform())

    def _limits(self) -> Tuple[float, float]:
        return (self.low - self.mean) / self.stdev, (self.high - self.mean) / self.stdev

    def _from_normal(self) -> float:
        low, high = self._limits()
        if low > 0:
            low, high = -high, -low  # where erfc keeps its digits
        return (math.erfc(-high / math.sqrt(2)) - math.erfc(-low / math.sqrt(2))) / 2

    def _from_uniform(self) -> float:
        low, high = self._limits()
        peak = min(max(low, 0.0), high)
        most = _density(peak) * (high - low)  # infinite where a limit is, 0 where that is too far out to be told
        return self._from_normal() / most if most else 0.0


@dataclass(frozen=True)
class Whole:
    """An array made at once, by ``make(key, shape)``: its values depend on one another."""

    make: Callable[[bytes, Shape], Any]
    expected: Optional[Tuple[float, float]] = None
    """Mean and standard deviation of its values, where they are known."""

    def moments(self) -> Optional[Tuple[float, float]]:
        """Mean and standard deviation, where they are known."""
        return self.expected


def jobs(law: Any, key: bytes, shape: Shape, out: numpy.ndarray) -> List[Tuple[int, Callable[[], None]]]:
    """What has to run, in any order and on any thread, to fill the flat array `out`: (bytes, call) pairs."""
    if isinstance(law, Whole):

        def whole() -> None:
            out.reshape(shape)[...] = law.make(key, shape)

        return [(out.nbytes, whole)]
    chunks = ((index, out[index * CHUNK : (index + 1) * CHUNK]) for index in range(-(-out.size // CHUNK)))
    return [(chunk.nbytes, _Chunk(law, key, index, chunk)) for index, chunk in chunks]


def drawn(law: Any, key: bytes, shape: Shape, dtype: Any) -> numpy.ndarray:
    """An array filled by a law, on this thread."""
    out = numpy.empty(int(numpy.prod(shape, dtype=numpy.int64)), dtype)
    for _, job in jobs(law, key, shape, out):
        job()
    return out.reshape(shape)


class _Chunk:
    __slots__ = ("index", "key", "law", "out")

    def __init__(self, law: Law, key: bytes, index: int, out: numpy.ndarray) -> None:
        self.law, self.key, self.index, self.out = law, key, index, out

    def __call__(self) -> None:
        self.law.fill(self.key, self.index, self.out)


def _float(out: numpy.ndarray) -> numpy.ndarray:
    """Where to draw what goes to `out`: there, or in single precision beside it."""
    return out if out.dtype in (numpy.float32, numpy.float64) else numpy.empty(out.size, numpy.float32)


def _density(x: float) -> float:
    return math.exp(-x * x / 2) / math.sqrt(2 * math.pi)


def _inside(low: float, high: float, dtype: numpy.dtype) -> Tuple[Any, Any]:
    """The nearest numbers of a dtype that are not outside [low, high]."""
    least, most = dtype.type(low), dtype.type(high)
    if float(least) < low:
        least = numpy.nextafter(least, dtype.type(numpy.inf))
    if float(most) > high:
        most = numpy.nextafter(most, dtype.type(-numpy.inf))
    return least, most
