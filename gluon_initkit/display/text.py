"""Tables as text, by rich: as wide as the terminal, names wrapped at their dots and never cut.

The widths are settled here rather than by rich: numbers keep their room while there is any, names and prose give way,
and break where a reader would break them.
"""

import io
import random
from typing import Any, Callable, List, Optional, Sequence

_generator = random.getstate()

from rich import box  # noqa: E402
from rich.console import Console  # noqa: E402
from rich.table import Table as RichTable  # noqa: E402
from rich.text import Text  # noqa: E402

random.setstate(_generator)  # when it is imported, rich draws a number from the user's generator

from .table import Table  # noqa: E402
from .units import printable  # noqa: E402
from .wrapping import longest_piece, wrapped  # noqa: E402

__all__ = ["as_rich", "as_text", "cell_widths", "fitted", "rendered", "rich_text"]

_STYLES = {"error": "bold red", "warning": "yellow", "info": "cyan", "changed": "green", "": ""}
_BETWEEN = 2  # blanks between columns
_TORN = 12  # characters that are left to a column of names or prose before numbers are folded


def rich_text(text: str, style: str = "") -> Text:
    """A piece of text for rich, in which nothing can steer a terminal."""
    return Text(printable(text, keep="\n"), style)


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
    return [max(map(len, _lines(column, table.rows))) for column in table.columns]


def fitted(wanted: List[int], floors: Sequence[Callable[[], List[int]]], room: int) -> List[int]:
    """Widths that fit the room, taken from the widest column first, down to the first floors, then to the next.

    Examples
    --------
    >>> fitted([40, 10, 8], [lambda: [30, 10, 8], lambda: [12, 9, 8]], 38)
    [20, 10, 8]
    """
    widths = list(wanted)
    for floor in floors:
        if sum(widths) <= room:
            break
        least = floor()
        while sum(widths) > room:
            able = [index for index, width in enumerate(widths) if width > least[index]]
            if not able:
                break
            widths[max(able, key=lambda index: widths[index])] -= 1
    return widths


def _floors(table: Table, wanted: List[int]) -> List[Callable[[], List[int]]]:
    """How narrow columns may become: names and prose whole, then broken, then torn; at last numbers as well."""

    def pieces(forced: bool) -> List[int]:
        return [
            max(longest_piece(line, column.path, forced) for line in _lines(column, table.rows))
            if column.justify == "left" else width
            for column, width in zip(table.columns, wanted)
        ]  # fmt: skip

    torn = [min(width, _TORN) if column.justify == "left" else width for column, width in zip(table.columns, wanted)]
    return [lambda: pieces(False), lambda: pieces(True), lambda: torn, lambda: [1] * len(wanted)]


def _lines(column: Any, rows: Sequence[Any]) -> List[str]:
    around = [line for text in (column.heading, column.footer) for line in printable(text, keep="\n").split("\n")]
    return around + [line for row in rows for line in column.lines(row)]


class _Fitted:
    """A table that settles its widths when it learns how much room there is."""

    def __init__(self, table: Any) -> None:
        self.table = table

    def __rich_console__(self, console: Any, options: Any) -> Any:
        table = self.table if isinstance(self.table, Table) else self.table.at(options.max_width)
        room = options.max_width - _BETWEEN * (len(table.columns) - 1)
        wanted = cell_widths(table)
        widths = fitted(wanted, _floors(table, wanted), room)
        footer = any(column.footer for column in table.columns)
        made = RichTable(
            box=box.SIMPLE if footer else box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0),
            show_footer=footer,
        )  # fmt: skip
        for column, width in zip(table.columns, widths):
            heading, footing = rich_text(column.heading), rich_text(column.footer)
            made.add_column(heading, footing, justify=column.justify, overflow="fold", width=width)
        for row in table.rows:
            cells = (_cell(column, row, width) for column, width in zip(table.columns, widths))
            made.add_row(*cells, style=_STYLES[table.emphasis(row)])
        yield from (rich_text(_broken(printable(note), options.max_width), "bold yellow") for note in table.notes)
        if table.title:
            yield Text(_broken(printable(table.title), options.max_width), style="italic")
        before: Optional[str] = None
        if table.rows or footer:
            yield made
            before = "table"
        for style, text in table.footnotes:
            if before == "table" or (style and before == ""):
                yield Text()
            broken = _broken(printable(text, keep="\n"), options.max_width, "  " if style else "")
            yield Text(broken, style=_STYLES[style])
            before = style


def _broken(text: str, width: int, indent: str = "") -> str:
    """A text in lines; its further ones may be indented, so that each of several texts can be told from the next."""
    if len(text) <= width or width < 20:
        return text
    lines = (line for part in text.split("\n") for line in wrapped(part, width - len(indent)).split("\n"))
    return f"\n{indent}".join(lines)


def _cell(column: Any, row: Any, width: int) -> Text:
    return Text("\n".join(wrapped(line, width, column.path) for line in column.lines(row)))
