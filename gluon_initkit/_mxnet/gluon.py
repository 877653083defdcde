"""`backend`: everything in which the Gluon of MXNet 1 and that of MXNet 2 differ.

`Gluon1` is the contract and MXNet 1's answers, `Gluon2` what MXNet 2 answers otherwise. The rest of the kit asks
`backend`, and never for a version.
"""

import copy
import inspect
import json
from operator import attrgetter
import sys
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Tuple
import uuid

import mxnet as mx
from mxnet import gluon, initializer, nd
from mxnet.gluon.nn.conv_layers import _Conv
from mxnet.gluon.rnn.rnn_layer import _RNNLayer
from mxnet.util import is_np_array
import numpy

from ..shapes import is_known


class RNNLayout(NamedTuple):
    """What the one vector of a fused RNN consists of: all its weights and biases."""

    network: Any  # the initializer of the parts that declare none, where the vector's own names one
    shapes: Dict[str, Tuple[int, ...]]
    declared: Dict[str, Any]
    packed: Callable[[Dict[str, numpy.ndarray]], numpy.ndarray]  # the vector of these parts


def locals_of(code: Any) -> Optional[Dict[str, Any]]:
    """The local variables of the innermost call of a function that runs in this thread; None where none does."""
    frame: Any = sys._getframe(1)
    while frame is not None and frame.f_code is not code:
        frame = frame.f_back
    return None if frame is None else frame.f_locals


class Gluon1:
    """Gluon as MXNet 1 has it: names of parameters are unique in the process, dictionaries hold them by name."""

    Context = type(mx.cpu())  # the class of a context, which MXNet 2 calls a device
    current_context: Callable[[], Any] = staticmethod(getattr(mx, "current_device", mx.current_context))
    context_slots = ("_ctx_list", "_ctx_map")  # where a parameter keeps the contexts that it is on; the first: a list
    trainer_slot = "_contexts"  # where a Trainer keeps the contexts on which it updates parameters, None until it knows
    reset_method = "reset_ctx"  # puts a parameter on other contexts
    reset_call = "net.collect_params().reset_ctx(ctx)"  # the call that does so for all parameters of a network
    declaration_code = staticmethod("self.params.get({!r}, shape={})".format)  # makes a parameter, by name and shape
    FusedRNN: Any = getattr(initializer, "RNNFused", None) or initializer.FusedRNN  # for the one vector of an RNN
    infers_on_symbols = True  # whether a network's code can be run on Symbols, from which MXNet infers shapes
    resolving_methods: Tuple[str, ...] = ()  # what a block calls with its inputs, and not from within its `forward`
    # The function that initializes all parameters of a network, one after the other.
    initialize_code = inspect.unwrap(getattr(gluon, "ParameterDict", gluon.Block).initialize).__code__

    uses_numpy_arrays: Any = staticmethod(is_np_array)  # whether layers take NumPy arrays, here and now
    unnamed: Any = staticmethod(lambda kind: kind(prefix=""))  # a new block, which takes no name from Gluon's counters
    defers_always: Any = staticmethod(lambda block: False)  # whether a layer is deferred though told its input's size
    prefix_of: Any = staticmethod(attrgetter("prefix"))  # what the names of a block's operators begin with; '' without
    # The dictionary in which a block's ``params`` holds parameters by global name; None where there is no such thing.
    entries_by_name: Any = staticmethod(attrgetter("_params._params"))
    role_name: Any = staticmethod(lambda param, path: param.name)  # whose end tells a role: attributes have any name
    trainer_of: Any = staticmethod(attrgetter("_trainer"))  # the Trainer that updates a parameter, or None

    def children(self, block: Any) -> List[Tuple[str, Any]]:
        """A block's children by name."""
        return list(block._children.items())

    def infers_shapes(self, block_class: Any) -> bool:
        """Whether a forward pass of this class of block can find the unknown shapes of its own parameters."""
        return issubclass(block_class, gluon.HybridBlock)

    def resolving_block(self) -> Optional[Tuple[gluon.Block, Tuple[Any, ...]]]:
        """The block that resolves its parameters before its `forward`, and its arguments; None where none does so."""
        return None

    def rename(self, param: Any, name: str) -> None:
        """Make a copy of a parameter another parameter, of this name."""
        param.name = name

    def train_source(self, trainer: Any, transposed: Any, source: Any) -> None:
        """A Trainer was given `transposed`, which shows `source`: let it update that one, or refuse."""
        raise TypeError(f"a Trainer cannot update {transposed!r}, which holds no values of its own: give it the "
                        f"parameters of `collect_params()`, where that one is")  # fmt: skip

    def transposed_variable(self, source: Any) -> Any:
        """The variable of a parameter, transposed."""
        return source.var().transpose()

    def transposed_input(self, source: Any, ctx: Any) -> Any:
        """The transposed values of a parameter as an input of the graph being written; None where it needs none."""
        return None

    def rnn_layout(self, fused: Any, shape: Tuple[int, ...]) -> RNNLayout:
        """The parts of a vector of this shape that a `FusedRNN` fills."""
        arguments = json.loads(fused.dumps())[1]
        kind = ("num_hidden", "num_layers", "mode", "bidirectional", "forget_bias")
        cell = mx.rnn.FusedRNNCell(**{name: arguments[name] for name in kind}, prefix="")
        shapes = {name: part.shape for name, part in cell.unpack_weights({"parameters": nd.zeros(shape)}).items()}
        forget = initializer.Constant(float(arguments["forget_bias"]))

        def packed(values: Dict[str, numpy.ndarray]) -> numpy.ndarray:
            return cell.pack_weights({name: nd.array(part) for name, part in values.items()})["parameters"].asnumpy()

        return RNNLayout(
            network=initializer.create(arguments["init"]) if arguments["init"] else None,
            shapes=shapes,
            declared={name: forget for name in shapes if arguments["mode"] == "lstm" and name.endswith("_f_bias")},
            packed=packed,
        )

    def rnn_input_size(self, layer: Any, shapes: Callable[[Any], Any]) -> Optional[int]:
        """The input size of an RNN layer, from its parameters' shapes; None where they do not tell."""
        shape = shapes(layer.l0_i2h_weight)
        return shape[1] if shape else None

    def complete_initializer(self, declared: Any, init: Any) -> Any:
        """What a parameter was declared with; for an RNN, with the network's initializer where the layer has none."""
        return declared

    def load_targets_by_name(self, net: Any) -> Optional[Dict[str, Any]]:
        """The parameters that `load_parameters` fills from a file without a dot in its names; None: by path alone."""
        try:
            return dict(net.collect_params().items())
        except AssertionError:  # two parameters have one name
            return {}


class Gluon2(Gluon1):
    """Gluon as MXNet 2 has it: a parameter is known by its path, weak references hold blocks and Trainers."""

    context_slots = ("_device_list", "_device_map")
    trainer_slot = "_devices"
    reset_method = "reset_device"
    reset_call = "net.reset_device(device)"
    declaration_code = staticmethod("gluon.Parameter({!r}, shape={})".format)
    infers_on_symbols = False
    resolving_methods = ("infer_shape", "_call_cached_op")

    uses_numpy_arrays = staticmethod(lambda: True)  # also in a thread, where MXNet's mode is off
    unnamed = staticmethod(lambda kind: kind())
    defers_always = staticmethod(lambda block: isinstance(block, (_Conv, _RNNLayer)))
    prefix_of = staticmethod(lambda block: "")
    entries_by_name = staticmethod(lambda block: None)
    role_name = staticmethod(lambda param, path: path)
    trainer_of = staticmethod(lambda param: param._trainer() if param._trainer else None)

    def children(self, block: Any) -> List[Tuple[str, Any]]:
        alive = ((name, child()) for name, child in block._children.items())
        return [(name, child) for name, child in alive if child is not None]

    def infers_shapes(self, block_class: Any) -> bool:
        own = getattr(block_class, "infer_shape", None)
        return issubclass(block_class, gluon.HybridBlock) and own is not gluon.HybridBlock.infer_shape

    def resolving_block(self) -> Optional[Tuple[gluon.Block, Tuple[Any, ...]]]:
        call = locals_of(gluon.HybridBlock.__call__.__code__)
        return None if call is None else (call["self"], (call["x"], *call["args"]))

    def rename(self, param: Any, name: str) -> None:
        param._name, param._uuid, param._var_name = name, str(uuid.uuid4()), None

    def train_source(self, trainer: Any, transposed: Any, source: Any) -> None:
        trainer._params = [source if param is transposed else param for param in trainer._params]
        source._set_trainer(trainer)

    def transposed_variable(self, source: Any) -> Any:
        return mx.symbol.var(f"{source.var().name}_transposed").as_np_ndarray()

    def transposed_input(self, source: Any, ctx: Any) -> Any:
        tracing = mx._deferred_compute.is_deferred_compute() and locals_of(gluon.HybridBlock._get_graph.__code__)
        if not tracing or any(held is source for held in tracing["self"].collect_params().values()):
            return None  # a graph's block that holds `source` is given its values
        with mx._deferred_compute.context(False):
            values = source.data(ctx).detach().transpose()
        variable = self.transposed_variable(source)  # has a name: MXNet frees what it is given before it reads it
        mx._deferred_compute.set_variable(values, variable)
        return values

    def rnn_layout(self, fused: Any, shape: Tuple[int, ...]) -> RNNLayout:
        asked = fused._kwargs
        rows = {"rnn_relu": 1, "rnn_tanh": 1, "lstm": 4, "gru": 3}[asked["mode"]] * asked["state_size"]
        directions = "lr" if asked["bidirectional"] else "l"  # `r0_i2h_weight` is that of the way back
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
        return RNNLayout(
            network=None,
            shapes=shapes,
            declared={name: asked[f"{name.split('_', 1)[1]}_initializer"] for name in shapes},
            packed=lambda parts: numpy.concatenate([parts[name].ravel() for name in shapes]),
        )

    def rnn_input_size(self, layer: Any, shapes: Callable[[Any], Any]) -> Optional[int]:
        shape, fused = shapes(layer.rnn_param), layer.rnn_param.init
        if not is_known(shape) or not isinstance(fused, self.FusedRNN):
            return None
        return self.rnn_layout(fused, shape).shapes["l0_i2h_weight"][1]

    def complete_initializer(self, declared: Any, init: Any) -> Any:
        if not isinstance(declared, self.FusedRNN):
            return declared
        completed = copy.copy(declared)
        for name, given in declared._kwargs.items():
            if name.endswith("_initializer"):  # MXNet's own `RNNFused.set_initializer` makes it 'uniform' instead
                setattr(completed, f"_{name}", init if given in (None, "zeros") else given)
        return completed

    def load_targets_by_name(self, net: Any) -> Optional[Dict[str, Any]]:
        return None


backend = Gluon1() if hasattr(gluon, "ParameterDict") else Gluon2()
