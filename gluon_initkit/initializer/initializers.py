"""The distributions that MXNet lacks: truncated normal, and variance scaling."""

import math
from typing import Any, Optional

from .arguments import number, one_of
from .distributions import Law, Normal, Shape, Truncated, Uniform
from .drawn import Drawn, registered
from .fans import fans

__all__ = ["TruncatedNormal", "VarianceScaling"]


@registered
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
    TypeError, ValueError
        An argument is no number, `stdev` is not positive, the limits are the wrong way round, or so far out that
        nothing is ever drawn there.

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
        self._law = Truncated(mean, stdev, low, high)
        if self._law.acceptance() < 1e-3:
            raise ValueError(f"[{low:g}, {high:g}] is so far from mean {mean:g}, with stdev {stdev:g}, that next to "
                             f"nothing is drawn there: expected limits within a few stdev of the mean")  # fmt: skip

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


@registered
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
    TypeError, ValueError
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

    _needs_fans = True

    def __init__(self, scale: float = 1.0, mode: str = "fan_in", distribution: str = "truncated_normal") -> None:
        super().__init__(scale=scale, mode=mode, distribution=distribution)
        self.scale = number("scale", scale, above=0)
        self.mode = one_of("mode", mode, ("fan_in", "fan_out", "fan_avg"))
        self.distribution = one_of("distribution", distribution, ("truncated_normal", "normal", "uniform"))

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
