"""Tables as text, by rich: as wide as the terminal, names wrapped at their dots and never cut.

The widths are settled here rather than by rich: numbers keep their room while there is any, paths and prose give way.
"""

import io
from typing import Any, List, Optional

from rich import box
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from .table import Table
from .units import printable

__all__ = ["as_rich", "as_text", "cell_widths", "fitted", "rendered"]

_STYLES = {"error": "bold red", "warning": "yellow", "info": "cyan", "changed": "green", "": ""}
_BETWEEN = 2  # blanks between columns
_FLEXIBLE = 12  # what is left to a column of names or prose before numbers are folded


def as_rich(table: Any) -> Any:
    """A rich renderable of a table, or of what makes one ``at(width)``; for ``rich.print``."""
    return _Fitted(table)


def as_text(table: Any, width: Optional[int] = None) -> str:
    """Plain text without colour codes, as wide as the terminal (the variable COLUMNS says otherwise) or as `width`."""
    return rendered(as_rich(table), width)


def rendered(renderable: Any, width: Optional[int] = None) -> str:
    """Anything that rich can print as such plain text."""
    out = io.StringIO()
    width = width or Console(force_jupyter=False).width
    # In Jupyter, rich would show it as an output of the cell instead of writing it to the file.
    console = Console(file=out, force_terminal=False, force_jupyter=False, color_system=None, width=width)
    console.print(renderable, soft_wrap=False)
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines())


def cell_widths(table: Table) -> List[int]:
    """How wide each column would like to be."""
    widths = []
    for column in table.columns:
        texts = [column.heading, column.footer, *map(column.read, table.rows)]
        widths.append(max(len(line) for text in texts for line in printable(text, keep="\n").split("\n")))
    return widths


def fitted(wanted: List[int], flexible: List[bool], room: int) -> List[int]:
    """Widths that fit the room, taken from the widest column first, from flexible columns before the others.

    Examples
    --------
    >>> fitted([40, 10, 8], [True, True, False], 38)
    [20, 10, 8]
    """
    widths = list(wanted)
    for gives, floor in ((flexible, _FLEXIBLE), ([True] * len(widths), 1)):
        while sum(widths) > room:
            able = [index for index, width in enumerate(widths) if gives[index] and width > floor]
            if not able:
                break
            widths[max(able, key=lambda index: widths[index])] -= 1
    return widths


class _Fitted:
    """A table that settles its widths when it learns how much room there is."""

    def __init__(self, table: Any) -> None:
        self.table = table

    def __rich_console__(self, console: Any, options: Any) -> Any:
        table = self.table if isinstance(self.table, Table) else self.table.at(options.max_width)
        room = options.max_width - _BETWEEN * (len(table.columns) - 1)
        widths = fitted(cell_widths(table), [column.justify == "left" for column in table.columns], room)
        footer = any(column.footer for column in table.columns)
        made = RichTable(
            box=box.SIMPLE if footer else box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0),
            show_footer=footer,
        )  # fmt: skip
        for column, width in zip(table.columns, widths):
            made.add_column(
                Text(column.heading), Text(column.footer), justify=column.justify, overflow="fold", width=width
            )
        for row in table.rows:
            cells = (_cell(column, row, width) for column, width in zip(table.columns, widths))
            made.add_row(*cells, style=_STYLES[table.emphasis(row)])
        yield from (Text(note, style="bold yellow") for note in table.notes)
        if table.title:
            yield Text(printable(table.title), style="italic")
        yield made
        yield from (Text(printable(text, keep="\n"), style=_STYLES[style]) for style, text in table.footnotes)


def _cell(column: Any, row: Any, width: int) -> Text:
    text = printable(column.read(row), keep="\n")
    return Text("\n".join(_at_dots(line, width) for line in text.split("\n")) if column.path else text)


def _at_dots(path: str, width: int) -> str:
    """A path broken after dots where it is too long, else after underscores; what has neither is left to folding."""
    lines = [""]
    parts = path.replace(".", ".\0").split("\0")
    pieces = [
        piece for part in parts for piece in (part.replace("_", "_\0").split("\0") if len(part) > width else [part])
    ]
    for piece in pieces:
        if lines[-1] and len(lines[-1]) + len(piece) > width:
            lines.append("")
        lines[-1] += piece
    return "\n".join(lines)
