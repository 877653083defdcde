"""Which blocks are built in a while: Gluon asks the current name scope for each new block's prefix, so that is where to
listen. Names are given as they would have been without listening.
"""

from contextlib import contextmanager
import sys
from types import SimpleNamespace
from typing import Any, Iterator, List
import weakref

from mxnet import gluon
from mxnet.gluon.block import _BlockScope
from mxnet.name import NameManager

__all__ = ["blocks_built"]


@contextmanager
def blocks_built() -> Iterator[List["weakref.ref[gluon.Block]"]]:
    """Inside, every block that this thread builds joins the list that is yielded, in order of building.

    As ever in Gluon the innermost scope rules: what is built inside another block's ``name_scope()`` is not seen.
    """
    before = getattr(_BlockScope._current, "value", None)
    listening = _Listening(before)
    _BlockScope._current.value = listening
    try:
        yield listening.built
    finally:
        _BlockScope._current.value = before


class _Listening:
    """A scope that gives names for the one around it, or for the global one, and remembers who asked."""

    def __init__(self, around: Any) -> None:
        self.built: List[weakref.ref[gluon.Block]] = []
        self._around = around
        self._unnamed: Any = None

    @property
    def _block(self) -> Any:
        block = _being_built()
        if block is not None and not (self.built and self.built[-1]() is block):
            self.built.append(weakref.ref(block))
        if self._around is not None:
            return self._around._block
        # As where there is no scope: mx.name.Prefix goes before a name that Gluon makes, not before one that is given.
        prefix = getattr(_manager(), "_prefix", "") if self._unnamed is not None and self._unnamed() is block else ""
        return SimpleNamespace(prefix=prefix, params=gluon.ParameterDict(prefix))

    @property
    def _counter(self) -> dict:
        if self._around is not None:
            return self._around._counter
        self._unnamed = weakref.ref(_being_built())
        return _manager()._counter


def _being_built() -> Any:
    """The block whose `Block.__init__` asks: Gluon does so in a function that it calls, and more than once a block."""
    frame: Any = sys._getframe(2)
    while frame is not None and frame.f_code is not _BUILDING:
        frame = frame.f_back
    return None if frame is None else frame.f_locals["self"]


_BUILDING = gluon.Block.__init__.__code__


def _manager() -> Any:
    if not hasattr(NameManager._current, "value"):
        NameManager._current.value = NameManager()
    return NameManager._current.value
