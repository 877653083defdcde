"""Which distribution an initializer of MXNet's means. The function that would run decides, so that a subclass with a
hook of its own is never taken for its base class. A hook that is not here is run as it is.
"""

import math
from typing import Any, Callable, Dict, Optional

import numpy

from .._mxnet import backend, mx
from ..display import printable
from ..parameters import ParameterInfo, role_of
from .arguments import one_of
from .dispatch import Choice, choose
from .distributions import ArrayDistribution, Constant, Distribution, Normal, Shape, Uniform, draw
from .initializer import Initializer, corrected
from .initializers import DistributionInitializer
from .random.orthogonal import orthonormal_rows
from .random.streams import CHUNK, derive, stream, uniforms
from .random.ziggurat import normals


def distribution_of(initializer: Any, hook: str, desc: Any, shape: Shape) -> Any:
    """The distribution by which `initializer`'s `hook` fills an array of this shape; None where it is a user's code.

    `desc` has `axes` and `global_init`. A ValueError says that the initializer cannot fill such a shape, or that its
    arguments are wrong.
    """
    if hook in vars(initializer):
        return None
    known = _DISTRIBUTIONS.get(getattr(type(initializer), hook, None))
    return None if known is None else known(initializer, desc, shape)


def _xavier(initializer: Any, desc: Any, shape: Shape) -> Distribution:
    # MXNet's fans (Glorot and Bengio 2010): by the shape alone, channels first.
    if len(shape) < 2:
        name = type(initializer).__name__
        raise ValueError(f"{printable(name)} needs an array of at least 2 dimensions, found shape {shape!r}")
    area = math.prod(shape[2:])
    fan_in, fan_out = shape[1] * area, shape[0] * area
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
    array = numpy.broadcast_to(numpy.asarray(value), shape)  # raises where it does not fit
    return ArrayDistribution(lambda key, shape: array)


def _fixed(value: float) -> Callable[[Any, Any, Shape], Distribution]:
    constant = Constant(value)
    return lambda initializer, desc, shape: constant


def _orthogonal(initializer: Any, desc: Any, shape: Shape) -> ArrayDistribution:
    one_of("rand_type", initializer.rand_type, ("uniform", "normal"))

    def make(key: bytes, shape: Shape) -> numpy.ndarray:
        outputs, inputs = shape[0], int(numpy.prod(shape[1:], dtype=numpy.int64))
        values = numpy.empty(outputs * inputs)
        for index in range(-(-values.size // CHUNK)):
            chunk, rng = values[index * CHUNK : (index + 1) * CHUNK], stream(key, index)
            if initializer.rand_type == "normal":
                normals(rng, chunk)
            else:
                uniforms(rng, chunk)
                chunk *= 2
                chunk -= 1
        matrix = values.reshape(outputs, inputs)
        rows = orthonormal_rows(matrix) if outputs <= inputs else orthonormal_rows(matrix.T).T
        return (initializer.scale * rows).reshape(shape)

    return ArrayDistribution(make)


def _bilinear(initializer: Any, desc: Any, shape: Shape) -> ArrayDistribution:
    if len(shape) != 4:
        raise ValueError(f"Bilinear needs an array of 4 dimensions, found shape {shape!r}")

    def make(key: bytes, shape: Shape) -> numpy.ndarray:
        f = math.ceil(shape[3] / 2)
        c = (2 * f - 1 - f % 2) / (2 * f)
        y, x = (1 - abs(numpy.arange(size) / f - c) for size in shape[2:])
        return numpy.broadcast_to(y[:, None] * x, shape)

    return ArrayDistribution(make)


def _lstm_bias(initializer: Any, desc: Any, shape: Shape) -> ArrayDistribution:
    def make(key: bytes, shape: Shape) -> numpy.ndarray:
        bias = numpy.zeros(shape)
        hidden = shape[0] // 4  # gates in the order input, forget, cell, output
        bias[hidden : 2 * hidden] = initializer.forget_bias
        return bias

    return ArrayDistribution(make)


def _fused_rnn(initializer: Any, desc: Any, shape: Shape) -> Optional[ArrayDistribution]:
    """The one vector of a fused RNN, each part by its own distribution; None where a user's hook fills a part."""
    parts = backend.rnn_layout(initializer, shape)
    network = corrected(parts.network or desc.global_init)
    distributions: Dict[str, Any] = {}
    for name, part in parts.shapes.items():
        info = ParameterInfo(None, (), name, role_of(name), part, "float32")
        choice = choose(network, info, parts.declared.get(name))
        if not isinstance(choice, Choice):
            return None
        distributions[name] = distribution_of(choice.initializer, choice.hook, desc, part)
        if distributions[name] is None:
            return None

    def make(key: bytes, shape: Shape) -> numpy.ndarray:
        return parts.packed({name: draw(distribution, derive(key, name), parts.shapes[name], "float32")
                             for name, distribution in distributions.items()})  # fmt: skip

    return ArrayDistribution(make)


_DISTRIBUTIONS: Dict[Any, Callable[[Any, Any, Shape], Any]] = {
    mx.init.Uniform._init_weight: lambda init, desc, shape: Uniform(-init.scale, init.scale),
    mx.init.Normal._init_weight: lambda init, desc, shape: Normal(0.0, init.sigma),
    mx.init.Xavier._init_weight: _xavier,
    mx.init.Zero._init_weight: _fixed(0.0),
    mx.init.One._init_weight: _fixed(1.0),
    mx.init.Constant._init_weight: _constant,
    mx.init.Orthogonal._init_weight: _orthogonal,
    mx.init.Bilinear._init_weight: _bilinear,
    mx.init.LSTMBias._init_weight: _lstm_bias,
    backend.FusedRNN._init_weight: _fused_rnn,
    mx.init.Initializer._init_bias: _fixed(0.0),
    mx.init.Initializer._init_beta: _fixed(0.0),
    mx.init.Initializer._init_gamma: _fixed(1.0),
    mx.init.Initializer._init_zero: _fixed(0.0),
    mx.init.Initializer._init_one: _fixed(1.0),
    Initializer._init_running_mean: _fixed(0.0),
    Initializer._init_running_var: _fixed(1.0),
    DistributionInitializer._init_weight: lambda init, desc, shape: init._distribution_for(desc, shape),
}
