"""Weights by which a layer passes its input through: `Identity` for matrices, `Dirac` for convolutions."""

from typing import Any

import numpy

from .arguments import count, number
from .distributions import Shape, Whole
from .drawn import Drawn, registered
from .fans import channels

__all__ = ["Dirac", "Identity"]


@registered
class Identity(Drawn):
    """The identity matrix, times `gain`: ones where the output's index is the input's. For two dimensions.

    Parameters
    ----------
    gain : float

    Raises
    ------
    TypeError, ValueError
        `gain` is no finite number.
    InitializationError
        While filling: the array has not two dimensions.

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
            raise ValueError(
                f"Identity needs an array of 2 dimensions, found shape {shape!r}; Dirac serves convolutions"
            )
        return Whole(lambda key, shape: self.gain * numpy.eye(shape[0], shape[1]))


@registered
class Dirac(Drawn):
    """Convolutions that pass their input through: a one in the kernel's middle where output and input channel agree.

    Parameters
    ----------
    groups : int
        The convolution's ``groups``: each passes its own channels through.

    Raises
    ------
    TypeError, ValueError
        `groups` is no integer, or below 1.
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
        self.groups = count("groups", groups)

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
            raise ValueError(f"Dirac needs a convolution's array of 3 to 5 dimensions, found shape {shape!r}")
        output, into = channels(shape, getattr(desc, "axes", "OI"))
        if shape[output] % self.groups:
            raise ValueError(f"{shape[output]:d} output channels do not divide by groups={self.groups:d}")
        each = shape[output] // self.groups

        def make(key: bytes, shape: Shape) -> numpy.ndarray:
            made, middle = numpy.zeros(shape), [size // 2 for size in shape]
            for channel in range(shape[output]):
                if channel % each < shape[into]:
                    middle[output], middle[into] = channel, channel % each
                    made[tuple(middle)] = 1
            return made

        return Whole(make)
