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
    """One error for all that is wrong; it shows ten problems at most."""
    sentences = (problem if problem.endswith((".", "?")) else f"{problem}." for problem in problems[:10])
    more = f"\n  and {len(problems) - 10} more." if len(problems) > 10 else ""
    shown = "".join(f"\n  {each}" for each in sentences)
    return SharingError(f"{counted(len(problems), 'problem')}, and nothing was changed:{shown}{more}")
