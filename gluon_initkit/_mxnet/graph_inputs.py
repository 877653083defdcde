"""What a graph of MXNet 2 takes for a parameter that it sees transposed.

Where it also has the one that holds the values, it transposes that: one variable. The graph of a block which does not
hold that one could not be given its values, so what it sees is a variable of its own, filled at each call.
"""

import sys
from typing import Any

from mxnet import _deferred_compute, gluon, symbol

__all__ = ["data_transposed", "var_transposed"]


def data_transposed(source: gluon.Parameter, ctx: Any) -> Any:
    """The values of `source`, transposed, as an array of the graph that is being written, if one is."""
    if not _deferred_compute.is_deferred_compute() or _knows(source):
        return source.data(ctx).transpose()
    with _deferred_compute.context(False):
        made = source.data(ctx).detach().transpose()
    variable = var_transposed(source)  # in a name: MXNet lets go of what it is given before it reads the address
    _deferred_compute.set_variable(made, variable)
    return made


def var_transposed(source: gluon.Parameter) -> Any:
    """The variable for what is seen of `source`, where it is one."""
    return symbol.var(f"{source.var().name}_transposed").as_np_ndarray()


def _knows(source: gluon.Parameter) -> bool:
    frame: Any = sys._getframe(1)
    while frame is not None:
        if frame.f_code is _WRITING:
            return any(param is source for param in frame.f_locals["self"].collect_params().values())
        frame = frame.f_back
    return True


_WRITING = gluon.HybridBlock._get_graph.__code__
