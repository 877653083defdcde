"""The errors of sharing and of loading."""

from typing import Sequence

from .._mxnet import mx
from ..display import KitError, counted


class SharingError(KitError, mx.MXNetError, ValueError):
    """Parameters cannot be shared as asked, or are not shared as expected; nothing was changed.

    It is an `MXNetError` and a `ValueError`. The message names both paths, what was found, and what mends it.
    """


class LoadError(SharingError):
    """A parameter file does not fit the network, which was not changed.

    A parameter is missing, one is too much, a shape, dtype or context differs, a tie is lost; the message names them. A
    file that is broken, or no parameter file at all, is a `CheckpointError`.
    """


def sharing_refused(problems: Sequence[str]) -> SharingError:
    """One error for all problems."""
    sentences = [problem if problem.endswith((".", "?")) else f"{problem}." for problem in problems]
    return SharingError(f"{counted(len(problems), 'problem')}, and nothing was changed:{ten_lines(sentences)}")


def ten_lines(sentences: Sequence[str]) -> str:
    """A line each, but ten at most, and how many more there are."""
    more = [f"and {len(sentences) - 10} more."] if len(sentences) > 10 else []
    return "".join(f"\n  {sentence}" for sentence in [*sentences[:10], *more])
