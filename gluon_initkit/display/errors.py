"""The base class of the kit's errors, and its warnings. Both show foreign names escaped.

Names of parameters, blocks, arrays and files come from somebody else, and may hold characters that steer a terminal.
"""

import sys
import warnings

from .units import printable

_INTERNAL = (__name__.partition(".")[0], "mxnet")


class KitError(Exception):
    """An error whose text has no control characters. Attributes and ``args`` keep names as they are."""

    def __str__(self) -> str:
        return printable(super().__str__(), keep="\n")


def warn(message: str) -> None:
    """Warn at the innermost line that is neither MXNet's nor the kit's.

    The number of frames between the user's line and the warning differs from call to call: a rule is checked while
    ``net.initialize`` fills, twenty calls of MXNet deep.
    """
    level, frame = 1, sys._getframe()  # `warnings.warn` counts its caller as 1
    while frame.f_back is not None and str(frame.f_globals.get("__name__")).partition(".")[0] in _INTERNAL:
        level, frame = level + 1, frame.f_back
    warnings.warn(printable(message), stacklevel=level)
