"""Running a network's code and leaving no trace of it: attributes, name counters, generators, variables."""

from collections import OrderedDict
from contextlib import contextmanager
import os
import random
import threading
from types import SimpleNamespace
from typing import Any, Dict, Iterator, List

from mxnet import gluon
from mxnet.gluon import block
from mxnet.name import NameManager
import numpy

from . import backend
from .instrument.patches import room_for_patches


def fork_safe(lock: Any) -> Any:
    """The same lock; a fork waits for it, else its child would find it taken by a thread that it has not."""
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(before=lock.acquire, after_in_parent=lock.release, after_in_child=lock.release)
    return lock


@contextmanager
def preserve(blocks: Dict[str, gluon.Block]) -> Iterator[None]:
    """Put back afterwards what running these blocks changes in them, and NumPy's and Python's generators.

    Attributes are put back as they were, and the contents of those that are lists, dictionaries or sets. One thread
    at a time, which would otherwise put back what another has put there. There is room for wrappers of `forward`.
    """
    with global_state_lock, _put_back(blocks), room_for_patches():
        yield


# Also for who reads or finishes what such a run borrows: in MXNet 2 parameters have other shapes meanwhile. And for who
# seeds the generators for a while.
global_state_lock = fork_safe(threading.RLock())


@contextmanager
def _put_back(blocks: Dict[str, gluon.Block]) -> Iterator[None]:
    attributes = [(block.__dict__, dict(block.__dict__)) for block in blocks.values()]
    contents: List[Any] = [(each, each.copy()) for block in blocks.values() for each in backend.name_counters(block)]
    contents += [(each, each.copy()) for block in blocks.values() if not type(block).__module__.startswith(_LAYERS)
                 for each in block.__dict__.values() if type(each) in _CONTAINERS]  # fmt: skip
    variables = [(param, param._var) for param in parameters_of(blocks)]
    numpy_state, python_state = numpy.random.get_state(), random.getstate()
    try:
        yield
    finally:
        for live, saved in attributes:
            for added in set(live) - set(saved):
                del live[added]
            live.update({key: value for key, value in saved.items() if live.get(key, _GONE) is not value})
        for live, saved in contents:
            if not _alike(live, saved):
                live.clear()
                (live.extend if isinstance(live, list) else live.update)(saved)
        for param, variable in variables:
            param._var = variable
        numpy.random.set_state(numpy_state)
        random.setstate(python_state)


def parameters_of(blocks: Dict[str, gluon.Block]) -> List[gluon.Parameter]:
    """The parameters of these blocks, each once, also those that no attribute holds."""
    found = {id(param): param for block in blocks.values()
             for param in (*block._reg_params.values(), *block.params.values())}  # fmt: skip
    return list(found.values())


_CONTAINERS = (list, dict, OrderedDict, set)


_LAYERS = "mxnet.gluon.nn."  # whose code keeps nothing in lists: most blocks of a network


_GONE = object()


def _alike(live: Any, saved: Any) -> bool:
    """Whether both hold the same objects in the same order; arrays are not asked whether they are equal."""
    if len(live) != len(saved):
        return False
    if isinstance(live, dict):
        return all(key is other and live[key] is saved[other] for key, other in zip(live, saved))
    return all(each is other for each, other in zip(live, saved))


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
