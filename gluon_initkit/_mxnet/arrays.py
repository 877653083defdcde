"""MXNet's arrays: nested in arguments, their two kinds, their memory as NumPy arrays, waits, and parts in files."""

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
    return [leaf for each in values for leaf in (leaves(each) if isinstance(each, (list, tuple, dict)) else (each,))]


def arrays_in(values: Any) -> List[NDArray]:
    return [leaf for leaf in leaves(values) if isinstance(leaf, NDArray)]


def arrays_and_symbols_in(values: Any) -> List[Any]:
    """The same with the Symbols that stand for arrays while a graph is written."""
    return [leaf for leaf in leaves(values) if isinstance(leaf, (NDArray, Symbol))]


def with_leaves(values: Any, others: Iterator[Any]) -> Any:
    """The same nesting of lists, tuples and dictionaries, with other leaves in their order."""
    if isinstance(values, dict):
        return type(values)((key, with_leaves(each, others)) for key, each in values.items())
    if not isinstance(values, (list, tuple)):
        return next(others)
    changed = [with_leaves(each, others) for each in values]
    return type(values)(*changed) if hasattr(values, "_fields") else type(values)(changed)


def with_arrays(values: Any, change: Callable[[NDArray], Any]) -> Any:
    return with_leaves(values, iter([change(leaf) if isinstance(leaf, NDArray) else leaf for leaf in leaves(values)]))


class EqualToBase(type):
    """The class of an array class that equals its base: MXNet asks ``type(value) == NDArray`` before it writes."""

    def __eq__(cls, other: object) -> bool:
        return other is cls or other in cls.__bases__

    __hash__ = type.__hash__


def is_numpy_array(arr: NDArray) -> bool:
    """Whether this is an ``mx.np.ndarray``, which MXNet's classic operators refuse to write into."""
    return isinstance(arr, numpy_array)


def classic(arr: NDArray) -> NDArray:
    """The same memory as a classic NDArray."""
    return arr.as_nd_ndarray() if is_numpy_array(arr) else arr


def layer_array(arr: NDArray) -> NDArray:
    """A classic array as layers take it, a dense one in NumPy mode as ``mx.np.ndarray``: `_init_grad` makes such."""
    return arr.as_np_ndarray() if backend.uses_numpy_arrays() and arr.stype == "default" else arr


@lru_cache(maxsize=None)  # NumPy composes a name anew each time, which takes longer than all else of a record
def dtype_name(dtype: Any) -> str:
    """What a dtype is called, ``'float32'``, in whatever way it is given; MXNet's bfloat16 is a structure."""
    kind = numpy.dtype(dtype)
    return kind.names[0] if kind.names else kind.name


def is_host(ctx: context.Context) -> bool:
    """Whether arrays of this context lie in memory that NumPy can write."""
    return ctx.device_type in ("cpu", "cpu_pinned", "cpu_shared")


def context_of(arr: NDArray) -> context.Context:
    """Where an array lies; np arrays warn when they are asked the classic way."""
    return classic(arr).context


def bits_of(arr: NDArray, transposed: bool = False) -> Tuple[str, Any, Tuple[int, ...], bytes]:
    """What two arrays have in common that are equal to the bit; if `transposed`, of the array's transpose."""
    values = arr.asnumpy().T if transposed else arr.asnumpy()
    return arr.stype, values.dtype, values.shape, values.tobytes()


def empty(shape: Tuple[int, ...], dtype: Any, ctx: context.Context) -> NDArray:
    """A dense array that nothing has been written into."""
    return mxnet_empty(shape, ctx=ctx, dtype=dtype)


def address_of(arr: NDArray) -> int:
    """Where the memory of a dense array is. It has to be waited for first, by `wait_for` or `wait_for_writers`."""
    # MXNet allocates an array's memory when it is first asked for, by whoever asks, and takes no lock: where the engine
    # asks at the same time, there are two memories, and what one of them writes the other one never sees.
    pointer = ctypes.c_void_p()
    check_call(_LIB.MXNDArrayGetData(arr.handle, ctypes.byref(pointer)))
    return pointer.value or 0


def memory_view(arr: NDArray) -> numpy.ndarray:
    """The memory of a dense host array as a flat NumPy array, which keeps `arr` alive. It does not wait."""
    dtype, address, size = numpy.dtype(arr.dtype), address_of(arr), arr.size
    if not address or not size:
        return numpy.empty(0, dtype)
    interface = {"data": (address, False), "shape": (size * dtype.itemsize,), "typestr": "|u1", "version": 3}
    return numpy.asarray(SimpleNamespace(owner=arr, __array_interface__=interface)).view(dtype)


def host_values(arr: NDArray) -> numpy.ndarray:
    """The values of an array, where it is dense and on the host without a copy. It does not wait then."""
    if arr.stype == "default" and is_host(context_of(arr)):
        return memory_view(arr).reshape(arr.shape)
    return classic(arr).asnumpy()


def wait_for(arrays: Iterable[NDArray]) -> None:
    """Wait until every operator that was enqueued before has read and written these arrays."""
    # An operator that reads may write: a forward pass without training leaves convolutions' weights in oneDNN's layout,
    # and BatchNorm sets a fixed gamma to 1. So a reader of memory waits for readers too. ``mx.nd.waitall()`` would also
    # wait for what other threads enqueue meanwhile, for ever beside one that never waits; so would a wait for one array
    # after the other. Instead each array gets an operator that writes it, and one operator reads all. None computes.
    arrays = list(arrays)
    for array in arrays:  # each by itself: arrays that share memory would wait for each other in one operator
        _push([], [array.handle])
    wait_for_writers(arrays)


def wait_for_writers(arrays: Iterable[NDArray]) -> None:
    """Wait until every operator that was enqueued before has written these arrays; some may still read them."""
    handles = [array.handle for array in arrays]
    if handles:
        token = mxnet_empty((1,), ctx=context.cpu())
        _push(handles, [token.handle])
        token.wait_to_read()  # an engine's error in one of the arrays has passed to the token


def _push(read: List[Any], written: List[Any]) -> None:
    """Let the engine run an operator that only takes its turn."""
    arrays = ((ctypes.c_void_p * len(read))(*read), len(read), (ctypes.c_void_p * len(written))(*written), len(written))
    check_call(_LIB.MXEnginePushSyncND(_NOTHING, None, None, _ON_CPU, *arrays, None, 0, None))


_NOTHING = _LIB.MXGetLastError  # a function of C that changes nothing: one of Python's would wait for the interpreter
_ON_CPU = (ctypes.c_int * 3)(1, 0, 0)  # a `Context` of C++: its type of device, its number, and padding


def array_from_file(stype: str, shape: Any, parts: Sequence[numpy.ndarray]) -> NDArray:
    """A classic NDArray on the CPU from a file's parts: values, and indices where it is sparse."""
    # MXNet's own reader trusts the indices and the lengths in a file, and writes outside its memory.
    with np_array(False), np_shape(True):  # in which every shape can be made
        if stype == "default":
            return _dense_array(parts[0])
        if not parts[0].size:
            return ndarray.sparse.zeros(stype, shape, dtype=parts[0].dtype)
        values, *indices = map(_dense_array, parts)
        if stype == "row_sparse":
            return ndarray.sparse.row_sparse_array((values, indices[0]), shape=shape, dtype=values.dtype)
        return ndarray.sparse.csr_matrix((values, indices[1], indices[0]), shape=shape, dtype=values.dtype)


def _dense_array(values: numpy.ndarray) -> NDArray:
    if values.dtype not in _DTYPES:  # which MXNet's C++ writes and its Python does not know
        values = values.astype("int64" if values.dtype.kind in "iu" else "float32")
    array = empty(values.shape, values.dtype, context.cpu())
    memory_view(array)[:] = values.reshape(-1)
    return array


def dtype_named(name: str) -> Any:
    """MXNet's dtype of this name; None where it has none, or its layers do not: ``mx.np`` has no bfloat16."""
    kinds = [dtype for dtype in _DTYPES if not (dtype.names and backend.uses_numpy_arrays())]
    return next((dtype for dtype in kinds if dtype_name(dtype) == name), None)


_DTYPES = [numpy.dtype(kind) for kind in ndarray.ndarray._DTYPE_NP_TO_MX if kind is not None]


def file_version() -> int:
    """The version in which MXNet writes and reads arrays in its present mode: 3 with NumPy's shapes, else 2."""
    return 3 if is_np_shape() else 2


def array_parts(array: NDArray, stype: str) -> List[numpy.ndarray]:
    """What a file holds of a classic array on the CPU, which is nobody else's: values, and indices of a sparse one."""
    if array.stype != stype:
        array = array.tostype(stype)
    if stype == "default":
        array.wait_to_read()
        return [memory_view(array)]
    indices = [array.indptr, array.indices] if array.stype == "csr" else [array.indices]
    return [part.asnumpy() for part in (array.data, *indices)]


def saved_values(params: Sequence[gluon.Parameter]) -> List[NDArray]:
    """The values of initialized parameters to write, on the CPU: the mean of a parameter's replicas where they differ.

    All are copied before the first is waited for, so that they are values of one step beside a thread that trains them.
    MXNet's `Parameter._reduce` also averages replicas that agree, which rounds or overflows, reads through `data()`,
    which a subclass may let drop values, and needs a Trainer for sparse values.
    """
    cpu = context.cpu()  # a file says where its arrays were, and a GPU that is not there cannot take them
    with autograd.pause():
        copies = [[classic(array).copyto(cpu) for array in param._data] for param in params]
    saved = []
    for param, (first, *others) in zip(params, copies):
        trainer, sparse = backend.trainer_of(param), param._stype != "default"
        values = first.asnumpy().tobytes() if others and not sparse else None
        if sparse and trainer and trainer._kv_initialized:
            first = param._reduce()  # the kvstore holds all rows, a replica those that its device asked for
        elif values is not None and not all(other.asnumpy().tobytes() == values for other in others):
            first = ndarray.add_n(first, *others) / (1 + len(others))
        saved.append(first)
    return saved
