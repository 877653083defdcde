"""Instance attributes that stand before a Block's or Parameter's methods, and come off without leaving anything.

MXNet has no hook for a `forward` that raises, nor for what changes a parameter. No class is touched: Python looks
`forward` and its like up on the instance first, and so do Gluon's own calls of them. A copy of a patched thing
(`copy`, `deepcopy`, `pickle`) is not patched: it would call into the original.
"""

import functools
import threading
from typing import Any, Callable, Dict, Tuple

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
