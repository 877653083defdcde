"""A running call of a block: its inputs, the blocks inside its graph, and the block in which an error was raised.

Inside a hybridized block the children run once, on Symbols. The shapes of their inputs are inferred only when needed.
"""

from dataclasses import dataclass
from functools import cached_property
import re
from typing import Any, Dict, List, Optional, Tuple

from mxnet import gluon, symbol
from mxnet.base import MXNetError
from mxnet.ndarray import NDArray

from .. import backend
from ..arrays import arrays_and_symbols_in, dtype_name, leaves, with_leaves
from ..parameter import known_sizes

Shape = Optional[Tuple[Optional[int], ...]]
Shapes = Tuple[Shape, ...]
FORWARD = ("forward", "unroll")
_CALL = gluon.Block.__call__.__code__


class BlockCall:
    """One call on one thread. It has no reference to itself: that cycle would keep the network until a collection."""

    def __init__(self, block: gluon.Block, path: str, name: str, args: tuple, outer: Optional["BlockCall"]) -> None:
        self.block, self.path, self.name, self.outer = block, path, name, outer
        self.around: Optional[BlockCall] = outer if outer is None or outer.is_forward else outer.around  # a `forward`
        self.is_forward: bool = name in FORWARD
        self.passes = name == "forward" or name in backend.resolving_methods
        arrays = arrays_and_symbols_in(args) if self.is_forward or self.passes else ()
        self.symbols = tuple(leaf for leaf in arrays if isinstance(leaf, symbol.Symbol))
        self.inputs: Shapes = tuple(None if self.symbols else tuple(leaf.shape) for leaf in arrays)
        # For a call that is a `home`: the input Symbols of the blocks inside, in the order of their calls; and, after
        # the call, the graph of its block.
        self.symbolic: Dict[str, Tuple[symbol.Symbol, ...]] = {}
        self.graph: Any = None
        self.source: Any = None  # the user's source line, once it is known
        if outer is None:  # the state to restore if it fails, and the parameters that it changed
            self.args = args  # only of the outermost call: else every layer's output would stay alive
            self.before: Dict[int, Any] = {}
            self.graphs: List[Any] = []
            self.changed: Dict[int, gluon.Parameter] = {}

    @property
    def home(self) -> "BlockCall":
        """The innermost call that contains this one and has arrays as inputs; possibly this one."""
        call = self
        while call.symbols and call.around is not None:
            call = call.around
        return call

    @cached_property
    def inferred(self) -> Dict[str, Shapes]:
        """The input shapes of each block that ran on Symbols inside this call, by path."""
        graph = self.graph or getattr(self.block, "_cached_graph", None)
        known = {variable.name: shape for variable, shape in zip(graph[0], self.inputs)} if graph else {}
        self.graph = None
        return dict(zip(self.symbolic, _infer(list(self.symbolic.values()), known)))


def input_shapes(path: Any, inputs: Any) -> Any:
    """The input shapes of a block; `inputs` may be a call, and then they are inferred from it."""
    return inputs.inferred.get(path) if isinstance(inputs, BlockCall) else inputs


def _infer(groups: List[Tuple[symbol.Symbol, ...]], known: Dict[str, Shape]) -> List[Shapes]:
    """The shapes of groups of Symbols, from the shapes of variables; None if these contradict each other."""
    if not groups:
        return []
    graph = symbol.Group([part for group in groups for part in group])
    try:
        outputs = graph.infer_shape_partial(**{key: known[key] for key in graph.list_arguments() if key in known})[1]
    except MXNetError:
        if len(groups) > 1:  # one group contradicts another: infer each separately
            return [shapes for group in groups for shapes in _infer([group], known)]
        outputs = [None] * len(graph.list_outputs())
    shapes = iter(outputs)
    return [tuple(known_sizes(next(shapes)) for part in group for _ in part.list_outputs()) for group in groups]


def shapes_of_arrays(args: Any) -> Shapes:
    """The shapes of the arrays in arguments; None for a Symbol."""
    return tuple(tuple(leaf.shape) if isinstance(leaf, NDArray) else None for leaf in arrays_and_symbols_in(args))


@dataclass(frozen=True)
class ArrayArgument:
    """Replaces an array in arguments; an unknown size is None."""

    shape: Tuple[Optional[int], ...]
    dtype: str


@dataclass(frozen=True)
class ValueArgument:
    """Wraps any other value in arguments, so that a tuple of numbers is not taken for a shape."""

    value: Any


def argument_shapes(args: Any) -> Any:
    """A call's arguments in the same nesting, without the arrays themselves."""
    shapes = [ArrayArgument(tuple(leaf.shape), dtype_name(leaf.dtype)) if isinstance(leaf, NDArray)
              else ValueArgument(leaf) for leaf in leaves(args)]  # fmt: skip
    return with_leaves(args, iter(shapes))


def innermost(error: BaseException, paths: Dict[gluon.Block, str], call: Optional[BlockCall] = None) -> Dict[str, Any]:
    """The source of an error: ``block``, the innermost block's path or None; ``inputs``, its input shapes."""
    # ``failing`` is the innermost call on arrays: path, block and arguments. An operator of a graph fails outside of
    # its block's call: the operator's name identifies the block, and the block's inputs are not known.
    failing: Optional[Tuple[str, gluon.Block, tuple]] = None
    if call is not None and call.passes and not call.symbols:
        failing = (call.path, call.block, argument_shapes(call.args))
    path, inputs = (call.path, call.inputs) if call is not None else (None, ())
    traceback = error.__traceback__
    while traceback is not None:
        frame = traceback.tb_frame
        if frame.f_code is _CALL and frame.f_locals["self"] in paths:
            block, args = frame.f_locals["self"], frame.f_locals["args"]
            path, inputs = paths[block], shapes_of_arrays(args)
            if None not in inputs:
                failing = (path, block, argument_shapes(args))
        traceback = traceback.tb_next
    named = re.search(r"Error in operator (\w+):", str(error))
    prefixes = {block: backend.prefix_of(block) for block in paths} if named else {}
    owners = [block for block, prefix in prefixes.items() if prefix and named and named[1].startswith(prefix)]
    owner = max(owners, key=lambda block: len(prefixes[block]), default=None)
    if owner is not None and paths[owner] != path:
        path, inputs = paths[owner], ()
    return {"block": path, "inputs": inputs, "failing": failing}
