"""Read a Gluon Parameter without side effects: its own methods, such as `data()`, raise, warn or run operators."""

import ctypes
from functools import lru_cache
import inspect
from operator import attrgetter
from typing import Any, Iterable, Iterator, List, Optional, Sequence, Tuple

from mxnet import gluon, ndarray
from mxnet.base import _LIB, check_call
from mxnet.initializer import InitDesc, Initializer
from mxnet.ndarray.ndarray import _DTYPE_MX_TO_NP
from mxnet.util import is_np_shape

from ..shapes import is_known
from . import backend
from .arrays import classic

allows_deferral = attrgetter("_allow_deferred_init")  # whether `initialize` may come before the shape is known
storage_type_of = attrgetter("_stype")  # 'default', 'row_sparse' or 'csr'
held_contexts = attrgetter(backend.context_slots[0])  # of an initialized parameter


def shape_of(param: gluon.Parameter) -> Optional[Tuple[Optional[int], ...]]:
    """The shape, with None for an unknown dimension; None if even the number of dimensions is unknown."""
    shape = known_sizes(param._shape)
    if param._data is None or is_known(shape):
        return shape
    return tuple(param._data[0].shape)  # `SymbolBlock.imports` sets values without a shape


def known_sizes(shape: Any) -> Optional[Tuple[Optional[int], ...]]:
    """A shape of MXNet's, with None for an unknown dimension."""
    if shape is None or (len(shape) == 0 and not is_np_shape()):  # in classic mode () means unknown
        return None
    return _sizes(tuple(shape))


@lru_cache(maxsize=None)
def _sizes(shape: Tuple[int, ...]) -> Tuple[Optional[int], ...]:  # thousands of parameters have few different shapes
    # MXNet writes an unknown dimension as 0, and as -1 where `np_shape` is on or an np layer was built.
    return tuple([int(size) if size > 0 else None for size in shape])


def source_of(param: gluon.Parameter) -> gluon.Parameter:
    """The Parameter that holds the values of `param`: itself, or the source of a transposed tie."""
    return getattr(param, "transposed_of", param)


def state_of(param: gluon.Parameter) -> str:
    """``'initialized'``, ``'deferred'`` (`initialize` was called, the shape is not known) or ``'uninitialized'``."""
    if param._data is not None:
        return "initialized"
    return "deferred" if param._deferred_init else "uninitialized"


def pending_initializer(param: gluon.Parameter) -> Any:
    """The initializer that will fill a deferred parameter: its own, else the network's. None if not deferred."""
    return param._deferred_init[0] if param._deferred_init else None


def has_pending_data(param: gluon.Parameter) -> bool:
    """Whether a deferred parameter will get its values from `set_data`, or from a load without a shape."""
    return bool(param._deferred_init) and isinstance(param._deferred_init[3], ndarray.NDArray)


def is_constant(param: gluon.Parameter) -> bool:
    """Whether the parameter is a `gluon.Constant`: its own initializer holds its value."""
    return isinstance(param, gluon.Constant)


def arrays_of(param: gluon.Parameter) -> List[Any]:
    """The arrays of an initialized parameter, one per context, even if its class overrides `data()`."""
    return list(param._data or ())


def gradients_of(param: gluon.Parameter) -> List[Any]:
    """The gradient arrays of an initialized parameter, one per context; none if its `grad_req` is ``'null'``."""
    return list(param._grad or ()) if param._data is not None else []


def gradient_freshness(param: gluon.Parameter) -> List[bool]:
    """For each context, whether a backward pass wrote the gradient since the last update, as a Trainer checks it."""
    return [bool(classic(array)._fresh_grad) for array in param._data or ()] if param._grad else []


def contexts_of(param: gluon.Parameter) -> Tuple[Any, ...]:
    """The contexts of a parameter or, while it is deferred, its future contexts; () before `initialize`."""
    if param._data is not None:
        return tuple(held_contexts(param))
    return tuple(param._deferred_init[1]) if param._deferred_init else ()


def context_argument(ctx: Any, device: Any) -> Any:
    """The argument that MXNet 1 calls ``ctx`` and MXNet 2 ``device``; raises a TypeError if both are given."""
    if ctx is not None and device is not None:
        raise TypeError(f"ctx is {ctx!r} and device is {device!r}: they are two names of one argument, expected one")
    return device if ctx is None else ctx


def buffers_of(params: Iterable[gluon.Parameter]) -> Iterator[Tuple[Any, int, Sequence[Any]]]:
    """For each parameter: its first array's dtype, the array's address (0 if it is sparse), and all contexts."""
    # The array's dtype can differ from the parameter's after `set_data` on a deferred parameter. Without an array:
    # None, 0, (). Each call of `NDArray.dtype` and `address_of` would make C objects of its own.
    address, flag = ctypes.c_void_p(), ctypes.c_int()
    to_address, to_flag = ctypes.byref(address), ctypes.byref(flag)
    for param in params:
        if param._data is None:
            yield None, 0, ()
            continue
        handle, is_dense = param._data[0].handle, param._stype == "default"
        failure = _LIB.MXNDArrayGetDType(handle, to_flag) or (is_dense and _LIB.MXNDArrayGetData(handle, to_address))
        if failure:
            check_call(failure)
        yield _DTYPE_MX_TO_NP[flag.value], (address.value or 0) if is_dense else 0, held_contexts(param)


def is_layer_default(initializer: Any) -> bool:
    """Whether this same object is a default argument of a layer of ``gluon.nn`` (PReLU's ``Constant(0.25)``)."""
    # No user chose it, so a network-level initializer for the parameter takes precedence over it.
    return any(initializer is default for default in _layer_defaults())


@lru_cache(maxsize=None)
def _layer_defaults() -> List[Initializer]:
    layers = [value for value in vars(gluon.nn).values() if isinstance(value, type) and issubclass(value, gluon.Block)]
    return [default for layer in layers if "__init__" in vars(layer)
            for default in inspect.unwrap(vars(layer)["__init__"]).__defaults__ or ()
            if isinstance(default, Initializer)]  # fmt: skip


def is_verbose(initializer: Any) -> bool:
    """Whether `set_verbosity` made it print the arrays that it fills."""
    return getattr(initializer, "_verbose", False)  # missing if a class does not call `super().__init__`


def print_filled(initializer: Initializer, desc: InitDesc, hook: str, arr: Any) -> None:
    """Print that a hook has filled an array, if the initializer is verbose."""
    if is_verbose(initializer):
        initializer._verbose_print(desc, hook.replace("_init_", "", 1), arr)


GRAD_REQ_BEFORE = "_grad_req_before"  # in the Parameter's __dict__, so that copies and pickles keep it


def frozen_from(param: gluon.Parameter) -> Optional[str]:
    """The `grad_req` of a parameter before `set_grad_req` set it to ``'null'``; None if it did not."""
    return vars(param).get(GRAD_REQ_BEFORE) if param.grad_req == "null" else None


def may_learn(param: gluon.Parameter) -> bool:
    """Whether a parameter can have a gradient; MXNet ignores the `grad_req` of constants and running statistics."""
    return param._differentiable and not is_constant(param)
