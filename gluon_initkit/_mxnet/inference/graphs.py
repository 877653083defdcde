"""The graph of a hybridized block of MXNet 1, over which shapes are inferred where MXNet would compute.

What is hybridized has the shapes, and the refusals, that Symbols have: an operator of a graph broadcasts nothing by
itself, and an index takes one of the outputs.
"""

from functools import partial
import json
from typing import Any, Dict, List, NamedTuple, Optional, Tuple

from mxnet import gluon, symbol
from mxnet.base import MXNetError
from mxnet.gluon.parameter import DeferredInitializationError
import numpy

from ...shapes import is_known
from ..arrays import arrays_and_symbols_in
from ..parameter import shape_of, source_of
from ..preserve import parameters_of
from ..tree import blocks_by_path
from .meta_arrays import meta_array
from .operators import decoded, encoded
from .record import Call, Operator, Run, Shape, ShapeConflict, array_shape, check_inputs, graph_operators, infer_shapes


def call_graph(block: Any, run: Run, args: Any) -> Any:
    """What a hybridized block answers: arrays of the shapes that MXNet infers over its graph."""
    graph: Any = run.graphs.get(block)
    is_new = graph is None or graph.cached is not block._cached_graph
    if is_new:
        graph = run.graphs[block] = HybridGraph(block, run, args)
    flat, structure = gluon.block._flatten(args, "input")
    if _without_last_nones(structure) != _without_last_nones(block._in_format):
        raise ValueError(f"The argument structure of HybridBlock does not match the cached version. "
                         f"Stored format = {structure!r}, input format = {block._in_format!r}")  # fmt: skip
    arrays = dict(zip(graph.names, [each for each in flat if each is not None]))
    run.order.update(dict.fromkeys(graph.params))
    known = {param.name: shape_of(param) for param in graph.params}
    found = graph.infer({**known, **{name: array_shape(each) for name, each in arrays.items()}})
    for param in graph.params:
        if is_known(known[param.name]):
            continue
        if decoded(found.variables.get(param.name)) is not None:
            param.shape = found.variables[param.name]
        if not is_known(shape_of(param)):
            raise DeferredInitializationError(f"Parameter {param.name!r}: its shape does not follow from the inputs'")
    for (call, *_), (given, answered) in zip(graph.calls, found.calls):
        if not is_new:
            call = Call(call.path, call.block, call.args, given)
            run.entered.append(call)
            run.finished.append(call)
        call.given, call.answered = given, answered
    run.noted.append(partial(graph.operators, found.internals, run.stack[-1].path))
    ctx = next((each.context for each in arrays.values()), None)
    dtypes = graph.dtypes({name: each.dtype for name, each in arrays.items()})
    answers = [meta_array(shape, dtype, ctx=ctx) for shape, dtype in zip(found.outputs, dtypes)]
    return gluon.block._regroup(answers, block._out_format)


BLOCK_PATH = "__block_path__"
"""The attribute by which a node tells the block whose code made it."""


class GraphShapes(NamedTuple):
    """Shapes in a graph: of variables by name, as MXNet writes them; of outputs, of every node's, of inner calls'.

    Of each call, what it was given and what it answered.
    """

    variables: Dict[str, Any]
    outputs: List[Optional[Shape]]
    internals: List[Optional[Shape]]
    calls: List[Tuple[Tuple[Optional[Shape], ...], Tuple[Optional[Shape], ...]]]


class HybridGraph:
    """The graph of a hybridized block, which is built in its first call and serves the others, as MXNet's does.

    `cached` is the block's own, by which it tells that MXNet has dropped it since. `names` are those of the inputs, in
    the order of the block's arguments. `calls` are the calls of blocks inside, and how many outputs each was given and
    answered.
    """

    def __init__(self, block: Any, run: Run, args: Any) -> None:
        run.building.append([])
        try:
            inputs, self.graph = build_graph(block, args)
        finally:
            calls = run.building.pop()
        self.cached = block._cached_graph
        self.names = [each.name for each in inputs]
        params = {param.name: param for param in map(source_of, parameters_of(blocks_by_path(block)))}
        self.variables = self.graph.list_inputs()
        for name in self.variables:
            assert name in self.names or name in params, f"Unknown input to HybridBlock: {name}"  # MXNet's own words
        self.params = [params[name] for name in self.variables if name in params and name not in self.names]
        self.composed = {node["name"]: call.path for call, *_ in calls for node in _own_nodes(call.block)}
        outputs = symbol.Symbol.__len__  # which those of NumPy mode refuse
        self.calls = [(call, sum(map(outputs, given)), sum(map(outputs, answered))) for call, given, answered in calls]
        self.internals = self.graph.get_internals()
        # All in one, since what blocks inside were given need not be a part of the graph.
        inner = [each for _, given, answered in calls for each in (*given, *answered)]
        self.parts = symbol.Group([self.graph, self.internals, *inner])
        self.found: Dict[Any, GraphShapes] = {}

    def infer(self, known: Dict[str, Optional[Shape]]) -> GraphShapes:
        """The shapes that follow from those of variables, kept for the next call with the same."""
        key = tuple(known.items())
        if key not in self.found:
            self.found[key] = self._infer({name: encoded(shape) for name, shape in known.items()})
        return self.found[key]

    def _infer(self, known: Dict[str, Any]) -> GraphShapes:
        for graph in (self.parts, self.graph):  # the second, where what the blocks inside were given contradicts alone
            try:
                variables, found = infer_shapes(graph, known)
            except MXNetError as error:
                refused = error
            else:
                shapes = iter([decoded(shape) for shape in found])
                outputs = [next(shapes) for _ in self.graph.list_outputs()]
                internals = [next(shapes, None) for _ in self.internals.list_outputs()]
                inner = [(tuple(next(shapes, None) for _ in range(given)),
                          tuple(next(shapes, None) for _ in range(answered))) for _, given, answered in self.calls]
                return GraphShapes(variables, outputs, internals, inner)
        raise ShapeConflict from refused

    def dtypes(self, known: Dict[str, Any]) -> List[Any]:
        """Those of its outputs; float32 where MXNet does not tell."""
        try:
            found = self.graph.infer_type_partial(**{name: known[name] for name in self.variables if name in known})[1]
        except MXNetError:
            found = None
        return [each or numpy.float32 for each in found or [None] * len(self.graph.list_outputs())]

    def operators(self, shapes: List[Optional[Shape]], here: str) -> List[Operator]:
        """Its operators; `shapes` are those of all its nodes' outputs."""
        return graph_operators(self.internals, shapes, lambda node, _: (
            node.get("attrs", {}).pop(BLOCK_PATH, None) or self.composed.get(node["name"], here)))  # fmt: skip


def build_graph(block: Any, args: Any) -> Tuple[Any, Any]:
    """The inputs and the graph of a block, built anew: a child may have been replaced since MXNet built its own."""
    if not isinstance(block, gluon.SymbolBlock):
        block.__dict__["_cached_graph"] = ()
    inputs, graph = block._get_graph(*args)
    check_inputs(block, [each.name for each in inputs], len(arrays_and_symbols_in(args)))
    return inputs, graph


def _without_last_nones(structure: Any) -> Any:
    """The structure of arguments as MXNet compares it: last arguments that are None may be left out."""
    end = len(structure)
    while end and structure[end - 1] == -1:
        end -= 1
    return structure[:end]


def _own_nodes(block: Any) -> List[Any]:
    """The nodes of a SymbolBlock's graph, which its call copies."""
    return json.loads(block._cached_graph[1].tojson())["nodes"] if isinstance(block, gluon.SymbolBlock) else []
