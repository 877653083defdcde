"""One parameter taking the place of several: what it must agree on with them, and how it takes over what they hold.

Reading here is pure. What changes a parameter changes the one that is kept.
"""

import copy
import inspect
from typing import Any, Dict, List, Optional, Sequence, Tuple

from mxnet import autograd, gluon, ndarray
import numpy

from . import backend
from .arrays import context_of, dtype_name, layer_array
from .parameter import shape_of

# ParameterDict.get writes what it was called with over a parameter that it finds, so `params=` leaves arguments' names.
_PLAIN = frozenset(vars(gluon.Parameter("plain"))) | set(inspect.signature(gluon.Parameter).parameters)


def declaration_of(param: gluon.Parameter) -> Dict[str, Any]:
    """What a parameter is declared as, by the name of the attribute that says so: all that tied ones must agree on."""
    return {
        "dtype": dtype_name(param.dtype),
        "stype": param._stype,
        "grad_stype": param._grad_stype,
        "grad_req": param.grad_req,
        "lr_mult": param.lr_mult,
        "wd_mult": param.wd_mult,
    }


def extras_of(param: gluon.Parameter) -> Dict[str, Any]:
    """What a subclass of Parameter keeps beside what every Parameter has, such as a rate of dropout."""
    return {name: value for name, value in vars(param).items() if name not in _PLAIN}


def fixes_gamma(block: gluon.Block, key: Optional[str]) -> bool:
    """Whether a slot holds the gamma of a batch normalization that writes 1 over it: ``BatchNorm(scale=False)``."""
    settings = getattr(block, "_kwargs", None)
    return key == "gamma" and isinstance(settings, dict) and bool(settings.get("fix_gamma"))


def redeclare(param: gluon.Parameter, shape: Optional[Tuple[Optional[int], ...]], init: Any, defer: bool) -> None:
    """Give a parameter a shape that says more, and an initializer; its variable will say so when it is asked again."""
    param._allow_deferred_init = defer
    if shape == shape_of(param) and init is param.init:
        return
    param._shape = None if shape is None else tuple(size or 0 for size in shape)
    param.init = init
    param._var = None


def copy_state(param: gluon.Parameter, source: gluon.Parameter, transposed: bool) -> None:
    """Give a parameter copies of what another holds: values on every context, or the promise of them."""
    vars(param).update({slot: getattr(source, slot) for slot in backend.context_slots})
    if source._data is not None:
        with autograd.pause():
            replace_arrays(param, [_turned(each, transposed) for each in source._data])
    elif source._deferred_init:
        param._deferred_init = _pending(source, param, transposed)


def replace_arrays(param: gluon.Parameter, arrays: List[Any]) -> None:
    """Let a parameter hold these arrays, one a context, and gradients of 0."""
    param._data, param._deferred_init = arrays, ()
    param._init_grad()


def _pending(source: gluon.Parameter, param: gluon.Parameter, transposed: bool) -> tuple:
    init, ctxs, default, values = source._deferred_init
    if isinstance(values, ndarray.NDArray):
        values = _turned(values, transposed)
    elif values is not None:  # keyed values that are drawn for their own parameter, as `ik.initialize` leaves them
        values = copy.copy(values)
        values.param = param
    return init, list(ctxs), default, values


def _turned(array: Any, transposed: bool) -> Any:
    return array.transpose() if transposed else array.copy()


def mean_arrays(params: Sequence[Tuple[gluon.Parameter, bool]]) -> List[Any]:
    """Arrays with the mean of the parameters' values, context by context, in float64; those marked are transposed."""
    first = params[0][0]
    means = []
    for number, like in enumerate(first._data):
        values = [param._data[number].asnumpy().astype("float64") for param, _ in params]
        mean = sum(each.T if turned else each for each, (_, turned) in zip(values, params)) / len(params)
        made = ndarray.array(numpy.asarray(mean), ctx=context_of(like), dtype=like.dtype)
        means.append(layer_array(made))
    return means


def independent_copy(source: gluon.Parameter, name: str, transposed: bool) -> gluon.Parameter:
    """A parameter of its own like another: class, declaration, values, gradients and all, under a new name."""
    param = copy.copy(source)
    backend.rename(param, name)
    param._var, param._trainer = None, None
    param._shape = source._shape[::-1] if transposed and source._shape is not None else source._shape
    if source._deferred_init:
        param._deferred_init = _pending(source, param, transposed)
    if source._data is not None:
        with autograd.pause():
            param._data = [_turned(each, transposed) for each in source._data]
            if source._grad is not None:
                param._grad = [_turned(each, transposed) for each in source._grad]
                autograd.mark_variables(param._data, param._grad, param.grad_req)
                for mine, other in zip(param._data, source._data):
                    mine._fresh_grad = other._fresh_grad
    return param
