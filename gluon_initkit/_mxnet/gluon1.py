"""Gluon as MXNet 1 has it: what `gluon2` says otherwise, in the same words. Everybody imports them from `version`.

Parameters have names that are unique in the process, and live in dictionaries by those names; blocks hold their
children themselves.
"""

from contextlib import nullcontext
import json
from typing import AbstractSet, Any, Callable, ContextManager, Dict, Iterable, List, Optional, Sequence, Tuple

from mxnet import context, gluon, initializer, nd, numpy_extension
from mxnet.gluon.block import _BlockScope
from mxnet.gluon.parameter import ParameterDict
import mxnet.model
import mxnet.module
import mxnet.rnn
from mxnet.util import is_np_array, is_np_shape
import numpy

from .parts import Parts

__all__ = ["BESIDE_FORWARD", "INITIALIZE", "PLACED", "RESET", "RESET_ALL", "SYMBOLIC", "Context", "FusedRNN",
           "as_layers", "asking", "children", "completed", "contexts_held", "contexts_trained", "counters",
           "current_context", "data_transposed", "declaration", "defers_always", "fused_parts", "infer_again",
           "infers_on_symbols", "infers_shapes", "input_width", "kvstore_key", "loaded_by_name", "loaded_onto",
           "loading_renamed", "loads_numpy", "loose", "named", "named_within", "numpy_arrays", "part_named",
           "prefix_of", "refusal",
           "rename", "said_role", "same_names", "train_instead", "trainer_of", "unnamed", "var_transposed",
           "write_list"]  # fmt: skip

Context: Any = context.Context
current_context = context.current_context

# The function that initializes all parameters of a network, one after the other.
INITIALIZE: Any = ParameterDict.initialize

# The functions that initialize the arrays of a Symbol, one after the other.
SYMBOLIC: Tuple[Any, ...] = (
    mxnet.module.Module.init_params.__code__,
    mxnet.module.SequentialModule.init_params.__code__,
    mxnet.model.FeedForward._init_params.__code__,
)

# What a block calls with its inputs, and not from within its `forward`.
BESIDE_FORWARD: Tuple[str, ...] = ()

# The method that puts a parameter on other contexts.
RESET = "reset_ctx"

# The call that puts all parameters of a network on other contexts.
RESET_ALL = "net.collect_params().reset_ctx(ctx)"

# Where a parameter keeps the contexts that it is on.
PLACED = ("_ctx_list", "_ctx_map")

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


def infers_on_symbols() -> bool:
    """Whether a network's code can be run on Symbols, from which MXNet infers shapes."""
    return True


def infers_shapes(owner: Any) -> bool:
    """Whether a forward pass of this class of block can tell the unknown shapes of its own parameters."""
    return issubclass(owner, gluon.HybridBlock)


def prefix_of(block: gluon.Block) -> str:
    """What the names of a block's operators begin with, ``''`` where that tells nothing."""
    return block.prefix


def counters(block: gluon.Block) -> List[Dict[str, int]]:
    """The counters from which a block names its children."""
    return [block._scope._counter]


def loose(block: gluon.Block) -> List[Tuple[str, gluon.Parameter]]:
    """The parameters in a block's dictionary, by their own names; an attribute need not hold them."""
    prefix = block.params.prefix
    return [(name[len(prefix) :] if name.startswith(prefix) else name, param) for name, param in block.params.items()]


def same_names(blocks: Iterable[gluon.Block]) -> List[List[gluon.Parameter]]:
    """Parameters of these blocks that have one global name; `collect_params` refuses a network that has such."""
    held: Dict[str, Dict[int, gluon.Parameter]] = {}
    for block in blocks:
        for name, param in block._params._params.items():
            held.setdefault(name, {})[id(param)] = param
    return [list(params.values()) for params in held.values() if len(params) > 1]


def said_role(param: gluon.Parameter, path: str) -> str:
    """The name whose end tells a parameter's role: its own, since an attribute may be called anything."""
    return param.name


def contexts_held(param: gluon.Parameter) -> Sequence[Any]:
    """The contexts of an initialized parameter."""
    return param._ctx_list


def trainer_of(param: gluon.Parameter) -> Any:
    """The Trainer that updates a parameter, or None."""
    return param._trainer


def contexts_trained(trainer: Any) -> List[Any]:
    """The contexts on which a Trainer updates parameters; none where it does not know yet."""
    return list(trainer._contexts or ())


def named(block: gluon.Block) -> Optional[Dict[str, gluon.Parameter]]:
    """What a block's ``params`` holds by global name."""
    return block._params._params


def named_within() -> Optional[gluon.Block]:
    """The block in whose ``name_scope()`` this thread is, or None."""
    scope = getattr(_BlockScope._current, "value", None)
    return None if scope is None else scope._block


def infer_again(block: gluon.Block) -> None:
    """Let a block ask for shapes in its next forward pass: it always does."""


def declaration(name: str, shape: str) -> str:
    """Python that makes a parameter of a block's own."""
    return f"self.params.get({name!r}, shape={shape})"


def defers_always(block: gluon.Block) -> bool:
    """Whether a layer is deferred though it is told the size of its input: none is."""
    return False


def asking() -> Optional[Tuple[gluon.Block, Tuple[Any, ...]]]:
    """Which block resolves its parameters before its `forward`, and what it is given: none does."""
    return None


def rename(param: gluon.Parameter, name: str) -> None:
    """Make a copy of a parameter another parameter, of this name."""
    param.name = name


def train_instead(trainer: Any, view: gluon.Parameter, source: gluon.Parameter) -> None:
    """Refuse a Trainer of what shows another parameter: `collect_params` gives that other one."""
    raise TypeError(f"a Trainer cannot update {view!r}, which holds no values of its own: give it the parameters of "
                    f"`collect_params()`, where that one is")  # fmt: skip


def data_transposed(source: gluon.Parameter, ctx: Any) -> Any:
    """The values of a parameter, transposed."""
    return source.data(ctx).transpose()


def var_transposed(source: gluon.Parameter) -> Any:
    """The variable of a parameter, transposed."""
    return source.var().transpose()


def kvstore_key(trainer: Any, param: gluon.Parameter) -> Optional[int]:
    """The key of a parameter in its Trainer's kvstore, which is its number in the Trainer; None if that has it not."""
    return trainer._param2idx.get(param.name)


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


def input_width(layer: Any, shapes: Callable[[gluon.Parameter], Any]) -> Optional[int]:
    """The input size of an RNN layer, from its parameters' shapes; None where they do not tell."""
    shape = shapes(layer.l0_i2h_weight)
    return shape[1] if shape else None


def completed(declared: Any, init: Any) -> Any:
    """What a parameter was declared with, where that needs the network's initializer: never here."""
    return declared


def part_named(desc: initializer.InitDesc, arr: Any) -> Tuple[initializer.InitDesc, Any]:
    """The name and the array that an initializer should see for the ones that MXNet hands it: the same."""
    return desc, arr


def unnamed(kind: Any) -> gluon.Block:
    """A block of a class that takes no name from Gluon's counters."""
    return kind(prefix="")


def loaded_by_name(net: gluon.Block) -> Optional[Dict[str, gluon.Parameter]]:
    """The parameters that `load_parameters` fills from a file without a dot in its names: by their global names.

    None of them where two have one name, which MXNet does not collect.
    """
    try:
        return dict(net.collect_params().items())
    except AssertionError:
        return {}


def loads_numpy(by_path: bool) -> bool:
    """Whether `load_parameters` makes NumPy arrays of what it reads, here and now."""
    return by_path and is_np_array()


def loaded_onto() -> Any:
    """The one context on which `load_parameters` insists, unless it is told another: none, here."""
    return None


def refusal(versions: Sequence[int], named: bool, dotted: bool) -> Optional[Tuple[str, str]]:
    """The exception with which `load_parameters` refuses a file whatever is in it, and why; None where it looks.

    `versions` are those of its arrays, as `StoredArray` counts them; `dotted` says whether any has a dot in its name.
    """
    if 4 in versions:
        return "MXNetError", (
            "MXNet 1 does not read MXNet 2's zip files: call gluon_initkit.save there, gluon_initkit.load here"
        )
    if 3 in versions and not is_np_shape():
        reason = "the file has NumPy's shapes: call mx.npx.set_np() first, or load it with gluon_initkit and NumPy"
        return "MXNetError", reason
    if is_np_shape() and set(versions) & {0, 1, 2} and not (dotted and is_np_array()):
        # `load_parameters` reads it again without NumPy's shapes; `ParameterDict.load`, without a dot, does not.
        why = "no dot in any name" if not dotted else "is read with np_shape on and np_array off"
        return "MXNetError", f"the file has classic arrays, and {why}: call mx.npx.reset_np(), or gluon_initkit.load"
    if not versions or not named:
        return "AttributeError", f"the file is {'a list of arrays without names' if versions else 'empty'}"
    return None


def loading_renamed(
    by_name: bool, source: str, renamed: str, selected: str, flags: str, versions: AbstractSet[int]
) -> str:
    """Python that loads a file under other names: `renamed` is their expression, `selected` a condition."""
    kind = "npx" if is_np_array() else "nd"
    arrays = f"{{{renamed}: array for name, array in mx.{kind}.load({source!r}).items(){selected}}}"
    if by_name:
        return f"net.collect_params().load_dict({arrays}{flags})"
    return f"mx.{kind}.save('fitting.params', {arrays}); net.load_parameters('fitting.params'{flags})"


def write_list(path: str, arrays: Dict[str, Any]) -> None:
    """Write classic arrays into a file as MXNet's list of arrays."""
    if is_np_array():
        numpy_extension.save(path, {name: array.as_np_ndarray() for name, array in arrays.items()})
    else:
        nd.save(path, arrays)
