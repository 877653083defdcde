"""Arrays of MXNet 1 that have a shape and no memory, and the operators on them.

Every operator on arrays calls `mxnet.ndarray.register._imperative_invoke`. A run replaces that function, and infers
shapes if an input has no memory. MXNet 1 has no hook for this, and Symbols cannot replace arrays in users' code.
"""

from contextlib import contextmanager
import ctypes
from functools import lru_cache
import re
import sys
import threading
from types import SimpleNamespace
from typing import Any, Iterator, List, Optional, Sequence, Tuple

from mxnet import nd, np, symbol
from mxnet.base import _LIB, MXNetError, c_handle_array, c_str, c_str_array, check_call, mx_uint, py_str
from mxnet.context import Context, current_context
from mxnet.ndarray import register
from mxnet.util import is_np_array, is_np_shape
import numpy

from ...shapes import agree, is_known
from ..arrays import EqualToBase
from .record import (
    NeedsNumbers,
    Run,
    Shape,
    ShapeConflict,
    check_written,
    counterfeit,
    decoded,
    encoded,
    indexed,
    infer_shapes,
    infer_types,
)


def meta_array(shape: Any, dtype: Any, values: Any = None, ctx: Any = None) -> Any:
    """An array without memory, of the class that layers expect; the function `values` returns its numbers, if any."""
    kind = _MetaNumpy if is_np_array() else _MetaArray
    return _new(kind, _handle(shape, numpy.dtype(dtype).type, ctx or current_context(), values))


def _handle(shape: Optional[Shape], dtype: Any, ctx: Any, values: Any = None) -> Any:
    """A handle that MXNet's C library refuses, so nothing can compute with it. A shape of None depends on numbers."""
    return SimpleNamespace(shape=shape, dtype=dtype, ctx=ctx, values=values)


@contextmanager
def meta_arrays(run: Run) -> Iterator[None]:
    """Context in which this thread's operators return arrays without memory; other threads' operators still compute."""
    # One thread at a time, by `preserve`'s lock. In a run inside a run, MXNet's functions are replaced already.
    outer = current.run
    if outer is None:
        _originals[:] = [getattr(module, name) for module, name, _ in _REPLACED]
        for module, name, ours in _REPLACED:
            setattr(module, name, ours)
    current.run = run
    try:
        yield
    finally:
        current.run = outer
        for array, kind, handle in reversed(run.converted):
            array.__class__, array.handle = kind, handle
        if outer is None:
            for (module, name, _), original in zip(_REPLACED, _originals):
                setattr(module, name, original)


class _Thread(threading.local):
    run: Optional[Run] = None


current = _Thread()


def _invoke(operator: int, inputs: Any, keys: Any, values: Any, out: Any, *rest: Any) -> Any:
    run = current.run
    if run is None:
        return _originals[0](operator, inputs, keys, values, out, *rest)
    targets = [] if out is None else [out] if isinstance(out, nd.NDArray) else list(out)
    if not any(isinstance(array, _Meta) for array in (*inputs, *targets)) and not _draws_numbers(operator):
        return _originals[0](operator, inputs, keys, values, out, *rest)
    is_numpy, is_list = rest[0], rest[1] if len(rest) > 1 else False  # MXNet 1.6 has no lists of one output
    attributes = tuple((key, str(value)) for key, value in zip(keys, values))
    shapes, dtypes = tuple(map(_shape, inputs)), tuple(array.dtype for array in inputs)
    input_shapes, output_shapes, output_dtypes = _infer(operator, attributes, shapes, dtypes, bool(is_np_shape()))
    for array, shape in zip(inputs, input_shapes):
        if isinstance(array, _Meta):
            array.handle.shape = shape
    run.record(_described(operator)[0], dict(attributes), input_shapes, output_shapes)
    ctx = next((array.context for array in inputs if isinstance(array, _Meta)), None) or current_context()
    if out is not None:
        for array, shape in zip(targets, output_shapes):
            _written(run, array, shape)
        return out
    kind = _MetaNumpy if is_numpy else _MetaArray
    outputs = [_new(kind, _handle(shape, dtype, ctx)) for shape, dtype in zip(output_shapes, output_dtypes)]
    return outputs[0] if len(outputs) == 1 and not is_list else outputs


def _shape(array: Any) -> Optional[Shape]:
    return array.handle.shape if isinstance(array, _Meta) else tuple(array.shape)


def array_shape(value: Any) -> Optional[Shape]:
    """The shape of an array; None for a Symbol, and if the shape depends on numbers."""
    shape = None if isinstance(value, symbol.Symbol) else _shape(value)
    return shape if is_known(shape) else None


def _written(run: Run, array: Any, shape: Optional[Shape]) -> None:
    """Turn an array into one without memory until the run ends, because an operator wrote such values into it."""
    if not isinstance(array, _Meta):
        run.converted.append((array, type(array), array.handle))
        handle = _handle(tuple(array.shape), array.dtype, array.context)
        array.__class__ = _MetaNumpy if isinstance(array, np.ndarray) else _MetaArray
        array.handle = handle
    elif array.handle.shape is None:
        array.handle.shape = shape


def _new(kind: Any, handle: Any) -> Any:
    array = kind.__new__(kind)
    array.handle, array.writable = handle, True
    return array


def _tensordot(a: Any, b: Any, axes: Any = 2) -> Any:
    """The one operator that does not call that function; its shape is the one that NumPy's `tensordot` gives."""
    run = current.run
    if run is None or not (isinstance(a, _Meta) or isinstance(b, _Meta)):
        return _originals[1](a, b, axes)
    shape = numpy.tensordot(counterfeit(a.shape), counterfeit(b.shape), axes).shape
    run.record("tensordot", {"axes": str(axes)}, (a.shape, b.shape), (shape,))
    return _new(_MetaNumpy, _handle(shape, a.dtype, a.context))


class _Meta:
    """The members of arrays without memory; MXNet's own code implements the rest by `shape` or by operators."""

    __slots__ = ()
    handle: Any

    def __del__(self) -> None:
        """Does nothing: there is no memory to free."""

    @property
    def shape(self) -> Any:
        """All sizes, each known: MXNet's code and users' code rely on that."""
        shape = self.handle.shape
        if shape is None or None in shape:
            raise NeedsNumbers("an array was asked for its shape, which depends on numbers")
        return shape

    @property
    def dtype(self) -> Any:
        return self.handle.dtype

    @property
    def context(self) -> Any:
        return self.handle.ctx

    ctx = context

    @property
    def stype(self) -> str:
        return "default"

    @property
    def grad(self) -> None:
        """None, since nothing is recorded."""
        return None

    def attach_grad(self, *_: Any, **__: Any) -> None:
        """Does nothing, since nothing is recorded."""

    def wait_to_read(self) -> None:
        """Does nothing, since nothing is computed."""

    def asnumpy(self) -> Any:
        """The values of an initialized parameter; other arrays have none."""
        if self.handle.values is not None:
            return self.handle.values()
        raise NeedsNumbers("an array was asked for its numbers")

    def asscalar(self) -> Any:
        # MXNet's `cond` and `while_loop` read a number: 1 selects the first branch, and the maximum number of steps.
        if self.handle.values is None and sys._getframe(1).f_code.co_name == "_to_python_scalar":
            return 1
        return self.asnumpy().reshape(1)[0]

    def __float__(self) -> float:
        return float(self.asnumpy())

    def __int__(self) -> int:
        return int(self.asnumpy())

    def __array__(self, *args: Any, **_: Any) -> Any:
        return numpy.asarray(self.asnumpy(), *args[:1])

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {'x'.join(map(str, self.handle.shape or ()))} @{self.handle.ctx}>"

    __str__ = __repr__

    def __deepcopy__(self, memo: Any) -> Any:
        return self._like()

    __copy__ = copy = detach = lambda self: self._like()

    def _like(self, shape: Any = None, dtype: Any = None, ctx: Any = None) -> Any:
        old = self.handle
        return _new(type(self), _handle(old.shape if shape is None else shape, dtype or old.dtype, ctx or old.ctx))

    def astype(self, dtype: Any, *_: Any, copy: bool = True, **__: Any) -> Any:
        dtype = numpy.dtype(dtype).type
        return self._like(dtype=dtype) if copy or dtype != self.dtype else self

    def copyto(self, other: Any) -> Any:
        if isinstance(other, Context):
            return self._like(ctx=other)
        if _shape(other) != self.handle.shape:
            raise ValueError(f"copyto: an array of shape {self.shape!r} does not fit into one of {other.shape!r}")
        assert current.run is not None, "an array without memory outlived its run"
        _written(current.run, other, self.handle.shape)
        return other

    def tostype(self, stype: str) -> Any:
        if stype != "default":
            raise NeedsNumbers(f"an array was to be stored as {stype!r}, which depends on its numbers")
        return self

    def as_np_ndarray(self) -> Any:
        return _new(_MetaNumpy, self.handle)

    def as_nd_ndarray(self) -> Any:
        return _new(_MetaArray, self.handle)

    def __getitem__(self, key: Any) -> Any:
        shape = indexed(self.shape, key)
        if shape == () and not isinstance(self, np.ndarray):
            shape = (1,)  # a classic array has no scalars
        return self._like(shape)

    def __setitem__(self, key: Any, value: Any) -> None:
        check_written(self.shape, key, value)


class _MetaArray(_Meta, nd.NDArray, metaclass=EqualToBase):
    __slots__ = ()

    def reshape(self, *shape: Any, **kwargs: Any) -> Any:
        """Calls the operator, which knows MXNet's codes (0, -1 to -4) as the method does, but checks less."""
        if len(shape) == 1 and isinstance(shape[0], (list, tuple)):
            shape = tuple(shape[0])
        array = nd.op.reshape(self, shape=tuple(shape or kwargs["shape"]), reverse=kwargs.get("reverse", False))
        if array.size > self.size:
            error = MXNetError(f"NDArray.Reshape: target shape {array.shape} is larger than the current {self.shape}")
            raise ShapeConflict from error
        return array


class _MetaNumpy(_Meta, np.ndarray, metaclass=EqualToBase):
    __slots__ = ()

    def reshape_view(self, *shape: Any, **_: Any) -> Any:
        return self.reshape(*shape)


_MetaArray.__name__ = _MetaArray.__qualname__ = "NDArray"  # the name in users' error messages
_MetaNumpy.__name__ = _MetaNumpy.__qualname__ = "ndarray"

_REPLACED: List[Tuple[Any, str, Any]] = [(register, "_imperative_invoke", _invoke)]
_api: Any = sys.modules.get("mxnet.ndarray.numpy._api_internal")
if hasattr(_api, "tensordot"):
    _REPLACED.append((_api, "tensordot", _tensordot))
_originals: List[Any] = []


_Shapes = Tuple[Optional[Shape], ...]


# Networks repeat layers. The bound limits memory in a long session.
@lru_cache(maxsize=65536)
def _infer(
    operator: int, attributes: Tuple[Tuple[str, str], ...], shapes: _Shapes, dtypes: Tuple[Any, ...], np_shape: bool
) -> Tuple[_Shapes, _Shapes, Tuple[Any, ...]]:
    """An operator's input and output shapes and its output dtypes, from its inputs' known shapes and dtypes."""
    # Makes a Symbol of the operator (a handle) on variables, and lets MXNet infer. Raises a ShapeConflict if the shapes
    # contradict each other, and an MXNetError if MXNet refuses for another reason.
    graph = _composed(operator, attributes, len(shapes))
    inputs, outputs = _shapes(graph, shapes)
    if any(shape is not None and None in shape for shape in inputs):
        # Some operators (PReLU's) infer a fully unknown shape, but not one unknown size in a shape of known rank.
        again, _ = _shapes(graph, [None if shape and None in shape else shape for shape in inputs])
        inputs = tuple(new if new is not None and agree(new, old) else old for new, old in zip(again, inputs))
    known = {f"input{number}": dtype for number, dtype in enumerate(dtypes)}
    return inputs, outputs, infer_types(graph, known, dtypes[0] if dtypes else numpy.float32)


_DRAWING = re.compile(
    r"_?random_(?!pdf)|_?sample_|_?shuffle$|uniform$|normal$|(_npx_)?[dD]ropout$|(_npx_)?_image_random|"
    r"_npi_(bernoulli|choice|exponential|gamma|gumbel|logistic|multinomial|normal(_n)?|pareto|powerd|random_\w+|"
    r"rayleigh|shuffle|uniform(_n)?|weibull)$"
)


@lru_cache(maxsize=None)
def _draws_numbers(operator: int) -> bool:
    """Whether an operator draws from MXNet's generator, by its name: MXNet has no attribute for this."""
    return bool(_DRAWING.match(_described(operator)[0]))


def _shapes(graph: Any, shapes: Sequence[Optional[Shape]]) -> Tuple[Tuple[Optional[Shape], ...], ...]:
    try:
        by_name, outputs = infer_shapes(graph, {f"input{index}": encoded(shape) for index, shape in enumerate(shapes)})
    except MXNetError as error:
        raise ShapeConflict from error
    return tuple(decoded(by_name[f"input{number}"]) for number in range(len(shapes))), tuple(map(decoded, outputs))


def _composed(operator: int, attributes: Sequence[Tuple[str, str]], count: int) -> Any:
    name, counted_by = _described(operator)
    attributes = list(attributes)
    if counted_by and all(key != counted_by for key, _ in attributes):
        attributes.append((counted_by, str(count)))  # MXNet adds it in an imperative call
    handle = ctypes.c_void_p()
    keys, values = c_str_array([key for key, _ in attributes]), c_str_array([value for _, value in attributes])
    check_call(_LIB.MXSymbolCreateAtomicSymbol(ctypes.c_void_p(operator), mx_uint(len(attributes)), keys, values,
                                               ctypes.byref(handle)))  # fmt: skip
    graph = symbol.Symbol(handle)
    inputs = [_variable(number) for number in range(count)]
    check_call(_LIB.NNSymbolCompose(graph.handle, c_str("operator"), mx_uint(count), None, c_handle_array(inputs)))
    expected = len(graph.list_inputs())
    if expected != count:
        raise MXNetError(f"Operator {name!r} expects {expected!r} inputs, but got {count!r} instead.")
    return graph


@lru_cache(maxsize=None)
def _variable(number: int) -> Any:
    return symbol.var(f"input{number}")


@lru_cache(maxsize=None)
def _described(operator: int) -> Tuple[str, str]:
    """An operator's name, ``'FullyConnected'``, and the attribute with the number of its inputs, if any."""
    name, text, counted_by, returned = (ctypes.c_char_p() for _ in range(4))
    count, lists = mx_uint(), [ctypes.POINTER(ctypes.c_char_p)() for _ in range(3)]
    check_call(_LIB.MXSymbolGetAtomicSymbolInfo(
        ctypes.c_void_p(operator), ctypes.byref(name), ctypes.byref(text), ctypes.byref(count),
        *map(ctypes.byref, lists), ctypes.byref(counted_by), ctypes.byref(returned)))  # fmt: skip
    return py_str(name.value), py_str(counted_by.value or b"")
