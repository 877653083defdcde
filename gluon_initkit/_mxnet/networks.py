"""The networks that the kit was called with, while they live, and where each parameter stood in them.

A block knows its children and not what is around it, and Python's heap is no place to search: what `gc.get_objects`
hands out may be a tuple that another thread is still building, whose code then fails. So blocks outside of a network
are known where they were given to the kit at some time. Nothing here keeps a network alive.
"""

from contextlib import suppress
import threading
from typing import Dict, Optional, Tuple
import weakref

from mxnet import gluon

from .tree import Place, walk

_networks: "weakref.WeakSet[gluon.Block]" = weakref.WeakSet()
_places: "weakref.WeakKeyDictionary[gluon.Parameter, Tuple[weakref.ref, Place]]" = weakref.WeakKeyDictionary()
_lock = threading.Lock()


def remember_network(net: gluon.Block) -> None:
    """Note that this network exists."""
    with _lock:
        _networks.add(net)


def known_blocks() -> Dict[int, gluon.Block]:
    """Every block of the networks that were seen and live, by `id`."""
    with _lock:
        networks = list(_networks)
    blocks: Dict[int, gluon.Block] = {}
    for net in networks:
        if id(net) not in blocks:
            with suppress(ValueError):  # somebody else's network, which contains itself by now
                blocks.update((id(block), block) for _, block in walk(net))
    return blocks


def remember_places(net: gluon.Block, found: Dict[gluon.Parameter, Place]) -> None:
    """Note that these parameters stand in a network, and where."""
    remember_network(net)
    seen = {param: (weakref.ref(net), place) for param, place in found.items()}
    with _lock:
        _places.update(seen)


def network_of(param: gluon.Parameter) -> Optional[gluon.Block]:
    """The network in which `param` was last seen, while that network lives."""
    return _places[param][0]() if param in _places else None


def remembered_place(param: gluon.Parameter) -> Optional[Place]:
    """Where `param` stood when its network was last seen."""
    return _places[param][1] if param in _places else None
