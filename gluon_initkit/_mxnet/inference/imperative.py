"""How blocks and parameters of MXNet 1 are prepared for a run on arrays without memory.

MXNet's own code goes on: a block whose parameters are deferred infers their shapes from a graph of its own, and a
hybridized block builds its graph and calls it. The graph alone is replaced: shapes are inferred over it, and are those
of Symbols: an operator of a graph broadcasts nothing by itself, and an index takes one of the outputs.
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

given, running = meta_array, meta_arrays


def lend(param: gluon.Parameter, run: Run) -> None:
    """Let a parameter answer an array without memory, in the run's thread; it is deferred until its shape is known."""
    # No closures: of thousands of parameters they are so many objects that Python collects garbage.
    vars(param).update(_check_and_get=partial(_check_and_get, param, run), _var=None,
                       _finish_deferred_init=partial(_finish, param, run),
                       set_data=partial(_set_data, param, run))  # fmt: skip


def _check_and_get(param: Any, run: Run, held: Any, ctx: Any) -> Any:
    if not run.here:
        return type(param)._check_and_get(param, held, ctx)
    shape = shape_of(param)
    run.order[param] = None
    known, layer = is_known(shape), run.stack[-1].block if run.stack else None
    if not known and id(layer) not in run.open_layers:
        raise DeferredInitializationError(f"Parameter {param.name!r} has not been initialized yet because "
                                          "initialization was deferred.")  # fmt: skip
    arrays = [param.value] if isinstance(param, gluon.Constant) else param._data or ()
    numbers = next((each.asnumpy for each in arrays if each.stype == "default"), None)
    array = meta_array(shape, param.dtype, numbers)
    if not known:
        run.open_layers[id(layer)].append((param, array))
    return [array] if ctx is list else array


def _finish(param: Any, run: Run) -> None:
    if not run.here:
        type(param)._finish_deferred_init(param)
    elif is_known(shape_of(param)):
        run.order[param] = None


def _set_data(param: Any, run: Run, data: Any) -> None:
    if not run.here:
        type(param).set_data(param, data)
    else:
        param.shape = data.shape


def prepare(path: str, block: Any, run: Run) -> None:
    """Let a block note its calls in the run's thread, and infer over its graph where MXNet would compute."""
    kind, original = type(block), block.forward
    # Code that means the same by operators and by its graph.
    is_mxnets_own = getattr(getattr(kind, "hybrid_forward", None), "__module__", "").startswith("mxnet.gluon.nn.")

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
            by_operators = is_mxnets_own and not getattr(block, "_active", True)
            answer = _by_operators(block, run, original, args, kwargs) if by_operators else original(*args, **kwargs)
            call.answered = tuple(map(array_shape, arrays_and_symbols_in(answer)))
            return answer

    def call_cached_op(*args: Any) -> Any:
        if not run.here:
            return kind._call_cached_op(block, *args)
        entered, twin = len(run.entered), _twin(block, run)
        if isinstance(block, gluon.SymbolBlock):
            check_inputs([each.name for each in block._cached_graph[0]], len(arrays_and_symbols_in(args)))
        run.open_layers[id(block)] = []
        try:
            if twin._cached_op is None:
                run.building.append([])
                try:
                    inputs, graph = twin._get_graph(*args)
                finally:
                    calls = run.building.pop()
                vars(twin)["_cached_op"] = op = _Graph(block, [each.name for each in inputs], graph, calls)
                vars(twin)["_cached_op_args"] = [(name in op.inputs, op.inputs.get(name, op.params.get(name)))
                                                 for name in graph.list_inputs()]  # fmt: skip
            return kind._call_cached_op(twin, *args)
        except ShapeConflict:
            del run.entered[entered:]
            _locate(block, run, args)
            raise
        finally:
            del run.open_layers[id(block)]

    def infer_attrs(function: str, attribute: str, *args: Any) -> None:
        # MXNet's own prints what contradicts, besides raising it, and fails where a parameter is not in the graph.
        if not run.here or attribute != "shape":
            return kind._infer_attrs(block, function, attribute, *args)
        inputs, graph = _twin(block, run)._get_graph(*args)
        found, _ = infer_shapes(graph, {each.name: tuple(array.shape) for each, array in zip(inputs, arrays_in(args))})
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


def _twin(block: Any, run: Run) -> Any:
    """A copy of a block with a graph of the run's own: since MXNet built its own, a child may have been replaced."""
    if block not in run.twins:  # other threads go on with the block's own
        twin = run.twins[block] = copy.copy(block)
        vars(twin).update(_cached_op=None, _callback=None)
        if not isinstance(block, gluon.SymbolBlock):
            vars(twin)["_cached_graph"] = ()
    return run.twins[block]


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


_BLOCK_PATH = "__block_path__"  # the attribute by which a node says which block's code made it


class _Graph:
    """In the place of the CachedOp of a hybridized block: it answers arrays of the shapes that its graph infers."""

    def __init__(self, block: Any, inputs: List[str], graph: Any, calls: List[Tuple[Any, list, list]]) -> None:
        self.graph, self.is_new, self.inputs = graph, True, {name: number for number, name in enumerate(inputs)}
        params = {param.name: param for param in map(source_of, parameters_of(blocks_by_path(block)))}
        variables = [name for name in graph.list_inputs() if name not in self.inputs]
        for name in variables:
            assert name in params, f"Unknown input to HybridBlock: {name}"  # MXNet's own words
        self.params = {name: params[name] for name in variables}
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

    def __call__(self, *arrays: Any) -> List[Any]:
        run: Any = current.run
        known = {name: shape_of(param) for name, param in self.params.items()}
        key = tuple({**known, **dict(zip(self.inputs, run.stack[-1].given))}.items())
        if key not in self.found:
            self.found[key] = self._infer({name: encoded(shape) for name, shape in key})
        variables, outputs, internals, calls = self.found[key]
        for name, param in self.params.items():
            if not is_known(known[name]) and decoded(variables.get(name)) is not None:
                param.shape = variables[name]
            if not is_known(shape_of(param)):
                raise DeferredInitializationError(f"Parameter {name!r}: its shape does not follow from the inputs'")
        for (call, *_), (taken, answered) in zip(self.calls, calls):
            if not self.is_new:
                call = replace(call)
                run.entered.append(call)
            call.given, call.answered = taken, answered
        self.is_new = False
        run.noted.append(partial(self._operators, internals, run.path))
        given = {name: array for name, array in zip(self.graph.list_inputs(), arrays) if name in self.inputs}
        ctx = next((each.context for each in given.values()), None)
        dtypes = infer_types(self.graph, {name: each.dtype for name, each in given.items()}, numpy.float32)
        return [meta_array(shape, dtype, ctx=ctx) for shape, dtype in zip(outputs, dtypes)]

    def _infer(self, known: Dict[str, Any]) -> tuple:
        """The shapes of variables, outputs, all nodes' outputs, and of what each call inside was given and answered."""
        for graph in (self.parts, self.graph):  # the second, where what the blocks inside were given contradicts alone
            try:
                variables, found = infer_shapes(graph, known)
            except MXNetError as error:
                refused = error
            else:
                shapes = iter([decoded(shape) for shape in found])
                outputs = [next(shapes) for _ in self.graph.list_outputs()]
                internals = [next(shapes, None) for _ in self.internals.list_outputs()]
                calls = [tuple(tuple(next(shapes, None) for _ in range(count)) for count in counts)
                         for _, *counts in self.calls]  # fmt: skip
                return variables, outputs, internals, calls
        raise ShapeConflict from refused

    def _operators(self, shapes: List[Any], here: str) -> List[Any]:
        return graph_operators(self.internals, shapes, lambda node, _: (
            node.get("attrs", {}).pop(_BLOCK_PATH, None) or self.composed.get(node["name"], here)))  # fmt: skip
