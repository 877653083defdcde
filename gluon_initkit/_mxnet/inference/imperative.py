"""How blocks and parameters of MXNet 1 are prepared for a run on arrays without memory.

MXNet's own code goes on: a block whose parameters are deferred infers their shapes from a graph of its own, and a
hybridized block builds its graph and calls it. The graph's call alone is replaced, by inference over that graph, so
what is hybridized has the shapes, and the refusals, that Symbols have.
"""

from functools import partial
import json
from typing import Any, Dict, List, Tuple

from mxnet import gluon, nd, symbol
from mxnet.base import MXNetError
from mxnet.gluon.parameter import DeferredInitializationError
from mxnet.gluon.rnn.rnn_layer import _RNNLayer
import numpy

from ...shapes import is_known
from ..parameter import shape_of, source_of
from ..preserve import parameters_of
from ..tree import blocks_by_path
from .errors import NeedsNumbers, ShapeConflict
from .meta_arrays import meta_array, meta_arrays, translated
from .operators import decoded, encoded
from .record import Operator, Run, check_inputs

__all__ = ["given", "lend", "prepare", "reshape", "running", "translated"]

given, running = meta_array, meta_arrays


def lend(param: gluon.Parameter, run: Run) -> None:
    """Let a parameter answer an array without memory; it is deferred where its shape is not known."""
    lent = _LentParameter(param, run)
    param.__dict__.update(
        _check_and_get=lent.check_and_get, _finish_deferred_init=lent.finish, set_data=lent.set_data, _var=None
    )


def reshape(param: gluon.Parameter, shape: Any) -> None:
    """Let a parameter have another shape than its own."""
    param.__dict__.update(_data=None, _shape=encoded(shape))


class _LentParameter:
    """What a parameter answers while a network runs without memory; another thread gets what it always got."""

    __slots__ = ("param", "run")

    def __init__(self, param: gluon.Parameter, run: Run) -> None:
        self.param, self.run = param, run

    def check_and_get(self, held: Any, ctx: Any) -> Any:
        param, run = self.param, self.run
        if not run.here:
            return type(param)._check_and_get(param, held, ctx)
        shape = shape_of(param)
        run.order[param] = None
        known, layer = is_known(shape), run.stack[-1].block if run.stack else None
        if not known and id(layer) not in run.open_layers:
            raise DeferredInitializationError(
                f"Parameter {param.name!r} has not been initialized yet because initialization was deferred."
            )
        array = meta_array(shape, param.dtype, _values(param))
        if not known:
            run.open_layers[id(layer)].append((param, array))
        return [array] if ctx is list else array

    def finish(self) -> None:
        if not self.run.here:
            type(self.param)._finish_deferred_init(self.param)
        elif is_known(shape_of(self.param)):
            self.run.order[self.param] = None

    def set_data(self, data: Any) -> None:
        if not self.run.here:
            type(self.param).set_data(self.param, data)
        else:
            self.param.shape = data.shape


def _values(param: gluon.Parameter) -> Any:
    """What answers a parameter's numbers, where it has some."""
    if isinstance(param, gluon.Constant):
        return param.value.asnumpy
    held = param._data
    return held[0].asnumpy if held and held[0].stype == "default" else None


def prepare(path: str, block: Any, run: Run) -> None:
    """Let a block tell the run what it is given, and infer over its graph where MXNet would compute."""
    prepared, living = _PreparedBlock(path, block, run), block.__dict__
    living["forward"] = prepared.forward
    if isinstance(block, gluon.HybridBlock):
        living["_call_cached_op"], living["_infer_attrs"] = prepared.call_cached_op, prepared.infer_attrs
    if isinstance(block, _RNNLayer) and getattr(block, "_use_sequence_length", False):
        # MXNet cannot make the Symbol of a GRU with lengths (apache/mxnet#21146); no shape depends on them.
        living["_use_sequence_length"] = False


class _PreparedBlock:
    """What a block does while it runs without memory; another thread's calls do what they always did."""

    __slots__ = ("block", "original", "path", "run")

    def __init__(self, path: str, block: Any, run: Run) -> None:
        self.path, self.block, self.run, self.original = path, block, run, block.forward

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        block, run, original = self.block, self.run, self.original
        arrays = _leaves((args, kwargs))
        symbols = [each for each in arrays if isinstance(each, symbol.Symbol)]
        if not run.here or (symbols and not run.building):
            return original(*args, **kwargs)  # in the graph from which a block infers its parameters' shapes
        with run.call(self.path, block, args, tuple(map(_shape, arrays))) as call:
            if run.building:
                run.building[-1].append((call, symbols))
            elif _is_mxnets_own_layer(block):
                return _by_operators(block, run, original, args, kwargs)
            return original(*args, **kwargs)

    def call_cached_op(self, *args: Any) -> Any:
        block, run = self.block, self.run
        if not run.here:
            return type(block)._call_cached_op(block, *args)
        entered, finished = len(run.entered), len(run.finished)
        try:
            return _inferred(block, run, args)
        except ShapeConflict:
            del run.entered[entered:], run.finished[finished:]
            _locate(block, run, args)
            raise

    def infer_attrs(self, function: str, attribute: str, *args: Any) -> None:
        # MXNet's own prints what contradicts, besides raising it, and fails where a parameter is not in the graph.
        block = self.block
        if not self.run.here or attribute != "shape":
            return type(block)._infer_attrs(block, function, attribute, *args)
        inputs, graph = _built(block, args)
        shapes = {each.name: tuple(array.shape) for each, array in zip(inputs, _leaves(args))}
        arguments, _, states = graph.infer_shape_partial(**shapes)
        found = dict(zip(graph.list_arguments() + graph.list_auxiliary_states(), [*arguments, *states]))
        for param in map(source_of, parameters_of(blocks_by_path(block))):
            if decoded(found.get(param.name)) is not None:
                param.shape = found[param.name]


def _is_mxnets_own_layer(block: Any) -> bool:
    """Whether a block runs code of MXNet's that means the same by operators and by its graph."""
    code = getattr(type(block), "hybrid_forward", None)
    return not getattr(block, "_active", True) and getattr(code, "__module__", "").startswith("mxnet.gluon.nn.")


def _by_operators(block: Any, run: Run, original: Any, args: Any, kwargs: Any) -> Any:
    """Run a layer whose parameters' shapes its operators tell, which is faster than by a graph of its own.

    Where MXNet refuses, the layer runs once more as MXNet runs it, so that the error is the one that MXNet raises.
    """
    taken: List[Tuple[Any, Any]] = []
    run.open_layers[id(block)] = taken
    try:
        answer = original(*args, **kwargs)
        if all(is_known(array.handle.shape) for _, array in taken):
            for param, array in taken:
                param._shape = array.handle.shape
            return answer
    except MXNetError:
        if not taken:
            raise
    finally:
        del run.open_layers[id(block)]
    return original(*args, **kwargs)


def _built(block: Any, args: Any) -> Tuple[Any, Any]:
    """The inputs and the graph of a block, built anew: a child may have been replaced since MXNet built its own."""
    if not isinstance(block, gluon.SymbolBlock):
        block.__dict__["_cached_graph"] = ()
    inputs, graph = block._get_graph(*args)
    check_inputs(block, [each.name for each in inputs], len(_leaves(args)))
    return inputs, graph


class _Graph:
    """The graph of a hybridized block, which is built in its first call and serves the others, as MXNet's does.

    Attributes
    ----------
    cached : tuple
        The block's own, by which it tells that MXNet has dropped it since.
    names : list of str
        Of the inputs, in the order of the block's arguments.
    params : list of Parameter
        Those that the graph uses.
    calls : list of (Call, list of Symbol)
        The blocks inside, and what they were given.
    """

    def __init__(self, block: Any, run: Run, args: Any) -> None:
        run.building.append([])
        try:
            inputs, self.graph = _built(block, args)
        finally:
            self.calls = run.building.pop()
        self.cached = block._cached_graph
        self.names = [each.name for each in inputs]
        self.wanted = self.graph.list_inputs()
        params = {param.name: param for param in map(source_of, parameters_of(blocks_by_path(block)))}
        for name in self.wanted:
            assert name in self.names or name in params, f"Unknown input to HybridBlock: {name}"  # MXNet's own words
        self.params = [params[name] for name in self.wanted if name in params and name not in self.names]
        self.paths = {call.block.prefix: call.path for call, _ in self.calls}
        self.count = len(self.graph.list_outputs())
        self.internals = self.graph.get_internals()
        self.outputs = self.internals.list_outputs()
        # Of all in one, since what blocks inside were given need not be a part of the graph.
        self.parts = symbol.Group([self.graph, self.internals, *(each for _, given in self.calls for each in given)])
        self.inputs = set(self.parts.list_inputs())
        self.answers: Dict[Any, Any] = {}

    def infer(self, shapes: Dict[str, Any]) -> Tuple[Dict[str, Any], List[Any]]:
        """The shapes of variables by name, and of all outputs, kept for the next call with the same shapes."""
        key = tuple(shapes.items())
        if key not in self.answers:
            self.answers[key] = self._inferred({name: each for name, each in shapes.items() if name in self.inputs})
        return self.answers[key]

    def _inferred(self, shapes: Dict[str, Any]) -> Tuple[Dict[str, Any], List[Any]]:
        for graph in (self.parts, self.graph):  # the second, where what the blocks inside were given contradicts alone
            try:
                arguments, outputs, states = graph.infer_shape_partial(**shapes)
            except MXNetError as error:
                refused = error
                shapes = {name: shape for name, shape in shapes.items() if name in self.wanted}
            else:
                names = graph.list_arguments() + graph.list_auxiliary_states()
                return dict(zip(names, [*arguments, *states])), list(map(decoded, outputs))
        raise ShapeConflict from refused

    def operators(self, shapes: List[Any], here: str) -> List[Operator]:
        """Its operators; `shapes` are those of all its nodes' outputs."""
        nodes = json.loads(self.graph.tojson())["nodes"]
        outputs = _by_node(nodes, self.outputs, shapes)
        return [
            Operator(node["op"], node.get("attrs", {}), tuple(outputs[source][at] for source, at, *_ in node["inputs"]),
                     answered, _owner(node["name"], self.paths, here))
            for node, answered in zip(nodes, outputs) if node["op"] != "null"
        ]  # fmt: skip


def _inferred(block: Any, run: Run, args: Any) -> Any:
    """What a hybridized block answers: arrays of the shapes that MXNet infers over its graph."""
    graph = run.graphs.get(block)
    if graph is None or graph.cached is not block._cached_graph:
        graph = run.graphs[block] = _Graph(block, run, args)
    given, structure = gluon.block._flatten(args, "input")
    if _without_last_nones(structure) != _without_last_nones(block._in_format):
        raise ValueError(f"The argument structure of HybridBlock does not match the cached version. "
                         f"Stored format = {structure}, input format = {block._in_format}")  # fmt: skip
    arrays = dict(zip(graph.names, (each for each in given if each is not None)))
    run.order.update(dict.fromkeys(graph.params))
    known = {**{param.name: shape_of(param) for param in graph.params},
             **{name: _shape(each) for name, each in arrays.items()}}  # fmt: skip
    found, outputs = graph.infer({name: encoded(shape) for name, shape in known.items() if shape is not None})
    for param in graph.params:
        if not is_known(known[param.name]):
            if decoded(found.get(param.name)) is not None:
                param.shape = found[param.name]
            if not is_known(shape_of(param)):
                raise DeferredInitializationError(
                    f"Parameter {param.name!r}: its shape does not follow from the inputs'"
                )
    answered, inside = outputs[: graph.count], outputs[graph.count : graph.count + len(graph.outputs)]
    rest = iter(outputs[graph.count + len(graph.outputs) :])
    for call, symbols in graph.calls:
        call.given = tuple(next(rest, None) for each in symbols for _ in range(symbol.Symbol.__len__(each)))
    graph.calls = []  # which are those of the call that built it
    run.noted.append(partial(graph.operators, inside, run.stack[-1].path))
    used = {name: each.dtype for name, each in arrays.items() if name in graph.wanted}
    dtypes = _dtypes(graph.graph, used, graph.count)
    ctx = next((each.context for each in arrays.values()), None)
    answers = [meta_array(shape, dtype, ctx=ctx) for shape, dtype in zip(answered, dtypes)]
    return gluon.block._regroup(answers, block._out_format)


def _without_last_nones(structure: Any) -> Any:
    """The structure of arguments as MXNet compares it: last arguments that are None may be left out."""
    end = len(structure)
    while end and structure[end - 1] == -1:
        end -= 1
    return structure[:end]


def _locate(block: Any, run: Run, args: Any) -> None:
    """Run a block whose graph MXNet refuses without its graph: the call that does not return is where it is refused."""
    entered, finished = len(run.entered), len(run.finished)
    if isinstance(block, gluon.SymbolBlock):
        return
    for inner in blocks_by_path(block).values():
        if isinstance(inner, gluon.HybridBlock):
            inner.__dict__["_active"] = False
    try:
        type(block).forward(block, *args)
    except Exception:
        return
    del run.entered[entered:], run.finished[finished:]  # Symbols alone refuse it: in no block inside


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


def _dtypes(graph: Any, given: Dict[str, Any], count: int) -> List[Any]:
    try:
        _, found, _ = graph.infer_type_partial(**given)
    except MXNetError:
        found = None
    return [numpy.float32 if each is None else each for each in found or [None] * count]


def _leaves(value: Any) -> List[Any]:
    """The arrays and Symbols in nested arguments."""
    if isinstance(value, (list, tuple)):
        return [leaf for inner in value for leaf in _leaves(inner)]
    if isinstance(value, dict):
        return _leaves(list(value.values()))
    return [value] if isinstance(value, (nd.NDArray, symbol.Symbol)) else []


def _shape(value: Any) -> Any:
    if isinstance(value, symbol.Symbol):
        return None
    try:
        return tuple(value.shape)
    except NeedsNumbers:
        return None
