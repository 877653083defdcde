"""What MXNet's initializers mean, as laws: the function that would run decides, so a subclass with its own hook is
never mistaken for its base. A hook that is not here is run as it is.
"""

import math
from typing import Any, Callable, Dict, Optional

import numpy

from .._mxnet import backend, mx
from ..display import printable
from ..parameters import ParameterInfo, role_of
from .arguments import one_of
from .corrected import corrected
from .dispatch import Choice, choose
from .distributions import Constant, Law, Normal, Shape, Uniform, Whole, drawn
from .drawn import Drawn
from .initializer import Initializer
from .random.orthogonal import orthonormal_rows
from .random.streams import CHUNK, derive, stream, uniforms
from .random.ziggurat import normals

__all__ = ["law_of"]


def law_of(initializer: Any, hook: str, desc: Any, shape: Shape) -> Any:
    """The law by which `initializer`'s `hook` fills an array of this shape, or None where it is code of a user's own.

    Raises
    ------
    ValueError
        The initializer cannot fill such a shape, or its arguments are wrong.
    """
    if hook in vars(initializer):
        return None
    known = _LAWS.get(getattr(type(initializer), hook, None))
    return None if known is None else known(initializer, desc, shape)


def _uniform(initializer: Any, desc: Any, shape: Shape) -> Law:
    return Uniform(-initializer.scale, initializer.scale)


def _normal(initializer: Any, desc: Any, shape: Shape) -> Law:
    return Normal(0.0, initializer.sigma)


def _xavier(initializer: Any, desc: Any, shape: Shape) -> Law:
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
    return Whole(lambda key, shape: array)


def _fixed(value: float) -> Callable[[Any, Any, Shape], Law]:
    return lambda initializer, desc, shape: Constant(value)


def _orthogonal(initializer: Any, desc: Any, shape: Shape) -> Whole:
    one_of("rand_type", initializer.rand_type, ("uniform", "normal"))

    def make(key: bytes, shape: Shape) -> numpy.ndarray:
        out, size = shape[0], int(numpy.prod(shape[1:], dtype=numpy.int64))
        entries = numpy.empty(out * size)
        for index in range(-(-entries.size // CHUNK)):
            chunk, rng = entries[index * CHUNK : (index + 1) * CHUNK], stream(key, index)
            if initializer.rand_type == "normal":
                normals(rng, chunk)
            else:
                uniforms(rng, chunk)
                chunk *= 2
                chunk -= 1
        matrix = entries.reshape(out, size)
        rows = orthonormal_rows(matrix) if out <= size else orthonormal_rows(matrix.T).T
        return (initializer.scale * rows).reshape(shape)

    return Whole(make)


def _bilinear(initializer: Any, desc: Any, shape: Shape) -> Whole:
    if len(shape) != 4:
        raise ValueError(f"Bilinear needs an array of 4 dimensions, found shape {shape!r}")

    def make(key: bytes, shape: Shape) -> numpy.ndarray:
        f = math.ceil(shape[3] / 2)
        c = (2 * f - 1 - f % 2) / (2 * f)
        y, x = (1 - abs(numpy.arange(size) / f - c) for size in shape[2:])
        return numpy.broadcast_to(y[:, None] * x, shape)

    return Whole(make)


def _lstm_bias(initializer: Any, desc: Any, shape: Shape) -> Whole:
    def make(key: bytes, shape: Shape) -> numpy.ndarray:
        made = numpy.zeros(shape)
        hidden = shape[0] // 4  # gates in the order input, forget, cell, output
        made[hidden : 2 * hidden] = initializer.forget_bias
        return made

    return Whole(make)


def _fused_rnn(initializer: Any, desc: Any, shape: Shape) -> Optional[Whole]:
    """The parts of a fused RNN's one vector, each by its own law; None where a part is filled by a user's hook."""
    parts = backend.rnn_layout(initializer, shape)
    inner = corrected(parts.network or desc.global_init)
    laws: Dict[str, Any] = {}
    for name, part in parts.shapes.items():
        info = ParameterInfo(None, (), name, role_of(name), part, "float32")
        found = choose(inner, info, parts.declared.get(name))
        laws[name] = law_of(found.initializer, found.hook, desc, part) if isinstance(found, Choice) else None
        if laws[name] is None:
            return None

    def make(key: bytes, shape: Shape) -> numpy.ndarray:
        return parts.packed({name: drawn(law, derive(key, name), parts.shapes[name], "float32")
                             for name, law in laws.items()})  # fmt: skip

    return Whole(make)


_LAWS: Dict[Any, Callable[[Any, Any, Shape], Any]] = {
    mx.init.Uniform._init_weight: _uniform,
    mx.init.Normal._init_weight: _normal,
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
    Drawn._init_weight: lambda initializer, desc, shape: initializer.law(desc, shape),
}
