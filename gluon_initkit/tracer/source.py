"""The user's own line: who called MXNet or the kit, and what of it."""

from pathlib import Path
import sys
from typing import Any, Optional, Tuple

from .._mxnet import mx

__all__ = ["user_call"]

_KIT = str(Path(__file__).parents[1]) + "/"
_MXNET = str(Path(mx.__file__).parent) + "/"
_WATCH = (_KIT + "tracer/", _KIT + "_mxnet/")


def user_call() -> Tuple[str, Optional[str], Optional[int]]:
    """What the user called, and the file and line of that: the innermost frame outside of MXNet and the kit."""
    frame: Any = sys._getframe(1)
    api: Any = None
    while frame is not None:
        file = frame.f_code.co_filename
        if file.startswith(_MXNET) or frame.f_globals.get("__name__", "").startswith("mxnet."):
            api = frame
        elif file.startswith(_KIT):
            api = api if file.startswith(_WATCH) else frame
        else:
            break
        frame = frame.f_back
    return _called(api), *((None, None) if frame is None else (frame.f_code.co_filename, frame.f_lineno))


def _called(frame: Any) -> str:
    if frame is None:
        return ""
    name = frame.f_code.co_name
    if frame.f_code.co_filename.startswith(_KIT):
        return f"ik.{name}"
    return f"{type(frame.f_locals['self']).__name__}.{name}" if "self" in frame.f_locals else name
