"""The table model: columns, which read rows; rows; and branches, which are the rows of a tree.

Renderers turn a table into text, HTML or Markdown. All of the kit's tables have this one kind of column.
"""

from dataclasses import dataclass
from typing import Any, Callable, List, Optional, Sequence, Tuple, Union

from .units import AtLeast, escape, printable, show_value

__all__ = ["Branch", "Column", "Table"]


@dataclass(frozen=True)
class Column:
    """One column of a table.

    Parameters
    ----------
    key : str
        What ``columns=`` calls it, and its key in records, JSON and pandas.
    read : callable
        Its value in a row: a number, a string, a bool, a tuple of them, or None where there is none. In a report of
        `inspect` a row is a `ParameterRecord`.
    heading : str, optional
        What stands above it; the key by default.
    show : callable
        A value as text.
    fold : str or callable
        How one row speaks for several: ``'sum'``; ``'same'``, the value where all have the same, else each once; or a
        callable that gets the rows as a sequence.
    number : bool
        Whether it is set flush right.
    html : callable, optional
        A value as HTML, given the value and the row's path; by default what `show` writes.
    hoist : bool
        Whether a report says the value once in its title where all rows have the same.
    path : bool
        Whether it holds paths of parameters: a str, or a tuple of them that are lines. A path is broken at its dots.
    """

    key: str
    read: Callable[[Any], Any]
    heading: str = ""
    show: Callable[[Any], str] = show_value
    fold: Union[str, Callable[[Sequence[Any]], Any]] = "same"
    number: bool = False
    html: Optional[Callable[[Any, str], str]] = None
    hoist: bool = False
    path: bool = False

    @property
    def title(self) -> str:
        """The heading, or the key."""
        return self.heading or self.key

    def of(self, rows: Sequence[Any]) -> Any:
        """The value of one row that stands for these."""
        if len(rows) == 1:
            return self.read(rows[0])
        if callable(self.fold):
            return self.fold(rows)
        values = [value for value in map(self.read, rows) if value is not None]
        if self.fold == "sum":
            return (AtLeast(sum(values)) if len(values) < len(rows) else sum(values)) if values else None
        different = list({repr(value): value for value in values}.values())
        return different[0] if len(different) == 1 else tuple(different) or None

    def lines(self, row: Any) -> List[str]:
        """A cell's lines of printable text. A path is one line, whatever characters it has."""
        value = self.read(row)
        if self.path:
            return [printable(path) for path in ([value] if isinstance(value, str) else value)]
        return [printable(line) for line in self.show(value).split("\n")]

    def as_html(self, value: Any, path: str) -> str:
        """A value as HTML."""
        return escape(self.show(value)) if self.html is None else self.html(value, path)

    def sort_value(self, value: Any) -> Any:
        """What a value is sorted by: numbers as such, all else as it is shown, None as None."""
        return value if value is None or isinstance(value, (int, float)) else self.show(value)


@dataclass(frozen=True)
class Table:
    """A titled table with notes above it and below."""

    title: str
    columns: Tuple[Column, ...]
    rows: Sequence[Any]  # what the columns read; of a tree, branches
    notes: Tuple[str, ...] = ()  # sentences above the table, most important first
    emphasis: Callable[[Any], str] = lambda row: ""  # 'error', 'warning', 'info', 'changed' or '' of a row
    footnotes: Tuple[Tuple[str, str], ...] = ()  # below the table: 'error', 'warning', 'info' or '', and a text
    footer: Sequence[str] = ()  # what stands under each column, such as its sum


@dataclass(frozen=True)
class Branch:
    """One row of a tree, and the rows below it."""

    label: str
    remark: str = ""  # behind the label, less loud
    cells: Tuple[str, ...] = ()  # HTML for each further column
    path: str = ""  # the whole path, of which the label is the end
    severity: str = ""  # 'error', 'warning' or 'info', the worst finding here or below; or ''
    below: Tuple["Branch", ...] = ()
    open: bool = False  # whether the rows below are shown from the start
