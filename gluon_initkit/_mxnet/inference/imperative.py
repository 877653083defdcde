"""Prepare blocks and parameters of MXNet 1 for a run on arrays without memory.

MXNet's own code runs: a block with deferred parameters infers their shapes from a graph of its own, and a hybridized
block builds its graph and calls it. Only the call of that graph is replaced, by inference of its shapes. These follow
the rules of Symbols: operators of a graph do not broadcast by themselves, and an index selects one of the outputs.
"""

import copy
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
from .meta_arrays import array_shape, current, meta_array, meta_arrays
from .record import Run, ShapeConflict, check_inputs, decoded, encoded, graph_operators, infer_shapes, infer_types

argument_array, running = meta_array, meta_arrays


def lend(param: gluon.Parameter, run: Run) -> None:
    """Make a parameter return an array without memory in the run's thread, deferred until its shape is known."""
    lent = _LentParameter(param, run)
    vars(param).update(_check_and_get=lent.check_and_get, _finish_deferred_init=lent.finish, set_data=lent.set_data,
                       _var=None)  # fmt: skip


class _LentParameter:
    """The methods of a parameter in a run. Closures for thousands of parameters would start a garbage collection."""

    __slots__ = ("param", "run")

    def __init__(self, param: Any, run: Run) -> None:
        self.param, self.run = param, run

    def check_and_get(self, held: Any, ctx: Any) -> Any:
        param, run = self.param, self.run
        if not run.here:
            return type(param)._check_and_get(param, held, ctx)
        shape = shape_of(param)
        run.order[param] = None
        is_complete, layer = is_known(shape), run.stack[-1].block if run.stack else None
        if not is_complete and id(layer) not in run.open_layers:
            raise DeferredInitializationError(f"Parameter {param.name!r} has not been initialized yet because "
                                              "initialization was deferred.")  # fmt: skip
        arrays = [param.value] if isinstance(param, gluon.Constant) else param._data or ()
        numbers = next((array.asnumpy for array in arrays if array.stype == "default"), None)
        array = meta_array(shape, param.dtype, numbers)
        if not is_complete:
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


def prepare(path: str, block: Any, run: Run) -> None:
    """Make a block record its calls in the run's thread, and infer shapes from its graph where MXNet would compute."""
    kind, original = type(block), block.forward
    # Layers of MXNet give the same shapes by operators and by their graph.
    is_mxnets_own = getattr(getattr(kind, "hybrid_forward", None), "__module__", "").startswith("mxnet.gluon.nn.")

    def forward(*args: Any, **kwargs: Any) -> Any:
        arrays = arrays_and_symbols_in((args, kwargs))
        symbols = [array for array in arrays if isinstance(array, symbol.Symbol)]
        if not run.here or (symbols and not run.building):
            return original(*args, **kwargs)  # MXNet builds the graph from which a block infers its parameters' shapes
        with run.call(path, block, args, tuple(map(array_shape, arrays))) as call:
            if run.building:
                with AttrScope(**{_BLOCK_PATH: path}):
                    output = original(*args, **kwargs)
                run.building[-1].append((call, symbols, arrays_and_symbols_in(output)))
                return output
            by_operators = is_mxnets_own and not getattr(block, "_active", True)
            output = _by_operators(block, run, original, args, kwargs) if by_operators else original(*args, **kwargs)
            call.answered = tuple(map(array_shape, arrays_and_symbols_in(output)))
            return output

    def call_cached_op(*args: Any) -> Any:
        if not run.here:
            return kind._call_cached_op(block, *args)
        entered, twin = len(run.entered), _twin(block, run)
        if isinstance(block, gluon.SymbolBlock):
            check_inputs([variable.name for variable in block._cached_graph[0]], len(arrays_and_symbols_in(args)))
        try:
            if twin._cached_op is None:
                run.building.append([])
                try:
                    inputs, graph = twin._get_graph(*args)
                finally:
                    calls = run.building.pop()
                vars(twin)["_cached_op"] = op = _Graph(block, [variable.name for variable in inputs], graph, calls)
                vars(twin)["_cached_op_args"] = [(True, op.inputs[name]) for name in op.arguments]  # no parameters
            return kind._call_cached_op(twin, *args)
        except ShapeConflict:
            del run.entered[entered:]
            _locate(block, run, args)
            raise

    def infer_attrs(function: str, attribute: str, *args: Any) -> None:
        # MXNet's own method also prints contradictions, and fails if a parameter is not in the graph.
        if not run.here or attribute != "shape":
            return kind._infer_attrs(block, function, attribute, *args)
        inputs, graph = _twin(block, run)._get_graph(*args)
        shapes, _ = infer_shapes(graph, {var.name: tuple(array.shape) for var, array in zip(inputs, arrays_in(args))})
        for param in map(source_of, parameters_of(blocks_by_path(block))):
            if decoded(shapes.get(param.name)) is not None:
                param.shape = shapes[param.name]

    attributes = vars(block)
    attributes["forward"] = forward
    if isinstance(block, gluon.HybridBlock):
        attributes.update(_call_cached_op=call_cached_op, _infer_attrs=infer_attrs)
    if isinstance(block, _RNNLayer) and getattr(block, "_use_sequence_length", False):
        # MXNet cannot make the Symbol of a GRU with sequence lengths (apache/mxnet#21146); no shape depends on them.
        attributes["_use_sequence_length"] = False


def _twin(block: Any, run: Run) -> Any:
    """A copy of a block with a graph for this run: a child may have been replaced since MXNet built the old graph."""
    if block not in run.twins:  # other threads use the block's own graph
        twin = run.twins[block] = copy.copy(block)
        vars(twin).update(_cached_op=None, _callback=None)
        if not isinstance(block, gluon.SymbolBlock):
            vars(twin)["_cached_graph"] = ()
    return run.twins[block]


def _by_operators(block: Any, run: Run, original: Any, args: Any, kwargs: Any) -> Any:
    """Run a layer by its operators: they infer its parameters' shapes faster than a separate graph."""
    # If MXNet refuses, the layer runs again as MXNet runs it, so that the error is MXNet's own.
    open_params: List[Tuple[Any, Any]] = []
    run.open_layers[id(block)] = open_params
    try:
        output = original(*args, **kwargs)
        if all(is_known(array.handle.shape) for _, array in open_params):
            for param, array in open_params:
                param._shape = array.handle.shape
            return output
    except MXNetError:
        if not open_params:
            raise
    finally:
        del run.open_layers[id(block)]
    return original(*args, **kwargs)


def _locate(block: Any, run: Run, args: Any) -> None:
    """After MXNet refuses a block's graph, run it without the graph: the call that does not return has the error."""
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
    del run.entered[entered:]  # only the graph has the error, so it is in no block inside


_BLOCK_PATH = "__block_path__"  # the node attribute with the path of the block that made the node


class _Graph:
    """Replaces the CachedOp of a hybridized block: a call returns arrays of the shapes that its graph infers."""

    def __init__(self, block: Any, inputs: List[str], graph: Any, calls: List[Tuple[Any, list, list]]) -> None:
        self.graph, self.is_new, self.inputs = graph, True, {name: number for number, name in enumerate(inputs)}
        params = {param.name: param for param in map(source_of, parameters_of(blocks_by_path(block)))}
        variables = [name for name in graph.list_inputs() if name not in self.inputs]
        for name in variables:
            assert name in params, f"Unknown input to HybridBlock: {name}"  # MXNet's own message
        self.params = {name: params[name] for name in variables}
        self.arguments = [name for name in graph.list_inputs() if name in self.inputs]  # in the order of the graph
        composed = [call for call, *_ in calls if isinstance(call.block, gluon.SymbolBlock)]  # these copy their nodes
        self.composed = {node["name"]: call.path for call in composed
                         for node in json.loads(call.block._cached_graph[1].tojson())["nodes"]}  # fmt: skip
        outputs = symbol.Symbol.__len__  # Symbols of NumPy mode refuse `len`
        # The calls of blocks inside, each with the numbers of its inputs and outputs.
        self.calls = [(call, sum(map(outputs, ins)), sum(map(outputs, outs))) for call, ins, outs in calls]
        self.internals = self.graph.get_internals()
        # One group, because the inputs of blocks inside need not be a part of the graph.
        inner = [part for _, ins, outs in calls for part in (*ins, *outs)]
        self.parts = symbol.Group([self.graph, self.internals, *inner])
        self.shapes: Dict[Any, tuple] = {}

    def __call__(self, *arrays: Any) -> List[Any]:
        run: Any = current.run
        run.order.update(dict.fromkeys(self.params.values()))
        known = {name: shape_of(param) for name, param in self.params.items()}
        key = tuple({**known, **dict(zip(self.inputs, run.stack[-1].given))}.items())
        if key not in self.shapes:
            self.shapes[key] = self._infer({name: encoded(shape) for name, shape in key})
        variables, outputs, internals, calls = self.shapes[key]
        for name, param in self.params.items():
            if not is_known(known[name]) and decoded(variables.get(name)) is not None:
                param.shape = variables[name]
            if not is_known(shape_of(param)):
                raise DeferredInitializationError(f"Parameter {name!r}: its shape does not follow from the inputs'")
        for (call, *_), (ins, outs) in zip(self.calls, calls):
            if not self.is_new:
                call = replace(call)
                run.entered.append(call)
            call.given, call.answered = ins, outs
        self.is_new = False
        run.noted.append(partial(self._operators, internals, run.path))
        inputs = dict(zip(self.arguments, arrays))
        ctx = next((array.context for array in inputs.values()), None)
        dtypes = infer_types(self.graph, {name: array.dtype for name, array in inputs.items()}, numpy.float32)
        return [meta_array(shape, dtype, ctx=ctx) for shape, dtype in zip(outputs, dtypes)]

    def _infer(self, known: Dict[str, Any]) -> tuple:
        """The shapes of variables, outputs, all nodes' outputs, and of the inputs and outputs of each call inside."""
        for graph in (self.parts, self.graph):  # the second, if only the inputs of blocks inside contradict each other
            try:
                variables, inferred = infer_shapes(graph, known)
            except MXNetError as error:
                refused = error
            else:
                shapes = iter([decoded(shape) for shape in inferred])
                outputs = [next(shapes) for _ in self.graph.list_outputs()]
                internals = [next(shapes, None) for _ in self.internals.list_outputs()]
                calls = [tuple(tuple(next(shapes, None) for _ in range(count)) for count in counts)
                         for _, *counts in self.calls]  # fmt: skip
                return variables, outputs, internals, calls
        raise ShapeConflict from refused

    def _operators(self, shapes: List[Any], here: str) -> List[Any]:
        return graph_operators(self.internals, shapes, lambda node, _: (
            node.get("attrs", {}).pop(_BLOCK_PATH, None) or self.composed.get(node["name"], here)))  # fmt: skip
