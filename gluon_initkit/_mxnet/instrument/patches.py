"""Patches of Gluon's code that can be removed completely: `InstancePatches`, and `new_blocks`.

MXNet has no hook for a `forward` that raises, for changes of a parameter, or for new blocks. Methods are patched on the
instance, where Python and Gluon look them up first. Copies get no patches: those would call the original's methods.
"""

from contextlib import contextmanager
import functools
import threading
from typing import Any, Callable, Dict, Iterable, Iterator, List, Tuple
from weakref import WeakKeyDictionary

from mxnet import gluon

from ..preserve import name_scope

_NOTHING: Any = object()


class InstancePatches:
    """The patches of one observer."""

    def __init__(self) -> None:
        self._on: Dict[Tuple[int, str], Tuple[Any, Callable, Any]] = {}
        self._lock = threading.Lock()  # else two threads could overwrite each other's patch
        self._closed = False

    def put(self, obj: Any, name: str, wrap: Callable[[Callable], Callable]) -> None:
        """Replace a method of `obj` by ``wrap(method)``, once."""
        with self._lock:
            attributes = vars(obj)
            before = attributes.get(name, _NOTHING)
            entry = self._on.get((id(obj), name))
            if self._closed or (entry is not None and entry[1] is before):
                return
            method = getattr(obj, name)
            patch = functools.wraps(method)(wrap(method))
            self._on[id(obj), name] = (obj, patch, before)
            attributes[name] = patch  # not by Block.__setattr__, which inspects every value

    def take(self, obj: Any, name: str) -> None:
        """Remove a patch, unless other code has patched the method since."""
        with self._lock:
            _, patch, before = self._on.pop((id(obj), name), (None, _NOTHING, None))
            attributes = vars(obj)
            if attributes.get(name) is patch:
                attributes[name] = before
                if before is _NOTHING:
                    del attributes[name]

    def take_all(self) -> None:
        """Remove every patch. Later calls of `put`, also by other threads, have no effect."""
        self._closed = True
        for (_, name), (obj, _, _) in list(self._on.items()):
            self.take(obj, name)

    def put_copying(self, obj: Any) -> None:
        """Leave the patches out of copies and pickles: these call `__reduce_ex__`."""
        self.put(obj, "__reduce_ex__", lambda reduce: lambda protocol: self._unpatched(obj, reduce(protocol)))

    def _unpatched(self, obj: Any, reduced: Any) -> Any:
        if not isinstance(reduced, tuple) or len(reduced) < 3 or not isinstance(reduced[2], dict):
            return reduced
        state = {}
        for name, value in reduced[2].items():
            _, patch, before = self._on.get((id(obj), name), (None, _NOTHING, None))
            value = before if value is patch else value
            if value is not _NOTHING:
                state[name] = value
        return (*reduced[:2], state, *reduced[3:])


_lock = threading.Lock()
_listeners: List[Tuple[int, Any]] = []  # thread ids, and the blocks that each thread builds
_replaced: List[Any] = []  # our patch of `Block.__init__`, and the original


@contextmanager
def new_blocks() -> Iterator[Iterable[gluon.Block]]:
    """Context that yields the blocks that this thread builds in it, in order; weak references hold them."""
    # A block built in the ``name_scope()`` of another new block is a part of that block, and left out.
    listener: Tuple[int, Any] = threading.get_ident(), WeakKeyDictionary()
    with _lock:
        if not _listeners:
            original = gluon.Block.__init__  # read here, because another library may have patched it after our import
            gluon.Block.__init__ = _listening(original)
            _replaced[:] = [gluon.Block.__init__, original]
        _listeners.append(listener)
    try:
        yield listener[1]
    finally:
        with _lock:
            _listeners[:] = [other for other in _listeners if other is not listener]
            patched, original = _replaced
            # Another patch may wrap ours: then ours stays, and does nothing.
            if not _listeners and gluon.Block.__init__ is patched:
                gluon.Block.__init__ = original


def _listening(original: Any) -> Any:
    @functools.wraps(original)
    def listening_init(self: gluon.Block, *args: Any, **kwargs: Any) -> None:
        outer = getattr(getattr(name_scope, "value", None), "_block", None)
        for thread, built in list(_listeners):
            if thread == threading.get_ident() and (outer is None or outer not in built):
                built[self] = None
        original(self, *args, **kwargs)

    return listening_init
