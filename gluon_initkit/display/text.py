"""Tables as text, by rich, and as GitHub's Markdown. The kit chooses the widths of columns and where lines break, since
rich would break names and numbers anywhere: a sentence breaks at its blanks, a path after its dots, a number last.
"""

from dataclasses import dataclass
import io
import random
import re
from typing import Any, List, Optional, Sequence

_state = random.getstate()

from rich import box  # noqa: E402
from rich.console import Console  # noqa: E402
from rich.table import Table as RichTable  # noqa: E402
from rich.text import Text  # noqa: E402

random.setstate(_state)  # importing rich draws a number from the user's generator

from .table import Column, Table, printable  # noqa: E402

_STYLES = {"error": "bold red", "warning": "yellow", "info": "cyan", "changed": "green", "dim": "dim", "": ""}
_GAP = 2  # blanks between columns
_SHAPE = re.compile(r"\([\d?,. ]*\)")  # which stays whole
_LEAST = 12  # characters that a column of names or sentences keeps until numbers are broken as well
_LEAST_INDENTED = 8  # characters of a name that stand beside its indent
DOT = r"(?<=(?<!\.)\.)(?!\.)"
_NO_SHAPE = r"(?![\d?,. ]+\))"
_BLANK = rf"(?<=\s)(?!\s){_NO_SHAPE}(?!(?:[KMGT]i)?B\b)"  # but not between a number of bytes and its unit
_CAPITAL = r"(?<=[a-z])(?=[A-Z])"
_LEVELS = [re.compile(level)
           for level in (_BLANK, DOT, rf"(?<=[(,/]){_NO_SHAPE}", r"(?<=[_=])", _CAPITAL, r"(?<=.)(?=.)")]  # fmt: skip


def as_text(table: Table, width: Optional[int] = None) -> str:
    """Plain text without colour codes, as wide as the terminal or as `width`."""
    return rendered(as_rich(table), width)


def terminal_width() -> int:
    """In characters; the variable COLUMNS overrides it."""
    return Console(force_jupyter=False).width


def rendered(renderable: Any, width: Optional[int] = None, terminal: bool = False) -> str:
    """Anything that rich can print, as text: plain, or in this terminal's colours, but for where NO_COLOR is set."""
    out = io.StringIO()
    # In Jupyter, rich would show it as an output of the cell instead of writing it to the file.
    console = Console(file=out, force_terminal=terminal, force_jupyter=False, width=width or terminal_width(),
                      color_system="auto" if terminal else None)  # fmt: skip
    console.print(renderable, soft_wrap=False)
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines())


def as_rich(table: Table) -> Any:
    """A renderable for ``rich.print``."""
    return _Renderable(table)


@dataclass(frozen=True)
class _Renderable:
    """A table whose widths are chosen when rich says how much room there is."""

    table: Table

    def __rich_console__(self, console: Any, options: Any) -> Any:
        table, width, cells = self.table, options.max_width, cell_lines(self.table)
        yield from (Text(_paragraph(note, width), "bold yellow") for note in table.notes)
        if table.title:
            yield Text(_paragraph(table.title, width), style="italic")
        before = None
        if table.rows or any(table.footer):
            yield _rich_table(table, _fitted_widths(table, cells, width))
            before = "table"
        for style, text in table.footnotes:
            if before == "table" or (style and before == ""):
                yield Text()
            yield Text(_paragraph(text, width, "  " if style else ""), style=_STYLES[style])
            before = style
        floors = [min(max(map(len, lines)), *(_floor(column, lines, step) for step in range(3)))
                  for column, lines in zip(table.columns, cells)]  # fmt: skip
        needed = sum(floors) + _GAP * (len(floors) - 1)
        if table.rows and needed > width:
            yield Text(_paragraph(f"{width} columns break words and numbers: the table needs {needed}", width))


def cell_lines(table: Table) -> List[List[str]]:
    """All lines of each column, its heading and footer included."""
    around = zip(table.columns, table.footer or [""] * len(table.columns))
    columns = [printable("\n".join((column.title, text)), keep="\n").split("\n") for column, text in around]
    for row in table.rows:
        for lines, column in zip(columns, table.columns):
            lines += column.lines(row)
    return columns


def _fitted_widths(table: Table, cells: Sequence[Sequence[str]], width: int) -> List[int]:
    """How wide each column is, room being taken from the widest first: words are broken before numbers."""
    widths = [max(map(len, lines)) for lines in cells]
    room = width - _GAP * (len(widths) - 1)
    for step in range(4):
        if sum(widths) <= room:
            break
        floors = [_floor(column, lines, step) for column, lines in zip(table.columns, cells)]
        while sum(widths) > room:
            able = [index for index, floor in enumerate(floors) if widths[index] > floor]
            if not able:
                break
            widths[max(able, key=lambda index: widths[index])] -= 1
    return widths


def _floor(column: Column, lines: Sequence[str], step: int) -> int:
    """How narrow a column may become in a step: breaking at blanks or dots, anywhere but in shapes, and at all."""
    if step == 3:
        return 1
    if column.number:
        return max(map(len, lines))
    if step == 2:
        return max([_LEAST, *(len(shape) for line in lines for shape in _SHAPE.findall(line))])
    pieces = lines
    for level in _LEVELS[int(column.path) : 5 if step else int(column.path) + 1]:
        pieces = [part for piece in pieces for part in level.split(piece)]
    return max(len(piece.rstrip()) for piece in pieces)


def _rich_table(table: Table, widths: Sequence[int]) -> RichTable:
    has_footer = any(table.footer)
    made = RichTable(box=box.SIMPLE if has_footer else box.SIMPLE_HEAD, show_edge=False, pad_edge=False,
                     padding=(0, 1, 0, 0), show_footer=has_footer)  # fmt: skip
    for column, text, room in zip(table.columns, table.footer or [""] * len(widths), widths):
        heading, footer = (Text(printable(each, keep="\n")) for each in (column.title, text))
        made.add_column(heading, footer, justify="right" if column.number else "left", overflow="fold", width=room)
    for row in table.rows:
        cells = [[_indented(line, room, column.path) for line in column.lines(row)]
                 for column, room in zip(table.columns, widths)]  # fmt: skip
        made.add_row(*(Text("\n".join(lines)) for lines in cells), style=_STYLES[table.emphasis(row)])
    return made


def _indented(line: str, room: int, path: bool) -> str:
    """A line in lines, all of which are indented as its beginning is, and those of a tree's row further."""
    if len(line) <= room:
        return line
    text = line.lstrip()
    indent = line[: len(line) - len(text)][: max(0, room - min(len(text), _LEAST_INDENTED))]
    further = indent + "  " if indent else ""
    return indent + wrapped(text, room - len(further), path).replace("\n", f"\n{further}")


def _paragraph(text: str, width: int, indent: str = "") -> str:
    """A text in lines; all but the first are indented, so that a reader sees where the next text begins."""
    text = printable(text, keep="\n")
    if len(text) <= width or width < 20:
        return text
    lines = [_indented(part, width - len(indent), False) for part in text.split("\n")]
    return "\n".join(lines).replace("\n", f"\n{indent}")


def wrapped(text: str, width: int, path: bool = False) -> str:
    """Text broken into lines of that width; a path is not broken at its blanks."""
    lines = [""]
    for piece in _pieces(text, width, int(path)):
        if lines[-1] and len(lines[-1]) + len(piece.rstrip()) > width:
            lines.append("")
        lines[-1] += piece
    return "\n".join(line.rstrip() for line in lines)


def _pieces(text: str, width: int, level: int) -> List[str]:
    """The parts of a text that may stand on lines of their own, none longer than the width."""
    if len(text.rstrip()) <= width or level == len(_LEVELS):
        return [text]
    return [piece for part in _LEVELS[level].split(text) for piece in _pieces(part, width, level + 1)]


def as_markdown(table: Table) -> str:
    """The notes, the table, its footer in bold as the last row, and the footnotes as a list."""
    above = [f"> {_escaped(note)}" for note in table.notes] + ([f"**{_escaped(table.title)}**"] if table.title else [])
    rows = [[_escaped(column.title) for column in table.columns],
            ["---:" if column.number else "---" for column in table.columns],
            *([_markdown_cell(column, row) for column in table.columns] for row in table.rows)]  # fmt: skip
    if any(table.footer):
        rows.append([text and f"**{_escaped(text)}**" for text in table.footer])
    below = "\n".join(f"- {_escaped(text)}" for _, text in table.footnotes)
    return "\n\n".join([*above, "\n".join(f"| {' | '.join(cells)} |" for cells in rows), *([below] if below else [])])


def _markdown_cell(column: Column, row: Any) -> str:
    lines = column.lines(row)
    if column.path and not any("`" in line for line in lines):
        return "<br>".join("`" + line.replace("|", "\\|") + "`" for line in lines)
    return "<br>".join(map(_escaped, lines))


def _escaped(text: str) -> str:
    return re.sub(r"([\\|*_`<>\[\]])", r"\\\1", printable(text, keep="\n")).replace("\n", "<br>")
