"""Tables as text, by rich: as wide as the terminal, names wrapped and never cut."""

import io
from typing import Any

from rich import box
from rich.console import Console, Group
from rich.table import Table as RichTable
from rich.text import Text

from .table import Table

__all__ = ["as_rich", "as_text", "rendered"]

_STYLES = {"error": "bold red", "changed": "green", "": ""}


def as_rich(table: Table) -> Any:
    """A rich renderable, for ``rich.print``."""
    made = RichTable(title=table.title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for column in table.columns:
        made.add_column(column.heading, justify=column.justify, overflow="fold")  # type: ignore[arg-type]
    for row in table.rows:
        cells = (Text(column.read(row)) for column in table.columns)
        made.add_row(*cells, style=_STYLES[table.emphasis(row)])
    return Group(*(Text(note, style="bold yellow") for note in table.notes), made)


def as_text(table: Table) -> str:
    """Plain text without colour codes, as wide as the terminal (the variable COLUMNS says otherwise)."""
    return rendered(as_rich(table))


def rendered(renderable: Any) -> str:
    """Anything that rich can print as such plain text."""
    out = io.StringIO()
    console = Console(file=out, force_terminal=False, color_system=None, width=Console().width)
    console.print(renderable, soft_wrap=False)
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines())
