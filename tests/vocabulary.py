"""MXNet's words as the tests speak them, where its versions say the same thing differently."""

from contextlib import ExitStack
from functools import partial
import re

import mxnet as mx

__all__ = ["CONTEXT", "CONTRADICTION", "GLUON_2", "PARAMETER", "RESET", "VERSION", "HybridBlock", "classic",
           "collected", "constant", "contexts", "convolution", "declared", "exists", "initialize_all", "move", "nd",
           "said", "set_all", "shaped", "tied", "uniform"]  # fmt: skip

VERSION = tuple(int(part) for part in mx.__version__.split(".")[:2])
GLUON_2 = VERSION >= (2, 0)

# What an array lies on, and the method of a parameter that puts it elsewhere.
CONTEXT, RESET = ("Device", "reset_device") if GLUON_2 else ("Context", "reset_ctx")

# What makes a parameter of a block's own.
PARAMETER = "gluon.Parameter" if GLUON_2 else "self.params.get"

# What a layer raises whose input contradicts its parameters' shapes.
CONTRADICTION = AssertionError if GLUON_2 else mx.MXNetError

# What a layer's code says that MXNet has only since a version; on a CPU, as for the transposed convolution.
_SINCE = {"PReLU(in_channels": (1, 7), "BatchNormReLU": (1, 8), "Conv3DTranspose": (1, 9)}


def exists(code):
    """Whether this MXNet has the layer that the code makes."""
    return all(since <= VERSION for word, since in _SINCE.items() if word in code)


# Arrays as layers take them.
nd = mx.np if GLUON_2 else mx.nd


def classic():
    """Inside, arrays and files are MXNet 1's."""
    inside = ExitStack()
    inside.enter_context(mx.util.np_array(False))
    inside.enter_context(mx.util.np_shape(False))
    return inside


def uniform(shape, **where):
    """Random numbers as layers take them."""
    return mx.np.random.uniform(size=shape, **where) if GLUON_2 else mx.nd.random.uniform(shape=shape, **where)


def declared(block, name, **arguments):
    """A parameter of a block's own, for ``self.name = declared(self, "name", shape=...)``."""
    if GLUON_2:
        return mx.gluon.Parameter(name, **arguments)
    with block.name_scope():
        return block.params.get(name, **arguments)


def convolution(layer, *arguments, in_channels=0, **named):
    """A convolution that knows its input channels; MXNet 2 ignores ``in_channels=``."""
    made = layer(*arguments, in_channels=in_channels, **named)
    if GLUON_2 and in_channels:
        made.infer_shape(mx.np.zeros([in_channels if axis == "C" else 8 for axis in made._layout]))
    return made


def constant(block, name, value):
    """A constant of a block's own, likewise."""
    if GLUON_2:
        return mx.gluon.Constant(value)
    with block.name_scope():
        return block.params.get_constant(name, value)


def tied(layer, donor, *arguments, **named):
    """A layer that shares another's parameters."""
    if not GLUON_2:
        return layer(*arguments, params=donor.params, **named)
    made = layer(*arguments, **named)
    own = made.collect_params()
    return made.share_parameters({path: param for path, param in donor.collect_params().items() if path in own})


def shaped(make, *shapes):
    """A network that is not initialized, whose parameters have the shapes that inputs of these shapes give them.

    MXNet 2 infers them layer by layer, in a forward pass: here of a twin.
    """
    net = make()
    if not GLUON_2:
        net.infer_shape(*map(mx.nd.zeros, shapes))
        return net
    twin = make()
    twin.initialize(mx.init.Zero())
    twin(*map(mx.np.zeros, shapes))
    known = twin.collect_params()
    for path, param in net.collect_params().items():
        param.shape = known[path].shape
    return net


def initialize_all(net, init, force_reinit=False):
    """Initialize what `collect_params` gives, not by the network's own method."""
    params = net.collect_params()
    if not GLUON_2:
        params.initialize(init, force_reinit=force_reinit)
        return
    for param in params.values():
        param.initialize(default_init=init, force_reinit=force_reinit)


def collected(net):
    """The parameters that `collect_params` gives; MXNet 2's gives a shared one once for each of its paths."""
    params = list(net.collect_params().values())
    return list({param._uuid: param for param in params}.values()) if GLUON_2 else params


def set_all(block, name, value):
    """Set an attribute of all of a block's parameters."""
    (block if GLUON_2 else block.collect_params()).setattr(name, value)


def move(net, ctxs):
    """Put all parameters on other contexts, in MXNet 2 one by one: a network that ran hybridized fails at it."""
    if GLUON_2:
        for param in net.collect_params().values():
            param.reset_device(ctxs)
    else:
        net.collect_params().reset_ctx(ctxs)


def contexts(param):
    """Where a parameter's arrays lie."""
    return param.list_device() if GLUON_2 else param.list_ctx()


def said(stderr):
    """What a process said on stderr, without the line that MXNet 2 logs there when it makes its first array."""
    return re.sub(r"^\[[\d:]+\] \S*storage\.cc:.*\n", "", stderr, flags=re.MULTILINE)


class HybridBlock(mx.gluon.HybridBlock):
    """MXNet's, with a `hybrid_forward` in both versions."""

    if GLUON_2:

        def __init_subclass__(cls):
            hybrid = vars(cls).get("hybrid_forward")
            if hybrid is None:
                return
            del cls.hybrid_forward

            def forward(self, x, *args):
                return hybrid(self, _Operators, x, *args, **{k: p.data(x.device) for k, p in self.params.items()})

            cls.forward = forward


class _Operators:
    """The classic operators that tests use, by NumPy's."""

    Activation, FullyConnected = mx.npx.activation, partial(mx.npx.fully_connected, no_bias=False)
    broadcast_mul = elemwise_mul = mx.np.multiply
    broadcast_add = elemwise_add = mx.np.add
    dot, transpose = mx.np.dot, mx.np.transpose
    np = mx.np

    @staticmethod
    def concat(*arrays):
        return mx.np.concatenate(arrays, axis=1)
