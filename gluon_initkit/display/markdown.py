"""Tables as GitHub's Markdown, for issues, pull requests and wikis."""

import re
from typing import Iterable

from .table import Column, Table
from .units import printable


def as_markdown(table: Table) -> str:
    """The notes, the table, its footer in bold as the last row, and the footnotes as a list."""
    above = [f"> {_escaped(note)}" for note in table.notes] + ([f"**{_escaped(table.title)}**"] if table.title else [])
    lines = [_line(_escaped(column.title) for column in table.columns)]
    lines.append(_line("---:" if column.number else "---" for column in table.columns))
    lines += [_line(_cell(column, row) for column in table.columns) for row in table.rows]
    if any(table.footer):
        lines.append(_line(text and f"**{_escaped(text)}**" for text in table.footer))
    below = "\n".join(f"- {_escaped(text)}" for _, text in table.footnotes)
    return "\n\n".join([*above, "\n".join(lines), *([below] if below else [])])


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _cell(column: Column, row: object) -> str:
    lines = column.lines(row)
    if column.path and not any("`" in line for line in lines):
        return "<br>".join("`" + line.replace("|", "\\|") + "`" for line in lines)
    return "<br>".join(map(_escaped, lines))


def _escaped(text: str) -> str:
    return re.sub(r"([\\|*_`<>\[\]])", r"\\\1", printable(text, keep="\n")).replace("\n", "<br>")
