"""The buffers behind parameters: making them without filling them, seeing them as NumPy arrays, handing them over.

`Parameter._init_impl` only calls ``data.copyto(ctx)``, so whatever stands in a pending tuple's place for data and has
that method can hand over an array that is filled already, and no copy is made. An array that stands in a parameter is
refilled in place where it fits, so that the gradients and cached graphs which hold it stay right.
"""

import ctypes
import sys
from typing import Any, List, Optional, Sequence, Tuple

from mxnet import autograd, context, gluon, ndarray
from mxnet.base import _LIB, check_call
import numpy

from ..shapes import is_known
from .arrays import classic, is_numpy_array
from .parameters import shape_of
from .telling import tell
from .trainers import renew_updates
from .version import PLACED, as_layers, contexts_held, numpy_arrays

__all__ = ["address_of", "commit", "context_of", "empty", "fits", "gradients", "hand_over", "in_mode", "is_host",
           "leave_pending", "refilled", "restore", "snapshot", "stale_gradients", "view"]  # fmt: skip


def is_host(ctx: context.Context) -> bool:
    """Whether arrays of this context lie in memory that NumPy can write."""
    return ctx.device_type in ("cpu", "cpu_pinned", "cpu_shared")


def context_of(arr: ndarray.NDArray) -> context.Context:
    """Where an array lies; np arrays warn when they are asked the classic way."""
    return classic(arr).context


def empty(shape: Tuple[int, ...], dtype: Any, ctx: context.Context) -> ndarray.NDArray:
    """A dense array that nothing has been written into."""
    arr = ndarray.empty(shape, ctx=ctx, dtype=dtype)
    size = arr.size * numpy.dtype(dtype).itemsize
    if size >= 2 * _HUGE and is_host(ctx) and hasattr(_libc, "madvise"):
        # The first touch of a page costs more than filling it; the kernel's larger pages are asked for, not assumed.
        start = -(-address_of(arr) // _HUGE) * _HUGE
        _libc.madvise(ctypes.c_void_p(start), ctypes.c_size_t((size - _HUGE) // _HUGE * _HUGE), _MADV_HUGEPAGE)
    return arr


_HUGE, _MADV_HUGEPAGE = 2 << 20, 14
_libc: Any = ctypes.CDLL(None) if sys.platform == "linux" else None


def address_of(arr: ndarray.NDArray) -> int:
    """Where the memory of a dense array begins."""
    pointer = ctypes.c_void_p()
    check_call(_LIB.MXNDArrayGetData(arr.handle, ctypes.byref(pointer)))
    return pointer.value or 0


def view(arr: ndarray.NDArray) -> numpy.ndarray:
    """The memory of a dense host array as a flat NumPy array, valid while `arr` lives.

    It does not wait: that costs 50 microseconds an array, where one ``mx.nd.waitall()`` does for all.
    """
    dtype, address, size = numpy.dtype(arr.dtype), address_of(arr), arr.size
    if not address or not size:
        return numpy.empty(0, dtype)
    return numpy.frombuffer(_memory(address, size * dtype.itemsize, _WRITABLE), dtype)


_WRITABLE = 0x200
_memory: Any = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.c_void_p, ctypes.c_ssize_t, ctypes.c_int)(
    ("PyMemoryView_FromMemory", ctypes.pythonapi)  # a ctypes array would need a class for every size
)


def hand_over(arr: ndarray.NDArray, param: gluon.Parameter) -> ndarray.NDArray:
    """The array as `param` holds it: sparse where it is, an np array in NumPy mode."""
    return in_mode(arr) if param._stype == "default" else arr.tostype(param._stype)


def in_mode(arr: ndarray.NDArray) -> ndarray.NDArray:
    """A classic array as layers take it: `_init_grad` makes gradients of that kind."""
    return arr.as_np_ndarray() if numpy_arrays() else arr


def leave_pending(param: gluon.Parameter, init: Any, ctxs: Sequence[context.Context], source: Any) -> None:
    """Leave a parameter deferred: MXNet will ask ``source.copyto(ctx)`` for its values when its shape is known."""
    param._deferred_init = (init, list(ctxs), init, source)


def gradients(param: gluon.Parameter, ctxs: Sequence[context.Context]) -> List[ndarray.NDArray]:
    """Arrays for the gradients that initializing will make, where they can be cleared with all the rest; else none."""
    if param.grad_req == "null" or param._grad_stype != "default" or not all(map(is_host, ctxs)):
        return []
    return [empty(shape_of(param), param.dtype, ctx)  # type: ignore[arg-type]  # it is known
            for ctx in ctxs]


def commit(param: gluon.Parameter, init: Any, ctxs: Sequence[context.Context], source: Any, grads: Sequence) -> None:
    """Initialize a parameter from `source`, or leave it pending with `source` where its shape is not known.

    `grads` are cleared arrays for its gradients; where there are none, MXNet makes them.
    """
    param._shape = param._shape or shape_of(param)  # which is known by the values alone after `SymbolBlock.imports`
    param._data = param._grad = None
    leave_pending(param, init, ctxs, source)
    if not is_known(shape_of(param)):
        tell(param, "deferred")
        return
    if not grads:
        with as_layers():
            param._finish_deferred_init()
        return
    asked, param._grad_req = param._grad_req, "null"  # for _init_grad, which would clear others, one after the other
    try:
        param._finish_deferred_init()
    finally:
        param._grad_req = asked
    param._grad = [in_mode(grad) for grad in grads]
    autograd.mark_variables(param._data, param._grad, asked)


def fits(param: gluon.Parameter, ctxs: Sequence[context.Context]) -> bool:
    """Whether the arrays that a parameter holds can be refilled in place."""
    held = param._data
    if held is None or param._stype != "default" or contexts_held(param) != list(ctxs):
        return False
    fitting = shape_of(param), numpy.dtype(param.dtype), numpy_arrays()
    if any((each.shape, each.dtype, is_numpy_array(each)) != fitting for each in held):
        return False
    # Copies and pickles of a parameter hold arrays that no gradient belongs to any more.
    return param._grad is None or all(classic(each).grad is not None for each in held)


def refilled(param: gluon.Parameter, source: Optional[ndarray.NDArray] = None) -> None:
    """What must follow the refilling of a parameter's first array: its replicas, and what its Trainer keeps of it.

    Where `source` is given, the first array is refilled from it, on whatever device.
    """
    first, *others = param._data
    if source is not None:
        source.copyto(classic(first))
    for other in others:
        classic(first).copyto(classic(other))
    renew_updates(param)


def stale_gradients(param: gluon.Parameter) -> List[ndarray.NDArray]:
    """The gradients of a parameter that is refilled, which the caller clears; those that only MXNet can are cleared."""
    dense = []
    for array, grad, ctx in zip(param._data, param._grad or (), contexts_held(param)):
        array._fresh_grad = False
        if grad.stype == "default" and is_host(ctx):
            dense.append(grad)
        else:
            ndarray.zeros_like(classic(grad), out=classic(grad))
    return dense


_SLOTS = ("_data", "_grad", *PLACED, "_deferred_init", "_shape", "_dtype", "_var")


def snapshot(params: Sequence[gluon.Parameter]) -> List[Tuple[gluon.Parameter, dict]]:
    """What initializing or loading could change of these parameters, to put it back with `restore`."""
    return [
        (param, {slot: held[slot] for slot in _SLOTS if slot in held}) for param in params for held in (vars(param),)
    ]


def restore(taken: List[Tuple[gluon.Parameter, dict]]) -> None:
    """Put back what `snapshot` took."""
    for param, slots in taken:
        for slot, value in slots.items():
            setattr(param, slot, value)
        source: Any = (slots.get("_deferred_init") or (None,))[-1]
        if hasattr(source, "forget"):
            source.forget()  # it may have been asked meanwhile, when the shape was another
