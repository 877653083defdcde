"""Gluon as MXNet 2 has it: what `gluon1` says otherwise, in the same words. Everybody imports them from `version`.

A parameter is known by its path; its name says little (``weight`` where none is given). Contexts are called devices.
Blocks and Trainers are held by weak references.
"""

import copy
import inspect
import sys
from typing import (
    AbstractSet,
    Any,
    Callable,
    ContextManager,
    Dict,
    Iterable,
    Iterator,
    List,
    Optional,
    Sequence,
    Tuple,
)
import uuid

from mxnet import device, gluon, initializer, nd
from mxnet.gluon.nn.conv_layers import _Conv
from mxnet.gluon.rnn.rnn_layer import _RNNLayer
from mxnet.util import np_array
import numpy

from ..shapes import is_known
from .graph_inputs import data_transposed, var_transposed
from .parts import Parts

__all__ = ["BESIDE_FORWARD", "INITIALIZE", "PLACED", "RESET", "RESET_ALL", "SYMBOLIC", "Context", "FusedRNN",
           "as_layers", "asking", "children", "completed", "contexts_held", "contexts_trained", "counters",
           "current_context", "data_transposed", "declaration", "defers_always", "fused_parts", "infer_again",
           "infers_on_symbols", "infers_shapes", "input_width", "kvstore_key", "loaded_by_name", "loaded_onto",
           "loading_renamed", "loads_numpy", "loose", "named", "named_within", "numpy_arrays", "part_named",
           "prefix_of", "refusal",
           "rename", "said_role", "same_names", "train_instead", "trainer_of", "unnamed", "var_transposed",
           "write_list"]  # fmt: skip

Context: Any = device.Device
current_context = device.current_device

INITIALIZE: Any = inspect.unwrap(gluon.Block.initialize)

# The functions that initialize the arrays of a Symbol: there are none.
SYMBOLIC: Tuple[Any, ...] = ()

# What a block calls with its inputs, and not from within its `forward`.
BESIDE_FORWARD: Tuple[str, ...] = ("infer_shape", "_call_cached_op")

# The method that puts a parameter on other contexts.
RESET = "reset_device"

# The call that puts all parameters of a network on other contexts.
RESET_ALL = "net.reset_device(device)"

# Where a parameter keeps the contexts that it is on.
PLACED = ("_device_list", "_device_map")

# The initializer of an RNN layer's one vector, which holds all its weights and biases.
FusedRNN: Any = initializer.RNNFused


def numpy_arrays() -> bool:
    """Whether layers take NumPy arrays, here and now: always, also in a thread, where MXNet's mode is off."""
    return True


def as_layers() -> ContextManager:
    """Inside, MXNet makes the arrays that layers take, as it does inside of layers."""
    return np_array(True)


def children(block: gluon.Block) -> List[Tuple[str, gluon.Block]]:
    """A block's children by name; not those that are gone."""
    alive = ((name, child()) for name, child in block._children.items())
    return [(name, child) for name, child in alive if child is not None]


def infers_on_symbols() -> bool:
    """Whether a network's code can be run on Symbols, from which MXNet infers shapes."""
    return False


def infers_shapes(owner: Any) -> bool:
    """Whether a forward pass of this class of block can tell the unknown shapes of its own parameters: by a method."""
    return issubclass(owner, gluon.HybridBlock) and owner.infer_shape is not gluon.HybridBlock.infer_shape


def prefix_of(block: gluon.Block) -> str:
    """What the names of a block's operators begin with, ``''`` where that tells nothing."""
    return ""


def counters(block: gluon.Block) -> List[Dict[str, int]]:
    """The counters from which a block names its children."""
    return []


def loose(block: gluon.Block) -> List[Tuple[str, gluon.Parameter]]:
    """None: every parameter is an attribute's."""
    return []


def same_names(blocks: Iterable[gluon.Block]) -> List[List[gluon.Parameter]]:
    """None: a parameter is known by its path, and its name may be anything."""
    return []


def said_role(param: gluon.Parameter, path: str) -> str:
    """The name whose end tells a parameter's role: its attribute's, since its own is ``weight`` where none is given."""
    return path


def contexts_held(param: gluon.Parameter) -> Sequence[Any]:
    """The devices of an initialized parameter."""
    return param._device_list


def trainer_of(param: gluon.Parameter) -> Any:
    """The Trainer that updates a parameter, or None."""
    return param._trainer() if param._trainer else None


def contexts_trained(trainer: Any) -> List[Any]:
    """The devices on which a Trainer updates parameters."""
    return list(trainer._devices or ())


def named(block: gluon.Block) -> Optional[Dict[str, gluon.Parameter]]:
    """None: what a block's ``params`` holds is what its attributes are."""
    return None


def named_within() -> Optional[gluon.Block]:
    """None: blocks have no names."""
    return None


def infer_again(block: gluon.Block) -> None:
    """Let a block ask for shapes in its next forward pass: it did once, and never does again by itself."""
    if isinstance(block, gluon.HybridBlock):
        block._called_infer_shape_already = False


def declaration(name: str, shape: str) -> str:
    """Python that makes a parameter of a block's own."""
    return f"gluon.Parameter({name!r}, shape={shape})"


def defers_always(block: gluon.Block) -> bool:
    """Whether a layer is deferred though it is told the size of its input: convolutions and RNNs do not heed it."""
    return isinstance(block, (_Conv, _RNNLayer))


def asking() -> Optional[Tuple[gluon.Block, Tuple[Any, ...]]]:
    """Which block resolves its parameters before its `forward`, and what it is given; None where none is called."""
    called = next((frame.f_locals for frame in _frames() if frame.f_code is _CALL), None)
    return None if called is None else (called["self"], (called["x"], *called["args"]))


def rename(param: gluon.Parameter, name: str) -> None:
    """Make a copy of a parameter another parameter, of this name."""
    param._name, param._uuid, param._var_name = name, str(uuid.uuid4()), None


def train_instead(trainer: Any, view: gluon.Parameter, source: gluon.Parameter) -> None:
    """Where `collect_params` gave a Trainer what shows another parameter, let it update that other one."""
    trainer._params = [source if each is view else each for each in trainer._params]
    source._set_trainer(trainer)


def kvstore_key(trainer: Any, param: gluon.Parameter) -> Optional[int]:
    """The key of a parameter in its Trainer's kvstore; not its number, where a tied one before it was given twice."""
    return trainer._param2idx.get(param._uuid)


def fused_parts(fused: Any, shape: Tuple[int, ...]) -> Parts:
    """The parts of a vector that an `RNNFused` fills: ``l0_i2h_weight``, ``r0_i2h_weight`` (backwards), ..."""
    asked = fused._kwargs
    gates = {"rnn_relu": 1, "rnn_tanh": 1, "lstm": 4, "gru": 3}[asked["mode"]]
    rows = gates * asked["state_size"]
    directions = "lr" if asked["bidirectional"] else "l"
    fed_back = asked["projection_size"] or asked["state_size"]
    later = (fed_back * len(directions) + fed_back + 2) * rows * len(directions)
    projected = (asked["projection_size"] or 0) * asked["state_size"] * asked["num_layers"] * len(directions)
    first = int(shape[0]) - projected - (asked["num_layers"] - 1) * later
    inputs = first // (rows * len(directions)) - 2 - fed_back
    shapes: Dict[str, Tuple[int, ...]] = {}
    for kind in ("weight", "bias"):
        for layer in range(asked["num_layers"]):
            for side in directions:
                width = inputs if layer == 0 else fed_back * len(directions)
                for connection, sizes in (("i2h", (rows, width)), ("h2h", (rows, fed_back))):
                    shapes[f"{side}{layer}_{connection}_{kind}"] = sizes if kind == "weight" else (rows,)
                if kind == "weight" and asked["projection_size"]:
                    shapes[f"{side}{layer}_h2r_weight"] = (fed_back, asked["state_size"])
    return Parts(
        network=None,
        shapes=shapes,
        declared={name: asked[f"{name.split('_', 1)[1]}_initializer"] for name in shapes},
        packed=lambda parts: numpy.concatenate([parts[name].ravel() for name in shapes]),
    )


def input_width(layer: Any, shapes: Callable[[gluon.Parameter], Any]) -> Optional[int]:
    """The input size of an RNN layer, from the length of its one vector; None where that does not tell."""
    shape, fused = shapes(layer.rnn_param), layer.rnn_param.init
    if not is_known(shape) or not isinstance(fused, FusedRNN):
        return None
    return fused_parts(fused, shape).shapes["l0_i2h_weight"][1]


def completed(declared: Any, init: Any) -> Any:
    """What a parameter was declared with; an RNN's with the network's initializer for what the layer was not told.

    MXNet's own `RNNFused.set_initializer` replaces what the layer was told by ``'uniform'`` instead.
    """
    if not isinstance(declared, FusedRNN):
        return declared
    made = copy.copy(declared)
    for name, given in declared._kwargs.items():
        if name.endswith("_initializer"):
            setattr(made, f"_{name}", init if given in (None, "zeros") else given)
    return made


def part_named(desc: initializer.InitDesc, arr: Any) -> Tuple[initializer.InitDesc, Any]:
    """The name and the array that an initializer should see for the ones that MXNet hands it.

    `RNNFused` hands out flat parts of its vector, called ``_i2h_weight_initializer``: a weight gets its rows back.
    """
    filling = next((frame.f_locals for frame in _frames() if frame.f_code is _FUSED), None)
    if filling is None or not desc.endswith("_initializer"):
        return desc, arr
    connection, kind = desc.strip("_").split("_")[:2]
    if kind == "weight":
        fused = filling["self"]
        rows = fused.projection_size if connection == "h2r" else fused.gates * fused.num_hidden
        # The classic reshape shares memory, which the NumPy one does not.
        arr = arr.as_nd_ndarray().reshape((int(rows), -1)).as_np_ndarray()
    return initializer.InitDesc(f"{connection}_{kind}", desc.attrs, desc.global_init), arr


def unnamed(kind: Any) -> gluon.Block:
    """A block of a class that takes no name from Gluon's counters."""
    return kind()


def loaded_by_name(net: gluon.Block) -> Optional[Dict[str, gluon.Parameter]]:
    """None: `load_parameters` knows paths alone."""
    return None


def loads_numpy(by_path: bool) -> bool:
    """Whether `load_parameters` makes NumPy arrays of what it reads: it always does."""
    return True


def loaded_onto() -> Any:
    """The one device on which `load_parameters` insists, unless it is told another."""
    return current_context()


def refusal(versions: Sequence[int], named: bool, dotted: bool) -> Optional[Tuple[str, str]]:
    """The exception with which `load_parameters` refuses a file whatever is in it, and why; None where it looks.

    `versions` are those of its arrays, as `StoredArray` counts them. An empty file is none to it: nothing is loaded.
    """
    if not versions or named:
        return None
    error = "AssertionError" if 3 not in versions else "AttributeError" if len(versions) > 1 else "ValueError"
    return error, "the file is a list of arrays without names"


def loading_renamed(
    by_name: bool, source: str, renamed: str, selected: str, flags: str, versions: AbstractSet[int]
) -> str:
    """Python that loads a file under other names: `renamed` is their expression, `selected` a condition."""
    if versions & {3, 4}:
        before, arrays, array = "", f"mx.npx.load({source!r})", "array"
    else:
        before = f"mx.npx.reset_np(); arrays = mx.nd.load({source!r}); mx.npx.set_np(); "
        arrays, array = "arrays", "array.as_np_ndarray()"
    return f"{before}net.load_dict({{{renamed}: {array} for name, array in {arrays}.items(){selected}}}{flags})"


def write_list(path: str, arrays: Dict[str, Any]) -> None:
    """Write classic arrays into a file as MXNet's list of arrays.

    `load_parameters` reads it; what `save_parameters` writes is a zip file, in which no tie map can stand.
    """
    nd.save(path, arrays)


_CALL = gluon.HybridBlock.__call__.__code__
_FUSED = FusedRNN._init_weight.__code__


def _frames() -> Iterator[Any]:
    frame: Any = sys._getframe(1)
    while frame is not None:
        yield frame
        frame = frame.f_back
