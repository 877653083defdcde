"""`Live`: the way back from a record to the network, for values that are asked for later.

It holds the network weakly: a report is plain data and keeps nothing alive.
"""

from typing import Any
import weakref

import numpy

from .._mxnet.arrays import host_values, wait_for
from .._mxnet.parameter import arrays_of, gradients_of, state_of
from ..display import printable
from ..parameters import list_parameters

__all__ = ["Live"]


class Live:
    """Values and gradients of a network that may have changed, or be gone, since it was inspected."""

    def __init__(self, net: Any) -> None:
        self._net, self._class = weakref.ref(net), type(net).__name__

    def values(self, path: str) -> numpy.ndarray:
        """A copy of a parameter's present values; of several contexts, the first's."""
        param = self._parameter(path)
        if not arrays_of(param):
            raise RuntimeError(f"Parameter {path!r} has no values yet: it is {state_of(param)}. "
                               f"{_HOW.get(state_of(param))}")  # fmt: skip
        return _copy(arrays_of(param)[0])

    def gradient(self, path: str) -> numpy.ndarray:
        """A copy of a parameter's present gradient; of several contexts, the first's."""
        param = self._parameter(path)
        if not gradients_of(param):
            found, how = f"it is {state_of(param)}", _HOW.get(state_of(param))
            if param.grad_req == "null":
                found, how = "its grad_req is 'null'", "Set grad_req='write'."
            raise RuntimeError(f"Parameter {path!r} has no gradient: {found}. {how}")
        return _copy(gradients_of(param)[0])

    def _parameter(self, path: str) -> Any:
        net = self._net()
        if net is None:
            raise ReferenceError(
                f"the {printable(self._class)} of which {path!r} was a parameter is gone: a report does not keep it "
                f"alive. Keep the network, or what you need of the report: inspect(net, stats=True)."
            )
        for param, _, info in list_parameters(net):
            if path in info.paths:
                return param
        raise KeyError(f"the {self._class} has no parameter {path!r} any more: inspect it again")


_HOW = {
    "uninitialized": "Initialize the network: ik.initialize(net).",
    "deferred": "Its shape is not known: pass one batch of data through the network, or give the layer its input size.",
}


def _copy(array: Any) -> numpy.ndarray:
    wait_for([array])
    return numpy.array(host_values(array))
