"""The table model, and its rendering as text (by rich) and as Markdown. `html` renders it as HTML.

The kit chooses the widths of columns and the line breaks, since rich would break names and numbers anywhere. A sentence
breaks at its blanks, a path after its dots, and a number only as a last resort.
"""

from dataclasses import dataclass, field
import io
from operator import attrgetter
import random
import re
from typing import Any, Callable, FrozenSet, List, Mapping, Optional, Sequence, Tuple, Union

_state = random.getstate()

from rich import box  # noqa: E402
from rich.console import Console  # noqa: E402
from rich.table import Table as RichTable  # noqa: E402
from rich.text import Text  # noqa: E402

random.setstate(_state)  # importing rich draws a number from the user's generator

from .words import AtLeast, escape, printable, shape_text, show_value  # noqa: E402

_STYLES = {"error": "bold red", "warning": "yellow", "info": "cyan", "changed": "green", "dim": "dim", "": ""}
_GAP = 2  # blanks between columns
_SHAPE = re.compile(r"\([\d?,. ]*\)")  # a shape is not broken
_LEAST = 12  # the least width of a column of names or sentences, until numbers are broken too
_LEAST_INDENTED = 8  # the least width for a name next to its indent
DOT = r"(?<=(?<!\.)\.)(?!\.)"
_NO_SHAPE = r"(?![\d?,. ]+\))"
_BLANK = rf"(?<=\s)(?!\s){_NO_SHAPE}(?!(?:[KMGT]i)?B\b)"  # not between a number of bytes and its unit
_CAPITAL = r"(?<=[a-z])(?=[A-Z])"
_LEVELS = [re.compile(level)
           for level in (_BLANK, DOT, rf"(?<=[(,/]){_NO_SHAPE}", r"(?<=[_=])", _CAPITAL, r"(?<=.)(?=.)")]  # fmt: skip


@dataclass(frozen=True)
class Column:
    """One column of a table.

    Parameters
    ----------
    key, heading : str
        Its name in ``columns=``, records, JSON and pandas; and its heading, by default the key.
    read, show : callable
        ``read(row)`` returns a number, a string, a bool, a tuple of these, or None; ``show(value)`` returns a text. In
        a report of `inspect`, a row is a `ParameterRecord`.
    fold : str or callable
        How one row represents several. ``'same'``: only rows of equal value become one row; a block shows each value
        once. ``'range'``: as ``'same'``, but in a long table different values become one row, ``(64..512, 3)``.
        ``'sum'``: the sum. A callable gets the rows and returns the value.
    number, path : bool
        Whether it is aligned right; and whether it holds a path, which breaks at its dots, or a tuple of such lines.
    html : callable, optional
        ``html(value, path)`` returns a value as HTML; by default, the text of `show`.
    hoist : bool or str
        Whether the title gives the value, instead of the column, if it is equal in all rows. A string is the format,
        ``'seed {}'``; with an empty string the value is not shown at all.
    of_block : bool
        Whether it describes the block of a row, so that a tree shows it once.
    """

    key: str
    read: Callable[[Any], Any]
    heading: str = ""
    show: Callable[[Any], str] = show_value
    fold: Union[str, Callable[[Sequence[Any]], Any]] = "same"
    number: bool = False
    html: Optional[Callable[[Any, str], str]] = None
    hoist: Union[bool, str] = False
    path: bool = False
    of_block: bool = False

    @property
    def title(self) -> str:
        return self.heading or self.key

    def of(self, rows: Sequence[Any]) -> Any:
        """The value of a row that represents these rows."""
        if len(rows) == 1:
            return self.read(rows[0])
        if callable(self.fold):
            return self.fold(rows)
        values = [value for value in map(self.read, rows) if value is not None]
        if self.fold == "sum":
            return (AtLeast(sum(values)) if len(values) < len(rows) else sum(values)) if values else None
        if self.fold == "range":
            return "" if 0 < len(values) < len(rows) else _range(values) if values else None
        different = list({repr(value): value for value in values}.values())
        return different[0] if len(different) == 1 else tuple(different) or None

    def lines(self, row: Any) -> List[str]:
        """The lines of a cell as printable text. A path is always one line."""
        value = self.read(row)
        if self.path:
            return [printable(path) for path in ([value] if isinstance(value, str) else value)]
        return [printable(line) for line in self.show(value).split("\n")]

    def as_html(self, value: Any, path: str) -> str:
        return escape(self.show(value)) if self.html is None else self.html(value, path)

    def sort_value(self, value: Any) -> Any:
        """The sort key of a value: a number or None itself, otherwise the text that is shown."""
        return value if value is None or isinstance(value, (int, float)) else self.show(value)


def path_column(heading: str = "parameter") -> Column:
    """The first column of a tree: the paths of its rows, with aliases below them."""
    return Column("path", attrgetter("path"), heading, path=True)


def number_columns(*keys: str, **options: Any) -> List[Column]:
    """Columns of numbers, which are the attributes `keys` of rows."""
    return [Column(key, attrgetter(key), number=True, **options) for key in keys]


def shape_column(key: str = "shape", heading: str = "", **options: Any) -> Column:
    """A column of shapes, read from the attribute `key` of each row."""
    return Column(key, attrgetter(key), heading, show=shape_text, fold="range", **options)


def _range(values: Sequence[Any]) -> Any:
    """One value for several: different sizes become a range; empty if the numbers of axes differ."""
    first = values[0]
    if all(value == first for value in values):
        return first
    if all(isinstance(value, (int, float)) for value in values):
        return "..".join(str(value) if type(value) is int else f"{value:.4g}" for value in (min(values), max(values)))
    if all(isinstance(value, tuple) and len(value) == len(first) for value in values):
        return tuple(map(_range, zip(*values)))
    return None if None in values else ""


@dataclass(frozen=True)
class Table:
    """A table with a title, and notes above and below it. `fold` makes a tree of its rows, by their paths."""

    title: str
    columns: Tuple[Column, ...]  # the first holds the paths
    rows: Sequence[Any]  # the arguments of `Column.read`; in a tree for HTML, branches
    notes: Tuple[str, ...] = ()  # sentences above the table, most important first
    emphasis: Callable[[Any], str] = lambda row: ""  # 'error', 'warning', 'info', 'changed', 'dim' or '' for a row
    footnotes: Tuple[Tuple[str, str], ...] = ()  # below the table: 'error', 'warning', 'info' or '', and a text
    footer: Sequence[str] = ()  # a text under each column, such as its sum
    # The names of the blocks around a row, and its own name; None if the table is a list.
    parts: Optional[Callable[[Any], Tuple[str, ...]]] = lambda row: tuple(row.path.split(".")) if row.path else ()
    headings: int = 0  # the number of first parts that are headings, not names in a path
    blocks: bool = False  # whether each row is a block, and so are the rows below it in the tree
    kinds: Mapping[str, str] = field(default_factory=dict)  # the class of each block, by its path
    alike: Callable[[Any], Any] = lambda row: None  # a key that rows must share, besides equal cells, to be one row
    again: FrozenSet[str] = frozenset()  # the paths of rows that another row counts: they add nothing to sums
    shown: Optional[Callable[[Any], bool]] = None  # which rows a text shows; None for all
    rest: Callable[[Sequence[Any]], str] = lambda rows: ""  # a sentence about the rows that a text does not show
    in_title: Sequence[Column] = ()  # further columns; the title gives their value if all rows share it
    legend: Mapping[str, str] = field(default_factory=dict)  # the meaning of each emphasis
    noun: str = "row"  # the name of a row in sentences
    shown_by_histogram: Sequence[str] = ()  # the keys of columns that HTML leaves out if it has a histogram
    order: Optional[Tuple[Column, bool]] = None  # the column that rows are sorted by, and whether in descending order
    first_to_go: Sequence[str] = ()  # the keys of columns that may be left out in a narrow text, in that order


@dataclass
class Branch:
    """One row of an HTML tree, and the rows below it."""

    label: str
    remark: str = ""  # after the label, in a muted colour
    cells: Tuple[str, ...] = ()  # HTML for each further column
    path: str = ""  # the full path, which ends with the label
    severity: str = ""  # the emphasis; of findings, the worst one here or below
    below: Sequence["Branch"] = ()
    open: bool = False  # whether the rows below are visible at first


def as_text(table: Table, width: Optional[int] = None) -> str:
    """Plain text without colour codes, as wide as the terminal or as `width`."""
    return rendered(as_rich(table), width)


def terminal_width() -> int:
    """The width in characters. The environment variable COLUMNS overrides it."""
    return Console(force_jupyter=False).width


def rendered(renderable: Any, width: Optional[int] = None, terminal: bool = False) -> str:
    """The text of anything that rich can print: plain, or in the terminal's colours unless NO_COLOR is set."""
    out = io.StringIO()
    # In Jupyter, rich would display it in the cell instead of writing it to `out`.
    console = Console(file=out, force_terminal=terminal, force_jupyter=False, width=width or terminal_width(),
                      color_system="auto" if terminal else None)  # fmt: skip
    console.print(renderable, soft_wrap=False)
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines())


def as_rich(table: Table) -> Any:
    """A renderable for ``rich.print``."""
    return _Renderable(table)


@dataclass(frozen=True)
class _Renderable:
    """A table that chooses its widths when rich passes it the available width."""

    table: Table

    def __rich_console__(self, console: Any, options: Any) -> Any:
        table, width, cells = self.table, options.max_width, cell_lines(self.table)
        yield from (Text(_paragraph(note, width), "bold yellow") for note in table.notes)
        if table.title:
            yield Text(_paragraph(table.title, width), style="italic")
        previous = None
        if table.rows or any(table.footer):
            yield _rich_table(table, _fitted_widths(table, cells, width))
            previous = "table"
        for style, text in table.footnotes:
            if previous == "table" or (style and previous == ""):
                yield Text()
            yield Text(_paragraph(text, width, "  " if style else ""), style=_STYLES[style])
            previous = style
        floors = [min(max(map(len, lines)), *(_floor(column, lines, step) for step in range(3)))
                  for column, lines in zip(table.columns, cells)]  # fmt: skip
        needed = sum(floors) + _GAP * (len(floors) - 1)
        if table.rows and needed > width:
            yield Text(_paragraph(f"{width} columns break words and numbers: the table needs {needed}", width))


def cell_lines(table: Table) -> List[List[str]]:
    """All lines of each column, including its heading and footer."""
    footers = zip(table.columns, table.footer or [""] * len(table.columns))
    columns = [printable("\n".join((column.title, text)), keep="\n").split("\n") for column, text in footers]
    for row in table.rows:
        for lines, column in zip(columns, table.columns):
            lines += column.lines(row)
    return columns


def _fitted_widths(table: Table, cells: Sequence[Sequence[str]], width: int) -> List[int]:
    """The width of each column. The widest column shrinks first, and words are broken before numbers."""
    widths = [max(map(len, lines)) for lines in cells]
    room = width - _GAP * (len(widths) - 1)
    for step in range(4):
        if sum(widths) <= room:
            break
        floors = [_floor(column, lines, step) for column, lines in zip(table.columns, cells)]
        while sum(widths) > room:
            shrinkable = [index for index, floor in enumerate(floors) if widths[index] > floor]
            if not shrinkable:
                break
            widths[max(shrinkable, key=lambda index: widths[index])] -= 1
    return widths


def _floor(column: Column, lines: Sequence[str], step: int) -> int:
    """The least width of a column. Step 0 breaks at blanks or dots, 1 at other signs, 2 outside shapes, 3 anywhere."""
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
    result = RichTable(box=box.SIMPLE if has_footer else box.SIMPLE_HEAD, show_edge=False, pad_edge=False,
                       padding=(0, 1, 0, 0), show_footer=has_footer)  # fmt: skip
    for column, text, room in zip(table.columns, table.footer or [""] * len(widths), widths):
        heading, footer = (Text(printable(cell, keep="\n")) for cell in (column.title, text))
        result.add_column(heading, footer, justify="right" if column.number else "left", overflow="fold", width=room)
    for row in table.rows:
        cells = [[_indented(line, room, column.path) for line in column.lines(row)]
                 for column, room in zip(table.columns, widths)]  # fmt: skip
        result.add_row(*(Text("\n".join(lines)) for lines in cells), style=_STYLES[table.emphasis(row)])
    return result


def _indented(line: str, room: int, path: bool) -> str:
    """Break a line. If it is indented, the further lines are indented by two more blanks."""
    if len(line) <= room:
        return line
    text = line.lstrip()
    indent = line[: len(line) - len(text)][: max(0, room - min(len(text), _LEAST_INDENTED))]
    further = indent + "  " if indent else ""
    return indent + wrapped(text, room - len(further), path).replace("\n", f"\n{further}")


def _paragraph(text: str, width: int, indent: str = "") -> str:
    """Break a text into lines. All lines but the first are indented, so that the next text is easy to see."""
    text = printable(text, keep="\n")
    if len(text) <= width or width < 20:
        return text
    lines = [_indented(part, width - len(indent), False) for part in text.split("\n")]
    return "\n".join(lines).replace("\n", f"\n{indent}")


def wrapped(text: str, width: int, path: bool = False) -> str:
    """Break a text into lines of this width. A path is not broken at blanks."""
    lines = [""]
    for piece in _pieces(text, width, int(path)):
        if lines[-1] and len(lines[-1]) + len(piece.rstrip()) > width:
            lines.append("")
        lines[-1] += piece
    return "\n".join(line.rstrip() for line in lines)


def _pieces(text: str, width: int, level: int) -> List[str]:
    """Split a text at possible line breaks into parts that are not longer than the width."""
    if len(text.rstrip()) <= width or level == len(_LEVELS):
        return [text]
    return [piece for part in _LEVELS[level].split(text) for piece in _pieces(part, width, level + 1)]


def as_markdown(table: Table) -> str:
    """Markdown of the notes, the table (the last row is its footer, in bold), and the footnotes as a list."""
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
