"""One table model: rows, and columns that know how to read a row. Renderers turn it into text or HTML."""

from dataclasses import dataclass
from typing import Any, Callable, Sequence, Tuple

__all__ = ["Column", "Table"]


@dataclass(frozen=True)
class Column:
    """One column: its heading, how to read its text from a row, how to align it."""

    heading: str
    read: Callable[[Any], str]
    justify: str = "left"
    path: bool = False
    """Whether it holds parameter paths, which wrap at dots and are never cut."""


@dataclass(frozen=True)
class Table:
    """A titled table with notes above it.

    Attributes
    ----------
    title : str
    columns : tuple of Column
    rows : sequence
        Anything that the columns can read.
    notes : tuple of str
        Sentences that stand on top, most important first.
    emphasis : callable
        Answers ``'error'``, ``'changed'`` or ``''`` for a row.
    """

    title: str
    columns: Tuple[Column, ...]
    rows: Sequence[Any]
    notes: Tuple[str, ...] = ()
    emphasis: Callable[[Any], str] = lambda row: ""
