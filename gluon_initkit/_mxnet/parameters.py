"""Reading a Gluon Parameter without touching it: its shape, its state, and what it was declared with.

`Parameter.data()` and its relatives raise, warn or run operators depending on the parameter's class and state; these
functions only look.
"""

import inspect
from typing import Any, Dict, List, Optional, Tuple

from mxnet import gluon
from mxnet.initializer import Initializer
from mxnet.util import is_np_shape

from ..shapes import is_known
from .version import contexts_held

__all__ = ["contexts_asked", "contexts_of", "holds_data", "is_constant", "is_layer_default", "known_sizes",
           "may_defer", "pending_initializer", "shape_of", "state_of"]  # fmt: skip


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


def state_of(param: gluon.Parameter) -> str:
    """``'initialized'``, ``'deferred'`` (initialize was called, the shape is not known) or ``'uninitialized'``."""
    if param._data is not None:
        return "initialized"
    return "deferred" if param._deferred_init else "uninitialized"


def pending_initializer(param: gluon.Parameter) -> Any:
    """What a deferred parameter will be filled by: its own initializer, else the network's. None if not deferred."""
    return param._deferred_init[0] if param._deferred_init else None


def holds_data(param: gluon.Parameter) -> List[Any]:
    """The arrays that an initialized parameter holds, one a context, whatever its class makes of `data()`."""
    return list(param._data or ())


def contexts_of(param: gluon.Parameter) -> Tuple[Any, ...]:
    """Where a parameter lives or, while it is deferred, will live; () before that was said."""
    if param._data is not None:
        return tuple(contexts_held(param))
    return tuple(param._deferred_init[1]) if param._deferred_init else ()


def contexts_asked(ctx: Any, device: Any) -> Any:
    """What was given of an argument that MXNet 1 calls ``ctx`` and MXNet 2 ``device``; a TypeError if both were."""
    if ctx is not None and device is not None:
        raise TypeError(f"ctx is {ctx!r} and device is {device!r}: they are two names of one argument, expected one")
    return device if ctx is None else ctx


def may_defer(param: gluon.Parameter) -> bool:
    """Whether the parameter may be initialized before its shape is known."""
    return bool(param._allow_deferred_init)


def is_constant(param: gluon.Parameter) -> bool:
    """Whether the parameter is a `gluon.Constant`, whose value its own initializer holds."""
    return isinstance(param, gluon.Constant)


def is_layer_default(initializer: Any) -> bool:
    """Whether this very object is a default argument of a layer of ``gluon.nn`` (PReLU's ``Constant(0.25)``).

    Nobody chose it for a network, so a network-level initializer that serves the parameter goes before it.
    """
    return any(initializer is default for default in _layer_defaults())


def _layer_defaults() -> List[Initializer]:
    if not _found:
        for layer in vars(gluon.nn).values():
            if isinstance(layer, type) and issubclass(layer, gluon.Block):
                defaults = inspect.unwrap(vars(layer).get("__init__", _no_defaults)).__defaults__ or ()
                _found.extend(default for default in defaults if isinstance(default, Initializer))
    return _found


def _no_defaults() -> None: ...


_found: List[Initializer] = []
