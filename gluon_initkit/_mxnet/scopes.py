"""Which blocks are built in a while: a block of any class comes by `Block.__init__`, so that is where to listen."""

from contextlib import contextmanager
import functools
import threading
from typing import Any, Iterable, Iterator, List, Tuple
from weakref import WeakKeyDictionary

from mxnet import gluon

from .version import named_within

__all__ = ["blocks_built"]


@contextmanager
def blocks_built() -> Iterator[Iterable[gluon.Block]]:
    """Inside, every block that this thread builds joins what is yielded, in order of building, while it lives.

    Inside the ``name_scope()`` of any block too, but for one built here: what is built there is a part of that block.
    """
    under_way: Tuple[int, Any] = threading.get_ident(), WeakKeyDictionary()
    with _lock:
        _listening.append(under_way)
        gluon.Block.__init__ = _init
    try:
        yield under_way[1]
    finally:
        with _lock:
            _listening[:] = [each for each in _listening if each is not under_way]
            if not _listening:
                gluon.Block.__init__ = _original


_original = gluon.Block.__init__
_lock = threading.Lock()
_listening: List[Tuple[int, Any]] = []  # by thread


@functools.wraps(_original)
def _init(self: gluon.Block, *args: Any, **kwargs: Any) -> None:
    around = named_within()
    for thread, built in list(_listening):
        if thread == threading.get_ident() and (around is None or around not in built):
            built[self] = None
    _original(self, *args, **kwargs)
