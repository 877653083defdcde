"""The kit's own initializers: each says from which distribution it fills an array of a given shape."""

import math
from typing import Any, Optional, Tuple

import numpy

from .arguments import count, number, one_of
from .distributions import ArrayDistribution, DistributionInitializer, Normal, Shape, Truncated, Uniform, draw
from .random import orthonormal_rows


class TruncatedNormal(DistributionInitializer):
    """Normal numbers, drawn anew where they fall outside [low, high].

    Parameters
    ----------
    mean, stdev : float
        Of the normal distribution before it is cut.
    low, high : float, optional
        The limits, values, not multiples of `stdev`; by default two `stdev` from the mean, as in Keras.

    Examples
    --------
    >>> net = mx.gluon.nn.Dense(100, in_units=100)
    >>> net.initialize(TruncatedNormal(0.0, 0.5, low=-1, high=0.25))
    >>> values = net.weight.data().asnumpy()
    >>> bool(-1 <= values.min() < -0.9), bool(0.24 < values.max() <= 0.25)
    (True, True)
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
        if max(self._distribution.standard()[2:]) < 1e-3:  # of what is proposed, so much is kept
            raise ValueError(f"[{low:g}, {high:g}] is so far from mean {mean:g}, with stdev {stdev:g}, that next to "
                             f"nothing is drawn there: expected limits within a few stdev of the mean")  # fmt: skip

    def _distribution_for(self, desc: Any, shape: Shape) -> Any:
        return self._distribution


class VarianceScaling(DistributionInitializer):
    """Variance ``scale / n``, with n the fan-in, the fan-out or their mean: Keras' ``VarianceScaling``.

    Glorot's initializers are ``(1, "fan_avg", ...)`` (Glorot and Bengio 2010), He's ``(2, "fan_in", ...)`` (He et al.
    2015), LeCun's ``(1, "fan_in", ...)``. Fans are counted along the axes that the layer uses, also with channels last,
    in transposed convolutions and embeddings; for a convolution both are times its receptive field.

    Parameters
    ----------
    scale, mode : float, str
        Above 0; and ``'fan_in'``, ``'fan_out'`` or ``'fan_avg'``.
    distribution : str
        ``'truncated_normal'`` (cut at two standard deviations, then widened to the variance promised), ``'normal'`` or
        ``'uniform'``.

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


_CUT = Truncated(0.0, 1.0, -2.0, 2.0).moments()[1]  # 0.8796, the deviation that is left of 1


class Identity(DistributionInitializer):
    """The identity matrix, times `gain`: ones where the output's index is the input's. For two dimensions.

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
    """Convolutions that pass their input through: a one in the kernel's middle where output and input channel agree.

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
        return ArrayDistribution(lambda key, shape: _in_the_middle(matrix, shape, output, input_))


class DeltaOrthogonal(DistributionInitializer):
    """A random orthogonal matrix in the middle of the kernel, zeros around it (Xiao et al. 2018, arXiv:1806.05393).

    A convolution of stride 1 then multiplies the norm of its input, and of the gradient where it has as many outputs
    as inputs, by `gain`. For one, two and three dimensions in every layout, and for transposed convolutions.

    Parameters
    ----------
    gain : float
        ``2 ** 0.5`` makes up for a ReLU behind the convolution.
    groups : int
        The convolution's ``groups``: each has a matrix of its own.

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
        split = min(output, input_)  # the axis that counts the channels of all groups; the other counts those of one
        if shape[split] % self.groups:
            raise ValueError(f"{shape[split]:d} channels do not divide by groups={self.groups:d}")
        outputs, inputs = (shape[axis] // (self.groups if axis == split else 1) for axis in (output, input_))
        if outputs < inputs:
            raise ValueError(f"{outputs:d} outputs are fewer than {inputs:d} inputs, whose norm they cannot keep")

        def make(key: bytes, shape: Shape) -> numpy.ndarray:
            normal = draw(Normal(0.0, 1.0), key, (self.groups, inputs, outputs), numpy.float64)
            matrices = [orthonormal_rows(rows).T for rows in normal]  # outputs x inputs, of orthonormal columns
            matrix = self.gain * numpy.concatenate(matrices, axis=0 if split == output else 1)
            return _in_the_middle(matrix, shape, output, input_)

        return ArrayDistribution(make, (0.0, abs(self.gain) / math.sqrt(outputs * math.prod(kernel))))


def _in_the_middle(matrix: numpy.ndarray, shape: Shape, output: int, input_: int) -> numpy.ndarray:
    """Kernels with a matrix, outputs by inputs, in their middle, and zeros around it."""
    kernels = numpy.zeros(shape)
    by_place = numpy.moveaxis(kernels, (output, input_), (-2, -1))
    by_place[tuple(size // 2 for size in by_place.shape[:-2])] = matrix
    return kernels


def _fans(shape: Shape, info: Any) -> Tuple[float, float]:
    """Fan-in and fan-out of a weight: the channels along its input and output axis, times its receptive field."""
    if len(shape) < 2:
        raise ValueError(f"an array of shape {shape!r} has no fan-in and fan-out: expected 2 dimensions or more")
    output, input_ = channel_axes(shape, info)
    area = int(numpy.prod(shape, dtype=numpy.int64)) // (shape[output] * shape[input_])
    return shape[input_] * area, shape[output] * area


def channel_axes(shape: Shape, info: Any) -> Tuple[int, int]:
    """The output axis and the input axis of a weight; ``info.axes`` says what its axes are: ``'OIHW'``."""
    axes = getattr(info, "axes", "OI")
    axes = axes if len(axes) == len(shape) else "OI"
    return axes.index("O"), axes.index("I")
