"""How blocks and parameters of MXNet 1 are prepared for a run on arrays without memory.

MXNet's own code goes on: a block whose parameters are deferred infers their shapes from a graph of its own, and a
hybridized block builds its graph and calls it. The graph's call alone is replaced: shapes are inferred over it. What is
hybridized so has the shapes, and the refusals, that Symbols have: an operator of a graph broadcasts nothing by itself,
and an index takes one of the outputs.
"""

from dataclasses import replace
from functools import partial
import json
from typing import Any, Dict, List, Tuple

from mxnet import AttrScope, gluon, symbol
from mxnet.base import MXNetError
from mxnet.gluon.parameter import DeferredInitializationError
from mxnet.gluon.rnn.rnn_layer import _RNNLayer
import numpy

from ...shapes import is_known
from ..arrays import arrays_and_symbols_in, arrays_in
from ..parameter import shape_of, source_of
from ..preserve import parameters_of
from ..tree import blocks_by_path
from .meta_arrays import array_shape, meta_array, meta_arrays, translated
from .record import Run, ShapeConflict, check_inputs, decoded, encoded, graph_operators, infer_shapes, infer_types

__all__ = ["given", "lend", "prepare", "running", "translated"]

given, running = meta_array, meta_arrays


def lend(param: gluon.Parameter, run: Run) -> None:
    """Let a parameter answer an array without memory, in the run's thread; it is deferred until its shape is known."""
    lent = _LentParameter(param, run)
    vars(param).update(
        _check_and_get=lent.check_and_get, _finish_deferred_init=lent.finish, set_data=lent.set_data, _var=None
    )


class _LentParameter:  # no closures: of thousands of parameters they are so many objects that Python collects garbage
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
    """The function that answers a parameter's numbers, where it has some."""
    if isinstance(param, gluon.Constant):
        return param.value.asnumpy
    held = param._data
    return held[0].asnumpy if held and held[0].stype == "default" else None


def prepare(path: str, block: Any, run: Run) -> None:
    """Let a block note its calls in the run's thread, and infer over its graph where MXNet would compute."""
    kind, original = type(block), block.forward

    def forward(*args: Any, **kwargs: Any) -> Any:
        arrays = arrays_and_symbols_in((args, kwargs))
        symbols = [each for each in arrays if isinstance(each, symbol.Symbol)]
        if not run.here or (symbols and not run.building):
            return original(*args, **kwargs)  # in the graph from which a block infers its parameters' shapes
        with run.call(path, block, args, tuple(map(array_shape, arrays))) as call:
            if run.building:
                with AttrScope(**{_BLOCK_PATH: path}):
                    answer = original(*args, **kwargs)
                run.building[-1].append((call, symbols, arrays_and_symbols_in(answer)))
                return answer
            if _is_mxnets_own_layer(block):
                answer = _by_operators(block, run, original, args, kwargs)
            else:
                answer = original(*args, **kwargs)
            call.answered = tuple(map(array_shape, arrays_and_symbols_in(answer)))
            return answer

    def call_cached_op(*args: Any) -> Any:
        if not run.here:
            return kind._call_cached_op(block, *args)
        entered = len(run.entered)
        try:
            return _call_graph(block, run, args)
        except ShapeConflict:
            del run.entered[entered:]
            _locate(block, run, args)
            raise

    def infer_attrs(function: str, attribute: str, *args: Any) -> None:
        # MXNet's own prints what contradicts, besides raising it, and fails where a parameter is not in the graph.
        if not run.here or attribute != "shape":
            return kind._infer_attrs(block, function, attribute, *args)
        inputs, graph = _build_graph(block, args)
        shapes = {each.name: tuple(array.shape) for each, array in zip(inputs, arrays_in(args))}
        found, _ = infer_shapes(graph, shapes)
        for param in map(source_of, parameters_of(blocks_by_path(block))):
            if decoded(found.get(param.name)) is not None:
                param.shape = found[param.name]

    attributes = vars(block)
    attributes["forward"] = forward
    if isinstance(block, gluon.HybridBlock):
        attributes.update(_call_cached_op=call_cached_op, _infer_attrs=infer_attrs)
    if isinstance(block, _RNNLayer) and getattr(block, "_use_sequence_length", False):
        # MXNet cannot make the Symbol of a GRU with lengths (apache/mxnet#21146); no shape depends on them.
        attributes["_use_sequence_length"] = False


def _is_mxnets_own_layer(block: Any) -> bool:
    """Whether a block runs code of MXNet's that means the same by operators and by its graph."""
    code = getattr(type(block), "hybrid_forward", None)
    return not getattr(block, "_active", True) and getattr(code, "__module__", "").startswith("mxnet.gluon.nn.")


def _by_operators(block: Any, run: Run, original: Any, args: Any, kwargs: Any) -> Any:
    """Run a layer by its operators, which infer its parameters' shapes faster than a graph of its own."""
    # Where MXNet refuses, the layer runs once more as MXNet runs it, so that the error is the one that MXNet raises.
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


def _locate(block: Any, run: Run, args: Any) -> None:
    """Run a block whose graph MXNet refuses without its graph: the call that does not return is where it is refused."""
    entered = len(run.entered)
    if isinstance(block, gluon.SymbolBlock):
        return
    for inner in blocks_by_path(block).values():
        if isinstance(inner, gluon.HybridBlock):
            vars(inner)["_active"] = False
    try:
        type(block).forward(block, *args)
    except Exception:
        return
    del run.entered[entered:]  # Symbols alone refuse it: in no block inside


def _call_graph(block: Any, run: Run, args: Any) -> Any:
    """What a hybridized block answers: arrays of the shapes that MXNet infers over its graph."""
    graph: Any = run.graphs.get(block)
    is_new = graph is None or graph.cached is not block._cached_graph
    if is_new:
        graph = run.graphs[block] = _HybridGraph(block, run, args)
    flat, structure = gluon.block._flatten(args, "input")
    if _without_last_nones(structure) != _without_last_nones(block._in_format):
        raise ValueError(f"The argument structure of HybridBlock does not match the cached version. "
                         f"Stored format = {structure!r}, input format = {block._in_format!r}")  # fmt: skip
    arrays = dict(zip(graph.names, [each for each in flat if each is not None]))
    run.order.update(dict.fromkeys(graph.params))
    known = {param.name: shape_of(param) for param in graph.params}
    variables, outputs, internals, calls = graph.infer(
        {**known, **{name: array_shape(each) for name, each in arrays.items()}}
    )
    for param in graph.params:
        if is_known(known[param.name]):
            continue
        if decoded(variables.get(param.name)) is not None:
            param.shape = variables[param.name]
        if not is_known(shape_of(param)):
            raise DeferredInitializationError(f"Parameter {param.name!r}: its shape does not follow from the inputs'")
    for (call, *_), (taken, answered) in zip(graph.calls, calls):
        if not is_new:
            call = replace(call)
            run.entered.append(call)
        call.given, call.answered = taken, answered
    run.noted.append(partial(graph.operators, internals, run.stack[-1].path))
    ctx = next((each.context for each in arrays.values()), None)
    dtypes = infer_types(graph.graph, {name: each.dtype for name, each in arrays.items()}, numpy.float32)
    answers = [meta_array(shape, dtype, ctx=ctx) for shape, dtype in zip(outputs, dtypes)]
    return gluon.block._regroup(answers, block._out_format)


_BLOCK_PATH = "__block_path__"  # the attribute by which a node says which block's code made it


class _HybridGraph:
    """The graph of a hybridized block, which is built in its first call and serves the others, as MXNet's does."""

    def __init__(self, block: Any, run: Run, args: Any) -> None:
        run.building.append([])
        try:
            inputs, self.graph = _build_graph(block, args)
        finally:
            calls = run.building.pop()
        self.cached = block._cached_graph  # to see that MXNet has dropped it since
        self.names = [each.name for each in inputs]  # in the order of the block's arguments
        params = {param.name: param for param in map(source_of, parameters_of(blocks_by_path(block)))}
        variables = [name for name in self.graph.list_inputs() if name not in self.names]
        for name in variables:
            assert name in params, f"Unknown input to HybridBlock: {name}"  # MXNet's own words
        self.params = [params[name] for name in variables]
        composed = [call for call, *_ in calls if isinstance(call.block, gluon.SymbolBlock)]  # their nodes are copied
        self.composed = {node["name"]: call.path for call in composed
                         for node in json.loads(call.block._cached_graph[1].tojson())["nodes"]}  # fmt: skip
        outputs = symbol.Symbol.__len__  # which those of NumPy mode refuse
        # The calls of blocks inside, each with how many outputs it was given and answered.
        self.calls = [(call, sum(map(outputs, taken)), sum(map(outputs, answered))) for call, taken, answered in calls]
        self.internals = self.graph.get_internals()
        # All in one, since what blocks inside were given need not be a part of the graph.
        inner = [each for _, taken, answered in calls for each in (*taken, *answered)]
        self.parts = symbol.Group([self.graph, self.internals, *inner])
        self.found: Dict[Any, tuple] = {}

    def infer(self, known: Dict[str, Any]) -> tuple:
        """What follows from the shapes of variables: those of all variables by name, as MXNet writes them; of the
        outputs; of all nodes' outputs; and for each call inside, what it was given and what it answered.
        """
        key = tuple(known.items())
        if key not in self.found:
            self.found[key] = self._infer({name: encoded(shape) for name, shape in known.items()})
        return self.found[key]

    def _infer(self, known: Dict[str, Any]) -> tuple:
        for graph in (self.parts, self.graph):  # the second, where what the blocks inside were given contradicts alone
            try:
                variables, found = infer_shapes(graph, known)
            except MXNetError as error:
                refused = error
            else:
                shapes = iter([decoded(shape) for shape in found])
                outputs = [next(shapes) for _ in self.graph.list_outputs()]
                internals = [next(shapes, None) for _ in self.internals.list_outputs()]
                return variables, outputs, internals, [
                    tuple(tuple(next(shapes, None) for _ in range(count)) for count in counts)
                    for _, *counts in self.calls
                ]
        raise ShapeConflict from refused

    def operators(self, shapes: List[Any], here: str) -> List[Any]:
        """Its operators; `shapes` are those of all its nodes' outputs."""
        return graph_operators(self.internals, shapes, lambda node, _: (
            node.get("attrs", {}).pop(_BLOCK_PATH, None) or self.composed.get(node["name"], here)))  # fmt: skip


def _build_graph(block: Any, args: Any) -> Tuple[Any, Any]:
    """The inputs and the graph of a block, built anew: a child may have been replaced since MXNet built its own."""
    if not isinstance(block, gluon.SymbolBlock):
        vars(block)["_cached_graph"] = ()
    inputs, graph = block._get_graph(*args)
    check_inputs(block, [each.name for each in inputs], len(arrays_and_symbols_in(args)))
    return inputs, graph


def _without_last_nones(structure: Any) -> Any:
    """The structure of arguments as MXNet compares it: last arguments that are None may be left out."""
    while structure and structure[-1] == -1:
        structure = structure[:-1]
    return structure
