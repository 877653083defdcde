"""Prepare blocks and parameters of MXNet 2 for a run on arrays without memory.

Deferred compute infers the shapes of operators' outputs. It would compute on undefined values when code reads a number,
or a shape that depends on numbers. Both raise an error here.
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


def argument_array(shape: Any, dtype: Any) -> Any:
    """An array without memory for an argument of the network."""
    return _array(shape, dtype, symbol.var("data").as_np_ndarray())


@contextmanager
def running(run: Run) -> Iterator[None]:
    """Context with deferred compute, in which this thread's operators return arrays without memory."""
    # One thread at a time, by `preserve`'s lock. In a run inside a run, MXNet's class is replaced already.
    arrays: List[Tuple[Any, str]] = []
    outer, array_class = getattr(_running, "note", None), _global_var._np_ndarray_cls
    if outer is None:
        _global_var._np_ndarray_cls = partial(_output_array, array_class)
    _running.note = lambda array: arrays.append((array, run.path))

    def operators() -> List[Any]:
        """The operators with these outputs, each with the path of the running block."""
        if not arrays:
            return []
        graph = _deferred_compute.get_symbol([array for array, _ in arrays])
        shapes = [_shape(array) for array, _ in arrays]
        return graph_operators(graph, shapes, lambda _, first: "" if first is None else arrays[first][1])

    run.noted.append(operators)
    try:
        with np_shape(True), _deferred_compute.context():  # also in other threads, where np_shape is off
            yield
    finally:
        _running.note, _global_var._np_ndarray_cls = outer, array_class


def lend(param: gluon.Parameter, run: Run) -> None:
    """Make a parameter return an array without memory, of its shape at that time."""

    def check_and_get(held: Any, device: Any) -> Any:
        shape = shape_of(param)
        if not is_known(shape):
            raise NeedsNumbers(f"the parameter {param.name!r} was read, and its shape is not known by then")
        run.order[param] = None
        array = _array(shape, param.dtype, param.var())
        return [array] if device is list else array

    def set_data(data: Any) -> None:
        raise NeedsNumbers("a parameter was to be set")

    vars(param).update(_check_and_get=check_and_get, _finish_deferred_init=lambda: None, set_data=set_data)
    param._shape = encoded(shape_of(param))


def prepare(path: str, block: Any, run: Run) -> None:
    """Make a block record its calls, also its `infer_shape`, which MXNet calls before `forward`."""
    composed = isinstance(block, gluon.SymbolBlock)
    original = (lambda *args: _composed(block, args, run)) if composed else block.forward
    original_shapes: Any = getattr(block, "infer_shape", None)
    module = getattr(original_shapes, "__module__", "")
    is_cell = module.startswith("mxnet.gluon.rnn") and "i2h_weight" in block._reg_params

    def infer_shape(*args: Any) -> None:
        with run.call(path, block, args, _shapes(args)):
            original_shapes(*args)
        run.entered.pop()  # `infer_shape` and `forward` are one call in the record

    def forward(*args: Any, **kwargs: Any) -> Any:
        with run.call(path, block, args, _shapes((args, kwargs))) as call:
            if is_cell:
                original_shapes(0, args[0], False)  # MXNet does not call it for cells
            output = original(*args, **kwargs)
            call.answered = tuple(map(_shape, arrays_in(output)))
            return output

    attributes = vars(block)
    attributes["forward"] = forward
    if backend.infers_shapes(type(block)):
        attributes["infer_shape"] = infer_shape
    elif original_shapes is not None:
        attributes["infer_shape"] = lambda *_: None  # MXNet's would raise before the user's own line is reached
    attributes["_called_infer_shape_already"] = False  # MXNet infers the shapes only once by itself


def _array(shape: Any, dtype: Any, variable: Any) -> Any:
    """An array without memory, with a variable for deferred compute. Every floating dtype becomes float32."""
    # No shape depends on the floating dtype, and operators refuse to mix different ones.
    kind = "float32" if numpy.dtype(dtype).kind == "f" else dtype
    array = _MetaArray(handle=nd.ndarray._new_alloc_handle(shape, cpu(), True, kind))
    _deferred_compute.set_variable(array, variable)
    _running.note(array)
    return array


def _composed(block: Any, args: Any, run: Run) -> Any:
    """Replaces `SymbolBlock.forward`, which refuses deferred compute: returns arrays of its graph's inferred shapes."""
    graph, params = block._cached_graph[1], {param.var().name: param for param in block._reg_params.values()}
    names, arrays = [variable.name for variable in block._cached_graph[0]], arrays_in(args)
    check_inputs(names, len(arrays))
    known = {name: encoded(shape_of(param)) for name, param in params.items()}
    known.update((name, tuple(array.shape)) for name, array in zip(names, arrays))
    variables, outputs = infer_shapes(graph, known)
    internals, path = graph.get_internals(), run.path
    all_shapes = [shape if is_known(decoded(shape)) else None for shape in infer_shapes(internals, known)[1]]
    run.noted.append(partial(graph_operators, internals, all_shapes, lambda *_: path))
    for name, param in params.items():
        if variables.get(name) is not None:
            param.shape = variables[name]
            run.order[param] = None
    if not all(is_known(decoded(shape)) for shape in outputs):
        raise NeedsNumbers("what its graph answers has a shape that does not follow from its inputs")
    return gluon.block._regroup([argument_array(shape, "float32") for shape in outputs], block._out_format)


def _shapes(value: Any) -> List[Any]:
    return [tuple(array.shape) for array in arrays_in(value)]


def _shape(array: Any) -> Any:
    """The shape of an array; None if it depends on numbers."""
    try:
        return tuple(array.shape)
    except NeedsNumbers:
        return None


_running = threading.local()


def _output_array(plain: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Replaces MXNet's function that makes operators' outputs: in a run of this thread they are meta arrays."""
    array, note = plain(*args, **kwargs), getattr(_running, "note", None)
    if note:
        array.__class__ = _MetaArray
        note(array)
    return array


class _MetaArray(np.ndarray):
    """An array with a shape and no numbers: MXNet's code that reads numbers calls these methods."""

    @property
    def shape(self) -> Any:
        """The inferred shape. It is read from a detached array: MXNet computes nothing for it."""
        inferred = np.ndarray.shape.fget(self.detach())
        if inferred is None or -1 in inferred:
            raise NeedsNumbers("an array was asked for its shape, which depends on numbers")
        return inferred

    def __getitem__(self, key: Any) -> Any:
        return argument_array(indexed(self.shape, key), self.dtype)

    def __setitem__(self, key: Any, value: Any) -> None:
        check_written(self.shape, key, value)

    def asnumpy(self) -> Any:
        raise NeedsNumbers("an array was asked for its numbers")

    def wait_to_read(self) -> None:
        """Does nothing, since nothing is computed."""


for _name in ("add", "sub", "mul", "truediv", "mod", "pow"):  # deferred compute cannot write into arrays
    setattr(_MetaArray, f"__i{_name}__", getattr(np.ndarray, f"__{_name}__"))
_MetaArray.__name__ = _MetaArray.__qualname__ = "ndarray"  # the name in users' error messages
