"""How blocks and parameters of MXNet 2 are prepared for a run on arrays without memory.

Deferred compute tells the shapes of what operators answer. It would compute, from whatever the memory holds, when a
number is read, or a shape that depends on numbers: both are refused.
"""

from contextlib import contextmanager
from functools import partial
import threading
from typing import Any, Callable, Iterator, List, Tuple

from mxnet import _deferred_compute, _global_var, cpu, gluon, nd, np, symbol
from mxnet.util import np_shape
import numpy

from ...shapes import is_known
from .. import backend
from ..arrays import arrays_in
from ..parameter import shape_of
from .record import (
    NeedsNumbers,
    Run,
    check_inputs,
    check_written,
    decoded,
    encoded,
    graph_operators,
    indexed,
    infer_shapes,
)


def given(shape: Any, dtype: Any) -> Any:
    """An array without memory that stands for one of the network's arguments."""
    return _array(shape, dtype, symbol.var("data").as_np_ndarray())


@contextmanager
def running(run: Run) -> Iterator[None]:
    """Defer what operators compute, and let them answer arrays without numbers; other threads get theirs as ever."""
    # One thread at a time, which `preserve` sees to; a run inside a run finds MXNet's class replaced.
    arrays: List[Tuple[Any, str]] = []
    outer, array_class = getattr(_running, "note", None), _global_var._np_ndarray_cls
    if outer is None:
        _global_var._np_ndarray_cls = partial(_answered, array_class)
    _running.note = lambda array: arrays.append((array, run.path))

    def operators() -> List[Any]:
        """The operators that answered these arrays, each with the path of the block that was called."""
        if not arrays:
            return []
        graph = _deferred_compute.get_symbol([array for array, _ in arrays])
        shapes = [_shape(array) for array, _ in arrays]
        return graph_operators(graph, shapes, lambda _, first: "" if first is None else arrays[first][1])

    run.noted.append(operators)
    try:
        with np_shape(True), _deferred_compute.context():  # also in a thread, where MXNet's mode is off
            yield
    finally:
        _running.note, _global_var._np_ndarray_cls = outer, array_class


def lend(param: gluon.Parameter, run: Run) -> None:
    """Let a parameter answer an array without memory, of the shape that it has by then."""

    def check_and_get(held: Any, device: Any) -> Any:
        known = shape_of(param)
        if not is_known(known):
            raise NeedsNumbers(f"the parameter {param.name!r} was read, and its shape is not known by then")
        run.order[param] = None
        array = _array(known, param.dtype, param.var())
        return [array] if device is list else array

    def set_data(data: Any) -> None:
        raise NeedsNumbers("a parameter was to be set")

    vars(param).update(_check_and_get=check_and_get, _finish_deferred_init=lambda: None, set_data=set_data)
    param._shape = encoded(shape_of(param))


def prepare(path: str, block: Any, run: Run) -> None:
    """Let a block note its calls, also where MXNet asks it for shapes before it calls `forward`."""
    composed = isinstance(block, gluon.SymbolBlock)
    original = (lambda *args: _composed(block, args, run)) if composed else block.forward
    original_shapes: Any = getattr(block, "infer_shape", None)
    module = getattr(original_shapes, "__module__", "")
    is_cell = module.startswith("mxnet.gluon.rnn") and "i2h_weight" in block._reg_params

    def infer_shape(*args: Any) -> None:
        with run.call(path, block, args, _shapes(args)):
            original_shapes(*args)
        run.entered.pop()  # the two are one call to us

    def forward(*args: Any, **kwargs: Any) -> Any:
        with run.call(path, block, args, _shapes((args, kwargs))) as call:
            if is_cell:
                original_shapes(0, args[0], False)  # which MXNet itself never asks
            answer = original(*args, **kwargs)
            call.answered = tuple(map(_shape, arrays_in(answer)))
            return answer

    attributes = vars(block)
    attributes["forward"] = forward
    if backend.infers_shapes(type(block)):
        attributes["infer_shape"] = infer_shape
    elif original_shapes is not None:
        attributes["infer_shape"] = lambda *_: None  # which knows none, and would raise before the user's line is met
    attributes["_called_infer_shape_already"] = False  # it asks for shapes once, and never does again by itself


def _array(shape: Any, dtype: Any, variable: Any) -> Any:
    """An array without memory, which deferred compute knows by a variable; of float32, if it is one of fractions."""
    # No shape depends on which, and operators refuse to mix them.
    kind = "float32" if numpy.dtype(dtype).kind == "f" else dtype
    array = _MetaArray(handle=nd.ndarray._new_alloc_handle(shape, cpu(), True, kind))
    _deferred_compute.set_variable(array, variable)
    _running.note(array)
    return array


def _composed(block: Any, args: Any, run: Run) -> Any:
    """What SymbolBlock.forward answers, which refuses deferred compute: arrays of the shapes that its graph infers."""
    graph, params = block._cached_graph[1], {param.var().name: param for param in block._reg_params.values()}
    names, arrays = [each.name for each in block._cached_graph[0]], arrays_in(args)
    check_inputs(names, len(arrays))
    known = {name: encoded(shape_of(param)) for name, param in params.items()}
    known.update((name, tuple(array.shape)) for name, array in zip(names, arrays))
    variables, outputs = infer_shapes(graph, known)
    internals, path = graph.get_internals(), run.path
    every = [shape if is_known(decoded(shape)) else None for shape in infer_shapes(internals, known)[1]]
    run.noted.append(partial(graph_operators, internals, every, lambda *_: path))
    for name, param in params.items():
        if variables.get(name) is not None:
            param.shape = variables[name]
            run.order[param] = None
    if not all(is_known(decoded(shape)) for shape in outputs):
        raise NeedsNumbers("what its graph answers has a shape that does not follow from its inputs")
    return gluon.block._regroup([given(shape, "float32") for shape in outputs], block._out_format)


def _shapes(value: Any) -> List[Any]:
    return [tuple(each.shape) for each in arrays_in(value)]


def _shape(array: Any) -> Any:
    """The shape of an array; None where it depends on numbers."""
    try:
        return tuple(array.shape)
    except NeedsNumbers:
        return None


_running = threading.local()


def _answered(plain: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """What MXNet makes an operator's answer of; in this thread's run, a meta array."""
    array, note = plain(*args, **kwargs), getattr(_running, "note", None)
    if note:
        array.__class__ = _MetaArray
        note(array)
    return array


class _MetaArray(np.ndarray):
    """An array that has a shape, and no numbers: all of MXNet that reads numbers calls these methods."""

    @property
    def shape(self) -> Any:
        """What was inferred. Of an array that has no history MXNet computes none."""
        inferred = np.ndarray.shape.fget(self.detach())
        if inferred is None or -1 in inferred:
            raise NeedsNumbers("an array was asked for its shape, which depends on numbers")
        return inferred

    def __getitem__(self, key: Any) -> Any:
        return given(indexed(self.shape, key), self.dtype)

    def __setitem__(self, key: Any, value: Any) -> None:
        check_written(self.shape, key, value)

    def asnumpy(self) -> Any:
        raise NeedsNumbers("an array was asked for its numbers")

    def wait_to_read(self) -> None:
        """Nothing is under way."""


for _name in ("add", "sub", "mul", "truediv", "mod", "pow"):  # deferred compute writes into no array
    setattr(_MetaArray, f"__i{_name}__", getattr(np.ndarray, f"__{_name}__"))
_MetaArray.__name__ = _MetaArray.__qualname__ = "ndarray"  # what a user's error message calls it
