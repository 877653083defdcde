"""Tables whose rows are a tree of paths, folded: siblings that are alike are one row.

The title says what is the same in all rows. A short table shows every row. In a longer one siblings are one row where
all that is shown of them is the same, then also where their sizes differ; if that is not enough, deep blocks are one
row each.
"""

from dataclasses import dataclass, field, replace
import itertools
from operator import itemgetter
import re
from typing import Any, Callable, Dict, Iterable, Iterator, List, Mapping, NamedTuple, Optional, Sequence, Set, Tuple

from .table import Branch, Column, Table, path_column
from .text import cell_widths
from .units import counted

_FLAT = 12  # rows up to which a table is a list of whole paths
_FEW = 24  # rows up to which nothing is folded
MOST_ROWS = 45  # rows of a folded table
_MOST_IN_ORDER = 30  # rows of a list, or of a tree that is sorted: the first ones matter
_OPEN = 20  # rows up to which HTML opens branches
_LONGEST_BRACES = 44  # characters of the names in braces
_MOST_VALUES, _LONGEST = 3, 24  # different values of one cell, and their characters
_DEEPEST = 64  # blocks below each other: a name in a file may have any number of dots
_ROOM_FOR_PATHS = 26
_RANKS = ("error", "warning", "info", "changed", "", "dim")
_UNREMARKABLE = (None, "", "default", "write", False, ())
_REST = "{shown:,} of {rows} are shown{order}; to_text(all=True) shows all."
_REST_OF_HTML = "{shown:,} of {rows} are shown. The sums are of all. report.to_html(limit=None) writes all."
_FOLDED = "A row marked x2 stands for 2 that are alike; to_text(all=True) shows all {all:,}."

_Key = Callable[[Any], Any]


@dataclass(eq=False)
class _Node:
    """One block of the tree, with its rows; blocks of the same structure have the same number."""

    name: str
    path: str
    blocks: List[Any] = field(default_factory=list)  # the rows of this block itself
    own: List[Tuple[str, Any]] = field(default_factory=list)  # the rows of its parameters, by name
    children: Dict[str, "_Node"] = field(default_factory=dict)
    structure: int = -1

    def child(self, name: str) -> "_Node":
        """The block of that name, made where there is none."""
        if name not in self.children:
            self.children[name] = _Node(name, _join(self.path, name))
        return self.children[name]

    def rows(self) -> Iterator[Any]:
        """Every row of this block and of those inside."""
        yield from self.blocks
        yield from map(itemgetter(1), self.own)
        for child in self.children.values():
            yield from child.rows()


class _Fold(NamedTuple):
    """One row of a folded tree, and the rows below it."""

    label: str  # the path, such as encoder.{0..11}.weight
    name: str  # the last part of it
    rows: Tuple[Any, ...]  # all rows of the table that it represents
    copies: int = 1  # how many parameters, or blocks, it represents
    block: Optional[str] = None  # the path of the first block that it represents; None for a parameter
    own: Tuple[Any, ...] = ()  # the rows of the blocks themselves
    below: Tuple["_Fold", ...] = ()


class _Line(NamedTuple):
    """A row as text writes it."""

    label: str
    fold: _Fold
    heads: bool = False  # whether the rows below it follow
    headed: bool = False  # whether the row of the block around it stands before


def text_table(
    table: Table, width: Optional[int], everything: bool = False, depth: Optional[int] = None, flat: bool = False
) -> Table:
    """The table as a text shows it, an indented tree, its cells being texts; columns fit into `width` where given.

    Parameters
    ----------
    everything : bool
        Whether each row is shown.
    depth : int, optional
        At which depth blocks are one row.
    flat : bool
        Whether rows have whole paths, and blocks no rows of their own, as in Markdown.
    """
    rows = [row for row in table.rows if everything or table.shown is None or table.shown(row)]
    flat = flat or table.order is not None or (len(rows) <= _FLAT and not table.blocks and not table.headings)
    columns, different, title = _hoisted(table)
    lines = _in_order(table, _chosen_lines(table, different, rows, everything, depth, flat))
    left_out = [row for row in table.rows if table.shown and not (everything or table.shown(row))]
    notes = [table.rest(left_out)] if left_out else []
    limit: Optional[int] = MOST_ROWS if table.parts is not None and table.order is None else _MOST_IN_ORDER
    if everything or depth is not None:
        limit = None if everything else 10 * MOST_ROWS
    if len(lines) > (limit or len(lines)):
        order = f", sorted by {table.order[0].title}" if table.order else ""
        notes.append(_REST.format(shown=limit, rows=counted(len(lines), "row"), order=order))
    elif any(line.fold.copies > 1 for line in lines):
        notes.append(_FOLDED.format(all=len(rows)))
    lines = lines[:limit]
    written = [(column, [_text(table, column, line, flat) for line in lines]) for column in columns]
    emphases = [_worst(table, line.fold.rows) for line in lines]
    footer = dict(zip((column.key for column in table.columns), table.footer))
    plain = list(itertools.takewhile(lambda note: not note[0], table.footnotes))  # the notes come between
    marked = table.footnotes[len(plain) :]

    def made(hidden: Set[str], notes: Sequence[str]) -> Table:
        kept = [(column, texts) for column, texts in written
                if column.key not in hidden and (column.path or any(texts))]  # fmt: skip
        return replace(
            table,
            title=title,
            columns=tuple(Column(column.key, itemgetter(place), column.title, number=column.number, path=column.path)
                          for place, (column, _) in enumerate(kept)),
            rows=list(zip(*map(itemgetter(1), kept), emphases)),
            emphasis=itemgetter(-1),
            footer=[footer[column.key] for column, _ in kept] if footer else (),
            footnotes=(*plain, *(("", note) for note in notes if note), *marked),
        )  # fmt: skip

    whole = made(set(), notes)
    hidden = _hidden(whole, width)
    if not hidden:
        return whole
    names = ", ".join(column.title for column in whole.columns if column.key in hidden)
    return made(hidden, [*notes, f"not shown at this width: {names}; width= or columns= shows more"])


def tree_table(table: Table, limit: Optional[int] = None) -> Table:
    """The table whose rows are branches, as HTML shows it: every block unfolds; its row has the sums of all below."""
    hoisted, different, title = _hoisted(table)
    path = next((column for column in hoisted if column.path), path_column())
    left_out = {"block"} if table.kinds or table.blocks else set()
    if any(column.key == "histogram" for column in hoisted):
        left_out.update(table.shown_by_histogram)
    columns = [column for column in hoisted if not column.path and column.key not in left_out
               and any(column.show(column.read(row)) for row in table.rows)]  # fmt: skip
    rest = [] if limit is None else table.rows[limit:]
    more = [("warning", _REST_OF_HTML.format(shown=limit, rows=counted(len(table.rows), table.noun)))] if rest else []
    if table.parts is None:
        branches = _list_branches(table, path, columns, table.rows[:limit])
    else:
        key = _key(table, different, ("same", "range"))
        root = _folded([_tree(table, table.rows, key)], "", "", key, merge=False)
        hidden = set(map(id, rest))
        folds = (root,) if root.own else root.below
        branches = [branch for fold in folds for branch in _branches(table, columns, fold, hidden)]
        _open(branches, sum(table.emphasis(row) == "changed" for row in table.rows))
    footer = dict(zip((column.key for column in table.columns), table.footer))
    return replace(table, title=title, columns=(path, *columns), rows=branches, notes=(),
                   footer=[footer.get(column.key, "") for column in (path, *columns)] if footer else (),
                   footnotes=(*(("warning", note) for note in table.notes), *table.footnotes, *more))  # fmt: skip


def _list_branches(table: Table, path: Column, columns: Sequence[Column], rows: Sequence[Any]) -> List[Branch]:
    """A branch for each row of a table that is no tree; rows that the text does not show are below one of their own."""
    parts: Tuple[List[Branch], List[Branch]] = [], []
    for row in rows:
        cells = tuple(column.as_html(column.read(row), "") for column in columns)
        branch = Branch("\n".join(path.lines(row)), "", cells, "", table.emphasis(row))
        parts[table.shown is not None and not table.shown(row)].append(branch)
    shown, others = parts
    more = Branch(counted(len(others), "more row" if shown else "row"), cells=("",) * len(columns), below=others)
    return [*shown, *([more] if others else [])]


def _in_order(table: Table, lines: List[_Line]) -> List[_Line]:
    if table.order is None:
        return lines
    column, reverse = table.order

    def value(line: _Line) -> Any:
        return line.label if column.path else column.sort_value(column.of(_counted(table, line.fold.rows)))

    return sorted_by(lines, value, reverse)


def sorted_by(things: Iterable[Any], read: Callable[[Any], Any], reverse: bool) -> List[Any]:
    """Things in the order of a value; those that have none come last, whichever way; order among equals is kept.

    Numbers stand before texts, which is what a row is sorted by that represents several different numbers.
    """
    keyed = [(read(thing), thing) for thing in things]
    known = sorted((pair for pair in keyed if pair[0] is not None),
                   key=lambda pair: (isinstance(pair[0], str), pair[0]), reverse=reverse)  # fmt: skip
    return [thing for _, thing in known] + [thing for value, thing in keyed if value is None]


def braced(names: Sequence[str]) -> str:
    """Several names as one, as a shell expands it: ``{0..2}``, ``stage1_{conv,pool}``; of many, the first and last."""
    if len(names) == 1:
        return names[0]
    whole = braced_paths(names) if any("." in name for name in names) else []
    if len(whole) == 1:
        return whole[0]
    # Every second piece is a number.
    pieces = list(itertools.zip_longest(*(re.split(r"([0-9]+)", name) for name in names), fillvalue=""))
    different = [index for index, values in enumerate(pieces) if len(set(values)) > 1]
    if len(different) == 1 and different[0] % 2 and any(map(itemgetter(0), pieces[::2])):
        return "".join(braced(values) if index in different else values[0] for index, values in enumerate(pieces))
    before, after = _common(names), _common([name[::-1] for name in names])[::-1]
    if len(before + after) > min(map(len, names)):
        after = ""  # they are the same word
    if before or after:
        return before + braced([name[len(before) : len(name) - len(after)] for name in names]) + after
    if all(map(str.isdecimal, names)):
        names = sorted(names, key=int)
    parts: List[str] = []
    run: List[str] = []
    for name in [*names, ""]:
        follows = run and name.isdecimal() and run[-1].isdecimal() and name == str(int(run[-1]) + 1)
        if not follows and run:
            parts += run if len(run) < 3 else [f"{run[0]}..{run[-1]}"]
            run = []
        run.append(name)
    text = ",".join(parts)
    return "{" + (text if len(text) <= _LONGEST_BRACES else f"{parts[0]},..,{parts[-1]}") + "}"


def _common(names: Sequence[str]) -> str:
    """What all names begin with, in whole words, and have more than."""
    first, last = min(names), max(names)
    same = next((place for place, pair in enumerate(zip(first, last)) if len(set(pair)) > 1), len(first))
    return first[: max(first.rfind(sign, 0, same) for sign in "_:/") + 1]


def braced_paths(paths: Sequence[str]) -> List[str]:
    """The same paths in fewer words: where they differ in one part they are one, ``{1..12}.{query,key}``."""
    patterns = [tuple(path.split(".")) for path in paths]
    longest = max(map(len, patterns), default=0)
    if len(patterns) < 2 or longest > _DEEPEST:  # each part is looked at beside all others
        return list(paths)
    for place in range(longest):
        alike: Dict[Any, List[str]] = {}
        for pattern in patterns:
            around = (pattern[:place], pattern[place + 1 :]) if place < len(pattern) else (pattern, None)
            alike.setdefault(around, []).append(pattern[place] if place < len(pattern) else "")
        patterns = [before if after is None else (*before, braced(names), *after)
                    for (before, after), names in alike.items()]  # fmt: skip
    return [".".join(pattern) for pattern in patterns]


def _chosen_lines(
    table: Table, different: Sequence[Column], rows: Sequence[Any], everything: bool, depth: Optional[int], flat: bool
) -> List[_Line]:
    """The lines of the table, folded as little as makes them few enough."""
    if table.parts is None:
        return [_Line("", _Fold("", "", (row,))) for row in rows]
    attempts: List[Tuple[Optional[_Key], Optional[int]]] = [(None, depth)]
    if not everything and len(rows) > _FEW:
        exact, loose = _key(table, different, ("same", "range")), _key(table, different, ("same",))
        attempts = [(exact, depth), (loose, depth)]
        if depth is None:
            deepest = max(len(table.parts(row)) for row in rows[: 10 * MOST_ROWS])
            attempts += [(loose, min(cut, _DEEPEST)) for cut in reversed(range(1, deepest))]
    lines: List[_Line] = []
    for key, cut in attempts:
        root = _folded([_tree(table, rows, key)], "", "", key)
        below = [_Fold("(all)", "(all)", root.rows, block="")] if cut == 0 and rows else root.below
        inside = None if cut is None else cut - 1
        tops = [(root, cut)] if root.own else [(fold, inside) for fold in below]
        lines = [line for fold, left in tops for line in _lines(fold, left, flat, table.headings)]
        if len(lines) <= MOST_ROWS or table.order is not None:
            break
    return lines


def _key(table: Table, columns: Iterable[Column], kinds: Sequence[str]) -> _Key:
    """What rows must have in common to be one: the values of `columns` that fold in one of these ways, and more."""
    shown = [column for column in columns if column.fold in kinds and not column.path]

    def key(row: Any) -> Any:
        return (repr([column.read(row) for column in shown]), table.alike(row), getattr(row, "aliases", ()),
                row.path in table.again, table.emphasis(row))  # fmt: skip

    return key


def _tree(table: Table, rows: Iterable[Any], key: Optional[_Key]) -> _Node:
    """The blocks of all rows; with a `key`, those of the same structure are numbered alike."""
    parts = table.parts
    assert parts is not None
    root = _Node("", "")
    for row in rows:
        *around, last = parts(row) or ("",)
        node = root
        for name in around[:_DEEPEST]:
            node = node.child(name)
        if not table.blocks:
            node.own.append((".".join((*around[_DEEPEST:], last)), row))
        else:
            (node.child(last) if last else node).blocks.append(row)
    if key is not None:
        _number(root, key, table.kinds, {})
    return root


def _number(node: _Node, key: _Key, kinds: Mapping[str, str], known: Dict[Any, int]) -> int:
    """The number of a block's structure: the class, the rows, and the structures of the blocks inside, by name."""
    below = tuple([(child.name, _number(child, key, kinds, known)) for child in node.children.values()])
    own = tuple([(name, key(row)) for name, row in node.own])
    whole = (kinds.get(node.path), tuple(map(key, node.blocks)), own, below)
    node.structure = known.setdefault(whole, len(known))
    return node.structure


def _folded(nodes: Sequence[_Node], path: str, name: str, key: Optional[_Key], merge: bool = True) -> _Fold:
    """The row of blocks that are alike, and the rows below it, where siblings of one `key`, or structure, are one.

    Without `merge` only blocks are one row, and below it stand the rows of each.
    """
    first, below = nodes[0], []
    if len(nodes) > 1 and not merge:
        below = [_folded([node], node.path, node.name, key, merge) for node in nodes]
    else:
        for indices in _runs([key(row) if key and merge else index for index, (_, row) in enumerate(first.own)]):
            names = [first.own[index][0] for index in indices]
            label = "*" if 2 < len(names) == len(first.own) and not first.children else braced(names)
            rows = tuple(node.own[index][1] for node in nodes for index in indices)
            below.append(_Fold(_join(path, label), label, rows, len(rows)))
        children = list(first.children.values())
        for indices in _runs([child.structure if key else child.name for child in children]):
            names = [children[index].name for index in indices]
            twins, label = [node.children[twin] for node in nodes for twin in names], braced(names)
            below.append(_folded(twins, _join(path, label), label, key, merge))
    rows = tuple(row for node in nodes for row in node.rows())
    own = tuple(row for node in nodes for row in node.blocks)
    return _Fold(path, name, rows, len(nodes), first.path, own, tuple(below))


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _runs(keys: Sequence[Any]) -> List[List[int]]:
    """The places of equal keys together, in the order of the first of each."""
    places: Dict[Any, List[int]] = {}
    for index, key in enumerate(keys):
        places.setdefault(key, []).append(index)
    return list(places.values())


def _lines(fold: _Fold, depth: Optional[int], flat: bool, headings: int = 0, indent: int = 0, before: str = "",
           around: int = 0, headed: bool = False) -> Iterator[_Line]:  # fmt: skip
    """The lines of a row and of those below it."""
    name = fold.label if flat else before + fold.name
    times = f" x{fold.copies}" if fold.copies > 1 and (flat or fold.copies != around) else ""
    label = "  " * indent + (name or "(network)") + times
    if fold.block is None or depth == 0 or not fold.below:
        yield _Line(label, fold, headed=headed)
        return
    inner = None if depth is None else depth - 1
    if flat and not fold.own:
        for below in fold.below:
            yield from _lines(below, inner, flat)
    elif len(fold.below) == 1 and not fold.own and headings <= 0:
        yield from _lines(fold.below[0], inner, flat, 0, indent, name + ".", around)
    else:
        yield _Line(label, fold, heads=True)
        for below in fold.below:
            yield from _lines(below, inner, flat, headings - 1, 0 if flat else indent + 1, "", fold.copies, not flat)


def _text(table: Table, column: Column, line: _Line, flat: bool) -> Any:
    fold = line.fold
    if column.path and table.parts is None:
        return tuple(column.lines(fold.rows[0]))
    if column.path:
        indent = " " * (len(line.label) - len(line.label.lstrip()))
        return (line.label, *(indent + alias for alias in _aliases(fold)))
    if fold.own:
        return _cell(table, column, fold.own, column.show)
    if line.heads != column.of_block and (line.heads or line.headed):
        return ""  # a heading has the facts of its block, and the rows below it all others
    if fold.block is None:
        return _cell(table, column, fold.rows, column.show)
    if column.key == "block" and table.kinds:
        return table.kinds.get(fold.block, "")
    return _block_cell(table, column, _parameters(fold) if line.heads else fold.rows, column.show)


def _aliases(fold: _Fold) -> List[str]:
    """The other paths of a row that represents one parameter, or one block."""
    rows = fold.own or (fold.rows if fold.block is None else ())
    if len(rows) != 1:
        return []
    transposed = getattr(rows[0], "transposed", ())
    aliases = getattr(rows[0], "aliases", ())
    return [f"= {alias}" for alias in braced_paths([f"{alias} (transposed)" if alias in transposed else alias
                                                    for alias in aliases])]  # fmt: skip


def _parameters(block: _Fold) -> List[Any]:
    """The rows of a block's own parameters."""
    return [row for below in block.below if below.block is None for row in below.rows]


def _counted(table: Table, rows: Sequence[Any]) -> Sequence[Any]:
    """The rows that no other row counts; all of them where there is none."""
    return [row for row in rows if row.path not in table.again] or rows


def _cell(table: Table, column: Column, rows: Sequence[Any], show: Callable[[Any], str]) -> str:
    """One cell of several rows; in parentheses where other rows count all of them."""
    if not rows:
        return ""
    text = show(column.of(_counted(table, rows)))
    again = column.fold == "sum" and all(row.path in table.again for row in rows)
    return f"({text})" if again and text else text


def _block_cell(table: Table, column: Column, rows: Sequence[Any], show: Callable[[Any], str]) -> str:
    """The cell of a block that has no row of its own; blank where its rows have too many values, or too long ones."""
    if column.fold in ("same", "range"):
        values = {repr(column.read(row)) for row in rows}
        most = 1 if column.number and column.fold == "same" else _MOST_VALUES
        if len(values) > most or (len(values) > 1 and len(column.show(column.of(rows))) > _LONGEST):
            return ""
    return _cell(table, column, rows, show)


def _hoisted(table: Table) -> Tuple[List[Column], List[Column], str]:
    """The columns but for those in which all rows are alike; these and all others that differ; and the title, which
    says what is alike."""
    columns, different, title = [], [], [table.title]
    for column in (*table.columns, *table.in_title):
        values = list(map(column.read, table.rows)) if column.hoist is not False else []
        if values and len(set(map(repr, values))) == 1:
            words = f"{column.title} {{}}" if column.hoist is True else str(column.hoist)
            if words and values[0] not in _UNREMARKABLE:
                title.append(words.replace("{}", column.show(values[0])))
            continue
        different.append(column)
        if column not in table.in_title:
            columns.append(column)
    return columns, different, " · ".join(title)


def _worst(table: Table, rows: Iterable[Any]) -> str:
    return min(map(table.emphasis, rows), key=_RANKS.index, default="")


def _hidden(table: Table, width: Optional[int]) -> Set[str]:
    """The keys of the columns that are left out so that paths have room, the least important first."""
    hidden: Set[str] = set()
    if width is None:
        return hidden
    widths = {column.key: wanted for column, wanted in zip(table.columns, cell_widths(table))}
    path = table.columns[0].key
    widths[path] = min(widths[path], _ROOM_FOR_PATHS + 8 * table.headings)
    total = sum(widths.values()) + 2 * (len(widths) - 1)
    for key in table.first_to_go:
        if total > width and key in widths:
            hidden.add(key)
            total -= widths[key] + 2
    return hidden


def _branches(
    table: Table, columns: Sequence[Column], fold: _Fold, hidden: Set[int], before: str = "", level: int = 0
) -> Iterator[Branch]:
    """The branch of a row; none where all that it represents is hidden."""
    if fold.block is not None and len(fold.below) == 1 and not fold.own and level >= table.headings:
        yield from _branches(table, columns, fold.below[0], hidden, f"{before}{fold.name}.", level)
        return
    missing = sum(id(row) in hidden for row in fold.rows) if hidden else 0
    if missing == len(fold.rows):
        return
    if fold.block is None:
        remark = " ".join(_aliases(fold))
    else:
        kind = next((column.of(fold.own) for column in table.columns if fold.own and column.key == "block"), "")
        kind = kind or table.kinds.get(fold.block, "")
        times = f"x{fold.copies}" if fold.copies > 1 else ""
        parts = (" ".join(filter(None, (kind, times))), f"{counted(missing, table.noun)} not shown" if missing else "")
        remark = ", ".join(filter(None, parts))
    below = [branch for inner in fold.below for branch in _branches(table, columns, inner, hidden, "", level + 1)]
    cells = tuple(_html_cell(table, column, fold) for column in columns)
    yield Branch(before + fold.name or "(network)", remark, cells, fold.label, _worst(table, fold.rows), below)


def _html_cell(table: Table, column: Column, fold: _Fold) -> str:
    def show(value: Any) -> str:
        return column.as_html(value, fold.label)

    if fold.own or fold.block is None:
        return _cell(table, column, fold.own or fold.rows, show)
    return _block_cell(table, column, _parameters(fold) if column.of_block else fold.rows, show)


def _open(branches: Sequence[Branch], changed: int) -> None:
    """Open the branches to findings, to few changes, and from the top while few rows are in sight."""
    found = ("error", "warning", *(["changed"] if changed <= _OPEN else []))
    shown, level = len(branches), list(branches)
    while level:
        for branch in sorted(level, key=lambda branch: branch.severity not in found):
            if branch.below and (branch.severity in found or shown + len(branch.below) <= _OPEN):
                branch.open = True
                shown += len(branch.below)
        level = [inner for branch in level if branch.open for inner in branch.below]
