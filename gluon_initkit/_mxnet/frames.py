"""The parameter that MXNet fills, and its network, read from the frames of Python's stack.

`Parameter._finish_deferred_init` gives an initializer only the parameter's global name, and no public call gives more.
The parameter is in the frame of that call. The network is in the frame of `Block.initialize`; without that frame, it is
the last stored network of the parameter, or the one that runs (MXNet 1's ``collect_params().initialize`` knows none).
"""

import inspect
from operator import attrgetter
import sys
from typing import Any, Optional, Tuple

from mxnet import gluon
from mxnet.initializer import InitDesc

from . import backend
from .gluon import locals_of
from .tree import Place, network_of, places, remember_places, remembered_place

# On MXNet 2 a HybridBlock resolves parameters before it calls `Block.__call__`.
_RUNNING = {inspect.unwrap(kind.__call__).__code__ for kind in (gluon.Block, gluon.HybridBlock, gluon.SymbolBlock)}
_BLOCK_INITIALIZE = inspect.unwrap(gluon.Block.initialize).__code__
# A mark in a call's local variables, which end with the call. The id of a call could be used again by a later one.
_SEEN = "seen by gluon_initkit"

base_arguments = attrgetter("_kwargs")  # the arguments that an initializer's class passes to `super().__init__`


def parameter_being_filled(name: str) -> Optional[gluon.Parameter]:
    """The parameter called `name` that MXNet fills now in this thread; None in the Symbol API or a direct call."""
    call = locals_of(gluon.Parameter._finish_deferred_init.__code__)
    return call["self"] if call is not None and call["self"].name == name else None


def place_of(param: gluon.Parameter) -> Optional[Place]:
    """The place of `param` in the network that is being initialized, was initialized last, or runs; else None."""
    call = root = running = None
    frame: Any = sys._getframe(1)
    while frame is not None:
        if call is None and frame.f_code is backend.initialize_code:
            call = frame.f_locals
        if frame.f_code is _BLOCK_INITIALIZE:
            root = frame.f_locals["self"]
            break
        if frame.f_code in _RUNNING:
            running = frame.f_locals["self"]
        frame = frame.f_back
    if call is not None and _SEEN not in call:
        # The first parameter of this `initialize` call: the network may have changed since the last call.
        call[_SEEN] = True
        net = root if root is not None else network_of(param)
        if net is not None:
            remember_places(net, places(net))
    elif call is None and network_of(param) is None and running is not None:
        remember_places(running, places(running))
    return remembered_place(param)


def hook_arguments(desc: InitDesc, arr: Any) -> Tuple[InitDesc, Any]:
    """The name and the array for an initializer, from the name and the array that MXNet passes."""
    # MXNet 2's `RNNFused` passes flat parts of its vector, named `_i2h_weight_initializer`: a weight gets its 2D shape.
    call = locals_of(backend.FusedRNN._init_weight.__code__) if desc.endswith("_initializer") else None
    if call is None:
        return desc, arr
    fused = call["self"]
    connection, kind = desc.strip("_").split("_")[:2]
    if kind == "weight":
        rows = fused.projection_size if connection == "h2r" else fused.gates * fused.num_hidden
        # The classic reshape shares memory; the NumPy reshape does not.
        arr = arr.as_nd_ndarray().reshape((int(rows), -1)).as_np_ndarray()
    return InitDesc(f"{connection}_{kind}", desc.attrs, desc.global_init), arr
