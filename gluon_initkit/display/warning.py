"""`warn`: a warning that points at the user's own line, whatever of MXNet and of the kit lies between.

A rule is reviewed while `net.initialize` fills, twenty calls of MXNet below whoever called; a level that is counted by
hand fits one of the ways in. Python shows a warning once a line, which only works where the line is the right one.
"""

import sys
from types import FrameType
from typing import Optional
import warnings

from .units import printable

__all__ = ["warn"]

_OURS = (__name__.partition(".")[0], "mxnet")


def warn(message: str) -> None:
    """Warn at the innermost line that is neither MXNet's nor the kit's."""
    level, frame = 1, sys._getframe()  # as `warnings.warn` counts: 1 is who calls it
    while frame.f_back is not None and _is_ours(frame):
        level, frame = level + 1, frame.f_back
    warnings.warn(printable(message), stacklevel=level)


def _is_ours(frame: FrameType) -> bool:
    name: Optional[str] = frame.f_globals.get("__name__")
    return (name or "").partition(".")[0] in _OURS
