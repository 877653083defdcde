"""Distributions, from which parameters are drawn, as plain data, and how streams of random numbers fill memory by them.

A `Distribution` is of independent values: it fills each chunk of an array from a stream of its own. An
`ArrayDistribution` makes a whole array at once.
"""

from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
import math
from typing import Any, Callable, ContextManager, List, Optional, Tuple

import numpy

from .random.streams import CHUNK, stream, uniforms
from .random.ziggurat import normals

Shape = Tuple[int, ...]


class Distribution:
    """A distribution of independent values."""

    def fill(self, key: bytes, index: int, out: numpy.ndarray) -> None:
        """Fill the vector `out`, of any dtype: chunk `index` of the array of `key`."""
        # In place, or in single precision beside it where it is of another dtype.
        values = out if out.dtype in (numpy.float32, numpy.float64) else numpy.empty(out.size, numpy.float32)
        self.draw(stream(key, index), values)
        if values is not out:
            out[...] = values

    def draw(self, rng: numpy.random.Generator, out: numpy.ndarray) -> None:
        """Fill a float32 or float64 vector."""
        raise NotImplementedError

    def moments(self) -> Tuple[float, float]:
        """Mean and standard deviation."""
        raise NotImplementedError


@dataclass(frozen=True)
class Constant(Distribution):
    """One value everywhere."""

    value: float

    def fill(self, key: bytes, index: int, out: numpy.ndarray) -> None:
        out[...] = self.value

    def moments(self) -> Tuple[float, float]:
        return self.value, 0.0


@dataclass(frozen=True)
class Uniform(Distribution):
    """Uniform on [low, high)."""

    low: float
    high: float

    def draw(self, rng: numpy.random.Generator, out: numpy.ndarray) -> None:
        uniforms(rng, out, self.low, self.high)

    def moments(self) -> Tuple[float, float]:
        return (self.low + self.high) / 2, (self.high - self.low) / math.sqrt(12)


@dataclass(frozen=True)
class Normal(Distribution):
    """Normal."""

    mean: float
    stdev: float

    def draw(self, rng: numpy.random.Generator, out: numpy.ndarray) -> None:
        normals(rng, out, self.stdev)
        if self.mean:
            out += out.dtype.type(self.mean)

    def moments(self) -> Tuple[float, float]:
        return self.mean, self.stdev


@dataclass(frozen=True)
class Truncated(Distribution):
    """Normal, conditioned on [low, high]: by rejection from a normal or a uniform, whichever is rejected less."""

    mean: float
    stdev: float
    low: float
    high: float

    def fill(self, key: bytes, index: int, out: numpy.ndarray) -> None:
        rng, low, high = stream(key, index), *self._standard_limits()
        peak = min(max(low, 0.0), high)
        from_uniform = self._accepted_of_uniform() > self._accepted_of_normal()
        values = numpy.empty(0)
        while values.size < out.size:
            size = out.size - values.size
            size += size // 8 + 16
            if from_uniform:
                proposed = low + (high - low) * rng.random(size)
                proposed = proposed[rng.random(size) < numpy.exp((peak * peak - proposed * proposed) / 2)]
            else:
                proposed = numpy.empty(size)
                normals(rng, proposed)
                proposed = proposed[(proposed >= low) & (proposed <= high)]
            values = numpy.concatenate([values, proposed])
        # Rounding to a narrower dtype may step over a limit.
        values = (values[: out.size] * self.stdev + self.mean).astype(out.dtype)
        out[...] = numpy.clip(values, *_limits_of_dtype(self.low, self.high, out.dtype))

    def moments(self) -> Tuple[float, float]:
        low, high = self._standard_limits()
        mass, density = self._accepted_of_normal(), [_density(low), _density(high)]
        ends = [0.0 if math.isinf(end) else end * at for end, at in zip((low, high), density)]
        shift = (density[0] - density[1]) / mass
        spread = 1 + (ends[0] - ends[1]) / mass - shift * shift
        return self.mean + self.stdev * shift, self.stdev * math.sqrt(spread)

    def acceptance(self) -> float:
        """The share of proposed numbers that is kept."""
        return max(self._accepted_of_normal(), self._accepted_of_uniform())

    def _standard_limits(self) -> Tuple[float, float]:
        return (self.low - self.mean) / self.stdev, (self.high - self.mean) / self.stdev

    def _accepted_of_normal(self) -> float:
        low, high = self._standard_limits()
        if low > 0:
            low, high = -high, -low  # where erfc keeps its digits
        return (math.erfc(-high / math.sqrt(2)) - math.erfc(-low / math.sqrt(2))) / 2

    def _accepted_of_uniform(self) -> float:
        low, high = self._standard_limits()
        area = _density(min(max(low, 0.0), high)) * (high - low)  # infinite where a limit is; 0 by underflow far out
        return self._accepted_of_normal() / area if area else 0.0


@dataclass(frozen=True)
class ArrayDistribution:
    """An array made at once by ``make(key, shape)``: its values depend on one another."""

    make: Callable[[bytes, Shape], Any]
    expected: Optional[Tuple[float, float]] = None
    """Mean and standard deviation of its values, where they are known."""

    def moments(self) -> Optional[Tuple[float, float]]:
        """Mean and standard deviation, where they are known."""
        return self.expected


def fill_jobs(
    distribution: Any,
    key: bytes,
    shape: Shape,
    out: numpy.ndarray,
    memory_errors: Callable[[], ContextManager[None]] = nullcontext,
) -> List[Tuple[int, Callable[[], None]]]:
    """The jobs, (bytes, call), that fill the flat array `out`, in any order and on any thread.

    `memory_errors` makes the context for what takes more memory than the array itself, as a decomposition does.
    """
    if isinstance(distribution, ArrayDistribution):

        def fill_array() -> None:
            with memory_errors():
                out.reshape(shape)[...] = distribution.make(key, shape)

        return [(out.nbytes, fill_array)]
    chunks = ((index, out[index * CHUNK : (index + 1) * CHUNK]) for index in range(-(-out.size // CHUNK)))
    return [(chunk.nbytes, partial(distribution.fill, key, index, chunk)) for index, chunk in chunks]


def draw(distribution: Any, key: bytes, shape: Shape, dtype: Any) -> numpy.ndarray:
    """An array drawn from a distribution, on this thread."""
    out = numpy.empty(int(numpy.prod(shape, dtype=numpy.int64)), dtype)
    for _, job in fill_jobs(distribution, key, shape, out):
        job()
    return out.reshape(shape)


def _density(x: float) -> float:
    return math.exp(-x * x / 2) / math.sqrt(2 * math.pi)


def _limits_of_dtype(low: float, high: float, dtype: numpy.dtype) -> Tuple[Any, Any]:
    """The smallest and the largest number of a dtype within [low, high]."""
    least, most = dtype.type(low), dtype.type(high)
    if float(least) < low:
        least = numpy.nextafter(least, dtype.type(numpy.inf))
    if float(most) > high:
        most = numpy.nextafter(most, dtype.type(-numpy.inf))
    return least, most
