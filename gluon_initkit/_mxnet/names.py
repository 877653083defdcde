"""Gluon's global names, `dense0_`, for a while as in a fresh process: they count what this thread has built so far."""

from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any, Iterator

from mxnet.gluon import block
from mxnet.name import NameManager

__all__ = ["fresh_names"]


@contextmanager
def fresh_names() -> Iterator[None]:
    """Inside, this thread's names count from 0, outside any name scope; afterwards they count on as if it had not been.

    What is left open inside, a scope or a name manager, is closed by it.
    """
    scope = getattr(_current, "value", None)
    _current.value = None
    try:
        with NameManager():
            yield
    finally:
        _current.value = scope


# MXNet 2 has no name scopes: its names are those of symbols, which the NameManager counts.
_current: Any = block._BlockScope._current if hasattr(block, "_BlockScope") else SimpleNamespace()
