"""Arrays as initializers see them: MXNet's two kinds, and whether a hook wrote anything into one."""

from typing import Any, Dict, Tuple

from mxnet.ndarray import NDArray
from mxnet.numpy import ndarray as numpy_array
import numpy

__all__ = ["bits_of", "classic", "dtype_name", "is_numpy_array", "prefill", "unwritten"]

# A quiet NaN with a payload that no arithmetic makes, so that a NaN which a hook writes is not mistaken for it.
_SENTINEL = {
    "float16": ("uint16", 0x7E5A),
    "float32": ("uint32", 0x7FC5A5A5),
    "float64": ("uint64", 0x7FF85A5A5A5A5A5A),
}


def is_numpy_array(arr: NDArray) -> bool:
    """Whether this is an ``mx.np.ndarray``, which MXNet's classic operators refuse to write into."""
    return isinstance(arr, numpy_array)


def dtype_name(dtype: Any) -> str:
    """What a dtype is called, ``'float32'``, in whatever way it is given; MXNet's bfloat16 is a structure."""
    if dtype not in _dtype_names:
        made = numpy.dtype(dtype)
        _dtype_names[dtype] = made.names[0] if made.names else made.name
    return _dtype_names[dtype]


_dtype_names: Dict[Any, str] = {}  # NumPy composes a name anew each time, which takes longer than all else of a record


def classic(arr: NDArray) -> NDArray:
    """The same memory as a classic NDArray."""
    return arr.as_nd_ndarray() if is_numpy_array(arr) else arr


def bits_of(arr: NDArray, transposed: bool = False) -> Tuple[str, Any, Tuple[int, ...], bytes]:
    """All that makes two arrays the same to the bit; `transposed` of the array's transpose."""
    values = arr.asnumpy().T if transposed else arr.asnumpy()
    return arr.stype, values.dtype, values.shape, values.tobytes()


def prefill(arr: NDArray) -> Any:
    """Fill a dense array with a value that no initializer writes, and return that value's bits.

    Integers have no such value: theirs is the smallest of the type. Returns None for a kind of array that cannot be
    watched (sparse, bool).
    """
    kind = numpy.dtype(arr.dtype)
    if arr.stype != "default" or kind.kind not in "fiu" or arr.size == 0:
        return None
    bits_type, bits = _SENTINEL.get(kind.name, (kind.name, None))
    value = numpy.array(numpy.iinfo(kind).min if bits is None else bits, dtype=bits_type)
    # Through NumPy: an engine operator would be free to turn one NaN into another.
    classic(arr)[:] = numpy.broadcast_to(value, arr.shape).copy().view(kind)
    return value


def unwritten(arr: NDArray, sentinel: Any) -> bool:
    """Whether every value is still the `sentinel` of `prefill`."""
    return bool((arr.asnumpy().view(sentinel.dtype) == sentinel).all())
