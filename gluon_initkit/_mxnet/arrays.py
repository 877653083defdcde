"""MXNet's arrays: in nested arguments, their two classes, their memory as NumPy arrays, waits, and parts of files."""

import ctypes
from functools import lru_cache
from types import SimpleNamespace
from typing import Any, Callable, Iterable, Iterator, List, Sequence, Tuple

from mxnet import autograd, context, gluon, ndarray
from mxnet.base import _LIB, check_call
from mxnet.ndarray import NDArray
from mxnet.ndarray import empty as mxnet_empty
from mxnet.numpy import ndarray as numpy_array
from mxnet.symbol import Symbol
from mxnet.util import is_np_shape, np_array, np_shape
import numpy

from . import backend


def leaves(values: Any) -> List[Any]:
    """The values in nested lists, tuples and dictionaries, such as a call's arguments."""
    if isinstance(values, dict):
        values = list(values.values())
    if not isinstance(values, (list, tuple)):
        return [values]
    return [leaf for item in values for leaf in (leaves(item) if isinstance(item, (list, tuple, dict)) else (item,))]


def arrays_in(values: Any) -> List[NDArray]:
    return [leaf for leaf in leaves(values) if isinstance(leaf, NDArray)]


def arrays_and_symbols_in(values: Any) -> List[Any]:
    """The arrays, and the Symbols that replace arrays while MXNet builds a graph."""
    return [leaf for leaf in leaves(values) if isinstance(leaf, (NDArray, Symbol))]


def with_leaves(values: Any, others: Iterator[Any]) -> Any:
    """The same nested lists, tuples and dictionaries, with other leaves in the same order."""
    if isinstance(values, dict):
        return type(values)((key, with_leaves(value, others)) for key, value in values.items())
    if not isinstance(values, (list, tuple)):
        return next(others)
    items = [with_leaves(value, others) for value in values]
    return type(values)(*items) if hasattr(values, "_fields") else type(values)(items)


def with_arrays(values: Any, change: Callable[[NDArray], Any]) -> Any:
    return with_leaves(values, iter([change(leaf) if isinstance(leaf, NDArray) else leaf for leaf in leaves(values)]))


class EqualToBase(type):
    """Metaclass of array classes that equal their base: MXNet checks ``type(value) == NDArray`` before it writes."""

    def __eq__(cls, other: object) -> bool:
        return other is cls or other in cls.__bases__

    __hash__ = type.__hash__


def is_numpy_array(arr: NDArray) -> bool:
    """Whether this is an ``mx.np.ndarray``. MXNet's classic operators refuse to write into one."""
    return isinstance(arr, numpy_array)


def classic(arr: NDArray) -> NDArray:
    """A classic NDArray on the same memory."""
    return arr.as_nd_ndarray() if is_numpy_array(arr) else arr


def layer_array(arr: NDArray) -> NDArray:
    """A classic array in the class that layers expect: an ``mx.np.ndarray`` in NumPy mode, unless it is sparse."""
    return arr.as_np_ndarray() if backend.uses_numpy_arrays() and arr.stype == "default" else arr


@lru_cache(maxsize=None)  # NumPy builds the name at each call, which is the slowest part of a record
def dtype_name(dtype: Any) -> str:
    """The name of a dtype in any form, ``'float32'``; MXNet's bfloat16 is a structured dtype."""
    kind = numpy.dtype(dtype)
    return kind.names[0] if kind.names else kind.name


def is_host(ctx: context.Context) -> bool:
    """Whether NumPy can write the memory of arrays on this context."""
    return ctx.device_type in ("cpu", "cpu_pinned", "cpu_shared")


def context_of(arr: NDArray) -> context.Context:
    """The context of an array. An np array warns if its own `context` is read."""
    return classic(arr).context


def bits_of(arr: NDArray, transposed: bool = False) -> Tuple[str, Any, Tuple[int, ...], bytes]:
    """A key that is equal for two arrays that are equal to the bit; if `transposed`, the key of the transpose."""
    values = arr.asnumpy().T if transposed else arr.asnumpy()
    return arr.stype, values.dtype, values.shape, values.tobytes()


def empty(shape: Tuple[int, ...], dtype: Any, ctx: context.Context) -> NDArray:
    """A dense array with undefined values."""
    return mxnet_empty(shape, ctx=ctx, dtype=dtype)


def address_of(arr: NDArray) -> int:
    """The address of a dense array's memory. Call `wait_for` or `wait_for_writers` on the array first."""
    # MXNet allocates an array's memory at its first use, and takes no lock. If the engine uses it at the same time, two
    # memories are allocated, and values that are written to one of them are not in the other.
    pointer = ctypes.c_void_p()
    check_call(_LIB.MXNDArrayGetData(arr.handle, ctypes.byref(pointer)))
    return pointer.value or 0


def memory_view(arr: NDArray) -> numpy.ndarray:
    """The memory of a dense host array as a flat NumPy array, which keeps `arr` alive. Does not wait."""
    dtype, address, size = numpy.dtype(arr.dtype), address_of(arr), arr.size
    if not address or not size:
        return numpy.empty(0, dtype)
    interface = {"data": (address, False), "shape": (size * dtype.itemsize,), "typestr": "|u1", "version": 3}
    return numpy.asarray(SimpleNamespace(owner=arr, __array_interface__=interface)).view(dtype)


def host_values(arr: NDArray) -> numpy.ndarray:
    """The values of an array. For a dense array on the host it does not copy, and does not wait."""
    if arr.stype == "default" and is_host(context_of(arr)):
        return memory_view(arr).reshape(arr.shape)
    return classic(arr).asnumpy()


def wait_for(arrays: Iterable[NDArray]) -> None:
    """Wait until every operator that was enqueued before has read and written these arrays."""
    # An operator that reads may also write: a forward pass in prediction mode leaves convolutions' weights in oneDNN's
    # layout, and BatchNorm sets a fixed gamma to 1. So this waits for readers too. ``mx.nd.waitall()`` would also wait
    # for operators that other threads enqueue meanwhile, perhaps for ever; so would a wait for each array in turn.
    # Instead, one operator writes each array and one operator reads all of them. None of them computes.
    arrays = list(arrays)
    for array in arrays:  # one operator each: in one operator, arrays that share memory would wait for each other
        _push([], [array.handle])
    wait_for_writers(arrays)


def wait_for_writers(arrays: Iterable[NDArray]) -> None:
    """Wait until every operator that was enqueued before has written these arrays; some may still read them."""
    handles = [array.handle for array in arrays]
    if handles:
        token = mxnet_empty((1,), ctx=context.cpu())
        _push(handles, [token.handle])
        token.wait_to_read()  # raises an engine's error in one of the arrays, which passes to the token


def _push(read: List[Any], written: List[Any]) -> None:
    """Enqueue an operator that does nothing."""
    arrays = ((ctypes.c_void_p * len(read))(*read), len(read), (ctypes.c_void_p * len(written))(*written), len(written))
    check_call(_LIB.MXEnginePushSyncND(_NOTHING, None, None, _ON_CPU, *arrays, None, 0, None))


_NOTHING = _LIB.MXGetLastError  # a C function without effect; a Python function would wait for the interpreter
_ON_CPU = (ctypes.c_int * 3)(1, 0, 0)  # a `Context` of C++: device type, device number, padding


def array_from_file(stype: str, shape: Any, parts: Sequence[numpy.ndarray]) -> NDArray:
    """A classic NDArray on the CPU from the parts in a file: values, and indices if it is sparse."""
    # MXNet's own reader does not check the indices and lengths in a file, and writes outside its memory.
    with np_array(False), np_shape(True):  # this mode allows every shape
        if stype == "default":
            return _dense_array(parts[0])
        if not parts[0].size:
            return ndarray.sparse.zeros(stype, shape, dtype=parts[0].dtype)
        values, *indices = map(_dense_array, parts)
        if stype == "row_sparse":
            return ndarray.sparse.row_sparse_array((values, indices[0]), shape=shape, dtype=values.dtype)
        return ndarray.sparse.csr_matrix((values, indices[1], indices[0]), shape=shape, dtype=values.dtype)


def _dense_array(values: numpy.ndarray) -> NDArray:
    if values.dtype not in _DTYPES:  # MXNet's C++ writes such dtypes, but its Python has none for them
        values = values.astype("int64" if values.dtype.kind in "iu" else "float32")
    array = empty(values.shape, values.dtype, context.cpu())
    memory_view(array)[:] = values.reshape(-1)
    return array


def dtype_named(name: str) -> Any:
    """MXNet's dtype of this name; None if MXNet or its layers have none: ``mx.np`` has no bfloat16."""
    dtypes = [dtype for dtype in _DTYPES if not (dtype.names and backend.uses_numpy_arrays())]
    return next((dtype for dtype in dtypes if dtype_name(dtype) == name), None)


_DTYPES = [numpy.dtype(kind) for kind in ndarray.ndarray._DTYPE_NP_TO_MX if kind is not None]


def file_version() -> int:
    """The version of MXNet's array format in the current mode: 3 with NumPy's shapes, else 2."""
    return 3 if is_np_shape() else 2


def array_parts(array: NDArray, stype: str) -> List[numpy.ndarray]:
    """The parts of a classic CPU array for a file: values, and indices if sparse. Nothing else may use the array."""
    if array.stype != stype:
        array = array.tostype(stype)
    if stype == "default":
        array.wait_to_read()
        return [memory_view(array)]
    indices = [array.indptr, array.indices] if array.stype == "csr" else [array.indices]
    return [part.asnumpy() for part in (array.data, *indices)]


def saved_values(params: Sequence[gluon.Parameter]) -> List[NDArray]:
    """The values of initialized parameters to save, on the CPU: the mean of a parameter's replicas if they differ.

    All are copied before the first wait, so the values are of one step even if another thread trains the parameters.
    MXNet's `Parameter._reduce` does not serve: it averages equal replicas too, which rounds or overflows, it calls
    `data()`, in which a subclass may drop values, and it needs a Trainer for sparse values.
    """
    cpu = context.cpu()  # a file stores its arrays' contexts, and a GPU array cannot be loaded without a GPU
    with autograd.pause():
        copies = [[classic(array).copyto(cpu) for array in param._data] for param in params]
    results = []
    for param, (first, *others) in zip(params, copies):
        trainer, sparse = backend.trainer_of(param), param._stype != "default"
        first_bytes = first.asnumpy().tobytes() if others and not sparse else None
        if sparse and trainer and trainer._kv_initialized:
            first = param._reduce()  # the kvstore holds all rows, a replica only the rows that its device pulled
        elif first_bytes is not None and not all(other.asnumpy().tobytes() == first_bytes for other in others):
            first = ndarray.add_n(first, *others) / (1 + len(others))
        results.append(first)
    return results
