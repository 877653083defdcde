"""Which of MXNet's functions run in this thread, and what they hold: read from the frames of Python's stack.

`Parameter._finish_deferred_init` hands an initializer the parameter's global name and nothing else, and no public call
tells more. The parameter is in that call's frame, and the network in the frame of `Block.initialize` further up. Where
a forward pass fills the parameter, the network is the one that was seen initializing it, or else the one that runs. A
parameter that is initialized by itself, or by MXNet 1's ``collect_params().initialize``, leads to no network, unless
the kit has seen one with it before.
"""

import inspect
import sys
from typing import Any, Dict, Iterator, Optional, Tuple

from mxnet import gluon

from . import backend
from .tree import Place, network_of, places, remember_places, remembered_place

_FILLING = gluon.Parameter._finish_deferred_init.__code__
# MXNet 2 resolves parameters before it comes to Block's own.
_RUNNING = {inspect.unwrap(kind.__call__).__code__ for kind in (gluon.Block, gluon.HybridBlock, gluon.SymbolBlock)}
_BLOCK_INITIALIZE = inspect.unwrap(gluon.Block.initialize).__code__
_FUSED = backend.FusedRNN._init_weight.__code__
# Left among a call's local variables, which die with it: its own dictionary has another's address tomorrow.
_SEEN = "seen by gluon_initkit"


def _frames() -> Iterator[Any]:
    frame: Any = sys._getframe(1)
    while frame is not None:
        yield frame
        frame = frame.f_back


def _locals_of(code: Any) -> Optional[Dict[str, Any]]:
    """The local variables of the innermost call of a function that runs in this thread; None where none does."""
    return next((frame.f_locals for frame in _frames() if frame.f_code is code), None)


def parameter_being_filled(name: str) -> Optional[gluon.Parameter]:
    """The parameter called `name` that MXNet is filling in this thread, or None (the Symbol API, a call by hand)."""
    call = _locals_of(_FILLING)
    return call["self"] if call is not None and call["self"].name == name else None


def fused_rnn_being_filled() -> Any:
    """The initializer of an RNN's one vector that is filling one, or None."""
    call = _locals_of(_FUSED)
    return None if call is None else call["self"]


def resolving_block() -> Optional[Tuple[gluon.Block, Tuple[Any, ...]]]:
    """The block that resolves its parameters before its `forward`, and its arguments; None where none does so."""
    call = _locals_of(backend.resolving_code) if backend.resolving_code else None
    return None if call is None else (call["self"], (call["x"], *call["args"]))


def is_in_traced_graph(param: gluon.Parameter) -> bool:
    """Whether the block whose graph is being written holds this parameter; True where no block's is."""
    call = _locals_of(backend.tracing_code)
    return call is None or any(held is param for held in call["self"].collect_params().values())


def arrays_being_filled() -> Tuple[Any, Dict[str, Tuple[Any, Any]]]:
    """The Module or FeedForward that this thread initializes; its arrays by name, each with its variable's initializer.

    (None, {}) outside of both.
    """
    calls = [frame.f_locals for frame in _frames() if frame.f_code in backend.symbol_codes]
    if not calls:
        return None, {}
    owner = calls[-1]["self"]  # the SequentialModule, where a Module is a part of one
    parts = [(module._arg_params, module._aux_params, module._symbol.attr_dict())
             for module in getattr(owner, "_modules", [owner]) if hasattr(module, "_arg_params")]  # fmt: skip
    filled = {}
    for args, aux, attrs in parts or [(calls[-1]["arg_params"], calls[-1]["aux_params"], {})]:
        for name, array in {**(args or {}), **(aux or {})}.items():
            filled[name] = array, attrs.get(name, {}).get("__init__")
    return owner, filled


def place_of(param: gluon.Parameter) -> Optional[Place]:
    """Where `param` stands in the network whose initialization is under way, or was, or which runs; None elsewhere."""
    call = root = running = None
    for frame in _frames():
        if call is None and frame.f_code is backend.initialize_code:
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
            remember_places(net, places(net))
    elif call is None and network_of(param) is None and running is not None:
        remember_places(running, places(running))
    return remembered_place(param)
