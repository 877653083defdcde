"""`backend`: the differences between the Gluon of MXNet 1 and that of MXNet 2.

The abstract class `Backend` is the contract; `Gluon1` and `Gluon2` implement it. The rest of the kit asks `backend`,
and never for a version of MXNet.
"""

from abc import ABC, abstractmethod
import copy
import inspect
import json
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
    """The weights and biases that the one vector of a fused RNN consists of."""

    network: Any  # the initializer of the parts that declare none, if the vector's initializer names one
    shapes: Dict[str, Tuple[int, ...]]
    declared: Dict[str, Any]
    packed: Callable[[Dict[str, numpy.ndarray]], numpy.ndarray]  # the vector of these parts


def locals_of(code: Any) -> Optional[Dict[str, Any]]:
    """The local variables of the innermost running call of a function in this thread, or None."""
    frame: Any = sys._getframe(1)
    while frame is not None and frame.f_code is not code:
        frame = frame.f_back
    return None if frame is None else frame.f_locals


class Backend(ABC):
    """The contract: what the kit asks of either Gluon."""

    Context = type(mx.cpu())  # the class of a context, which MXNet 2 calls a device
    current_context: Callable[[], Any] = staticmethod(getattr(mx, "current_device", mx.current_context))
    FusedRNN: Any = getattr(initializer, "RNNFused", None) or initializer.FusedRNN  # fills an RNN's one vector
    # The function that initializes all parameters of a network, one after the other.
    initialize_code = inspect.unwrap(getattr(gluon, "ParameterDict", gluon.Block).initialize).__code__
    context_slots: Tuple[str, str]  # attributes of a parameter that hold its contexts; the first is a list
    trainer_slot: str  # attribute of a Trainer that holds the contexts of its parameters, None until it knows them
    reset_method: str  # the method that moves a parameter to other contexts
    reset_call: str  # the call that moves all parameters of a network
    infers_on_symbols: bool  # whether a network's code can run on Symbols, from which MXNet infers shapes
    resolving_methods: Tuple[str, ...]  # methods that a block calls with its inputs outside of its `forward`

    @abstractmethod
    def declaration_code(self, name: str, shape: Any) -> str:
        """The code that makes a parameter of a block."""

    @abstractmethod
    def uses_numpy_arrays(self) -> bool:
        """Whether layers take NumPy arrays, here and now."""

    @abstractmethod
    def unnamed(self, block_class: Any) -> Any:
        """A new block of a class, which takes no number from Gluon's counters of names."""

    @abstractmethod
    def defers_always(self, block: Any) -> bool:
        """Whether a layer is deferred although it was told the size of its input."""

    @abstractmethod
    def prefix_of(self, block: Any) -> str:
        """The prefix of the names of a block's operators, or ''."""

    @abstractmethod
    def entries_by_name(self, block: Any) -> Optional[Dict[str, Any]]:
        """The dictionary in which a block's ``params`` holds parameters by global name, or None."""

    @abstractmethod
    def role_name(self, param: Any, path: str) -> str:
        """The name whose end tells a parameter's role."""

    @abstractmethod
    def trainer_of(self, param: Any) -> Any:
        """The Trainer that updates a parameter, or None."""

    @abstractmethod
    def children(self, block: Any) -> List[Tuple[str, Any]]:
        """A block's children by name."""

    @abstractmethod
    def infers_shapes(self, block_class: Any) -> bool:
        """Whether a forward pass of this class of block can find the unknown shapes of its own parameters."""

    @abstractmethod
    def resolving_block(self) -> Optional[Tuple[gluon.Block, Tuple[Any, ...]]]:
        """The block that resolves its parameters before its `forward`, and its arguments; None where none does so."""

    @abstractmethod
    def rename(self, param: Any, name: str) -> None:
        """Make a copy of a parameter another parameter, of this name."""

    @abstractmethod
    def train_source(self, trainer: Any, transposed: Any, source: Any) -> None:
        """A Trainer was given `transposed`, which shows `source`: let it update that one, or refuse."""

    @abstractmethod
    def transposed_variable(self, source: Any) -> Any:
        """The variable of a parameter, transposed."""

    @abstractmethod
    def transposed_input(self, source: Any, ctx: Any) -> Any:
        """The transposed values of a parameter as an input of the graph being written; None where it needs none."""

    @abstractmethod
    def rnn_layout(self, fused: Any, shape: Tuple[int, ...]) -> RNNLayout:
        """The parts of a vector of this shape that a `FusedRNN` fills."""

    @abstractmethod
    def rnn_input_size(self, layer: Any, shapes: Callable[[Any], Any]) -> Optional[int]:
        """The input size of an RNN layer, from its parameters' shapes; None where they do not tell."""

    @abstractmethod
    def complete_initializer(self, declared: Any, init: Any) -> Any:
        """What a parameter was declared with; for an RNN, with the network's initializer where the layer has none."""

    @abstractmethod
    def load_targets_by_name(self, net: Any) -> Optional[Dict[str, Any]]:
        """The parameters that `load_parameters` fills from a file without a dot in its names; None: by path alone."""


class Gluon1(Backend):
    """Gluon of MXNet 1: names of parameters are unique in the process, dictionaries hold them by name."""

    context_slots = ("_ctx_list", "_ctx_map")
    trainer_slot = "_contexts"
    reset_method = "reset_ctx"
    reset_call = "net.collect_params().reset_ctx(ctx)"
    infers_on_symbols = True
    resolving_methods = ()

    declaration_code = staticmethod("self.params.get({!r}, shape={})".format)
    uses_numpy_arrays = staticmethod(is_np_array)
    unnamed = staticmethod(lambda block_class: block_class(prefix=""))
    defers_always = staticmethod(lambda block: False)
    prefix_of = staticmethod(lambda block: block.prefix)
    entries_by_name = staticmethod(lambda block: block._params._params)
    role_name = staticmethod(lambda param, path: param.name)  # attributes may have any name
    trainer_of = staticmethod(lambda param: param._trainer)

    def children(self, block: Any) -> List[Tuple[str, Any]]:
        return list(block._children.items())

    def infers_shapes(self, block_class: Any) -> bool:
        return issubclass(block_class, gluon.HybridBlock)

    def resolving_block(self) -> Optional[Tuple[gluon.Block, Tuple[Any, ...]]]:
        return None

    def rename(self, param: Any, name: str) -> None:
        param.name = name

    def train_source(self, trainer: Any, transposed: Any, source: Any) -> None:
        raise TypeError(f"a Trainer cannot update {transposed!r}, which holds no values of its own: give it the "
                        f"parameters of `collect_params()`, where that one is")  # fmt: skip

    def transposed_variable(self, source: Any) -> Any:
        return source.var().transpose()

    def transposed_input(self, source: Any, ctx: Any) -> Any:
        return None

    def rnn_layout(self, fused: Any, shape: Tuple[int, ...]) -> RNNLayout:
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
        shape = shapes(layer.l0_i2h_weight)
        return shape[1] if shape else None

    def complete_initializer(self, declared: Any, init: Any) -> Any:
        return declared

    def load_targets_by_name(self, net: Any) -> Optional[Dict[str, Any]]:
        try:
            return dict(net.collect_params().items())
        except AssertionError:  # two parameters have one name
            return {}


class Gluon2(Backend):
    """Gluon of MXNet 2: a parameter is known by its path, weak references hold blocks and Trainers."""

    context_slots = ("_device_list", "_device_map")
    trainer_slot = "_devices"
    reset_method = "reset_device"
    reset_call = "net.reset_device(device)"
    declaration_code = staticmethod("gluon.Parameter({!r}, shape={})".format)
    infers_on_symbols = False
    resolving_methods = ("infer_shape", "_call_cached_op")

    uses_numpy_arrays = staticmethod(lambda: True)  # also in a thread, where MXNet's mode is off
    unnamed = staticmethod(lambda block_class: block_class())
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


backend: Backend = Gluon1() if hasattr(gluon, "ParameterDict") else Gluon2()
