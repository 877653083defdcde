"""The initializers that MXNet lacks: truncated normal, variance scaling, identity, Dirac.

Each says by which law it fills an array; the base draws it, wherever the initializer is called from.
"""

import math
from typing import Any, Optional, Tuple

import numpy

from .._mxnet import classic, mx
from .base import Initializer
from .laws import Law, Normal, Truncated, Uniform, Whole, drawn

__all__ = ["Dirac", "Drawn", "Identity", "TruncatedNormal", "VarianceScaling"]

Shape = Tuple[int, ...]


def _registered(cls: type) -> type:
    cls._registered_name = f"gluon_initkit.{cls.__name__.lower()}"  # type: ignore[attr-defined]
    return mx.init.alias(cls._registered_name)(cls)  # type: ignore[attr-defined]


class Drawn(Initializer):
    """An initializer whose weights follow a law."""

    def law(self, desc: Any, shape: Shape) -> Any:
        """The law for an array of this shape."""
        raise NotImplementedError

    def _init_weight(self, desc: Any, arr: Any) -> None:
        classic(arr)[:] = drawn(self.law(desc, arr.shape), desc.key, arr.shape, arr.dtype)


@_registered
class TruncatedNormal(Drawn):
    """Normal numbers, drawn anew where they fall outside [low, high].

    Parameters
    ----------
    mean, stdev : float
        Of the normal distribution before it is cut.
    low, high : float, optional
        The limits, themselves values, not multiples of `stdev`; by default ``mean - 2 * stdev`` and
        ``mean + 2 * stdev``, as Keras' ``TruncatedNormal`` has them.

    Raises
    ------
    ValueError
        `stdev` is not positive, the limits are the wrong way round, or so far out that nothing is ever drawn there.

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
        if not stdev > 0:
            raise ValueError(f"stdev is {stdev}: expected a number above 0")
        low = mean - 2 * stdev if low is None else low
        high = mean + 2 * stdev if high is None else high
        if not low < high:
            raise ValueError(f"low is {low} and high is {high}: expected low < high")
        self._law = Truncated(float(mean), float(stdev), float(low), float(high))
        if self._law.acceptance() < 1e-3:
            raise ValueError(f"[{low}, {high}] is so far from mean {mean}, with stdev {stdev}, that next to nothing "
                             f"is drawn there: expected limits within a few stdev of the mean")  # fmt: skip

    def law(self, desc: Any, shape: Shape) -> Law:
        """The law for an array of this shape.

        Parameters
        ----------
        desc : InitDesc
        shape : tuple of int

        Returns
        -------
        Law

        Examples
        --------
        >>> TruncatedNormal(0.0, 1.0).law(None, (2, 3))
        Truncated(mean=0.0, stdev=1.0, low=-2.0, high=2.0)
        """
        return self._law


@_registered
class VarianceScaling(Drawn):
    """Variance ``scale / n``, with n the fan-in, the fan-out or their mean: Keras' ``VarianceScaling``.

    Glorot's initializers are ``(1, "fan_avg", ...)`` (Glorot and Bengio 2010), He's ``(2, "fan_in", ...)`` (He et al.
    2015), LeCun's ``(1, "fan_in", ...)``. Fans are counted along the axes that the layer uses, so layers with channels
    last, transposed convolutions and embeddings have theirs; for a convolution both are times its receptive field.

    Parameters
    ----------
    scale : float
        Above 0.
    mode : str
        ``'fan_in'``, ``'fan_out'`` or ``'fan_avg'``.
    distribution : str
        ``'truncated_normal'`` (cut at two standard deviations, then widened to the variance promised), ``'normal'`` or
        ``'uniform'``.

    Raises
    ------
    ValueError
        An argument is none of these.
    InitializationError
        While filling: the array has fewer than two dimensions, and so no fans.

    Examples
    --------
    >>> net = mx.gluon.nn.Dense(64, in_units=256)
    >>> net.initialize(VarianceScaling(2.0, "fan_in", "uniform"))
    >>> round(float(net.weight.data().asnumpy().std() * 128**0.5), 1)
    1.0
    """

    def __init__(self, scale: float = 1.0, mode: str = "fan_in", distribution: str = "truncated_normal") -> None:
        super().__init__(scale=scale, mode=mode, distribution=distribution)
        _expect("mode", mode, ("fan_in", "fan_out", "fan_avg"))
        _expect("distribution", distribution, ("truncated_normal", "normal", "uniform"))
        if not scale > 0:
            raise ValueError(f"scale is {scale}: expected a number above 0")
        self.scale, self.mode, self.distribution = float(scale), mode, distribution

    def law(self, desc: Any, shape: Shape) -> Law:
        """The law for an array of this shape, by the axes that ``desc.axes`` tells.

        Parameters
        ----------
        desc : InitDesc
        shape : tuple of int

        Returns
        -------
        Law

        Examples
        --------
        >>> VarianceScaling(3.0, "fan_in", "uniform").law(None, (2, 4))
        Uniform(low=-1.5, high=1.5)
        """
        fan_in, fan_out = fans(shape, getattr(desc, "axes", "OI"))
        variance = self.scale / {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}[self.mode]
        if self.distribution == "uniform":
            limit = math.sqrt(3 * variance)
            return Uniform(-limit, limit)
        if self.distribution == "normal":
            return Normal(0.0, math.sqrt(variance))
        stdev = math.sqrt(variance) / _CUT
        return Truncated(0.0, stdev, -2 * stdev, 2 * stdev)


_CUT = Truncated(0.0, 1.0, -2.0, 2.0).moments()[1]  # 0.8796, the deviation that is left of 1


@_registered
class Identity(Drawn):
    """The identity matrix, times `gain`: ones where the output's index is the input's. For two dimensions.

    Parameters
    ----------
    gain : float

    Examples
    --------
    >>> net = mx.gluon.nn.Dense(2, in_units=3)
    >>> net.initialize(Identity())
    >>> net.weight.data().asnumpy().tolist()
    [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]
    """

    def __init__(self, gain: float = 1.0) -> None:
        super().__init__(gain=gain)
        self.gain = gain

    def law(self, desc: Any, shape: Shape) -> Whole:
        """The law for an array of this shape.

        Parameters
        ----------
        desc : InitDesc
        shape : tuple of int

        Returns
        -------
        Whole

        Raises
        ------
        ValueError
            The array has not two dimensions.

        Examples
        --------
        >>> Identity(2).law(None, (1, 2)).make(b"", (1, 2)).tolist()
        [[2.0, 0.0]]
        """
        if len(shape) != 2:
            raise ValueError(f"Identity needs an array of 2 dimensions, found shape {shape}; Dirac serves convolutions")
        return Whole(lambda key, shape: self.gain * numpy.eye(shape[0], shape[1]))


@_registered
class Dirac(Drawn):
    """Convolutions that pass their input through: a one in the kernel's middle where output and input channel agree.

    Parameters
    ----------
    groups : int
        The convolution's ``groups``: each passes its own channels through.

    Raises
    ------
    InitializationError
        While filling: the array is no convolution's, or its output channels do not divide by `groups`.

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
        self.groups = groups

    def law(self, desc: Any, shape: Shape) -> Whole:
        """The law for an array of this shape, by the axes that ``desc.axes`` tells.

        Parameters
        ----------
        desc : InitDesc
        shape : tuple of int

        Returns
        -------
        Whole

        Raises
        ------
        ValueError
            The array is no convolution's, or its output channels do not divide by `groups`.

        Examples
        --------
        >>> Dirac().law(None, (1, 1, 3)).make(b"", (1, 1, 3)).tolist()
        [[[0.0, 1.0, 0.0]]]
        """
        if len(shape) < 3:
            raise ValueError(f"Dirac needs a convolution's array of 3 to 5 dimensions, found shape {shape}")
        output, into = _channels(shape, getattr(desc, "axes", "OI"))
        if shape[output] % self.groups:
            raise ValueError(f"{shape[output]} output channels do not divide by groups={self.groups}")
        each = shape[output] // self.groups

        def make(key: bytes, shape: Shape) -> numpy.ndarray:
            made, middle = numpy.zeros(shape), [size // 2 for size in shape]
            for channel in range(shape[output]):
                if channel % each < shape[into]:
                    middle[output], middle[into] = channel, channel % each
                    made[tuple(middle)] = 1
            return made

        return Whole(make)


def fans(shape: Shape, axes: str) -> Tuple[float, float]:
    """Fan-in and fan-out of a weight: the channels along its input and output axis, times its receptive field."""
    if len(shape) < 2:
        raise ValueError(f"an array of shape {shape} has no fan-in and fan-out: expected 2 dimensions or more")
    output, into = _channels(shape, axes)
    area = int(numpy.prod(shape, dtype=numpy.int64)) // (shape[output] * shape[into])
    return shape[into] * area, shape[output] * area


def _channels(shape: Shape, axes: str) -> Tuple[int, int]:
    """The output axis and the input axis."""
    axes = axes if len(axes) == len(shape) else "OI"
    return axes.index("O"), axes.index("I")


def _expect(name: str, found: Any, expected: Tuple[str, ...]) -> None:
    if found not in expected:
        raise ValueError(f"{name} is {found!r}, expected one of {', '.join(expected)}")
