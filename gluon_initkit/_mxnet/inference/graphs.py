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
from .record import NeedsNumbers, Operator, Run, Shape, ShapeConflict, check_inputs


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
    if is_new:
        for (call, _), given in zip(graph.calls, found.given):
            call.given = given
    run.noted.append(partial(graph.operators, found.internals, run.stack[-1].path))
    ctx = next((each.context for each in arrays.values()), None)
    dtypes = graph.dtypes({name: each.dtype for name, each in arrays.items()})
    answers = [meta_array(shape, dtype, ctx=ctx) for shape, dtype in zip(found.outputs, dtypes)]
    return gluon.block._regroup(answers, block._out_format)


class GraphShapes(NamedTuple):
    """Shapes in a graph: of variables by name, as MXNet writes them; of outputs, of every node's, of inner calls'."""

    variables: Dict[str, Any]
    outputs: List[Optional[Shape]]
    internals: List[Optional[Shape]]
    given: List[Tuple[Optional[Shape], ...]]


class HybridGraph:
    """The graph of a hybridized block, which is built in its first call and serves the others, as MXNet's does.

    `cached` is the block's own, by which it tells that MXNet has dropped it since. `names` are those of the inputs, in
    the order of the block's arguments. `calls` are the calls of blocks inside, and how many outputs each was given.
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
        self.paths = {call.block.prefix: call.path for call, _ in calls}
        self.calls = [(call, sum(map(symbol.Symbol.__len__, symbols))) for call, symbols in calls]
        self.internals = self.graph.get_internals()
        # All in one, since what blocks inside were given need not be a part of the graph.
        self.parts = symbol.Group([self.graph, self.internals, *(each for _, symbols in calls for each in symbols)])
        self.found: Dict[Any, GraphShapes] = {}

    def infer(self, known: Dict[str, Optional[Shape]]) -> GraphShapes:
        """The shapes that follow from those of variables, kept for the next call with the same."""
        key = tuple(known.items())
        if key not in self.found:
            self.found[key] = self._infer({name: encoded(shape) for name, shape in known.items() if shape is not None})
        return self.found[key]

    def _infer(self, known: Dict[str, Any]) -> GraphShapes:
        for graph in (self.parts, self.graph):  # the second, where what the blocks inside were given contradicts alone
            given = {name: known[name] for name in graph.list_inputs() if name in known}
            try:
                arguments, found, states = graph.infer_shape_partial(**given)
            except MXNetError as error:
                refused = error
            else:
                variables = dict(zip(graph.list_arguments() + graph.list_auxiliary_states(), [*arguments, *states]))
                shapes = iter([decoded(shape) for shape in found])
                outputs = [next(shapes) for _ in self.graph.list_outputs()]
                internals = [next(shapes, None) for _ in self.internals.list_outputs()]
                inner = [tuple([next(shapes, None) for _ in range(count)]) for _, count in self.calls]
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
        nodes = json.loads(self.graph.tojson())["nodes"]
        outputs = _by_node(nodes, self.internals.list_outputs(), shapes)
        return [
            Operator(node["op"], node.get("attrs", {}), tuple(outputs[source][at] for source, at, *_ in node["inputs"]),
                     answered, _owner(node["name"], self.paths, here))
            for node, answered in zip(nodes, outputs) if node["op"] != "null"
        ]  # fmt: skip


def build_graph(block: Any, args: Any) -> Tuple[Any, Any]:
    """The inputs and the graph of a block, built anew: a child may have been replaced since MXNet built its own."""
    if not isinstance(block, gluon.SymbolBlock):
        block.__dict__["_cached_graph"] = ()
    inputs, graph = block._get_graph(*args)
    check_inputs(block, [each.name for each in inputs], len(arrays_and_symbols_in(args)))
    return inputs, graph


def array_shape(value: Any) -> Optional[Shape]:
    """The shape of an array; None of a Symbol, and where it depends on numbers."""
    try:
        return None if isinstance(value, symbol.Symbol) else tuple(value.shape)
    except NeedsNumbers:
        return None


def _without_last_nones(structure: Any) -> Any:
    """The structure of arguments as MXNet compares it: last arguments that are None may be left out."""
    end = len(structure)
    while end and structure[end - 1] == -1:
        end -= 1
    return structure[:end]


def _owner(node: str, paths: Dict[str, str], otherwise: str) -> str:
    """The path of the block with the longest prefix that begins a node's name; each prefix ends with `_`."""
    end = node.rfind("_")
    while end > 0:
        if node[: end + 1] in paths:
            return paths[node[: end + 1]]
        end = node.rfind("_", 0, end)
    return otherwise


def _by_node(nodes: List[Dict[str, Any]], names: List[str], shapes: List[Any]) -> List[Tuple[Any, ...]]:
    """The shapes of each node's outputs: both lists are in one order, and an output begins with its node's name."""

    def fits(number: int, name: str) -> bool:
        node = nodes[number]
        return name == node["name"] or (node["op"] != "null" and name.startswith(node["name"] + "_"))

    found: List[List[Any]] = [[] for _ in nodes]
    number = 0
    for name, shape in zip(names, shapes):
        follows = number + 1 < len(nodes) and fits(number + 1, name)
        if found[number] and follows and not (
            fits(number, name) and len(nodes[number]["name"]) > len(nodes[number + 1]["name"])
        ):
            number += 1
        found[number].append(shape)
    return [tuple(group) for group in found]
