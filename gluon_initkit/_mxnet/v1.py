"""`Gluon1`: Gluon as MXNet 1 has it.

Parameters have names that are unique in the process, and live in dictionaries by those names; blocks hold their
children themselves.
"""

import json
from typing import Any, Callable, Dict, List, Optional, Tuple

from mxnet import context, gluon, initializer, nd
from mxnet.gluon.block import _BlockScope
from mxnet.gluon.parameter import ParameterDict
import mxnet.rnn
from mxnet.util import is_np_array
import numpy

from .base import Backend, RNNLayout


class Gluon1(Backend):
    """The contract, kept by MXNet 1."""

    Context = context.Context
    current_context = staticmethod(context.current_context)
    context_slots = ("_ctx_list", "_ctx_map")
    trainer_slot = "_contexts"
    reset_method = "reset_ctx"
    reset_call = "net.collect_params().reset_ctx(ctx)"
    declaration_code = staticmethod("self.params.get({!r}, shape={})".format)
    unnamed = staticmethod(lambda block_class: block_class(prefix=""))
    FusedRNN = initializer.FusedRNN
    infers_on_symbols = True
    initialize_code = ParameterDict.initialize.__code__

    def uses_numpy_arrays(self) -> bool:
        return is_np_array()

    def children(self, block: Any) -> List[Tuple[str, Any]]:
        return list(block._children.items())

    def infers_shapes(self, block_class: Any) -> bool:
        return issubclass(block_class, gluon.HybridBlock)

    def prefix_of(self, block: Any) -> str:
        return block.prefix

    def name_counters(self, block: Any) -> List[Dict[str, int]]:
        return [block._scope._counter]

    def name_scope(self) -> Any:
        scope = getattr(_BlockScope._current, "value", None)
        return None if scope is None else scope._block

    def entries_by_name(self, block: Any) -> Optional[Dict[str, Any]]:
        return block._params._params

    def rename(self, param: Any, name: str) -> None:
        param.name = name

    def role_name(self, param: Any, path: str) -> str:
        return param.name  # an attribute may be called anything

    def trainer_of(self, param: Any) -> Any:
        return param._trainer

    def kvstore_key(self, trainer: Any, param: Any) -> Optional[int]:
        return trainer._param2idx.get(param.name)

    def train_source(self, trainer: Any, transposed: Any, source: Any) -> None:
        raise TypeError(f"a Trainer cannot update {transposed!r}, which holds no values of its own: give it the "
                        f"parameters of `collect_params()`, where that one is")  # fmt: skip

    def transposed_variable(self, source: Any) -> Any:
        return source.var().transpose()

    def rnn_layout(self, fused: Any, shape: Tuple[int, ...]) -> RNNLayout:
        arguments = json.loads(fused.dumps())[1]
        kind = ("num_hidden", "num_layers", "mode", "bidirectional", "forget_bias")
        cell = mxnet.rnn.FusedRNNCell(**{name: arguments[name] for name in kind}, prefix="")
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

    def load_targets_by_name(self, net: Any) -> Optional[Dict[str, Any]]:
        try:
            return dict(net.collect_params().items())
        except AssertionError:  # two parameters have one name
            return {}
