"""Between the kit's own work on parameters and whoever observes them.

`ik.initialize` hands arrays over without going through a parameter's methods, and chooses hooks that MXNet never hears
of; an observer, which stands before those methods, would miss both, so it is told. What the kit does only to find
something out, and puts back, is not told. Where nobody observes, telling is a dictionary look-up.
"""

from contextlib import contextmanager
import threading
from typing import Any, Callable, Dict, Iterator

from mxnet import gluon

listeners: Dict[int, Callable[..., None]] = {}
"""Who is told about a parameter, by its id; whoever enters a parameter here keeps it alive meanwhile."""


def emit(param: gluon.Parameter, what: str, **facts: Any) -> None:
    """Say that the kit does `what` to `param`: ``'initialize'``, ``'deferred'``, or ``'filled'`` by a hook."""
    listener = listeners.get(id(param))
    if listener is not None:
        listener(param, what, **facts)


class _Thread(threading.local):
    suppressed = False


_thread = _Thread()


def events_suppressed() -> bool:
    """Whether what this thread does now is not told."""
    return _thread.suppressed


@contextmanager
def suppress_events() -> Iterator[None]:
    """What this thread does to networks meanwhile is not told, and not changed by an observer."""
    before, _thread.suppressed = _thread.suppressed, True
    try:
        yield
    finally:
        _thread.suppressed = before
