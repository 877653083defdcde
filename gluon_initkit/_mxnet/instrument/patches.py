"""Patches of Gluon's code, which come off without leaving anything: `InstancePatches`, and `new_blocks`.

MXNet has no hook for a `forward` that raises, for what changes a parameter, nor for new blocks. Methods are patched on
the instance, where Python and Gluon look them up first; a copy of it is not patched, and would call into the original.
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
    """The patches that one observer has put on."""

    def __init__(self) -> None:
        self._on: Dict[Tuple[int, str], Tuple[Any, Callable, Any]] = {}
        self._lock = threading.Lock()  # two patches of two threads would hide each other
        self._closed = False

    def put(self, thing: Any, name: str, around: Callable[[Callable], Callable]) -> None:
        """Put ``around(method)`` in the place of a method, once."""
        with self._lock:
            attributes = vars(thing)
            before = attributes.get(name, _NOTHING)
            known = self._on.get((id(thing), name))
            if self._closed or (known is not None and known[1] is before):
                return
            method = getattr(thing, name)
            patch = functools.wraps(method)(around(method))
            self._on[id(thing), name] = (thing, patch, before)
            attributes[name] = patch  # past Block.__setattr__, which reads every value

    def take(self, thing: Any, name: str) -> None:
        """Take a patch off, unless somebody else has patched the method since."""
        with self._lock:
            _, patch, before = self._on.pop((id(thing), name), (None, _NOTHING, None))
            attributes = vars(thing)
            if attributes.get(name) is patch:
                attributes[name] = before
                if before is _NOTHING:
                    del attributes[name]

    def take_all(self) -> None:
        """Take off every patch, and put on none any more, whatever other threads still call."""
        self._closed = True
        for (_, name), (thing, _, _) in list(self._on.items()):
            self.take(thing, name)

    def put_copying(self, thing: Any) -> None:
        """Leave the patches out of copies and pickles, all of which call `__reduce_ex__`."""
        self.put(thing, "__reduce_ex__", lambda reduce: lambda protocol: self._unpatched(thing, reduce(protocol)))

    def _unpatched(self, thing: Any, reduced: Any) -> Any:
        if not isinstance(reduced, tuple) or len(reduced) < 3 or not isinstance(reduced[2], dict):
            return reduced
        state = {}
        for name, value in reduced[2].items():
            _, patch, before = self._on.get((id(thing), name), (None, _NOTHING, None))
            value = before if value is patch else value
            if value is not _NOTHING:
                state[name] = value
        return (*reduced[:2], state, *reduced[3:])


_lock = threading.Lock()
_listeners: List[Tuple[int, Any]] = []  # the threads in which blocks are built, and where each notes its own
_replaced: List[Any] = []  # our patch of `Block.__init__`, and the function that it replaced


@contextmanager
def new_blocks() -> Iterator[Iterable[gluon.Block]]:
    """Context that yields the blocks that this thread builds inside and that are alive, in order."""
    # A block that is built in the ``name_scope()`` of another new one is a part of that, and left out.
    listener: Tuple[int, Any] = threading.get_ident(), WeakKeyDictionary()
    with _lock:
        if not _listeners:
            original = gluon.Block.__init__  # as it is now: another library may have patched it since
            gluon.Block.__init__ = _listening(original)
            _replaced[:] = [gluon.Block.__init__, original]
        _listeners.append(listener)
    try:
        yield listener[1]
    finally:
        with _lock:
            _listeners[:] = [other for other in _listeners if other is not listener]
            patched, original = _replaced
            # Another patch may be above: ours stays then, and does nothing.
            if not _listeners and gluon.Block.__init__ is patched:
                gluon.Block.__init__ = original


def _listening(original: Any) -> Any:
    @functools.wraps(original)
    def listening_init(self: gluon.Block, *args: Any, **kwargs: Any) -> None:
        around = getattr(getattr(name_scope, "value", None), "_block", None)
        for thread, built in list(_listeners):
            if thread == threading.get_ident() and (around is None or around not in built):
                built[self] = None
        original(self, *args, **kwargs)

    return listening_init
