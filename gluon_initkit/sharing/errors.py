"""The errors of sharing and of loading."""

from typing import Sequence

from .._mxnet import mx
from ..display import KitError, counted


class SharingError(KitError, mx.MXNetError, ValueError):
    """Parameters cannot be shared as asked, or are not shared as expected; nothing was changed.

    It is an `MXNetError` and a `ValueError`. The message names both paths, the problem, and how to mend it.
    """


class LoadError(SharingError):
    """A parameter file does not fit the network, which was not changed.

    A parameter is missing, an array is extra, a shape, dtype or context differs, or a tie is lost; the message names
    them. A damaged file, or a file of another kind, raises a `CheckpointError`.
    """


def sharing_refused(problems: Sequence[str]) -> SharingError:
    """One error for all problems."""
    sentences = [problem if problem.endswith((".", "?")) else f"{problem}." for problem in problems]
    return SharingError(f"{counted(len(problems), 'problem')}, and nothing was changed:{ten_lines(sentences)}")


def ten_lines(sentences: Sequence[str]) -> str:
    """Each sentence on a line, ten at most, then the number of the others."""
    more = [f"and {len(sentences) - 10} more."] if len(sentences) > 10 else []
    return "".join(f"\n  {sentence}" for sentence in [*sentences[:10], *more])
