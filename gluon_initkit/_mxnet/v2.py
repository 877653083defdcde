"""`Gluon2`: Gluon as MXNet 2 has it.

A parameter is known by its path; its name says little (``weight`` where none is given). Contexts are called devices.
Blocks and Trainers are held by weak references.
"""

import copy
import inspect
from typing import Any, Callable, ContextManager, Dict, List, Optional, Tuple
import uuid

from mxnet import _deferred_compute, device, gluon, initializer, symbol
from mxnet.gluon.nn.conv_layers import _Conv
from mxnet.gluon.rnn.rnn_layer import _RNNLayer
from mxnet.util import np_array
import numpy

from ..shapes import is_known
from .base import Backend, RNNLayout


class Gluon2(Backend):
    """The contract, kept by MXNet 2."""

    Context = device.Device
    current_context = staticmethod(device.current_device)
    context_slots = ("_device_list", "_device_map")
    trainer_slot = "_devices"
    reset_method = "reset_device"
    reset_call = "net.reset_device(device)"
    declaration_code = staticmethod("gluon.Parameter({!r}, shape={})".format)
    unnamed = staticmethod(lambda block_class: block_class())
    FusedRNN = initializer.RNNFused
    infers_on_symbols = False
    resolving_methods = ("infer_shape", "_call_cached_op")
    initialize_code = inspect.unwrap(gluon.Block.initialize).__code__
    resolving_code = gluon.HybridBlock.__call__.__code__
    tracing_code = gluon.HybridBlock._get_graph.__code__

    def uses_numpy_arrays(self) -> bool:
        return True  # also in a thread, where MXNet's mode is off

    def layer_mode(self) -> ContextManager:
        return np_array(True)

    def children(self, block: Any) -> List[Tuple[str, Any]]:
        alive = ((name, child()) for name, child in block._children.items())
        return [(name, child) for name, child in alive if child is not None]

    def infers_shapes(self, block_class: Any) -> bool:
        own = getattr(block_class, "infer_shape", None)
        return issubclass(block_class, gluon.HybridBlock) and own is not gluon.HybridBlock.infer_shape

    def infer_again(self, block: Any) -> None:
        if isinstance(block, gluon.HybridBlock):  # it asked once, and never does again by itself
            block._called_infer_shape_already = False

    def defers_always(self, block: Any) -> bool:
        return isinstance(block, (_Conv, _RNNLayer))

    def rename(self, param: Any, name: str) -> None:
        param._name, param._uuid, param._var_name = name, str(uuid.uuid4()), None

    def role_name(self, param: Any, path: str) -> str:
        return path

    def trainer_of(self, param: Any) -> Any:
        return param._trainer() if param._trainer else None

    def kvstore_key(self, trainer: Any, param: Any) -> Optional[int]:
        # Not the parameter's number in the Trainer, where a tied one before it was given twice.
        return trainer._param2idx.get(param._uuid)

    def train_source(self, trainer: Any, transposed: Any, source: Any) -> None:
        trainer._params = [source if param is transposed else param for param in trainer._params]
        source._set_trainer(trainer)

    def transposed_variable(self, source: Any) -> Any:
        return symbol.var(f"{source.var().name}_transposed").as_np_ndarray()

    def is_tracing(self) -> bool:
        return _deferred_compute.is_deferred_compute()

    def transposed_input(self, source: Any, ctx: Any) -> Any:
        with _deferred_compute.context(False):
            values = source.data(ctx).detach().transpose()
        variable = self.transposed_variable(source)  # has a name: MXNet frees what it is given before it reads it
        _deferred_compute.set_variable(values, variable)
        return values

    def rnn_layout(self, fused: Any, shape: Tuple[int, ...]) -> RNNLayout:
        """``l0_i2h_weight``, ``r0_i2h_weight`` (backwards), ..."""
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
