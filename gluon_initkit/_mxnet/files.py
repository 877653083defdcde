"""MXNet's parameter files, and the values of parameters on their way to and from them.

A file is written in one of two modes (classic, or NumPy shapes), and MXNet reads it in the same alone; here it is read
in either.
"""

from typing import Any, Dict, Iterator, List, Optional, Sequence, Union

from mxnet import context, gluon, ndarray
from mxnet.base import MXNetError
from mxnet.util import is_np_shape, np_array, np_shape

from .arrays import classic
from .memory import context_of, in_mode, refilled
from .parameters import contexts_of
from .version import children, trainer_of, write_list

__all__ = ["contexts_for", "forget_graphs", "put", "read_arrays", "recast", "saved_value",
           "stored_as", "write_arrays"]  # fmt: skip


def read_arrays(path: str) -> Union[Dict[str, ndarray.NDArray], List[ndarray.NDArray]]:
    """The arrays of a file as classic NDArrays on the CPU: by name, or a list where they have none."""
    with np_array(False):
        try:
            return ndarray.load(path)
        except MXNetError as error:
            if "np_shape" not in str(error) and "np shape" not in str(error):
                raise
            with np_shape(not is_np_shape()):
                return ndarray.load(path)


def write_arrays(path: str, arrays: Dict[str, ndarray.NDArray]) -> None:
    """Write a file as `Block.save_parameters` of MXNet 1 does, in MXNet's present mode."""
    write_list(path, {name: classic(array) for name, array in arrays.items()})


def saved_value(param: gluon.Parameter) -> ndarray.NDArray:
    """What a file holds of an initialized parameter, on the CPU: the mean of its replicas where they differ.

    `Parameter._reduce` also means over replicas that agree, which rounds (three) or overflows (float16); reads through
    `data()`, which a subclass may let drop values; and needs a Trainer for sparse values.
    """
    trainer = trainer_of(param)
    if _is_sparse(param) and trainer and trainer._kv_initialized:
        return param._reduce()  # the kvstore holds all rows, a replica those that its device asked for
    cpu = context.cpu()  # a file says where its arrays were, and a GPU that is not there cannot take them
    first, *others = (each if context_of(each) == cpu else each.copyto(cpu) for each in map(classic, param._data))
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
    for each in _blocks(block):
        if isinstance(each, gluon.HybridBlock):
            each._clear_cached_op()


def _blocks(block: gluon.Block) -> Iterator[gluon.Block]:
    yield block
    for _, child in children(block):
        yield from _blocks(child)


def put(param: gluon.Parameter, array: ndarray.NDArray, ctxs: Sequence[context.Context]) -> None:
    """Give the parameter these values: in place where it has some, else it is initialized with them."""
    if param._data is not None:
        refilled(param, array)
        return
    param._shape = tuple(array.shape)
    param._deferred_init = ()
    param._init_impl(array if _is_sparse(param) else in_mode(array), ctxs)
