"""Patches of Gluon's code, which come off without leaving anything: `InstancePatches`, and `new_blocks`.

MXNet has no hook for a `forward` that raises, nor for what changes a parameter. For that no class is touched: Python
looks `forward` and its like up on the instance first, and so do Gluon's own calls of them. A copy of a patched thing
(`copy`, `deepcopy`, `pickle`) is not patched: it would call into the original. Nor has it a hook for blocks that are
built; a block of any class comes by `Block.__init__`.
"""

from contextlib import contextmanager
import functools
import threading
from typing import Any, Callable, Dict, Iterable, Iterator, List, Tuple
from weakref import WeakKeyDictionary

from mxnet import gluon

from .. import backend

_NOTHING: Any = object()


class InstancePatches:
    """The patches that one observer has put on."""

    def __init__(self) -> None:
        self._on: Dict[Tuple[int, str], Tuple[Any, Callable, Any]] = {}
        self._lock = threading.Lock()  # two patches of two threads would hide each other
        self._closed = False

    def put(self, thing: Any, name: str, around: Callable[[Callable], Callable]) -> None:
        """Let ``around(method)`` stand before a method, where it does not already."""
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
        """Take a patch off. What somebody else has put in its place since stays."""
        with self._lock:
            _, patch, before = self._on.pop((id(thing), name), (None, _NOTHING, None))
            attributes = vars(thing)
            if attributes.get(name) is patch:
                if before is _NOTHING:
                    del attributes[name]
                else:
                    attributes[name] = before

    def take_all(self) -> None:
        """Take off every patch, and put on none any more, whatever is still under way in other threads."""
        self._closed = True
        for (_, name), (thing, _, _) in list(self._on.items()):
            self.take(thing, name)

    def put_copying(self, thing: Any) -> None:
        """Let copies and pickles of a thing be of it without its patches. All three ask `__reduce_ex__`."""
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


_constructor_lock = threading.Lock()
_constructor_listeners: List[Tuple[int, Any]] = []  # by thread
_constructor_patch: List[Any] = []  # our patch, and what stood there before it


@contextmanager
def new_blocks() -> Iterator[Iterable[gluon.Block]]:
    """Inside, every block that this thread builds joins what is yielded, in order of building, while it lives.

    Inside the ``name_scope()`` of any block too, but for one built here: what is built there is a part of that block.
    """
    listener: Tuple[int, Any] = threading.get_ident(), WeakKeyDictionary()
    with _constructor_lock:
        if not _constructor_listeners:
            _patch_constructor()
        _constructor_listeners.append(listener)
    try:
        yield listener[1]
    finally:
        with _constructor_lock:
            _constructor_listeners[:] = [other for other in _constructor_listeners if other is not listener]
            if not _constructor_listeners:
                patched, original = _constructor_patch
                if gluon.Block.__init__ is patched:  # else another patch is above, and ours stays and tells nobody
                    gluon.Block.__init__ = original


def _patch_constructor() -> None:
    """Patch `Block.__init__` as it stands there now: another library may have patched it since."""
    original = gluon.Block.__init__

    @functools.wraps(original)
    def listening_init(self: gluon.Block, *args: Any, **kwargs: Any) -> None:
        around = backend.name_scope()
        for thread, built in list(_constructor_listeners):
            if thread == threading.get_ident() and (around is None or around not in built):
                built[self] = None
        original(self, *args, **kwargs)

    gluon.Block.__init__ = listening_init
    _constructor_patch[:] = [listening_init, original]
