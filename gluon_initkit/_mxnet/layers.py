"""A layer read back as the code that makes it, with the argument that would have spared it deferral.

Layers keep what they were given under names of their own; arguments are read one by one, and only what differs from the
signature's default is written. What a layer of someone else's holds is not guessed.
"""

from functools import lru_cache
import inspect
import json
from typing import Any, Callable, Dict, Optional

from mxnet import gluon
from mxnet.gluon.nn import basic_layers
from mxnet.gluon.rnn.rnn_layer import _RNNLayer
from mxnet.initializer import Initializer

from . import backend

# MXNet 1.6 and 1.7 have no class above BatchNorm. Of LayerNorm, MXNet 1.6 alone does not check the sizes.
_BATCH_NORM: Any = getattr(basic_layers, "_BatchNorm", basic_layers.BatchNorm)


_NORMALIZATIONS = (_BATCH_NORM, basic_layers.InstanceNorm, basic_layers.LayerNorm)


@lru_cache(maxsize=None)
def class_name(block_class: type) -> str:
    """A block's class as users write it: ``nn.Dense``, ``rnn.LSTM``, ``contrib.nn.SyncBatchNorm``, ``MyBlock``."""
    module = block_class.__module__
    if module.startswith("mxnet.gluon."):
        parts = [part for part in module.split(".")[2:] if part in ("contrib", "nn", "rnn", "cnn")]
        return ".".join([*parts, block_class.__name__])
    return block_class.__name__


def _sparing_argument(block: gluon.Block) -> Optional[str]:
    """The argument of the block's constructor that spares it deferral; None where it has none that is known."""
    named = inspect.signature(type(block).__init__).parameters
    return next((name for name in ("in_units", "in_channels", "input_size") if name in named), None)


def channel_axis(block: gluon.Block) -> Optional[int]:
    """The axis of its input whose size a normalization's parameters have; None for any other block."""
    return block._kwargs.get("axis", 1) if isinstance(block, _NORMALIZATIONS) else None


def constructor_call(block: gluon.Block, shapes: Callable[[gluon.Parameter], Any]) -> Optional[str]:
    """The call that makes this layer with its input size, ``nn.Dense(4, in_units=5)``; ``?`` where that is not known.

    `shapes` answers a parameter's shape. None where the layer is not one of MXNet's, nor made like one.
    """
    argument = _sparing_argument(block)
    if argument is None:
        return None
    # MXNet 2 notes what it was told, and gives the parameters their shapes when a first input comes.
    size = _SIZES[argument](block, shapes) or getattr(block, f"_{argument}", None) or None
    written = []
    for name, parameter in inspect.signature(type(block).__init__).parameters.items():
        if name in ("self", "prefix", "params", argument) or parameter.kind is parameter.VAR_KEYWORD:
            continue
        try:
            value = _tidy(_read(block, name, parameter.default))
        except (AttributeError, KeyError):
            return None
        if parameter.default is parameter.empty:
            written.append(_code(value))
        elif value != _tidy(parameter.default):
            written.append(f"{name}={_code(value)}")
    if getattr(block, "_use_sequence_length", False):
        written.append("use_sequence_length=True")
    written.append(f"{argument}={'?' if size is None else size}")
    made: Any = type(block)
    return f"{class_name(made)}({', '.join(written)})"


def _units(block: Any, shapes: Callable[[Any], Any]) -> Optional[int]:
    weight = getattr(block, "weight", None)
    return _axis(weight and shapes(weight), 1)


def _channels(block: Any, shapes: Callable[[Any], Any]) -> Optional[int]:
    for vector in ("gamma", "alpha"):
        if isinstance(getattr(block, vector, None), gluon.Parameter):
            return _axis(shapes(getattr(block, vector)), 0)
    layout = getattr(block, "_kwargs", {}).get("layout")
    if layout is None:
        return None
    transposed = block._op_name.lower() == "deconvolution"
    # A transposed convolution's weight lists its inputs first, all of them; a grouped one's, those of one group.
    size = _axis(shapes(block.weight), layout.index("N" if transposed else "C"))
    return size if size is None or transposed else size * block._kwargs["num_group"]


def _features(block: Any, shapes: Callable[[Any], Any]) -> Optional[int]:
    if isinstance(block, _RNNLayer):
        return backend.rnn_input_size(block, shapes)
    weight = getattr(block, "i2h_weight", None)
    return _axis(weight and shapes(weight), 1)


_SIZES = {"in_units": _units, "in_channels": _channels, "input_size": _features}


def _axis(shape: Any, axis: int) -> Optional[int]:
    return None if shape is None or len(shape) <= axis else shape[axis]


_KWARGS = {"kernel_size": "kernel", "strides": "stride", "padding": "pad", "dilation": "dilate", "groups": "num_group",
           "output_padding": "adj", "axis": "axis", "momentum": "momentum", "epsilon": "eps", "num_devices": "ndev",
           "use_global_stats": "use_global_stats"}  # fmt: skip


_ATTRIBUTES = {"state_clip_min": "_lstm_state_clip_min", "state_clip_max": "_lstm_state_clip_max",
               "state_clip_nan": "_lstm_state_clip_nan"}  # fmt: skip


def _read(block: Any, name: str, default: Any) -> Any:
    """The value that the constructor's argument `name` had; AttributeError or KeyError where the block keeps none."""
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
        kept = getattr(block, name[: -len("_initializer")].replace("variance", "var"), None)
        return getattr(block, "_" + name) if hasattr(block, "_" + name) else default if kept is None else kept.init
    return getattr(block, _ATTRIBUTES.get(name, "_" + name))


def _tidy(value: Any) -> Any:
    """One number for as many equal ones as there are axes."""
    alike = isinstance(value, (tuple, list)) and len(set(value)) == 1
    return value[0] if alike else value


def _code(value: Any) -> str:
    if isinstance(value, Initializer):
        try:
            given: Dict[str, Any] = json.loads(value.dumps())[1]
        except (TypeError, ValueError):
            given = {}
        name = type(value).__name__
        name = f"mx.init.{name}" if type(value).__module__ == "mxnet.initializer" else name
        return f"{name}({', '.join(f'{key}={each!r}' for key, each in given.items())})"
    return repr(value)
