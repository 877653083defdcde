"""Which blocks are built in a while: Gluon asks `_BlockScope.create` for each new block's prefix, so that is where to
listen. Names are given as they would have been without listening.
"""

from contextlib import contextmanager
import sys
import threading
from typing import Any, Iterable, Iterator, List, Tuple
from weakref import WeakKeyDictionary

from mxnet import gluon
from mxnet.gluon.block import _BlockScope

__all__ = ["blocks_built"]


@contextmanager
def blocks_built() -> Iterator[Iterable[gluon.Block]]:
    """Inside, every block that this thread builds joins what is yielded, in order of building, while it lives.

    Inside the ``name_scope()`` of any block too, but for one built here: what is built there is a part of that block.
    """
    under_way: Tuple[int, Any] = threading.get_ident(), WeakKeyDictionary()
    with _lock:
        _listening.append(under_way)
        _BlockScope.create = staticmethod(_create)
    try:
        yield under_way[1]
    finally:
        with _lock:
            _listening[:] = [each for each in _listening if each is not under_way]
            if not _listening:
                _BlockScope.create = staticmethod(_original)


_original = _BlockScope.create
_lock = threading.Lock()
_listening: List[Tuple[int, Any]] = []  # by thread


def _create(prefix: Any, params: Any, hint: str) -> Tuple[str, gluon.ParameterDict]:
    block = sys._getframe(1).f_locals["self"]  # `Block.__init__` asks, and does not say for whom
    scope = getattr(_BlockScope._current, "value", None)
    for thread, built in list(_listening):
        if thread == threading.get_ident() and (scope is None or scope._block not in built):
            built[block] = None
    return _original(prefix, params, hint)
