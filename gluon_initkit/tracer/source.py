"""The user's own source line: that which has called MXNet or the kit, and that from which an exception came."""

import functools
import linecache
import sys
import traceback
from types import FrameType
from typing import Any, List, Optional, Sequence, Tuple

from .._mxnet import mx
from .._mxnet.instrument.call_stack import BlockCall

Frame = Tuple[FrameType, int]
_KIT = __name__.partition(".")[0]
_WATCH = {f"{_KIT}.{each}" for each in ("tracer.trace", "tracer.source", "_mxnet.instrument.observer")}
_MXNETS_FORWARD = (mx.gluon.HybridBlock.forward, mx.gluon.SymbolBlock.forward)


def source_within(within: Optional[BlockCall]) -> Tuple[str, Optional[str], Optional[int]]:
    """What the user called, and the file and line of that: the innermost frame outside of MXNet and the kit."""
    # Where MXNet's own `forward` resolves a block's parameters, the line is found once for all of them.
    once = within if within is not None and type(within.block).forward in _MXNETS_FORWARD else None
    if once is not None and once.source is not None:
        return once.source
    called: Any = None
    where: Tuple[Optional[str], Optional[int]] = None, None
    for frame, line in traceback.walk_stack(sys._getframe()):
        owner = code_owner(frame)
        if owner == "user":
            where = frame.f_code.co_filename, line
            break
        called = called if owner == "watch" else frame
    name = "" if called is None else called.f_code.co_name
    if called is not None and code_owner(called) == "kit":
        name = f"ik.{name}"
    elif called is not None and "self" in called.f_locals:
        name = f"{type(called.f_locals['self']).__name__}.{name}"
    if once is not None:
        once.source = name, *where
    return name, *where


def frames_of(error: BaseException, around: Optional[FrameType] = None) -> List[Frame]:
    """The frames that an exception came through and their lines, outermost first."""
    # `around` is the frame that caught it, of a call that is still under way: the traceback ends there.
    outer = [] if around is None else list(traceback.walk_stack(around))
    return [*reversed(outer), *traceback.walk_tb(error.__traceback__)]


def last_lines(frames: Sequence[Frame]) -> Tuple[str, str]:
    """The user's innermost line, ``file:7 (in forward): y = x[0]``, and MXNet's; each empty where there is none."""
    found = {}
    for frame, number in frames:
        code = frame.f_code
        line = linecache.getline(code.co_filename, number, frame.f_globals).strip()
        if line or code_owner(frame) == "user":  # functions that MXNet has generated have no source
            found[code_owner(frame)] = f"{code.co_filename}:{number} (in {code.co_name}){': ' if line else ''}{line}"
    return found.get("user", ""), found.get("mxnet", "")


def code_owner(frame: FrameType) -> str:
    """Whose code a frame runs: ``'user'``, ``'mxnet'``, ``'kit'``, or ``'watch'``, which only looks on."""
    return _owner(frame.f_globals.get("__name__") or "")


@functools.lru_cache(maxsize=None)
def _owner(module: str) -> str:
    if module in _WATCH or module == "mxnet.util":  # decorators, which MXNet 2 has around most of what one calls
        return "watch"
    package = module.partition(".")[0]
    return {_KIT: "kit", "mxnet": "mxnet"}.get(package, "user")
