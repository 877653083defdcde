"""One table model: rows, and columns that know how to read a row. Renderers turn it into text, HTML or Markdown."""

from dataclasses import dataclass
from typing import Any, Callable, List, Sequence, Tuple, Union

from .units import printable

__all__ = ["Column", "Table"]


@dataclass(frozen=True)
class Column:
    """One column: its heading, how to read its text from a row, how to align it."""

    heading: str
    read: Callable[[Any], Union[str, Sequence[str]]]
    """Text, or lines of text."""
    justify: str = "left"
    path: bool = False
    """Whether it holds parameter paths, which wrap at dots and are never cut."""
    footer: str = ""
    """What stands below the column, such as its sum."""

    def lines(self, row: Any) -> List[str]:
        """A cell's lines, in which nothing steers a terminal. A name is one line, whatever it holds."""
        cell = self.read(row)
        if isinstance(cell, str):
            cell = [cell] if self.path else cell.split("\n")
        return [printable(line) for line in cell]


@dataclass(frozen=True)
class Table:
    """A titled table with notes above it and below.

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
    footnotes : tuple of (str, str)
        What stands below: ``'error'``, ``'warning'``, ``'info'`` or ``''``, and the text.
    """

    title: str
    columns: Tuple[Column, ...]
    rows: Sequence[Any]
    notes: Tuple[str, ...] = ()
    emphasis: Callable[[Any], str] = lambda row: ""
    footnotes: Tuple[Tuple[str, str], ...] = ()
