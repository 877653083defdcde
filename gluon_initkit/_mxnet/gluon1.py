"""Gluon as MXNet 1 has it: what `gluon2` says otherwise, in the same words. Everybody imports them from `version`.

Parameters have names that are unique in the process, and live in dictionaries by those names; blocks hold their
children themselves.
"""

from contextlib import nullcontext
import json
from typing import Any, ContextManager, Dict, List, Tuple

from mxnet import context, gluon, initializer, nd
from mxnet.gluon.parameter import ParameterDict
import mxnet.rnn
from mxnet.util import is_np_array
import numpy

from .parts import Parts

__all__ = ["INITIALIZE", "Context", "FusedRNN", "as_layers", "children", "completed", "contexts_held",
           "contexts_trained", "current_context", "fused_parts", "loose", "numpy_arrays", "part_named", "said_role",
           "trainer_of"]  # fmt: skip

Context: Any = context.Context
current_context = context.current_context

# The function that initializes all parameters of a network, one after the other.
INITIALIZE: Any = ParameterDict.initialize

# The initializer of an RNN's one vector, which holds all its weights and biases.
FusedRNN: Any = initializer.FusedRNN


def numpy_arrays() -> bool:
    """Whether layers take NumPy arrays, here and now: where somebody said so."""
    return is_np_array()


def as_layers() -> ContextManager:
    """Inside, MXNet makes the arrays that layers take: it does."""
    return nullcontext()


def children(block: gluon.Block) -> List[Tuple[str, gluon.Block]]:
    """A block's children by name."""
    return list(block._children.items())


def loose(block: gluon.Block) -> List[Tuple[str, gluon.Parameter]]:
    """The parameters in a block's dictionary, by their own names; an attribute need not hold them."""
    prefix = block.params.prefix
    return [(name[len(prefix) :] if name.startswith(prefix) else name, param) for name, param in block.params.items()]


def said_role(param: gluon.Parameter, path: str) -> str:
    """The name whose end tells a parameter's role: its own, since an attribute may be called anything."""
    return param.name


def contexts_held(param: gluon.Parameter) -> List[Any]:
    """The contexts of an initialized parameter."""
    return list(param._ctx_list)


def trainer_of(param: gluon.Parameter) -> Any:
    """The Trainer that updates a parameter, or None."""
    return param._trainer


def contexts_trained(trainer: Any) -> List[Any]:
    """The contexts on which a Trainer updates parameters; none where it does not know yet."""
    return list(trainer._contexts or ())


def fused_parts(fused: Any, shape: Tuple[int, ...]) -> Parts:
    """The parts of a vector that a `FusedRNN` fills: one a gate."""
    arguments = json.loads(fused.dumps())[1]
    kind = ("num_hidden", "num_layers", "mode", "bidirectional", "forget_bias")
    cell = mxnet.rnn.FusedRNNCell(**{name: arguments[name] for name in kind}, prefix="")
    shapes = {name: part.shape for name, part in cell.unpack_weights({"parameters": nd.zeros(shape)}).items()}
    forget = initializer.Constant(float(arguments["forget_bias"]))

    def packed(values: Dict[str, numpy.ndarray]) -> numpy.ndarray:
        return cell.pack_weights({name: nd.array(part) for name, part in values.items()})["parameters"].asnumpy()

    return Parts(
        network=initializer.create(arguments["init"]) if arguments["init"] else None,
        shapes=shapes,
        declared={name: forget for name in shapes if arguments["mode"] == "lstm" and name.endswith("_f_bias")},
        packed=packed,
    )


def completed(declared: Any, init: Any) -> Any:
    """What a parameter was declared with, where that needs the network's initializer: never here."""
    return declared


def part_named(desc: initializer.InitDesc, arr: Any) -> Tuple[initializer.InitDesc, Any]:
    """The name and the array that an initializer should see for the ones that MXNet hands it: the same."""
    return desc, arr
