"""Arrays of a parameter file and MXNet's arrays, one made from the other.

MXNet reads a file only in the mode (classic, or NumPy shapes) in which it was written; here a file of either mode
becomes arrays in either.
"""

from typing import Any, List, Sequence

from mxnet import autograd, context, gluon, ndarray
from mxnet.util import is_np_shape, np_array, np_shape
import numpy

from . import backend
from .arrays import classic, dtype_name, empty, memory_view


def array_from_file(stype: str, shape: Any, parts: Sequence[numpy.ndarray]) -> ndarray.NDArray:
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


def _dense_array(values: numpy.ndarray) -> ndarray.NDArray:
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


def array_parts(array: ndarray.NDArray, stype: str) -> List[numpy.ndarray]:
    """What a file holds of a classic array on the CPU, which is nobody else's: values, and indices of a sparse one."""
    if array.stype != stype:
        array = array.tostype(stype)
    if stype == "default":
        array.wait_to_read()
        return [memory_view(array)]
    indices = [array.indptr, array.indices] if array.stype == "csr" else [array.indices]
    return [part.asnumpy() for part in (array.data, *indices)]


def saved_values(params: Sequence[gluon.Parameter]) -> List[ndarray.NDArray]:
    """The values of initialized parameters to write, on the CPU: the mean of a parameter's replicas where they differ.

    All are copied before the first is waited for, so that they are values of one step beside a thread that trains them.
    MXNet's `Parameter._reduce` also averages replicas that agree, which rounds or overflows, reads through `data()`,
    which a subclass may let drop values, and needs a Trainer for sparse values.
    """
    cpu = context.cpu()  # a file says where its arrays were, and a GPU that is not there cannot take them
    with autograd.pause():
        copies = [[classic(array).copyto(cpu) for array in param._data] for param in params]
    return [_saved(param, *arrays) for param, arrays in zip(params, copies)]


def _saved(param: gluon.Parameter, first: ndarray.NDArray, *others: ndarray.NDArray) -> ndarray.NDArray:
    trainer, sparse = backend.trainer_of(param), param._stype != "default"
    if sparse and trainer and trainer._kv_initialized:
        return param._reduce()  # the kvstore holds all rows, a replica those that its device asked for
    values = first.asnumpy().tobytes() if others and not sparse else None
    if values is None or all(other.asnumpy().tobytes() == values for other in others):
        return first
    return ndarray.add_n(first, *others) / (1 + len(others))
