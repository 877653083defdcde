"""Reading a Gluon Parameter without touching it: its shape, its state, and what it was declared with.

`Parameter.data()` and its relatives raise, warn or run operators depending on the parameter's class and state; these
functions only look.
"""

import ctypes
from typing import Any, Dict, Iterable, Iterator, List, Optional, Sequence, Tuple

from mxnet import gluon, ndarray
from mxnet.base import _LIB, check_call
from mxnet.ndarray.ndarray import _DTYPE_MX_TO_NP
from mxnet.util import is_np_shape

from ..shapes import is_known
from . import backend
from .arrays import classic


def shape_of(param: gluon.Parameter) -> Optional[Tuple[Optional[int], ...]]:
    """The shape, with None for an unknown dimension; None when not even the number of dimensions is known."""
    shape = known_sizes(param._shape)
    if param._data is None or is_known(shape):
        return shape
    return tuple(param._data[0].shape)  # `SymbolBlock.imports` loads the values, and no shape


def known_sizes(shape: Any) -> Optional[Tuple[Optional[int], ...]]:
    """A shape as MXNet holds it, with None for what is not known."""
    if shape is None:
        return None
    key = tuple(shape)
    known = _shapes.get(key)
    if known is None:
        if not key:  # without NumPy's shapes, MXNet's word for a shape of which nothing is known
            return key if is_np_shape() else None
        # MXNet writes an unknown dimension as 0, and as -1 where `np_shape` is on or an np layer was built.
        known = _shapes[key] = tuple([int(size) if size > 0 else None for size in key])
    return known


_shapes: Dict[Tuple[int, ...], Tuple[Optional[int], ...]] = {}  # of thousands of parameters few shapes are new



def held_contexts(param: gluon.Parameter) -> Sequence[Any]:
    """The contexts of an initialized parameter."""
    return getattr(param, _CONTEXTS)


_CONTEXTS = backend.context_slots[0]


def state_of(param: gluon.Parameter) -> str:
    """``'initialized'``, ``'deferred'`` (initialize was called, the shape is not known) or ``'uninitialized'``."""
    if param._data is not None:
        return "initialized"
    return "deferred" if param._deferred_init else "uninitialized"


def pending_initializer(param: gluon.Parameter) -> Any:
    """What a deferred parameter will be filled by: its own initializer, else the network's. None if not deferred."""
    return param._deferred_init[0] if param._deferred_init else None


def arrays_of(param: gluon.Parameter) -> List[Any]:
    """The arrays that an initialized parameter holds, one a context, whatever its class makes of `data()`."""
    return list(param._data or ())


def contexts_of(param: gluon.Parameter) -> Tuple[Any, ...]:
    """Where a parameter lives or, while it is deferred, will live; () before that was said."""
    if param._data is not None:
        return tuple(held_contexts(param))
    return tuple(param._deferred_init[1]) if param._deferred_init else ()


def context_argument(ctx: Any, device: Any) -> Any:
    """What was given of an argument that MXNet 1 calls ``ctx`` and MXNet 2 ``device``; a TypeError if both were."""
    if ctx is not None and device is not None:
        raise TypeError(f"ctx is {ctx!r} and device is {device!r}: they are two names of one argument, expected one")
    return device if ctx is None else ctx


def allows_deferral(param: gluon.Parameter) -> bool:
    """Whether the parameter may be initialized before its shape is known."""
    return bool(param._allow_deferred_init)


def is_constant(param: gluon.Parameter) -> bool:
    """Whether the parameter is a `gluon.Constant`, whose value its own initializer holds."""
    return isinstance(param, gluon.Constant)


def buffers_of(params: Iterable[gluon.Parameter]) -> Iterator[Tuple[Any, int, Sequence[Any]]]:
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
        yield _DTYPE_MX_TO_NP[flag.value], begins, held_contexts(param)


def has_pending_data(param: gluon.Parameter) -> bool:
    """Whether `set_data` (or a shape-less load) left an array that a deferred parameter will take for its values."""
    return bool(param._deferred_init) and isinstance(param._deferred_init[3], ndarray.NDArray)


def storage_type_of(param: gluon.Parameter) -> str:
    """``'default'``, ``'row_sparse'`` or ``'csr'``."""
    return param._stype


def gradients_of(param: gluon.Parameter) -> List[Any]:
    """The gradient arrays of an initialized parameter, one a context; none where its `grad_req` is ``'null'``."""
    return list(param._grad or ()) if param._data is not None else []


def gradient_freshness(param: gluon.Parameter) -> List[bool]:
    """For each context, whether a backward pass wrote the gradient since the last update: what a Trainer asks."""
    return [bool(classic(arr)._fresh_grad) for arr in param._data or ()] if param._grad else []


def unknown_size() -> int:
    """How MXNet writes a dimension that is not known, here and now."""
    return -1 if is_np_shape() else 0
