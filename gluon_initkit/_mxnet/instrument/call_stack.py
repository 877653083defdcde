"""A call of a block that is under way: what it is given, which blocks its graph passes, and where an error came up.

Inside a hybridized block the children run once, on Symbols: which block used a parameter is seen then, the shapes of
what it was given only by inferring them, which is done when they are asked for, once for all.
"""

import re
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Tuple

from mxnet import gluon, symbol
from mxnet.base import MXNetError
from mxnet.ndarray import NDArray
import numpy

from .. import backend
from ..parameter import known_sizes
from ..tree import walk

Shape = Optional[Tuple[Optional[int], ...]]


TIMED = ("forward", "unroll")


class BlockCall:
    """One call on one thread. It holds no reference to itself, which would keep the network until a collection."""

    __slots__ = ("_home", "_inferred", "_root", "args", "before", "block", "changed", "graph", "graphs",
                 "inputs", "name", "outer", "passes", "path", "source", "symbolic", "symbols",
                 "timed", "used")  # fmt: skip

    def __init__(self, block: gluon.Block, path: str, name: str, args: tuple, outer: Optional["BlockCall"]) -> None:
        self.block, self.path, self.name, self.outer = block, path, name, outer
        self.timed = name in TIMED
        self.passes = name == "forward" or name in backend.resolving_methods
        leaves = list(_leaves(args)) if self.timed or self.passes else ()
        self.symbols = tuple(each for each in leaves if isinstance(each, symbol.Symbol))
        self.inputs: Tuple[Shape, ...] = tuple(None if self.symbols else tuple(each.shape) for each in leaves)
        around = outer.forwarding.home if outer is not None and outer.forwarding is not None else None
        self._home: Optional[BlockCall] = around if self.symbols else None
        self.used: Optional[Dict[int, str]] = None
        """In a home: the path of the block that first asked a parameter for its variable, by the parameter's id."""
        self.symbolic: Optional[Dict[str, Tuple[symbol.Symbol, ...]]] = None
        """In a home: what the blocks inside were given that ran on Symbols."""
        self.graph: Any = None
        """In a home that is over: what its block drew, to be asked later."""
        self._inferred: Optional[Dict[str, Tuple[Shape, ...]]] = None
        self.source: Any = None
        """For whoever tells of it: the user's line, once that is known."""
        self._root: Optional[BlockCall] = None if outer is None else outer.root
        if outer is None:  # what to put back if it fails, and whom it changed
            self.args = args  # of no other call: that would keep every layer's output alive
            self.before: Dict[int, Any] = {}
            self.graphs: List[Any] = []
            self.changed: Dict[int, gluon.Parameter] = {}

    @property
    def root(self) -> "BlockCall":
        """The outermost call around this one."""
        return self if self._root is None else self._root

    @property
    def home(self) -> "BlockCall":
        """The nearest call around this one that is given numbers."""
        return self if self._home is None else self._home

    @property
    def forwarding(self) -> Optional["BlockCall"]:
        """The nearest call of a `forward`, this one included."""
        return self if self.timed else self.outer and self.outer.forwarding

    def uses(self, param: gluon.Parameter) -> None:
        """A parameter is asked for its variable in this call of `forward`."""
        if self.home.used is None:
            self.home.used = {}
        self.home.used.setdefault(id(param), self.path)

    def draws(self) -> None:
        """This call runs on Symbols, and draws a part of its home's graph."""
        if self.home.symbolic is None:
            self.home.symbolic = {}
        self.home.symbolic.setdefault(self.path, self.symbols)

    @property
    def shapes(self) -> Tuple[Shape, ...]:
        """The shapes of the inputs; of Symbols the inferred ones."""
        return self.home.inferred().get(self.path, self.inputs) if self.home is not self else self.inputs

    def inferred(self) -> Dict[str, Tuple[Shape, ...]]:
        """What each block that ran on Symbols inside this call was given, by its path."""
        if self._inferred is None:
            graph = self.graph or getattr(self.block, "_cached_graph", None)
            given = {each.name: shape for each, shape in zip(graph[0], self.inputs)} if graph else {}
            groups = list((self.symbolic or {}).values())
            try:
                shapes = _infer(groups, given) if groups else []
            except MXNetError:  # one contradicts another; those that do not are told one by one
                shapes = [_infer_or_none(group, given) for group in groups]
            self._inferred = dict(zip(self.symbolic or {}, shapes))
        return self._inferred


def input_shapes(path: Any, inputs: Any) -> Any:
    """The shapes that a block was given. A call stands for what is to be inferred from it, when somebody asks."""
    return inputs.inferred().get(path) if isinstance(inputs, BlockCall) else inputs


def _infer_or_none(symbols: Tuple[symbol.Symbol, ...], given: Dict[str, Shape]) -> Tuple[Shape, ...]:
    try:
        return _infer([symbols], given)[0]
    except MXNetError:
        return (None,) * len(symbols)


def _infer(groups: List[Tuple[symbol.Symbol, ...]], given: Dict[str, Shape]) -> List[Tuple[Shape, ...]]:
    flat = [each for group in groups for each in group]
    graph = symbol.Group(flat)
    known = {name: given[name] for name in graph.list_arguments() if name in given}
    found = iter(graph.infer_shape_partial(**known)[1])
    return [tuple(known_sizes(next(found)) for each in group for _ in each.list_outputs()) for group in groups]


def _leaves(args: Any) -> Iterator[Any]:
    for each in args:
        if isinstance(each, (NDArray, symbol.Symbol)):
            yield each
        elif isinstance(each, (list, tuple)):
            yield from _leaves(each)


def shapes_of_arrays(args: Any) -> Tuple[Shape, ...]:
    """The shapes of the arrays among arguments."""
    return tuple(tuple(each.shape) for each in _leaves(args))


class ArrayArgument(NamedTuple):
    """An array among the arguments of a call that was made."""

    shape: Tuple[int, ...]
    dtype: str


class ValueArgument(NamedTuple):
    """Anything else among them: a tuple of numbers is itself, and no shape."""

    value: Any


def argument_shapes(args: Any) -> Any:
    """A call's arguments, nested as they are, without its arrays."""
    if isinstance(args, NDArray):
        return ArrayArgument(tuple(args.shape), numpy.dtype(args.dtype).name)
    if type(args) is dict:
        return {key: argument_shapes(each) for key, each in args.items()}
    return type(args)(map(argument_shapes, args)) if type(args) in (list, tuple) else ValueArgument(args)


def block_paths(net: gluon.Block) -> Dict[gluon.Block, str]:
    """Every block of a network, itself included, with the first path that leads to it."""
    found: Dict[gluon.Block, str] = {}
    for path, block in walk(net):
        found.setdefault(block, path)
    return found


def is_plain_forward(block: gluon.Block) -> bool:
    """Whether a block's `forward` is MXNet's own, which resolves its parameters before any code of the user's runs."""
    return type(block).forward in (gluon.HybridBlock.forward, gluon.SymbolBlock.forward)


def innermost(error: BaseException, paths: Dict[gluon.Block, str], call: Optional[BlockCall] = None) -> Dict[str, Any]:
    """Where an error came up: ``block``, the innermost one's path or None; ``inputs``, the shapes which that was given.

    ``failing`` is the innermost call on arrays: path, block and arguments. An operator of a graph fails outside of its
    block, which is told by its name; what that block was given is not known then.
    """
    failing: Optional[Tuple[str, gluon.Block, tuple]] = None
    if call is not None and call.passes and not call.symbols:
        failing = (call.path, call.block, argument_shapes(call.args))
    path, inputs = (call.path, call.inputs) if call is not None else (None, ())
    traceback = error.__traceback__
    while traceback is not None:
        frame = traceback.tb_frame
        if frame.f_code is _CALL and frame.f_locals["self"] in paths:
            block, args = frame.f_locals["self"], frame.f_locals["args"]
            path, leaves = paths[block], list(_leaves(args))
            inputs = tuple(tuple(each.shape) if isinstance(each, NDArray) else None for each in leaves)
            if None not in inputs:
                failing = (path, block, argument_shapes(args))
        traceback = traceback.tb_next
    facts = {"block": path, "inputs": inputs, "failing": failing}
    named = re.search(r"Error in operator (\w+):", str(error))
    prefixes = {block: backend.prefix_of(block) for block in paths} if named else {}
    owners = [block for block, prefix in prefixes.items() if prefix and named and named[1].startswith(prefix)]
    owner = max(owners, key=lambda block: len(prefixes[block]), default=None)
    if owner is not None and paths[owner] != path:
        facts.update(block=paths[owner], inputs=())
    return facts


_CALL = gluon.Block.__call__.__code__
