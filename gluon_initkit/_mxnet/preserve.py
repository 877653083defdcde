"""Run code and restore global state afterwards: attributes, name counters, random generators, recursion limit.

The state of MXNet's generator can neither be read nor restored, so it is seeded afterwards with a value drawn before.
"""

from collections import OrderedDict
from contextlib import contextmanager
import os
import random
import sys
import threading
from types import SimpleNamespace
from typing import Any, Callable, Dict, Iterable, Iterator, List

from mxnet import context, gluon, ndarray
from mxnet.gluon import block as gluon_block
from mxnet.name import NameManager
import mxnet.random
import numpy


def fork_safe(lock: Any) -> Any:
    """The same lock; a fork waits for it. Else a child could get it locked by a thread that it does not have."""
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(before=lock.acquire, after_in_parent=lock.release, after_in_child=lock.release)
    return lock


# Held while a network runs that must not change, while the parameters that such a run replaces are read or finished (on
# MXNet 2 they have other shapes during the run), and while the generators are seeded.
global_state_lock = fork_safe(threading.RLock())


@contextmanager
def preserve(blocks: Dict[str, gluon.Block]) -> Iterator[None]:
    """Context that restores these blocks' attributes, and NumPy's and Python's generators, at its end."""
    # The contents of attributes that are lists, dictionaries or sets are restored too. One thread at a time: a second
    # would save and restore the changes of the first. The recursion limit leaves room for patches of `forward`.
    with global_state_lock, room_for_patches():
        containers = [block._scope._counter for block in blocks.values()] if _HAS_SCOPES else []
        containers += [value for block in blocks.values() if not type(block).__module__.startswith(_LAYERS)
                       for value in vars(block).values() if type(value) in _CONTAINERS]  # fmt: skip
        contents = [(live, live.copy()) for live in containers]
        with generators_kept(), attributes_kept(blocks.values()):
            try:
                yield
            finally:
                for live, saved in contents:
                    if not _alike(live, saved):
                        live.clear()
                        (live.extend if isinstance(live, list) else live.update)(saved)


@contextmanager
def attributes_kept(objects: Iterable[Any]) -> Iterator[None]:
    """Context that restores the attributes of blocks or parameters at its end, patched methods included."""
    before = [(vars(obj), dict(vars(obj))) for obj in objects]
    try:
        yield
    finally:
        for live, saved in before:
            for added in set(live) - set(saved):
                del live[added]
            live.update({key: value for key, value in saved.items() if live.get(key, _GONE) is not value})


_CONTAINERS = (list, dict, OrderedDict, set)
_LAYERS = "mxnet.gluon.nn."  # these layers keep nothing in containers; most blocks of a network are such layers
_GONE = object()


def _alike(live: Any, saved: Any) -> bool:
    """Whether both hold the same objects in the same order; arrays are not compared by their values."""
    if isinstance(live, dict):
        live, saved = [*live, *live.values()], [*saved, *saved.values()]
    return len(live) == len(saved) and all(item is other for item, other in zip(live, saved))


@contextmanager
def generators_kept() -> Iterator[None]:
    """Context that restores NumPy's and Python's global generators at its end."""
    numpy_state, python_state = numpy.random.get_state(), random.getstate()
    try:
        yield
    finally:
        numpy.random.set_state(numpy_state)
        random.setstate(python_state)


def draw_seed() -> int:
    """A 62-bit number from MXNet's CPU generator, which advances."""
    with context.cpu():
        high, low = ndarray.random.randint(0, 2**31 - 1, shape=(2,), dtype="int64").asnumpy()
    return int(high) << 31 | int(low)


@contextmanager
def seeded_generators() -> Iterator[Callable[[bytes], None]]:
    """Context with a function that seeds all global generators from a key of 16 bytes or more."""
    # At its end NumPy's and Python's generators are as before, and MXNet's is seeded with a value drawn from it before.
    # One thread at a time: another thread's seed between a seed and its draw would change the values.
    def seed(key: bytes) -> None:
        mxnet.random.seed(int.from_bytes(key[:4], "little") % 2**31)
        numpy.random.seed(numpy.frombuffer(key[:16], "<u4").astype("u4"))
        random.seed(int.from_bytes(key[:16], "little"))

    with global_state_lock:
        next_seed = draw_seed() % 2**31
        try:
            with generators_kept():
                yield seed
        finally:
            mxnet.random.seed(next_seed)


def parameters_of(blocks: Dict[str, gluon.Block]) -> List[gluon.Parameter]:
    """The parameters of these blocks, each once, also those that no attribute holds (``self.params.get``)."""
    by_block = ((*block._reg_params.values(), *block.params.values()) for block in blocks.values())
    return list(dict.fromkeys(param for params in by_block for param in params))


# MXNet 2 has no name scopes: it only names symbols, and the NameManager counts these.
_HAS_SCOPES = hasattr(gluon_block, "_BlockScope")
name_scope: Any = gluon_block._BlockScope._current if _HAS_SCOPES else SimpleNamespace()


@contextmanager
def fresh_names() -> Iterator[None]:
    """Context in which this thread counts names (``dense0_``) from 0 outside any scope; then the old count goes on."""
    # A scope or name manager that the body leaves open is closed.
    scope = getattr(name_scope, "value", None)
    name_scope.value = None
    try:
        with NameManager():
            yield
    finally:
        name_scope.value = scope


_TIMES = 3
_room_lock = threading.Lock()
_room: Dict[str, int] = {"users": 0, "before": 0}


@contextmanager
def room_for_patches() -> Iterator[None]:
    """Context with a higher recursion limit; restores the old limit unless other code has changed it."""
    # Nested blocks call each other: MXNet 1 reaches the limit of 1,000 at a depth of about 230 blocks. Patches of
    # `forward` add up to three frames to the two frames of a `Sequential`.
    with _room_lock:
        if not _room["users"]:
            _room["before"] = sys.getrecursionlimit()
            sys.setrecursionlimit(_TIMES * _room["before"])
        _room["users"] += 1
    try:
        yield
    finally:
        with _room_lock:
            _room["users"] -= 1
            if not _room["users"] and sys.getrecursionlimit() == _TIMES * _room["before"]:
                sys.setrecursionlimit(_room["before"])
