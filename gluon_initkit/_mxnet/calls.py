"""Which parameter MXNet is filling just now, and where it stands.

`Parameter._finish_deferred_init` hands an initializer the parameter's global name and nothing else. The parameter is in
that call's frame, and the network in the frame of `Block.initialize` further up; when the network's parameters were
initialized through `collect_params()`, or are filled later by a forward pass, the network is the one that was seen
initializing them, or else the live block that holds them.
"""

import gc
import inspect
import sys
import threading
from typing import Any, Dict, Iterator, List, Optional, Tuple
import weakref

from mxnet import gluon

from .blocks import Place, places
from .version import INITIALIZE, SYMBOLIC, children

__all__ = ["arrays_being_filled", "network_of", "parameter_being_filled", "place_of"]

_FILLING = gluon.Parameter._finish_deferred_init.__code__
_INITIALIZE = INITIALIZE.__code__
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


def place_of(param: gluon.Parameter, search: bool = True) -> Optional[Place]:
    """Where `param` stands in the network whose initialization is under way, or was; None if in no live block.

    Where no `initialize` of a network was seen, all live blocks are searched, some 30 ms; not with ``search=False``.
    """
    call = root = None
    for frame in _frames():
        if call is None and frame.f_code is _INITIALIZE:
            call = frame.f_locals
        if frame.f_code is _BLOCK_INITIALIZE:
            root = frame.f_locals["self"]
            break
    if call is not None and _SEEN not in call:
        # The first parameter of this `initialize` call: the network may have changed since the last one.
        call[_SEEN] = True
        _remember(root if root is not None else _block_behind(call["self"]))
    elif search and call is None and network_of(param) is None:
        _remember(_outermost_block_with(param))
    return _known[param][1] if param in _known else None


def network_of(param: gluon.Parameter) -> Optional[gluon.Block]:
    """The network in which `place_of` last saw `param`, while that network lives."""
    return _known[param][0]() if param in _known else None


def _frames() -> Iterator[Any]:
    frame: Any = sys._getframe(1)
    while frame is not None:
        yield frame
        frame = frame.f_back


def _remember(root: Optional[gluon.Block]) -> None:
    if root is not None:
        found = {param: (weakref.ref(root), place) for param, place in places(root).items()}
        with _lock:
            _known.update(found)


def _block_behind(params: Any) -> Optional[gluon.Block]:
    """The block whose `collect_params()` made this ParameterDict: the smallest of its prefix with all of it."""
    wanted = set(params.values())
    fitting = [block for block in _live_blocks() if block.params.prefix == params.prefix]
    fitting = [block for block in fitting if wanted <= places(block).keys()]
    return min(fitting, key=lambda block: len(places(block)), default=None)


def _outermost_block_with(param: gluon.Parameter) -> Optional[gluon.Block]:
    """The largest live network that holds a parameter whose `initialize` was not seen."""
    blocks = _live_blocks()
    below = {id(child) for block in blocks for _, child in children(block)}
    holding = [block for block in blocks if id(block) not in below and param in places(block)]
    return max(holding, key=lambda block: len(places(block)), default=None)


def _live_blocks() -> List[gluon.Block]:
    # By type: isinstance would wake up lazy proxies that pretend a class.
    return [thing for thing in gc.get_objects() if issubclass(type(thing), gluon.Block)]
