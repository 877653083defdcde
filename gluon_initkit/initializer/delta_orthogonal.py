"""`DeltaOrthogonal`: convolutions that keep the norm of what goes through them, however deep the network is."""

import math
from typing import Any

import numpy

from .arguments import count, number
from .distributions import Normal, Shape, Whole, drawn
from .drawn import Drawn, registered
from .fans import channels
from .random.orthogonal import orthonormal_rows

__all__ = ["DeltaOrthogonal"]


@registered
class DeltaOrthogonal(Drawn):
    """A random orthogonal matrix in the middle of the kernel, zeros around it (Xiao et al. 2018, arXiv:1806.05393).

    A convolution of stride 1 then multiplies the norm of its input, and of the gradient where it has as many outputs
    as inputs, by `gain`. For one, two and three dimensions in every layout, and for transposed convolutions.

    Parameters
    ----------
    gain : float
        ``2 ** 0.5`` makes up for a ReLU behind the convolution.
    groups : int
        The convolution's ``groups``: each has a matrix of its own.

    Raises
    ------
    TypeError, ValueError
        `gain` is no finite number, or `groups` no integer from 1 on.
    InitializationError
        While filling: the array is not that of a convolution, a size of its kernel is even, its channels do not divide
        by `groups`, or a group has fewer outputs than inputs.

    Examples
    --------
    >>> net = mx.gluon.nn.Conv2D(8, 3, padding=1, in_channels=8)
    >>> net.initialize(DeltaOrthogonal())
    >>> image = mx.nd.random.uniform(shape=(1, 8, 5, 5))
    >>> round(float(net(image).norm().asscalar() / image.norm().asscalar()), 4)
    1.0
    """

    def __init__(self, gain: float = 1.0, groups: int = 1) -> None:
        super().__init__(gain=gain, groups=groups)
        self.gain, self.groups = number("gain", gain), count("groups", groups)

    def law(self, desc: Any, shape: Shape) -> Whole:
        """The distribution for an array of this shape, by the axes that ``desc.axes`` tells."""
        if len(shape) < 3:
            raise ValueError(f"DeltaOrthogonal needs a convolution's array of 3 to 5 dimensions, found {shape!r}; "
                             f"mx.init.Orthogonal serves matrices")  # fmt: skip
        output, into = channels(shape, getattr(desc, "axes", "OI"))
        kernel = [size for axis, size in enumerate(shape) if axis not in (output, into)]
        if not all(size % 2 for size in kernel):
            raise ValueError(f"its kernel {tuple(kernel)} has no middle: expected odd sizes")
        split = min(output, into)  # the axis that counts the channels of all groups; the other one counts those of one
        if shape[split] % self.groups:
            raise ValueError(f"{shape[split]:d} channels do not divide by groups={self.groups:d}")
        outputs, inputs = (shape[axis] // (self.groups if axis == split else 1) for axis in (output, into))
        if outputs < inputs:
            raise ValueError(f"{outputs:d} outputs are fewer than {inputs:d} inputs, whose norm they cannot keep")

        def make(key: bytes, shape: Shape) -> numpy.ndarray:
            normal = drawn(Normal(0.0, 1.0), key, (self.groups, inputs, outputs), numpy.float64)
            matrices = [orthonormal_rows(each).T for each in normal]  # outputs x inputs, of orthonormal columns
            array = numpy.zeros(shape)
            middle = tuple(size // 2 for size in kernel)
            matrix = self.gain * numpy.concatenate(matrices, axis=0 if split == output else 1)
            numpy.moveaxis(array, (output, into), (-2, -1))[middle] = matrix
            return array

        return Whole(make, (0.0, abs(self.gain) / math.sqrt(outputs * math.prod(kernel))))
