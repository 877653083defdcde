"""Reading what a network holds, for those who only look (placeholder: what the recorder needs of it)."""

from typing import Any, List

from mxnet import gluon, ndarray
import numpy

from .arrays import classic
from .memory import context_of, is_host, view

__all__ = ["holds_gradients", "host_values"]


def host_values(arr: ndarray.NDArray) -> numpy.ndarray:
    """The values of an array, without a copy where it is dense and on the host: then valid while `arr` lives.

    It does not wait for the engine.
    """
    if arr.stype == "default" and is_host(context_of(arr)):
        return view(arr).reshape(arr.shape)
    return classic(arr).asnumpy()


def holds_gradients(param: gluon.Parameter) -> List[Any]:
    """The gradient arrays of an initialized parameter, one a context; none where its `grad_req` is ``'null'``."""
    return list(param._grad or ()) if param._data is not None else []
