"""Distributions of parameters as plain data, with code to fill memory from them. A table gives the distribution of each
initializer of MXNet. The kit's own initializers are defined here; they return a distribution for an array's shape.

The table's keys are hook functions, so a subclass with its own hook is never taken for its base class. A hook that is
not in the table runs as it is.
"""

from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
import math
from typing import Any, Callable, ContextManager, Dict, List, Optional, Tuple

import numpy

from .._mxnet import backend, mx
from .._mxnet.arrays import classic
from .._mxnet.preserve import draw_seed
from ..display import printable
from ..parallel import Job
from ..parameters import ParameterInfo, role_of
from .arguments import count, number, one_of
from .dispatch import Choice, choose
from .initializer import Initializer, corrected
from .random import CHUNK, key_of, normals, orthonormal_rows, stream, uniforms

Shape = Tuple[int, ...]


class Distribution:
    """A distribution of independent values. It fills each chunk of an array from the chunk's own random stream."""

    draw: Callable[[Any, numpy.ndarray], None]  # fills a float32 or float64 vector
    moments: Callable[[], Tuple[float, float]]  # mean and standard deviation

    def fill(self, key: bytes, index: int, out: numpy.ndarray) -> None:
        """Fill the vector `out` of any dtype, which is chunk `index` of the array with this `key`."""
        # Dtypes other than float32 and float64 are drawn in float32 and converted.
        values = out if out.dtype in (numpy.float32, numpy.float64) else numpy.empty(out.size, numpy.float32)
        self.draw(stream(key, index), values)
        if values is not out:
            out[...] = values


@dataclass(frozen=True)
class Constant(Distribution):
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
    """Normal, conditioned on [low, high], by rejection from a normal or a uniform, whichever is kept more often."""

    mean: float
    stdev: float
    low: float
    high: float

    def fill(self, key: bytes, index: int, out: numpy.ndarray) -> None:
        rng, (low, high, normal_rate, uniform_rate) = stream(key, index), self.standard()
        peak = min(max(low, 0.0), high)
        values = numpy.empty(0)
        while values.size < out.size:
            size = out.size - values.size
            size += size // 8 + 16
            if uniform_rate > normal_rate:
                proposed = low + (high - low) * rng.random(size)
                proposed = proposed[rng.random(size) < numpy.exp((peak * peak - proposed * proposed) / 2)]
            else:
                proposed = numpy.empty(size)
                normals(rng, proposed)
                proposed = proposed[(proposed >= low) & (proposed <= high)]
            values = numpy.concatenate([values, proposed])
        values = (values[: out.size] * self.stdev + self.mean).astype(out.dtype)
        # Rounding to a narrower dtype may cross a limit, so clip to the outermost numbers of the dtype within.
        least, most = out.dtype.type(self.low), out.dtype.type(self.high)
        if float(least) < self.low:
            least = numpy.nextafter(least, out.dtype.type(numpy.inf))
        if float(most) > self.high:
            most = numpy.nextafter(most, out.dtype.type(-numpy.inf))
        out[...] = numpy.clip(values, least, most)

    def moments(self) -> Tuple[float, float]:
        low, high, mass, _ = self.standard()
        at_low, at_high = _density(low), _density(high)
        ends = [0.0 if math.isinf(end) else end * at for end, at in ((low, at_low), (high, at_high))]
        shift = (at_low - at_high) / mass
        spread = 1 + (ends[0] - ends[1]) / mass - shift * shift
        return self.mean + self.stdev * shift, self.stdev * math.sqrt(spread)

    def standard(self) -> Tuple[float, float, float, float]:
        """The limits in deviations from the mean, and the acceptance rates of normal and of uniform proposals."""
        low, high = (self.low - self.mean) / self.stdev, (self.high - self.mean) / self.stdev
        below, above = (-high, -low) if low > 0 else (low, high)  # the side on which erfc is accurate
        normal_rate = (math.erfc(-above / math.sqrt(2)) - math.erfc(-below / math.sqrt(2))) / 2
        area = _density(min(max(low, 0.0), high)) * (high - low)  # infinite if a limit is; 0 by underflow in the tail
        return low, high, normal_rate, normal_rate / area if area else 0.0


def _density(x: float) -> float:
    return math.exp(-x * x / 2) / math.sqrt(2 * math.pi)


@dataclass(frozen=True)
class ArrayDistribution:
    """An array that ``make(key, shape)`` makes as a whole, since its values depend on one another."""

    make: Callable[[bytes, Shape], Any]
    expected: Optional[Tuple[float, float]] = None

    def moments(self) -> Optional[Tuple[float, float]]:
        """Mean and standard deviation, or None if they are not known."""
        return self.expected


def fill_jobs(
    distribution: Any, key: bytes, shape: Shape, out: numpy.ndarray,
    memory_errors: Callable[[], ContextManager[None]] = nullcontext,
) -> List[Job]:  # fmt: skip
    """The jobs that fill the flat array `out`, in any order and on any thread."""
    # `memory_errors` makes the context for `distribution.make`, which may need more memory than the array itself.
    if isinstance(distribution, ArrayDistribution):

        def fill_array() -> None:
            with memory_errors():
                out.reshape(shape)[...] = distribution.make(key, shape)

        return [(out.nbytes, fill_array)]
    chunks = [out[start : start + CHUNK] for start in range(0, out.size, CHUNK)]
    return [(chunk.nbytes, partial(distribution.fill, key, index, chunk)) for index, chunk in enumerate(chunks)]


def draw(distribution: Any, key: bytes, shape: Shape, dtype: Any) -> numpy.ndarray:
    """An array drawn from a distribution, on this thread."""
    out = numpy.empty(int(numpy.prod(shape, dtype=numpy.int64)), dtype)
    for _, job in fill_jobs(distribution, key, shape, out):
        job()
    return out.reshape(shape)


class DistributionInitializer(Initializer):
    """An initializer that draws weights from a distribution, also when plain Gluon calls it."""

    _distribution_for: Callable[[Any, Shape], Any]  # takes `desc`, which has `axes`, and the array's shape

    def _init_weight(self, desc: Any, arr: Any) -> None:
        key = getattr(desc, "key", None) or key_of("drawn", draw_seed())
        classic(arr)[:] = draw(self._distribution_for(desc, arr.shape), key, arr.shape, arr.dtype)


def distribution_of(initializer: Any, hook: str, desc: Any, shape: Shape) -> Any:
    """The distribution from which a hook fills an array of this shape; None if the hook is a user's code.

    `desc` has `axes` and `global_init`. Raises a ValueError if the shape cannot be filled or an argument is wrong.
    """
    distribution = hook_distribution(initializer, hook)
    return distribution(initializer, desc, shape) if callable(distribution) else distribution


def hook_distribution(initializer: Any, hook: str) -> Any:
    """A hook's distribution, or the function that returns it for a shape; None if the hook is a user's code."""
    return None if hook in vars(initializer) else _DISTRIBUTIONS.get(getattr(type(initializer), hook, None))


def _xavier(initializer: Any, desc: Any, shape: Shape) -> Distribution:
    if len(shape) < 2:
        name = type(initializer).__name__
        raise ValueError(f"{printable(name)} needs an array of at least 2 dimensions, found shape {shape!r}")
    fan_in, fan_out = _fans(shape, None)  # MXNet's (Glorot and Bengio 2010) assumes channels first
    factors = {"avg": (fan_in + fan_out) / 2, "in": fan_in, "out": fan_out}
    scale = math.sqrt(initializer.magnitude / factors[one_of("factor_type", initializer.factor_type, tuple(factors))])
    if one_of("rnd_type", initializer.rnd_type, ("uniform", "gaussian")) == "uniform":
        return Uniform(-scale, scale)
    return Normal(0.0, scale)


def _constant(initializer: Any, desc: Any, shape: Shape) -> Any:
    value = initializer.value
    if isinstance(value, mx.nd.NDArray):
        value = value.asnumpy()
    if numpy.ndim(value) == 0:
        return Constant(float(value))
    array = numpy.broadcast_to(numpy.asarray(value), shape)  # raises a ValueError if it does not fit
    return ArrayDistribution(lambda key, shape: array)


def _orthogonal(initializer: Any, desc: Any, shape: Shape) -> ArrayDistribution:
    distributions = {"uniform": Uniform(-1.0, 1.0), "normal": Normal(0.0, 1.0)}
    entries = distributions[one_of("rand_type", initializer.rand_type, tuple(distributions))]

    def make(key: bytes, shape: Shape) -> numpy.ndarray:
        matrix = draw(entries, key, (shape[0], int(numpy.prod(shape[1:], dtype=numpy.int64))), numpy.float64)
        rows = orthonormal_rows(matrix) if len(matrix) <= matrix.shape[1] else orthonormal_rows(matrix.T).T
        return (initializer.scale * rows).reshape(shape)

    return ArrayDistribution(make)


def _bilinear(initializer: Any, desc: Any, shape: Shape) -> ArrayDistribution:
    if len(shape) != 4:
        raise ValueError(f"Bilinear needs an array of 4 dimensions, found shape {shape!r}")
    f = math.ceil(shape[3] / 2)
    c = (2 * f - 1 - f % 2) / (2 * f)
    y, x = (1 - abs(numpy.arange(size) / f - c) for size in shape[2:])
    return ArrayDistribution(lambda key, shape: numpy.broadcast_to(y[:, None] * x, shape))


def _lstm_bias(initializer: Any, desc: Any, shape: Shape) -> ArrayDistribution:
    def make(key: bytes, shape: Shape) -> numpy.ndarray:
        bias = numpy.zeros(shape)
        hidden = shape[0] // 4  # gates in the order input, forget, cell, output
        bias[hidden : 2 * hidden] = initializer.forget_bias
        return bias

    return ArrayDistribution(make)


def _fused_rnn(initializer: Any, desc: Any, shape: Shape) -> Optional[ArrayDistribution]:
    """The vector of a fused RNN, each part from its own distribution; None if a user's hook fills a part."""
    layout = backend.rnn_layout(initializer, shape)
    network = corrected(layout.network or desc.global_init)
    distributions: Dict[str, Any] = {}
    for name, part_shape in layout.shapes.items():
        info = ParameterInfo(None, (), name, role_of(name), part_shape, "float32")
        choice = choose(network, info, layout.declared.get(name))
        if isinstance(choice, Choice):
            distributions[name] = distribution_of(choice.initializer, choice.hook, desc, part_shape)
        if distributions.get(name) is None:
            return None

    def make(key: bytes, shape: Shape) -> numpy.ndarray:
        return layout.packed({name: draw(distribution, key_of(key.hex(), name), layout.shapes[name], "float32")
                              for name, distribution in distributions.items()})  # fmt: skip

    return ArrayDistribution(make)


_ZERO, _ONE, _BASE = Constant(0.0), Constant(1.0), mx.init.Initializer
_DISTRIBUTIONS: Dict[Any, Any] = {
    mx.init.Uniform._init_weight: lambda init, desc, shape: Uniform(-init.scale, init.scale),
    mx.init.Normal._init_weight: lambda init, desc, shape: Normal(0.0, init.sigma),
    mx.init.Xavier._init_weight: _xavier,
    mx.init.Constant._init_weight: _constant,
    mx.init.Orthogonal._init_weight: _orthogonal,
    mx.init.Bilinear._init_weight: _bilinear,
    mx.init.LSTMBias._init_weight: _lstm_bias,
    backend.FusedRNN._init_weight: _fused_rnn,
    DistributionInitializer._init_weight: lambda init, desc, shape: init._distribution_for(desc, shape),
    **dict.fromkeys([mx.init.Zero._init_weight, _BASE._init_bias, _BASE._init_beta, _BASE._init_zero,
                     Initializer._init_running_mean], _ZERO),
    **dict.fromkeys([mx.init.One._init_weight, _BASE._init_gamma, _BASE._init_one, Initializer._init_running_var],
                    _ONE),
}  # fmt: skip


class TruncatedNormal(DistributionInitializer):
    """Normal numbers; those outside [low, high] are drawn again.

    Parameters
    ----------
    mean, stdev, low, high : float
        Mean and deviation before the cut, and the limits: by default two `stdev` from the mean, as in Keras.

    Examples
    --------
    >>> net = mx.gluon.nn.Dense(100, in_units=100)
    >>> net.initialize(TruncatedNormal(0.0, 0.5, low=-1, high=0.25))
    >>> bool(0.24 < net.weight.data().asnumpy().max() <= 0.25)
    True
    """

    def __init__(
        self, mean: float = 0.0, stdev: float = 0.01, low: Optional[float] = None, high: Optional[float] = None
    ) -> None:
        super().__init__(mean=mean, stdev=stdev, low=low, high=high)
        mean, stdev = number("mean", mean), number("stdev", stdev, above=0)
        low = mean - 2 * stdev if low is None else number("low", low, finite=False)
        high = mean + 2 * stdev if high is None else number("high", high, finite=False)
        if not low < high:
            raise ValueError(f"low is {low:g} and high is {high:g}: expected low < high")
        self._distribution = Truncated(mean, stdev, low, high)
        if max(self._distribution.standard()[2:]) < 1e-3:  # the acceptance rates
            raise ValueError(f"[{low:g}, {high:g}] is so far from mean {mean:g}, with stdev {stdev:g}, that next to "
                             f"nothing is drawn there: expected limits within a few stdev of the mean")  # fmt: skip

    def _distribution_for(self, desc: Any, shape: Shape) -> Any:
        return self._distribution


class VarianceScaling(DistributionInitializer):
    """Numbers of variance ``scale / n``, where n is the fan-in, the fan-out or their mean, as in Keras.

    Glorot's initializers are ``(1, "fan_avg", ...)`` (Glorot and Bengio 2010), He's ``(2, "fan_in", ...)`` (He et al.
    2015), LeCun's ``(1, "fan_in", ...)``. Fans are computed along the layer's own axes, also for channels last,
    transposed convolutions and embeddings. For a convolution both are multiplied by the size of its kernel.

    Parameters
    ----------
    scale, mode : float, str
        A number above 0; and ``'fan_in'``, ``'fan_out'`` or ``'fan_avg'``.
    distribution : str
        ``'normal'``, ``'uniform'``, or ``'truncated_normal'``: cut at two deviations, then rescaled to this variance.

    Examples
    --------
    >>> net = mx.gluon.nn.Dense(64, in_units=256)
    >>> net.initialize(VarianceScaling(2.0, "fan_in", "uniform"))
    >>> round(float(net.weight.data().asnumpy().std() * 128**0.5), 1)
    1.0
    """

    _needs_fans = True

    def __init__(self, scale: float = 1.0, mode: str = "fan_in", distribution: str = "truncated_normal") -> None:
        super().__init__(scale=scale, mode=mode, distribution=distribution)
        self.scale = number("scale", scale, above=0)
        self.mode = one_of("mode", mode, ("fan_in", "fan_out", "fan_avg"))
        self.distribution = one_of("distribution", distribution, ("truncated_normal", "normal", "uniform"))

    def _distribution_for(self, desc: Any, shape: Shape) -> Any:
        fan_in, fan_out = _fans(shape, desc)
        variance = self.scale / {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}[self.mode]
        if self.distribution == "uniform":
            limit = math.sqrt(3 * variance)
            return Uniform(-limit, limit)
        if self.distribution == "normal":
            return Normal(0.0, math.sqrt(variance))
        stdev = math.sqrt(variance) / _CUT
        return Truncated(0.0, stdev, -2 * stdev, 2 * stdev)


_CUT = Truncated(0.0, 1.0, -2.0, 2.0).moments()[1]  # 0.8796, the deviation after the cut


class Identity(DistributionInitializer):
    """The identity matrix times `gain`, for arrays of two dimensions.

    Examples
    --------
    >>> net = mx.gluon.nn.Dense(2, in_units=3)
    >>> net.initialize(Identity())
    >>> net.weight.data().asnumpy().tolist()
    [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]
    """

    def __init__(self, gain: float = 1.0) -> None:
        super().__init__(gain=gain)
        self.gain = number("gain", gain)

    def _distribution_for(self, desc: Any, shape: Shape) -> ArrayDistribution:
        if len(shape) != 2:
            raise ValueError(f"Identity needs an array of 2 dimensions, found {shape!r}; Dirac serves convolutions")
        return ArrayDistribution(lambda key, shape: self.gain * numpy.eye(shape[0], shape[1]))


class Dirac(DistributionInitializer):
    """Identity convolution: 1 in the middle of the kernel for equal output and input channels, and 0 elsewhere.

    Each of the convolution's `groups` passes its own channels through.

    Examples
    --------
    >>> net = mx.gluon.nn.Conv2D(2, 3, padding=1, in_channels=2)
    >>> net.initialize(Dirac())
    >>> image = mx.nd.random.uniform(shape=(1, 2, 5, 5))
    >>> bool((net(image) == image).asnumpy().all())
    True
    """

    def __init__(self, groups: int = 1) -> None:
        super().__init__(groups=groups)
        self.groups = count("groups", groups)

    def _distribution_for(self, desc: Any, shape: Shape) -> ArrayDistribution:
        if len(shape) < 3:
            raise ValueError(f"Dirac needs a convolution's array of 3 to 5 dimensions, found shape {shape!r}")
        output, input_ = channel_axes(shape, desc)
        if shape[output] % self.groups:
            raise ValueError(f"{shape[output]:d} output channels do not divide by groups={self.groups:d}")
        group = numpy.eye(shape[output] // self.groups, shape[input_])
        matrix = numpy.concatenate([group] * self.groups)
        return ArrayDistribution(lambda key, shape: _centered(matrix, shape, output, input_))


class DeltaOrthogonal(DistributionInitializer):
    """A random orthogonal matrix in the middle of the kernel, zeros around it (Xiao et al. 2018, arXiv:1806.05393).

    A convolution of stride 1 then multiplies the norm of its input by `gain`; with as many outputs as inputs, also the
    norm of the gradient. It serves one, two and three dimensions in every layout, and transposed convolutions.

    Parameters
    ----------
    gain, groups : float, int
        A gain of ``2 ** 0.5`` compensates a ReLU after the convolution. Each of its `groups` has its own matrix.

    Examples
    --------
    >>> net = mx.gluon.nn.Conv2D(8, 3, padding=1, in_channels=8)
    >>> net.initialize(DeltaOrthogonal())
    >>> image = mx.nd.random.uniform(shape=(1, 8, 5, 5))
    >>> def squares(array): return float((array.asnumpy() ** 2).sum())
    >>> round(squares(net(image)) / squares(image), 4)
    1.0
    """

    def __init__(self, gain: float = 1.0, groups: int = 1) -> None:
        super().__init__(gain=gain, groups=groups)
        self.gain, self.groups = number("gain", gain), count("groups", groups)

    def _distribution_for(self, desc: Any, shape: Shape) -> ArrayDistribution:
        if len(shape) < 3:
            raise ValueError(f"DeltaOrthogonal needs a convolution's array of 3 to 5 dimensions, found {shape!r}; "
                             f"mx.init.Orthogonal serves matrices")  # fmt: skip
        output, input_ = channel_axes(shape, desc)
        kernel = [size for axis, size in enumerate(shape) if axis not in (output, input_)]
        if not all(size % 2 for size in kernel):
            raise ValueError(f"its kernel {tuple(kernel)} has no middle: expected odd sizes")
        split = min(output, input_)  # the axis with the channels of all groups; the other has those of one group
        if shape[split] % self.groups:
            raise ValueError(f"{shape[split]:d} channels do not divide by groups={self.groups:d}")
        outputs, inputs = (shape[axis] // (self.groups if axis == split else 1) for axis in (output, input_))
        if outputs < inputs:
            raise ValueError(f"{outputs:d} outputs are fewer than {inputs:d} inputs, whose norm they cannot keep")

        def make(key: bytes, shape: Shape) -> numpy.ndarray:
            normal = draw(Normal(0.0, 1.0), key, (self.groups, inputs, outputs), numpy.float64)
            matrices = [orthonormal_rows(rows).T for rows in normal]  # outputs x inputs, with orthonormal columns
            matrix = self.gain * numpy.concatenate(matrices, axis=0 if split == output else 1)
            return _centered(matrix, shape, output, input_)

        return ArrayDistribution(make, (0.0, abs(self.gain) / math.sqrt(outputs * math.prod(kernel))))


def _centered(matrix: numpy.ndarray, shape: Shape, output: int, input_: int) -> numpy.ndarray:
    """Kernels with `matrix`, outputs x inputs, in the middle and zeros around it."""
    kernels = numpy.zeros(shape)
    positions = numpy.moveaxis(kernels, (output, input_), (-2, -1))
    positions[tuple(size // 2 for size in positions.shape[:-2])] = matrix
    return kernels


def _fans(shape: Shape, info: Any) -> Tuple[float, float]:
    """Fan-in and fan-out of a weight: the channels on its input and output axis, times the size of its kernel."""
    if len(shape) < 2:
        raise ValueError(f"an array of shape {shape!r} has no fan-in and fan-out: expected 2 dimensions or more")
    output, input_ = channel_axes(shape, info)
    area = int(numpy.prod(shape, dtype=numpy.int64)) // (shape[output] * shape[input_])
    return shape[input_] * area, shape[output] * area


def channel_axes(shape: Shape, info: Any) -> Tuple[int, int]:
    """The output axis and the input axis of a weight, by ``info.axes`` such as ``'OIHW'``."""
    axes = getattr(info, "axes", "OI")
    axes = axes if len(axes) == len(shape) else "OI"
    return axes.index("O"), axes.index("I")
