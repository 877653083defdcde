"""MXNet's arrays: their two kinds, their memory as NumPy arrays, waits, and whether a hook wrote into one."""

import ctypes
from typing import Any, Dict, Iterable, List, Tuple

from mxnet import context
from mxnet.base import _LIB, check_call
from mxnet.ndarray import NDArray
from mxnet.ndarray import empty as mxnet_empty
from mxnet.numpy import ndarray as numpy_array
import numpy

from . import backend


def is_numpy_array(arr: NDArray) -> bool:
    """Whether this is an ``mx.np.ndarray``, which MXNet's classic operators refuse to write into."""
    return isinstance(arr, numpy_array)


def classic(arr: NDArray) -> NDArray:
    """The same memory as a classic NDArray."""
    return arr.as_nd_ndarray() if is_numpy_array(arr) else arr


def layer_array(arr: NDArray) -> NDArray:
    """A classic array as layers take it: `_init_grad` makes gradients of that kind."""
    return arr.as_np_ndarray() if backend.uses_numpy_arrays() else arr


def dtype_name(dtype: Any) -> str:
    """What a dtype is called, ``'float32'``, in whatever way it is given; MXNet's bfloat16 is a structure."""
    if dtype not in _dtype_names:
        kind = numpy.dtype(dtype)
        _dtype_names[dtype] = kind.names[0] if kind.names else kind.name
    return _dtype_names[dtype]


_dtype_names: Dict[Any, str] = {}  # NumPy composes a name anew each time, which takes longer than all else of a record


def is_host(ctx: context.Context) -> bool:
    """Whether arrays of this context lie in memory that NumPy can write."""
    return ctx.device_type in ("cpu", "cpu_pinned", "cpu_shared")


def context_of(arr: NDArray) -> context.Context:
    """Where an array lies; np arrays warn when they are asked the classic way."""
    return classic(arr).context


def bits_of(arr: NDArray, transposed: bool = False) -> Tuple[str, Any, Tuple[int, ...], bytes]:
    """All that makes two arrays the same to the bit; `transposed` of the array's transpose."""
    values = arr.asnumpy().T if transposed else arr.asnumpy()
    return arr.stype, values.dtype, values.shape, values.tobytes()


# A quiet NaN with a payload that no arithmetic makes, so that a NaN which a hook writes is not mistaken for it.
_SENTINEL = {
    "float16": ("uint16", 0x7E5A),
    "float32": ("uint32", 0x7FC5A5A5),
    "float64": ("uint64", 0x7FF85A5A5A5A5A5A),
}


def prefill(arr: NDArray) -> Any:
    """Fill a dense array with a value that no initializer writes, and return that value's bits.

    Integers have no such value: theirs is the smallest of the type. None for an array that cannot be watched (sparse,
    bool).
    """
    kind = numpy.dtype(arr.dtype)
    if arr.stype != "default" or kind.kind not in "fiu" or arr.size == 0:
        return None
    bits_type, bits = _SENTINEL.get(kind.name, (kind.name, None))
    value = numpy.array(numpy.iinfo(kind).min if bits is None else bits, dtype=bits_type)
    # Through NumPy: an engine operator would be free to turn one NaN into another.
    classic(arr)[:] = numpy.broadcast_to(value, arr.shape).copy().view(kind)
    return value


def is_unwritten(arr: NDArray, sentinel: Any) -> bool:
    """Whether every value is still the `sentinel` of `prefill`."""
    return bool((arr.asnumpy().view(sentinel.dtype) == sentinel).all())


def empty(shape: Tuple[int, ...], dtype: Any, ctx: context.Context) -> NDArray:
    """A dense array that nothing has been written into."""
    return mxnet_empty(shape, ctx=ctx, dtype=dtype)


def address_of(arr: NDArray) -> int:
    """Where the memory of a dense array begins."""
    pointer = ctypes.c_void_p()
    check_call(_LIB.MXNDArrayGetData(arr.handle, ctypes.byref(pointer)))
    return pointer.value or 0


class _Memory:
    """The owner of the memory under a NumPy array: threads may fill it when whoever asked for it is gone."""

    __slots__ = ("__array_interface__", "owner")

    def __init__(self, owner: NDArray, address: int, size: int) -> None:
        self.owner = owner
        self.__array_interface__ = {"data": (address, False), "shape": (size,), "typestr": "|u1", "version": 3}


def memory_view(arr: NDArray) -> numpy.ndarray:
    """The memory of a dense host array as a flat NumPy array, which keeps `arr` alive. It does not wait."""
    dtype, address, size = numpy.dtype(arr.dtype), address_of(arr), arr.size
    if not address or not size:
        return numpy.empty(0, dtype)
    return numpy.asarray(_Memory(arr, address, size * dtype.itemsize)).view(dtype)


def host_values(arr: NDArray) -> numpy.ndarray:
    """The values of an array, where it is dense and on the host without a copy. It does not wait then."""
    if arr.stype == "default" and is_host(context_of(arr)):
        return memory_view(arr).reshape(arr.shape)
    return classic(arr).asnumpy()


def wait_for(arrays: Iterable[NDArray]) -> None:
    """Wait until nobody writes or reads these arrays any more, as far as that was asked for by now.

    Who reads may write: a forward pass without training leaves convolutions' weights in oneDNN's layout, and BatchNorm
    sets a fixed gamma to 1. To read memory, too, means to wait for those who read it.

    ``mx.nd.waitall()`` waits for what other threads enqueue meanwhile, too: for ever beside one that never waits. One
    array after the other would do the same for whoever trains them. So each gets an operator that writes it, which is
    not waited for, and the last operator reads all. None computes anything.
    """
    handles = [array.handle for array in arrays]
    if handles:
        token = mxnet_empty((1,), ctx=context.cpu())
        for handle in handles:  # each by itself: arrays that share memory would wait for each other in one operator
            _push([], [handle])
        _push(handles, [token.handle])
        token.wait_to_read()  # an engine's error in one of the arrays has passed to the token


def _push(read: List[Any], written: List[Any]) -> None:
    """Let the engine run an operator that only takes its turn."""
    arrays = ((ctypes.c_void_p * len(read))(*read), len(read), (ctypes.c_void_p * len(written))(*written), len(written))
    check_call(_LIB.MXEnginePushSyncND(_NOTHING, None, None, _ON_CPU, *arrays, None, 0, None))


_NOTHING = _LIB.MXGetLastError  # a function of C that changes nothing: one of Python's would wait for the interpreter
_ON_CPU = (ctypes.c_int * 3)(1, 0, 0)  # a `Context` of C++: its type of device, its number, and padding
