"""MXNet's parameter files, and the values of parameters on their way to and from them.

A file is written in one of two modes (classic, or NumPy shapes), and MXNet reads it in the same alone; here what
`files` has read of it becomes arrays in either.
"""

from typing import Any, Dict, List, Optional, Sequence

from mxnet import autograd, context, gluon, ndarray
from mxnet.util import np_array, np_shape
import numpy

from .arrays import classic, dtype_name
from .blocks import walk
from .memory import empty, in_mode, refilled, view
from .parameters import contexts_of
from .version import trainer_of, write_list

__all__ = ["contexts_for", "dtype_called", "forget_graphs", "put", "read_array", "recast", "saved_values",
           "stored_as", "write_arrays"]  # fmt: skip


def read_array(stype: str, shape: Any, parts: Sequence[numpy.ndarray]) -> ndarray.NDArray:
    """What stands in a file as a classic NDArray on the CPU: `parts` are values, and indices where it is sparse.

    MXNet's own reader is not asked: it believes the indices and the lengths in a file, and writes where they lead.
    """
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
    view(array)[:] = values.reshape(-1)
    return array


def dtype_called(name: str) -> Any:
    """MXNet's dtype of this name; None where it has none."""
    return next((each for each in _DTYPES if dtype_name(each) == name), None)


_DTYPES = [numpy.dtype(kind) for kind in ndarray.ndarray._DTYPE_NP_TO_MX if kind is not None]


def write_arrays(path: str, arrays: Dict[str, ndarray.NDArray]) -> None:
    """Write a file as `Block.save_parameters` of MXNet 1 does, in MXNet's present mode."""
    write_list(path, {name: classic(array) for name, array in arrays.items()})


def saved_values(params: Sequence[gluon.Parameter]) -> List[ndarray.NDArray]:
    """What a file holds of initialized parameters, on the CPU: the mean of a parameter's replicas where they differ.

    All are copied before the first is waited for: to wait for one after the other, beside a thread that trains them and
    never waits, is to wait for ever longer; and then they are values of different steps.

    `Parameter._reduce` also means over replicas that agree, which rounds (three) or overflows (float16); reads through
    `data()`, which a subclass may let drop values; and needs a Trainer for sparse values.
    """
    cpu = context.cpu()  # a file says where its arrays were, and a GPU that is not there cannot take them
    with autograd.pause():
        copies = [[classic(each).copyto(cpu) for each in param._data] for param in params]
    return [_saved(param, *arrays) for param, arrays in zip(params, copies)]


def _saved(param: gluon.Parameter, first: ndarray.NDArray, *others: ndarray.NDArray) -> ndarray.NDArray:
    trainer = trainer_of(param)
    if _is_sparse(param) and trainer and trainer._kv_initialized:
        return param._reduce()  # the kvstore holds all rows, a replica those that its device asked for
    values = first.asnumpy().tobytes() if others and not _is_sparse(param) else None
    if values is None or all(other.asnumpy().tobytes() == values for other in others):
        return first
    return ndarray.add_n(first, *others) / (1 + len(others))


def _is_sparse(param: gluon.Parameter) -> bool:
    """Whether the parameter's values are row_sparse or csr."""
    return param._stype != "default"


def stored_as(param: gluon.Parameter, array: ndarray.NDArray) -> ndarray.NDArray:
    """The array in the storage of the parameter: dense, row_sparse or csr."""
    return array if array.stype == param._stype else array.tostype(param._stype)


def contexts_for(param: gluon.Parameter, asked: Optional[Sequence[context.Context]]) -> Optional[List[context.Context]]:
    """Where loaded values go: where the parameter is or is to be, else where it is asked for, else the CPU.

    None where it is, or is to be, elsewhere than it is asked for.
    """
    there = list(contexts_of(param))
    if not there:
        return list(asked) if asked else [context.cpu()]
    return there if asked is None or set(asked) == set(there) else None


def recast(param: gluon.Parameter, dtype: Any) -> None:
    """Give the parameter another dtype, as `Parameter.cast` does; that forgets the symbol, which holds the old one."""
    param.cast(dtype)
    param._var = None


def forget_graphs(block: gluon.Block) -> None:
    """Drop the cached graphs of a network, in which the dtypes of its parameters stand; the next forward makes new."""
    for _, each in walk(block):
        if isinstance(each, gluon.HybridBlock):
            each._clear_cached_op()


def put(param: gluon.Parameter, array: ndarray.NDArray, ctxs: Sequence[context.Context]) -> None:
    """Give the parameter these values: in place where it has some, else it is initialized with them."""
    if param._data is not None:
        refilled(param, array)
        return
    param._shape = tuple(array.shape)
    param._deferred_init = ()
    param._init_impl(array if _is_sparse(param) else in_mode(array), ctxs)
