"""The user's source line: the line that called MXNet or the kit, and the line that an exception came from."""

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
_WATCH = {f"{_KIT}.{module}" for module in ("tracer.trace", "tracer.source", "_mxnet.instrument.observer")}
_MXNETS_FORWARD = (mx.gluon.HybridBlock.forward, mx.gluon.SymbolBlock.forward)


def source_within(within: Optional[BlockCall]) -> Tuple[str, Optional[str], Optional[int]]:
    """The name of the user's call, its file and its line: the innermost frame outside of MXNet and the kit."""
    # MXNet's own `forward` resolves all parameters of a block in one call: its source line is looked up once.
    shared_call = within if within is not None and type(within.block).forward in _MXNETS_FORWARD else None
    if shared_call is not None and shared_call.source is not None:
        return shared_call.source
    callee: Any = None
    location: Tuple[Optional[str], Optional[int]] = None, None
    for frame, line in traceback.walk_stack(sys._getframe()):
        owner = code_owner(frame)
        if owner == "user":
            location = frame.f_code.co_filename, line
            break
        callee = callee if owner == "watch" else frame
    name = "" if callee is None else callee.f_code.co_name
    if callee is not None and code_owner(callee) == "kit":
        name = f"ik.{name}"
    elif callee is not None and "self" in callee.f_locals:
        name = f"{type(callee.f_locals['self']).__name__}.{name}"
    if shared_call is not None:
        shared_call.source = name, *location
    return name, *location


def frames_of(error: BaseException, caught_in: Optional[FrameType] = None) -> List[Frame]:
    """The frames that an exception came through and their lines, outermost first."""
    # A traceback ends at the frame that caught the exception, `caught_in`; the frames around that one are on the stack.
    outer = [] if caught_in is None else list(traceback.walk_stack(caught_in))
    return [*reversed(outer), *traceback.walk_tb(error.__traceback__)]


def last_lines(frames: Sequence[Frame]) -> Tuple[str, str]:
    """The user's innermost line, ``file:7 (in forward): y = x[0]``, and MXNet's; each is empty if there is none."""
    lines = {}
    for frame, number in frames:
        code = frame.f_code
        line = linecache.getline(code.co_filename, number, frame.f_globals).strip()
        if line or code_owner(frame) == "user":  # MXNet's generated functions have no source
            lines[code_owner(frame)] = f"{code.co_filename}:{number} (in {code.co_name}){': ' if line else ''}{line}"
    return lines.get("user", ""), lines.get("mxnet", "")


def code_owner(frame: FrameType) -> str:
    """The owner of a frame's code: ``'user'``, ``'mxnet'``, ``'kit'``, or ``'watch'`` for code that only observes."""
    return _owner(frame.f_globals.get("__name__") or "")


@functools.lru_cache(maxsize=None)
def _owner(module: str) -> str:
    if module in _WATCH or module == "mxnet.util":  # MXNet 2 decorates most of its functions
        return "watch"
    package = module.partition(".")[0]
    return {_KIT: "kit", "mxnet": "mxnet"}.get(package, "user")
