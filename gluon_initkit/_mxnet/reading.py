"""Reading what a network holds, for those who only look: values and gradients where they lie, contexts, buffers, and
who trains a parameter. No operator runs, so nothing is drawn, cached, moved or recorded.
"""

import ctypes
from typing import Any, Iterable, Iterator, List, Sequence, Set, Tuple

from mxnet import gluon, ndarray
from mxnet.base import _LIB, check_call
from mxnet.ndarray.ndarray import _DTYPE_MX_TO_NP
import numpy

from .arrays import classic
from .memory import context_of, is_host, view
from .version import contexts_held, trainer_of

__all__ = ["freshness", "holds_gradients", "host_values", "memory_of", "pending_data",
           "storage_of", "trained_by", "updates_of"]  # fmt: skip


def host_values(arr: ndarray.NDArray) -> numpy.ndarray:
    """The values of an array, without a copy where it is dense and on the host: then `arr` lives as long.

    It does not wait for the engine.
    """
    if arr.stype == "default" and is_host(context_of(arr)):
        return view(arr).reshape(arr.shape)
    return classic(arr).asnumpy()


def memory_of(params: Iterable[gluon.Parameter]) -> Iterator[Tuple[Any, int, Sequence[Any]]]:
    """Of each parameter the dtype of its first array, which `set_data` on a pending one may have made another than the
    parameter's own; where that array begins, 0 if it is in several pieces (sparse); and all contexts. Where there is no
    array: None, 0, ().
    """
    address, flag = ctypes.c_void_p(), ctypes.c_int()
    to_address, to_flag = ctypes.byref(address), ctypes.byref(flag)  # `NDArray.dtype` makes its own each time
    read_address, read_flag = _LIB.MXNDArrayGetData, _LIB.MXNDArrayGetDType
    for param in params:
        held = param._data
        if held is None:
            yield None, 0, ()
            continue
        handle = held[0].handle
        failed = read_flag(handle, to_flag)
        if param._stype == "default":
            failed = failed or read_address(handle, to_address)
            begins = address.value or 0
        else:
            begins = 0
        if failed:
            check_call(failed)
        yield _DTYPE_MX_TO_NP[flag.value], begins, contexts_held(param)


def pending_data(param: gluon.Parameter) -> bool:
    """Whether `set_data` (or a shape-less load) left an array that a deferred parameter will take for its values."""
    return bool(param._deferred_init) and isinstance(param._deferred_init[3], ndarray.NDArray)


def storage_of(param: gluon.Parameter) -> str:
    """``'default'``, ``'row_sparse'`` or ``'csr'``."""
    return param._stype


def holds_gradients(param: gluon.Parameter) -> List[Any]:
    """The gradient arrays of an initialized parameter, one a context; none where its `grad_req` is ``'null'``."""
    return list(param._grad or ()) if param._data is not None else []


def freshness(param: gluon.Parameter) -> List[bool]:
    """For each context, whether a backward pass wrote the gradient since the last update: what a Trainer asks."""
    return [bool(classic(arr)._fresh_grad) for arr in param._data or ()] if param._grad else []


def trained_by(trainer: gluon.Trainer) -> Set[int]:
    """The ids of the parameters that a Trainer updates."""
    return {id(param) for param in trainer._params if param.grad_req != "null"}


def updates_of(param: gluon.Parameter) -> int:
    """How many updates the parameter's Trainer has made; 0 where it has none."""
    trainer = trainer_of(param)
    return int(trainer._optimizer.num_update) if isinstance(trainer, gluon.Trainer) else 0
