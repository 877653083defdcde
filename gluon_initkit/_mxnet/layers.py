"""The constructor call of a layer, with the input size that avoids deferred initialization.

Each of MXNet's layers stores its arguments in its own attributes. Other layers get no call.
"""

import inspect
import json
from typing import Any, Callable, Dict, Optional

from mxnet import gluon
from mxnet.gluon.rnn.rnn_layer import _RNNLayer
from mxnet.initializer import Initializer

from . import backend
from .tree import class_name

_SIZES = ("in_units", "in_channels", "input_size")  # a layer with one of these arguments is not deferred
_KWARGS = {"kernel_size": "kernel", "strides": "stride", "padding": "pad", "dilation": "dilate", "groups": "num_group",
           "output_padding": "adj", "axis": "axis", "momentum": "momentum", "epsilon": "eps", "num_devices": "ndev",
           "use_global_stats": "use_global_stats"}  # fmt: skip


def constructor_call(block: gluon.Block, shapes: Callable[[gluon.Parameter], Any]) -> Optional[str]:
    """The call that makes this layer with its input size, ``nn.Dense(4, in_units=5)``; ``?`` for an unknown size.

    `shapes` returns a parameter's shape. None for a layer that does not store its arguments as MXNet's layers do.
    """
    signature = inspect.signature(type(block).__init__).parameters
    argument = next((name for name in _SIZES if name in signature), None)
    if argument is None:
        return None
    # MXNet 2 stores the size argument, and sets the parameters' shapes at the first input.
    size = _input_size(block, argument, shapes) or getattr(block, f"_{argument}", None) or "?"
    arguments = []
    for name, parameter in signature.items():
        if name in ("self", "prefix", "params", argument) or parameter.kind is parameter.VAR_KEYWORD:
            continue
        try:
            value = _tidy(_read(block, name, parameter.default))
        except (AttributeError, KeyError):
            return None
        if parameter.default is parameter.empty:
            arguments.append(_code(value))
        elif value != _tidy(parameter.default):
            arguments.append(f"{name}={_code(value)}")
    if getattr(block, "_use_sequence_length", False):
        arguments.append("use_sequence_length=True")
    kind: Any = type(block)
    return f"{class_name(kind)}({', '.join([*arguments, f'{argument}={size}'])})"


def _input_size(block: Any, argument: str, shapes: Callable[[Any], Any]) -> Optional[int]:
    if isinstance(block, _RNNLayer):
        return backend.rnn_input_size(block, shapes)
    axis, groups, param = 1, 1, getattr(block, "i2h_weight" if argument == "input_size" else "weight", None)
    if argument == "in_channels":
        vectors = [getattr(block, name, None) for name in ("gamma", "alpha")]
        param = next((vector for vector in vectors if isinstance(vector, gluon.Parameter)), None)
        axis, layout = 0, getattr(block, "_kwargs", {}).get("layout")
        if param is None and layout is not None:
            # A transposed convolution's weight has all input channels first; a grouped one's, those of one group.
            param, transposed = block.weight, block._op_name.lower() == "deconvolution"
            axis, groups = (layout.index("N"), 1) if transposed else (layout.index("C"), block._kwargs["num_group"])
    shape = None if param is None else shapes(param)
    return None if shape is None or len(shape) <= axis or shape[axis] is None else shape[axis] * groups


def _read(block: Any, name: str, default: Any) -> Any:
    """The value of the constructor's argument `name`; AttributeError or KeyError if the block does not store it."""
    if name in _KWARGS:
        return block._kwargs[_KWARGS[name]]
    if name == "layout":
        return block._layout if hasattr(block, "_layout") else block._kwargs["layout"]
    if name == "use_bias":
        return block.bias is not None
    if name == "center":
        return block._kwargs.get("center", block.beta._differentiable)
    if name == "scale":
        return block._kwargs["scale"] if "scale" in block._kwargs else not block._kwargs["fix_gamma"]
    if name == "bidirectional":
        return block._dir == 2
    if name == "activation":
        if hasattr(block, "act"):
            return block.act and block.act._act_type
        return block._mode[len("rnn_") :] if hasattr(block, "_mode") else block._activation
    if name == "dtype":
        return block._dtype if hasattr(block, "_dtype") else block.weight.dtype
    if name.endswith("_initializer"):
        param = getattr(block, name[: -len("_initializer")].replace("variance", "var"), None)
        return getattr(block, "_" + name) if hasattr(block, "_" + name) else default if param is None else param.init
    return getattr(block, f"_lstm_{name}" if name.startswith("state_clip_") else f"_{name}")


def _tidy(value: Any) -> Any:
    """One number in place of equal numbers for all axes."""
    return value[0] if isinstance(value, (tuple, list)) and len(set(value)) == 1 else value


def _code(value: Any) -> str:
    if not isinstance(value, Initializer):
        return repr(value)
    try:
        arguments: Dict[str, Any] = json.loads(value.dumps())[1]
    except (TypeError, ValueError):
        arguments = {}
    module = "mx.init." if type(value).__module__ == "mxnet.initializer" else ""
    return f"{module}{type(value).__name__}({', '.join(f'{key}={argument!r}' for key, argument in arguments.items())})"
