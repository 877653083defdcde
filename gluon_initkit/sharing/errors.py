"""The one error of this module."""

from typing import Sequence

from .._mxnet import mx
from ..display import KitError, counted

__all__ = ["SharingError", "refusal"]


class SharingError(KitError, mx.MXNetError, ValueError):
    """Parameters cannot be shared as asked, or are not shared as expected; nothing was changed.

    It is an `MXNetError` and a `ValueError`. The message names both paths, what was found, and what mends it.

    Examples
    --------
    >>> issubclass(SharingError, ValueError)
    True
    """


def refusal(problems: Sequence[str]) -> SharingError:
    """One error for all that is wrong."""
    count = counted(len(problems), "problem")
    return SharingError(f"{count}, and nothing was changed:" + "".join(f"\n  {problem}." for problem in problems))
