"""The table model, which renderers turn into text, HTML or Markdown; and how values, counts and names are written."""

from dataclasses import dataclass, field
from html import escape as escape_html
from operator import attrgetter
from typing import Any, Callable, FrozenSet, List, Mapping, Optional, Sequence, Tuple, Union


class AtLeast(int):
    """A sum of which a part is unknown."""


def show_value(value: Any) -> str:
    """A value as tables show it: numbers short, nothing for None."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{'≥' if isinstance(value, AtLeast) else ''}{value:,}"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, (tuple, list)):
        return ", ".join(filter(None, map(show_value, value)))
    return str(value)


def counted(count: int, one: str, many: str = "") -> str:
    """A number and what it counts: ``1 value``, ``12,345 values``; `many` is the plural of more than a noun."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def counted_of(count: int, total: int, noun: str, one: str, many: str) -> str:
    """``1 of 4 parameters holds``: the noun goes by the second number, the verb, `one` or `many`, by the first."""
    return f"{count:,} of {counted(total, noun)} {one if count == 1 else many}"


def listed(names: Sequence[str], limit: int = 10) -> str:
    """Names for a message: ``0.weight, 0.bias and 1 more``."""
    more = len(names) - limit
    return ", ".join(names[:limit]) + (f" and {more:,} more" if more > 0 else "")


def shape_text(shape: Any) -> str:
    """A shape, with ``?`` for what is not known, ``(2, ?)``, and ranges as they are; a text is itself."""
    if shape is None or isinstance(shape, str):
        return "?" if shape is None else shape
    return "(" + ", ".join("?" if size is None else str(size) for size in shape) + ")"


def inputs_text(inputs: Any) -> str:
    """The shapes of several arrays; nothing for None, and a text is itself."""
    return inputs or "" if inputs is None or isinstance(inputs, str) else ", ".join(map(shape_text, inputs))


def size_text(size: int) -> str:
    """A number of bytes in powers of 1024: ``512 B``, ``1.5 KiB``."""
    power = min((int(size).bit_length() - 1) // 10, 4) if size else 0
    return f"{size / 1024**power:.1f} {('', 'KiB', 'MiB', 'GiB', 'TiB')[power]}" if power else f"{size} B"


def printable(text: str, keep: str = "") -> str:
    """A text in which characters that steer a terminal or are invisible are written as escapes, but those of `keep`."""
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() or char in keep else char.encode("unicode_escape").decode() for char in text
    )


def escape(text: str) -> str:
    """A text as HTML without markup and without unprintable characters."""
    return escape_html(printable(text, keep="\n"))


@dataclass(frozen=True)
class Column:
    """One column of a table.

    Parameters
    ----------
    key, heading : str
        What ``columns=``, records, JSON and pandas call it; and what stands above it, the key by default.
    read, show : callable
        Its value in a row, which is a number, a string, a bool, a tuple of them, or None; and a value as text. In a
        report of `inspect` a row is a `ParameterRecord`.
    fold : str or callable
        How one row represents several. ``'same'``: only rows of one value are one row, and a block shows each value
        once. ``'range'``: so too, but a long table makes one row of different values, ``(64..512, 3)``. ``'sum'``. Or a
        callable that gets the rows.
    number, path : bool
        Whether it is set flush right; and whether it holds a path, which breaks at its dots, or a tuple of such lines.
    html : callable, optional
        A value as HTML, given the value and the row's path; by default what `show` writes.
    hoist : bool or str
        Whether the title says the value once where all rows have the same; a string says how, ``'seed {}'``, and an
        empty one leaves it unsaid.
    of_block : bool
        Whether it is a fact of the block around a row, which a tree says once.
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
        """The value of one row that represents these."""
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
        """A cell's lines of printable text. A path is one line, whatever characters it has."""
        value = self.read(row)
        if self.path:
            return [printable(path) for path in ([value] if isinstance(value, str) else value)]
        return [printable(line) for line in self.show(value).split("\n")]

    def as_html(self, value: Any, path: str) -> str:
        return escape(self.show(value)) if self.html is None else self.html(value, path)

    def sort_value(self, value: Any) -> Any:
        """What a value is sorted by: numbers as such, all else as it is shown, None as None."""
        return value if value is None or isinstance(value, (int, float)) else self.show(value)


def path_column(heading: str = "parameter") -> Column:
    """The first column of a tree: the paths of its rows. Aliases are written below."""
    return Column("path", attrgetter("path"), heading, path=True)


def shape_column(key: str = "shape", heading: str = "", **options: Any) -> Column:
    """A column of shapes, which are the attribute `key` of rows."""
    return Column(key, attrgetter(key), heading, show=shape_text, fold="range", **options)


def _range(values: Sequence[Any]) -> Any:
    """One value for several: sizes that differ are a range; a blank where even the number of axes differs."""
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
    """A titled table with notes above it and below. `fold` makes a tree of it, by the paths of its rows."""

    title: str
    columns: Tuple[Column, ...]  # the first holds the paths
    rows: Sequence[Any]  # what the columns read; of a tree, branches
    notes: Tuple[str, ...] = ()  # sentences above the table, most important first
    emphasis: Callable[[Any], str] = lambda row: ""  # 'error', 'warning', 'info', 'changed', 'dim' or '' of a row
    footnotes: Tuple[Tuple[str, str], ...] = ()  # below the table: 'error', 'warning', 'info' or '', and a text
    footer: Sequence[str] = ()  # what stands under each column, such as its sum
    # The names of the blocks around a row, and its own; None of a list that is no tree.
    parts: Optional[Callable[[Any], Tuple[str, ...]]] = lambda row: tuple(row.path.split(".")) if row.path else ()
    headings: int = 0  # how many of the first parts are no names of a path
    blocks: bool = False  # whether a row is a block, and what stands below it in the tree are blocks too
    kinds: Mapping[str, str] = field(default_factory=dict)  # the class of each block, by its path
    alike: Callable[[Any], Any] = lambda row: None  # what rows must have in common, besides cells, to be one row
    again: FrozenSet[str] = frozenset()  # the paths of rows that another row counts: they add nothing to sums
    shown: Optional[Callable[[Any], bool]] = None  # which rows the text shows, unless it shows all
    rest: Callable[[Sequence[Any]], str] = lambda rows: ""  # a sentence on the rows that it leaves out
    in_title: Sequence[Column] = ()  # further columns, of which the title says what all rows have alike
    legend: Mapping[str, str] = field(default_factory=dict)  # what each emphasis means
    noun: str = "row"  # what a row is
    shown_by_histogram: Sequence[str] = ()  # the keys of columns that HTML leaves out where it has a histogram
    order: Optional[Tuple[Column, bool]] = None  # by which column rows are sorted, and whether downwards
    first_to_go: Sequence[str] = ()  # the keys of columns that are left out where there is little room


@dataclass
class Branch:
    """One row of a tree, and the rows below it."""

    label: str
    remark: str = ""  # behind the label, less loud
    cells: Tuple[str, ...] = ()  # HTML for each further column
    path: str = ""  # the whole path, of which the label is the end
    severity: str = ""  # the emphasis: of findings the worst here or below; or ''
    below: Sequence["Branch"] = ()
    open: bool = False  # whether the rows below are shown from the start
