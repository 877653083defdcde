"""The networks that the kit was called with, while they live.

A block knows its children and not what is around it, and Python's heap is no place to search: what `gc.get_objects`
hands out may be a tuple that another thread is still building, whose code then fails. So who must tell of blocks
outside of a network (`tying`) knows those alone that were given to the kit at some time.
"""

from contextlib import suppress
import threading
from typing import Dict
from weakref import WeakSet

from mxnet import gluon

from .blocks import walk

__all__ = ["blocks_seen", "see"]

_seen: "WeakSet[gluon.Block]" = WeakSet()
_lock = threading.Lock()


def see(net: gluon.Block) -> None:
    """Keep in mind that this network exists. It is not kept alive."""
    with _lock:
        _seen.add(net)


def blocks_seen() -> Dict[int, gluon.Block]:
    """Every block of the networks that were seen and live, by `id`."""
    with _lock:
        networks = list(_seen)
    found: Dict[int, gluon.Block] = {}
    for net in networks:
        if id(net) not in found:
            with suppress(ValueError):  # somebody else's network, which contains itself by now
                found.update((id(block), block) for _, block in walk(net))
    return found
