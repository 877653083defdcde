"""The user's own line: who called MXNet or the kit, and what of it."""

import functools
from pathlib import Path
import sys
from typing import Any, Optional, Tuple

from .._mxnet import BlockCall, is_plain_forward, mx

__all__ = ["call_within", "user_call"]

_KIT = str(Path(__file__).parents[1])
_MXNET = str(Path(mx.__file__).parent)
_OWN = ("tracer/tracing.py", "tracer/conflicts.py", "tracer/source.py", "tracer/writing.py", "_mxnet/watching.py",
        "_mxnet/changing.py")  # fmt: skip
_WATCH = {str(Path(_KIT) / file) for file in _OWN}


def user_call() -> Tuple[str, Optional[str], Optional[int]]:
    """What the user called, and the file and line of that: the innermost frame outside of MXNet and the kit."""
    frame: Any = sys._getframe(1)
    called: Any = None
    while frame is not None:
        whose = _whose(frame.f_code.co_filename)
        if whose == "user":
            break
        if whose != "watch":
            called = frame
        frame = frame.f_back
    return _named(called), *((None, None) if frame is None else (frame.f_code.co_filename, frame.f_lineno))


def call_within(within: Optional[BlockCall]) -> Tuple[str, Optional[str], Optional[int]]:
    """The same. Where MXNet's own `forward` resolves, it is one line for all parameters of a block, found once."""
    if within is None or not is_plain_forward(within.block):
        return user_call()
    if within.source is None:
        within.source = user_call()
    return within.source


@functools.lru_cache(maxsize=None)
def _whose(file: str) -> str:
    if file.startswith(_KIT):
        return "watch" if file in _WATCH else "kit"
    # MXNet makes its operators' functions from text.
    return "mxnet" if file.startswith(_MXNET) or file == "<string>" else "user"


def _named(frame: Any) -> str:
    if frame is None:
        return ""
    name = frame.f_code.co_name
    if _whose(frame.f_code.co_filename) == "kit":
        return f"ik.{name}"
    return f"{type(frame.f_locals['self']).__name__}.{name}" if "self" in frame.f_locals else name
