"""Which blocks are built in a while: a block of any class comes by `Block.__init__`, so that is where to listen."""

from contextlib import contextmanager
import functools
import threading
from typing import Any, Iterable, Iterator, List, Tuple
from weakref import WeakKeyDictionary

from mxnet import gluon

from .. import backend

_lock = threading.Lock()
_listeners: List[Tuple[int, Any]] = []  # by thread
_patch: List[Any] = []  # our patch, and what stood there before it


@contextmanager
def new_blocks() -> Iterator[Iterable[gluon.Block]]:
    """Inside, every block that this thread builds joins what is yielded, in order of building, while it lives.

    Inside the ``name_scope()`` of any block too, but for one built here: what is built there is a part of that block.
    """
    listener: Tuple[int, Any] = threading.get_ident(), WeakKeyDictionary()
    with _lock:
        if not _listeners:
            _put_on()
        _listeners.append(listener)
    try:
        yield listener[1]
    finally:
        with _lock:
            _listeners[:] = [other for other in _listeners if other is not listener]
            if not _listeners:
                patched, original = _patch
                if gluon.Block.__init__ is patched:  # else another patch is above, and ours stays and tells nobody
                    gluon.Block.__init__ = original


def _put_on() -> None:
    """Patch `Block.__init__` as it stands there now: another library may have patched it since."""
    original = gluon.Block.__init__

    @functools.wraps(original)
    def listening_init(self: gluon.Block, *args: Any, **kwargs: Any) -> None:
        around = backend.name_scope()
        for thread, built in list(_listeners):
            if thread == threading.get_ident() and (around is None or around not in built):
                built[self] = None
        original(self, *args, **kwargs)

    gluon.Block.__init__ = listening_init
    _patch[:] = [listening_init, original]
