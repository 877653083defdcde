"""What the kit itself does to parameters, told to whoever watches them.

`ik.initialize` hands arrays over without going through a parameter's methods, and chooses hooks that MXNet never hears
of; a watch, which stands before those methods, would miss both. Where nobody watches, telling is a dictionary look-up.
"""

from typing import Any, Callable, Dict

from mxnet import gluon

__all__ = ["listeners", "tell"]

listeners: Dict[int, Callable[..., None]] = {}
"""Who is told about a parameter, by its id; whoever enters a parameter here keeps it alive meanwhile."""


def tell(param: gluon.Parameter, what: str, **facts: Any) -> None:
    """Say that the kit does `what` to `param`: ``'initialize'``, ``'deferred'``, or ``'filled'`` by a hook."""
    listener = listeners.get(id(param))
    if listener is not None:
        listener(param, what, **facts)
