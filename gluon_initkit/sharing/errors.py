"""The one error of this module."""

from typing import Sequence

from .._mxnet import mx
from ..display import counted

__all__ = ["SharingError", "refusal"]


class SharingError(mx.MXNetError, ValueError):
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
    sentences = (problem if problem.endswith((".", "?")) else f"{problem}." for problem in problems)
    return SharingError(f"{count}, and nothing was changed:" + "".join(f"\n  {each}" for each in sentences))
