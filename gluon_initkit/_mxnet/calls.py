"""Which parameter MXNet is filling just now, and where it stands.

`Parameter._finish_deferred_init` hands an initializer the parameter's global name and nothing else. The parameter is in
that call's frame, and the network in the frame of `Block.initialize` further up; where a forward pass fills it, the
network is the one that was seen initializing it, or else the one that runs. A parameter that is initialized by itself,
or by MXNet 1's ``collect_params().initialize``, leads to no network, unless the kit has seen one with it before.
"""

import inspect
import sys
import threading
from typing import Any, Dict, Iterator, Optional, Tuple
import weakref

from mxnet import gluon

from .blocks import Place, places
from .seen import see
from .version import INITIALIZE, SYMBOLIC

__all__ = ["arrays_being_filled", "network_of", "parameter_being_filled", "place_of", "remember"]

_FILLING = gluon.Parameter._finish_deferred_init.__code__
_INITIALIZE = INITIALIZE.__code__
# MXNet 2 resolves parameters before it comes to Block's own.
_RUNNING = {inspect.unwrap(kind.__call__).__code__ for kind in (gluon.Block, gluon.HybridBlock, gluon.SymbolBlock)}
_BLOCK_INITIALIZE = inspect.unwrap(gluon.Block.initialize).__code__
# Left among a call's local variables, which die with it: its own dictionary has another's address tomorrow.
_SEEN = "seen by gluon_initkit"

# Where each parameter stands, and in which network. Weak both ways: looking at a network must not keep it alive.
_known: "weakref.WeakKeyDictionary[gluon.Parameter, Tuple[weakref.ref, Place]]" = weakref.WeakKeyDictionary()
_lock = threading.Lock()


def parameter_being_filled(name: str) -> Optional[gluon.Parameter]:
    """The parameter called `name` that MXNet is filling in this thread, or None (the Symbol API, a call by hand)."""
    param = next((frame.f_locals["self"] for frame in _frames() if frame.f_code is _FILLING), None)
    return param if param is not None and param.name == name else None


def arrays_being_filled() -> Tuple[Any, Dict[str, Tuple[Any, Any]]]:
    """The Module or FeedForward that this thread initializes; its arrays by name, each with its variable's initializer.

    (None, {}) outside of both.
    """
    calls = [frame.f_locals for frame in _frames() if frame.f_code in SYMBOLIC]
    if not calls:
        return None, {}
    owner = calls[-1]["self"]  # the SequentialModule, where a Module is a part of one
    parts = [(module._arg_params, module._aux_params, module._symbol.attr_dict())
             for module in getattr(owner, "_modules", [owner]) if hasattr(module, "_arg_params")]  # fmt: skip
    found = {}
    for args, aux, attrs in parts or [(calls[-1]["arg_params"], calls[-1]["aux_params"], {})]:
        for name, array in {**(args or {}), **(aux or {})}.items():
            found[name] = array, attrs.get(name, {}).get("__init__")
    return owner, found


def place_of(param: gluon.Parameter) -> Optional[Place]:
    """Where `param` stands in the network whose initialization is under way, or was, or which runs; None elsewhere."""
    call = root = running = None
    for frame in _frames():
        if call is None and frame.f_code is _INITIALIZE:
            call = frame.f_locals
        if frame.f_code is _BLOCK_INITIALIZE:
            root = frame.f_locals["self"]
            break
        if frame.f_code in _RUNNING:
            running = frame.f_locals["self"]
    if call is not None and _SEEN not in call:
        # The first parameter of this `initialize` call: the network may have changed since the last one.
        call[_SEEN] = True
        net = root if root is not None else network_of(param)
        if net is not None:
            remember(net, places(net))
    elif call is None and network_of(param) is None and running is not None:
        remember(running, places(running))
    return _known[param][1] if param in _known else None


def network_of(param: gluon.Parameter) -> Optional[gluon.Block]:
    """The network in which `param` was last seen, while that network lives."""
    return _known[param][0]() if param in _known else None


def _frames() -> Iterator[Any]:
    frame: Any = sys._getframe(1)
    while frame is not None:
        yield frame
        frame = frame.f_back


def remember(net: gluon.Block, found: Dict[gluon.Parameter, Place]) -> None:
    """Keep in mind, while both live, that these parameters stand in a network, and where."""
    see(net)
    seen = {param: (weakref.ref(net), place) for param, place in found.items()}
    with _lock:
        _known.update(seen)
