"""How blocks and parameters of MXNet 1 are prepared for a run on arrays without memory.

MXNet's own code goes on: a block whose parameters are deferred infers their shapes from a graph of its own, and a
hybridized block builds its graph and calls it. The graph's call alone is replaced, by inference over that graph, so
what is hybridized has the shapes, and the refusals, that Symbols have.
"""

from functools import partial
import json
from typing import Any, ContextManager, Dict, List, Tuple

from mxnet import gluon, nd, symbol
from mxnet.base import MXNetError
from mxnet.gluon.parameter import DeferredInitializationError
from mxnet.gluon.rnn.rnn_layer import _RNNLayer
import numpy

from ...shapes import is_known
from ..parameters import shape_of
from ..transposed import source_of
from ..undisturbed import blocks_of, parameters_of
from .errors import NeedsNumbers, ShapeConflict
from .meta_arrays import meta_array, meta_arrays, translated
from .operators import decoded, encoded
from .record import Call, Operator, Run, check_inputs

__all__ = ["given", "lend", "prepare", "running", "translated"]

given = meta_array


def running(run: Run) -> ContextManager[None]:
    """Inside, operators of this thread answer arrays without memory."""
    return meta_arrays(run.record)


def lend(param: gluon.Parameter, shape: Any, run: Run) -> None:
    """Let a parameter answer an array without memory; it is deferred where its shape is not known."""
    kind, living = type(param), param.__dict__

    def check_and_get(held: Any, ctx: Any) -> Any:
        if not run.here:
            return kind._check_and_get(param, held, ctx)
        shape, call = shape_of(param), run.stack[-1] if run.stack else None
        run.order[param] = None
        if not is_known(shape) and not (call is not None and id(call.block) in _open_layers(run)):
            raise DeferredInitializationError(
                f"Parameter '{param.name}' has not been initialized yet because initialization was deferred."
            )
        array = meta_array(shape, param.dtype, _values(param))
        if not is_known(shape):
            _open_layers(run)[id(call.block)].append((param, array))  # type: ignore[union-attr]
        return [array] if ctx is list else array

    def finish() -> None:
        if not run.here:
            kind._finish_deferred_init(param)
        elif is_known(shape_of(param)):
            run.order[param] = None

    def set_data(data: Any) -> None:
        if not run.here:
            kind.set_data(param, data)
        else:
            param.shape = data.shape

    if shape != shape_of(param):  # somebody asks what another shape would give
        living["_data"], living["_shape"] = None, encoded(shape)
    living.update(_check_and_get=check_and_get, _finish_deferred_init=finish, set_data=set_data, _var=None)


def _values(param: gluon.Parameter) -> Any:
    """What answers a parameter's numbers, where it has some."""
    if isinstance(param, gluon.Constant):
        return param.value.asnumpy
    held = param._data
    return held[0].asnumpy if held and held[0].stype == "default" else None


def _open_layers(run: Run) -> Dict[int, List[Tuple[Any, Any]]]:
    """By the identity of a layer of MXNet's own under way: what it took of parameters whose shapes are not known."""
    return run.__dict__.setdefault("open_layers", {})


def prepare(path: str, block: Any, run: Run) -> None:
    """Let a block tell the run what it is given, and call no computed graph."""
    original, living = block.forward, block.__dict__

    def forward(*args: Any, **kwargs: Any) -> Any:
        arrays = _leaves((args, kwargs))
        graphs = _graphs(run)
        if not run.here or (not graphs and any(isinstance(each, symbol.Symbol) for each in arrays)):
            return original(*args, **kwargs)  # in the graph from which a block infers its parameters' shapes
        with run.call(path, block, args, tuple(map(_shape, arrays))) as call:
            if graphs:
                graphs[-1].append((call, [each for each in arrays if isinstance(each, symbol.Symbol)]))
            elif _is_mxnets_own_layer(block):
                return _by_operators(block, run, original, args, kwargs)
            return original(*args, **kwargs)

    living["forward"] = forward
    if isinstance(block, gluon.HybridBlock):
        _prepare_graph(block, run)
    if isinstance(block, _RNNLayer) and getattr(block, "_use_sequence_length", False):
        # MXNet cannot make the Symbol of a GRU with lengths (apache/mxnet#21146); no shape depends on them.
        living["_use_sequence_length"] = False


def _is_mxnets_own_layer(block: Any) -> bool:
    """Whether a block runs code of MXNet's that means the same by operators and by its graph."""
    code = getattr(type(block), "hybrid_forward", None)
    return not getattr(block, "_active", True) and getattr(code, "__module__", "").startswith("mxnet.gluon.nn.")


def _by_operators(block: Any, run: Run, original: Any, args: Any, kwargs: Any) -> Any:
    """Run a layer whose parameters' shapes its operators tell, which is faster than by a graph of its own.

    Where MXNet refuses, the layer runs once more as MXNet runs it, so that the error is the one that MXNet raises.
    """
    layers = _open_layers(run)
    taken: List[Tuple[Any, Any]] = []
    layers[id(block)] = taken
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
        del layers[id(block)]
    return original(*args, **kwargs)


def _graphs(run: Run) -> List[List[Tuple[Call, List[Any]]]]:
    """The hybridized blocks whose graph is being built, and the calls inside, with the Symbols that they were given."""
    return run.__dict__.setdefault("graphs", [])


def _prepare_graph(block: Any, run: Run) -> None:
    """Let a hybridized block infer over its graph where MXNet would compute, and tell where MXNet refuses it."""
    kind = type(block)

    def call_cached_op(*args: Any) -> Any:
        if not run.here:
            return kind._call_cached_op(block, *args)
        entered, finished = len(run.entered), len(run.finished)
        try:
            return _inferred(block, run, args)
        except ShapeConflict:
            del run.entered[entered:], run.finished[finished:]
            _locate(block, run, args)
            raise

    def infer_attrs(function: str, attribute: str, *args: Any) -> None:
        # MXNet's own prints what contradicts, besides raising it, and fails where a parameter is not in the graph.
        if not run.here or attribute != "shape":
            return kind._infer_attrs(block, function, attribute, *args)
        inputs, graph = _graph(block, args)
        shapes = {each.name: tuple(array.shape) for each, array in zip(inputs, _leaves(args))}
        arguments, _, states = graph.infer_shape_partial(**shapes)
        found = dict(zip(graph.list_arguments() + graph.list_auxiliary_states(), [*arguments, *states]))
        for param in map(source_of, parameters_of(blocks_of(block))):
            if decoded(found.get(param.name)) is not None:
                param.shape = found[param.name]

    block.__dict__.update(_call_cached_op=call_cached_op, _infer_attrs=infer_attrs)


def _graph(block: Any, args: Any) -> Tuple[Any, Any]:
    """The inputs and the graph of a block, built anew: a child may have been replaced since MXNet built its own."""
    if not isinstance(block, gluon.SymbolBlock):
        block.__dict__["_cached_graph"] = ()
    inputs, graph = block._get_graph(*args)
    check_inputs(block, [each.name for each in inputs], len(_leaves(args)))
    return inputs, graph


def _inferred(block: Any, run: Run, args: Any) -> Any:
    """What a hybridized block answers: arrays of the shapes that MXNet infers over its graph."""
    graphs = _graphs(run)
    graphs.append([])
    try:
        inputs, graph = _graph(block, args)
    finally:
        calls = graphs.pop()
    arrays = dict(zip([each.name for each in inputs], _leaves(args)))
    params = {param.name: param for param in map(source_of, parameters_of(blocks_of(block)))}
    names = graph.list_inputs()
    for name in names:
        assert name in arrays or name in params, f"Unknown input to HybridBlock: {name}"  # as MXNet's `_build_cache`
    used = [params[name] for name in names if name in params and name not in arrays]
    run.order.update(dict.fromkeys(used))
    internals = graph.get_internals()
    parts = [graph, internals, *(each for _, symbols in calls for each in symbols)]
    known = {**{param.name: shape_of(param) for param in used}, **{name: _shape(each) for name, each in arrays.items()}}
    wanted = set(symbol.Group(parts).list_inputs())
    shapes = {name: encoded(shape) for name, shape in known.items() if shape is not None and name in wanted}
    found, outputs = _infer_parts(parts, shapes)
    for param in used:
        if decoded(found.get(param.name)) is not None:
            param.shape = found[param.name]
        if not is_known(shape_of(param)):
            raise DeferredInitializationError(f"Parameter '{param.name}': its shape does not follow from the inputs'")
    count, all_names = len(graph.list_outputs()), internals.list_outputs()
    answered, inside = outputs[:count], outputs[count : count + len(all_names)]
    rest = iter(outputs[count + len(all_names) :])
    for call, symbols in calls:
        call.given = tuple(next(rest, None) for each in symbols for _ in range(symbol.Symbol.__len__(each)))
    paths = {call.block.prefix: call.path for call, _ in calls}
    run.met.append(partial(_operators, graph, all_names, inside, paths, run.stack[-1].path))
    dtypes = _dtypes(graph, {name: each.dtype for name, each in arrays.items() if name in names}, count)
    ctx = next((each.context for each in arrays.values()), None)
    answers = [meta_array(shape, dtype, ctx=ctx) for shape, dtype in zip(answered, dtypes)]
    return gluon.block._regroup(answers, block._out_format)


def _infer_parts(parts: List[Any], shapes: Dict[str, Any]) -> Tuple[Dict[str, Any], List[Any]]:
    """The shapes of variables by name, and of all outputs; of the first part alone where only the others contradict."""
    for graph in (symbol.Group(parts), parts[0]):
        try:
            arguments, outputs, states = graph.infer_shape_partial(**shapes)
        except MXNetError as error:
            refused = error
            shapes = {name: shape for name, shape in shapes.items() if name in parts[0].list_inputs()}
        else:
            names = graph.list_arguments() + graph.list_auxiliary_states()
            return dict(zip(names, [*arguments, *states])), list(map(decoded, outputs))
    raise ShapeConflict(str(refused)) from refused


def _locate(block: Any, run: Run, args: Any) -> None:
    """Run a block whose graph MXNet refuses without its graph: the call that does not return is where it is refused."""
    entered, finished = len(run.entered), len(run.finished)
    if isinstance(block, gluon.SymbolBlock):
        return
    for inner in blocks_of(block).values():
        if isinstance(inner, gluon.HybridBlock):
            inner.__dict__["_active"] = False
    try:
        type(block).forward(block, *args)
    except Exception:
        return
    del run.entered[entered:], run.finished[finished:]  # Symbols alone refuse it: in no block inside


def _operators(graph: Any, names: List[str], shapes: List[Any], paths: Dict[str, str], here: str) -> List[Operator]:
    """The operators of a graph; `shapes` are those of all its nodes' outputs, which `names` names."""
    nodes = json.loads(graph.tojson())["nodes"]
    outputs = _by_node(nodes, names, shapes)
    return [
        Operator(node["op"], node.get("attrs", {}), tuple(outputs[source][at] for source, at, *_ in node["inputs"]),
                 answered, _owner(node["name"], paths, here))
        for node, answered in zip(nodes, outputs) if node["op"] != "null"
    ]  # fmt: skip


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
