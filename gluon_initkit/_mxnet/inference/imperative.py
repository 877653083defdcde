"""How blocks and parameters of MXNet 1 are prepared for a run on arrays without memory.

MXNet's own code goes on: a block whose parameters are deferred infers their shapes from a graph of its own, and a
hybridized block builds its graph and calls it. The graph's call alone is replaced (`graphs`).
"""

from typing import Any, List, Tuple

from mxnet import AttrScope, gluon, symbol
from mxnet.base import MXNetError
from mxnet.gluon.parameter import DeferredInitializationError
from mxnet.gluon.rnn.rnn_layer import _RNNLayer

from ...shapes import is_known
from ..arrays import arrays_and_symbols_in, arrays_in
from ..parameter import shape_of, source_of
from ..preserve import parameters_of
from ..tree import blocks_by_path
from .graphs import BLOCK_PATH, build_graph, call_graph
from .meta_arrays import meta_array, meta_arrays, translated
from .operators import decoded, encoded
from .record import Run, ShapeConflict, array_shape, infer_shapes

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
        arrays = arrays_and_symbols_in((args, kwargs))
        symbols = [each for each in arrays if isinstance(each, symbol.Symbol)]
        if not run.here or (symbols and not run.building):
            return original(*args, **kwargs)  # in the graph from which a block infers its parameters' shapes
        with run.call(self.path, block, args, tuple(map(array_shape, arrays))) as call:
            if run.building:
                with AttrScope(**{BLOCK_PATH: self.path}):
                    answer = original(*args, **kwargs)
                run.building[-1].append((call, symbols, arrays_and_symbols_in(answer)))
                return answer
            if _is_mxnets_own_layer(block):
                answer = _by_operators(block, run, original, args, kwargs)
            else:
                answer = original(*args, **kwargs)
            call.answered = tuple(map(array_shape, arrays_and_symbols_in(answer)))
            return answer

    def call_cached_op(self, *args: Any) -> Any:
        block, run = self.block, self.run
        if not run.here:
            return type(block)._call_cached_op(block, *args)
        entered, finished = len(run.entered), len(run.finished)
        try:
            return call_graph(block, run, args)
        except ShapeConflict:
            del run.entered[entered:], run.finished[finished:]
            _locate(block, run, args)
            raise

    def infer_attrs(self, function: str, attribute: str, *args: Any) -> None:
        # MXNet's own prints what contradicts, besides raising it, and fails where a parameter is not in the graph.
        block = self.block
        if not self.run.here or attribute != "shape":
            return type(block)._infer_attrs(block, function, attribute, *args)
        inputs, graph = build_graph(block, args)
        shapes = {each.name: tuple(array.shape) for each, array in zip(inputs, arrays_in(args))}
        found, _ = infer_shapes(graph, shapes)
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
