"""Tables whose rows are a tree of paths, folded: siblings that are alike are one row.

The title says what is the same in all rows. A short table shows every row. In a longer one siblings are one row where
all that is shown of them is the same, then also where their sizes differ, and at last deep blocks are one row each.
"""

from dataclasses import dataclass, replace
import functools
import itertools
from operator import itemgetter
import re
from typing import Any, Callable, Dict, Iterable, Iterator, List, NamedTuple, Optional, Sequence, Set, Tuple

from .table import Branch, Column, Table, cell_lines, path_column
from .words import counted

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
    """A block of the tree, or a parameter; nodes of the same structure have the same number."""

    name: str
    path: Optional[str]  # of a block
    own: List[Any]  # the row of the parameter, or those of the block itself
    parameters: Any = ()  # nodes
    blocks: Any = None  # nodes, by name
    rows: Sequence[Any] = ()  # its own, and all inside
    structure: int = -1

    @property
    def below(self) -> List["_Node"]:
        return [*self.parameters, *(self.blocks or {}).values()]


class _Fold(NamedTuple):
    """One row of a folded tree, and the rows below it."""

    label: str  # the path, such as encoder.{0..11}.weight
    name: str  # the last part of it
    rows: Sequence[Any]  # all rows of the table that it represents
    own: Sequence[Any] = ()  # those of the parameters, or of the blocks themselves
    parameters: Sequence[Any] = ()  # those of the blocks' own parameters, where they stand below
    copies: int = 1  # how many parameters, or blocks, it represents
    block: Optional[str] = None  # the path of the first block that it represents; None for a parameter
    below: Sequence["_Fold"] = ()
    alone: bool = False  # whether its name has those of blocks that hold nothing else


# A row as text writes it: its label, what it represents, and whether the row of the block around it stands before.
_Line = Tuple[str, _Fold, bool]


def text_table(
    table: Table, width: Optional[int], everything: bool = False, depth: Optional[int] = None, flat: bool = False
) -> Table:
    """The table as a text shows it, an indented tree, its cells being texts; columns fit into `width` where given."""
    # At `depth`, blocks are one row. If `flat`, rows have whole paths, and blocks no rows of their own, as in Markdown.
    is_shown = (lambda row: True) if everything or table.shown is None else table.shown
    rows, left_out = list(filter(is_shown, table.rows)), list(itertools.filterfalse(is_shown, table.rows))
    flat = flat or table.order is not None or (len(rows) <= _FLAT and not table.blocks and not table.headings)
    columns, different, title = _hoisted(table)
    lines = _lines(table, different, rows, everything, depth, flat)
    if table.order is not None:
        by, reverse = table.order
        lines = sorted_by(lines, lambda line: line[0] if by.path else by.sort_value(
            by.of(_counted(table, line[1].rows))), reverse)  # fmt: skip
    notes = [table.rest(left_out)] if left_out else []
    limit = MOST_ROWS if table.parts is not None and table.order is None else _MOST_IN_ORDER
    if everything or depth is not None:
        limit = len(lines) if everything else 10 * MOST_ROWS
    if len(lines) > limit:
        order = f", sorted by {table.order[0].title}" if table.order else ""
        notes.append(_REST.format(shown=limit, rows=counted(len(lines), "row"), order=order))
    elif any(fold.copies > 1 for _, fold, _ in lines):
        notes.append(_FOLDED.format(all=len(rows)))
    lines = lines[:limit]
    texts = {column.key: [_text(table, column, line, flat) for line in lines] for column in columns}
    columns = [column for column in columns if column.path or any(texts[column.key])]
    emphases = [_worst(table, fold.rows) for _, fold, _ in lines]
    footer = dict(zip((column.key for column in table.columns), table.footer))
    plain = list(itertools.takewhile(lambda note: not note[0], table.footnotes))  # the notes come between

    def made() -> Table:
        return replace(
            table,
            title=title,
            columns=tuple(Column(column.key, itemgetter(place), column.title, number=column.number, path=column.path)
                          for place, column in enumerate(columns)),
            rows=list(zip(*(texts[column.key] for column in columns), emphases)),
            emphasis=itemgetter(-1),
            footer=[footer[column.key] for column in columns] if footer else (),
            footnotes=(*plain, *(("", note) for note in notes if note), *table.footnotes[len(plain) :]),
        )  # fmt: skip

    hidden = _hidden(made(), width)
    if hidden:
        names = ", ".join(column.title for column in columns if column.key in hidden)
        notes.append(f"not shown at this width: {names}; width= or columns= shows more")
        columns = [column for column in columns if column.key not in hidden]
    return made()


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


def sorted_by(things: Iterable[Any], read: Callable[[Any], Any], reverse: bool) -> List[Any]:
    """Things in the order of a value; those that have none come last, whichever way; order among equals is kept."""

    def rank(thing: Any) -> Any:  # a row that represents several numbers has a text, which stands behind numbers
        value = read(thing)
        return (value is None) != reverse, isinstance(value, str), 0 if value is None else value

    return sorted(things, key=rank, reverse=reverse)


def _hidden(table: Table, width: Optional[int]) -> Set[str]:
    """The keys of the columns that are left out so that paths have room, the least important first."""
    hidden: Set[str] = set()
    widths = {column.key: max(map(len, lines)) for column, lines in zip(table.columns, cell_lines(table))}
    path = table.columns[0].key
    widths[path] = min(widths[path], _ROOM_FOR_PATHS + 8 * table.headings)
    total = sum(widths.values()) + 2 * (len(widths) - 1)
    for key in table.first_to_go:
        if width is not None and total > width and key in widths:
            hidden.add(key)
            total -= widths[key] + 2
    return hidden


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
    for _, run in itertools.groupby(enumerate(names), _run):
        in_turn = [name for _, name in run]
        parts += in_turn if len(in_turn) < 3 else [f"{in_turn[0]}..{in_turn[-1]}"]
    text = ",".join(parts)
    return "{" + (text if len(text) <= _LONGEST_BRACES else f"{parts[0]},..,{parts[-1]}") + "}"


def _run(numbered: Tuple[int, str]) -> Any:
    """What numbers that follow each other have in common, and no other names."""
    place, name = numbered
    return int(name) - place if name.isdecimal() and name == str(int(name)) else numbered


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


def _lines(
    table: Table, different: Sequence[Column], rows: Sequence[Any], everything: bool, depth: Optional[int], flat: bool
) -> List[_Line]:
    """The lines of the table, folded as little as makes them few enough."""
    if table.parts is None:
        return [("", _Fold("", "", (row,), (row,)), False) for row in rows]
    attempts: List[Tuple[Optional[_Key], Optional[int]]] = [(None, depth)]
    if not everything and len(rows) > _FEW:
        exact, loose = _key(table, different, ("same", "range")), _key(table, different, ("same",))
        attempts = [(exact, depth), (loose, depth)]
        if depth is None:
            deepest = max(len(table.parts(row)) for row in rows[: 10 * MOST_ROWS])
            attempts += [(loose, cut) for cut in reversed(range(1, min(deepest, _DEEPEST + 1)))]
    tree = functools.lru_cache(maxsize=None)(functools.partial(_tree, table, rows))
    lines: List[_Line] = []
    for key, cut in attempts:
        root = _folded(table, [tree(key)], "", "", cut=cut)
        tops = [root] if root.own else root.below
        if not root.own and cut == 0 and rows:
            tops = [_Fold("(all)", "(all)", root.rows, block="")]
        lines = [line for fold in tops for line in _lines_of(fold, flat)]
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
    """The blocks and parameters of all rows; with a `key`, those of the same structure are numbered alike."""
    assert table.parts is not None
    root = _Node("", "", [], [], {})
    for row in rows:
        *around, last = table.parts(row) or ("",)
        node = root
        for name in around[:_DEEPEST] + [last] * (table.blocks and bool(last)):
            if name not in node.blocks:
                node.blocks[name] = _Node(name, _join(node.path or "", name), [], [], {})
            node = node.blocks[name]
        if table.blocks:
            node.own.append(row)
        else:
            node.parameters.append(_Node(".".join((*around[_DEEPEST:], last)), None, [row]))
    _number(root, table, key, {})
    return root


def _number(node: _Node, table: Table, key: Optional[_Key], known: Dict[Any, int]) -> int:
    """The number of a node's structure: the class, the rows, and the structures of the nodes inside, by name."""
    below = node.below
    inside = tuple([(inner.name, _number(inner, table, key, known)) for inner in below])
    node.rows = [*node.own, *(row for inner in below for row in inner.rows)] if below else node.own
    whole = id(node) if key is None else (table.kinds.get(node.path or ""), tuple(map(key, node.own)), inside)
    node.structure = known.setdefault(whole, len(known))
    return node.structure


def _folded(
    table: Table, twins: Sequence[_Node], path: str, name: str, level: int = -1, cut: Optional[int] = None,
    merge: bool = True,
) -> _Fold:
    """The row of nodes that are alike, and the rows below it, where siblings of one structure are one.

    Without `merge` only blocks are one row, and below it stand the rows of each. `cut` levels below, blocks are a row.
    """
    first, own = twins[0], [row for node in twins for row in node.own]
    if first.path is None:
        return _Fold(path, name, own, own, copies=len(twins))
    below, every = [], [node.below for node in twins]
    alike: Dict[int, List[int]] = {}
    if len(twins) > 1 and not merge:
        below = [_folded(table, [node], node.path or "", node.name, level + 1, merge=merge) for node in twins]
    elif cut != 0:
        for place, node in enumerate(every[0]):
            alike.setdefault(node.structure if merge or node.path is not None else -1 - place, []).append(place)
    for places in alike.values():
        names, inner = [every[0][place].name for place in places], [nodes[at] for nodes in every for at in places]
        label = "*" if 2 < len(places) == len(every[0]) and inner[0].path is None else braced(names)
        below.append(_folded(table, inner, _join(path, label), label, level + 1, cut and cut - 1, merge))
    if len(below) == 1 and not own and level >= table.headings:
        return below[0]._replace(name=f"{name}.{below[0].name}", alone=True)
    parameters = [row for node in twins for inside in node.parameters for row in inside.own] if alike else []
    rows = [row for node in twins for row in node.rows]
    return _Fold(path, name, rows, own, parameters, len(twins), first.path, below)


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _lines_of(fold: _Fold, flat: bool, indent: int = 0, around: int = 0, headed: bool = False) -> Iterator[_Line]:
    """The lines of a row and of those below it."""
    times = f" x{fold.copies}" if fold.copies > 1 and (flat or fold.copies != around) else ""
    label = "  " * indent + ((fold.label if flat else fold.name) or "(network)") + times
    if fold.own or not fold.below or not flat:
        yield label, fold, headed and not (fold.below or fold.alone)
    for below in fold.below:
        yield from _lines_of(below, flat, 0 if flat else indent + 1, fold.copies, not flat)


def _text(table: Table, column: Column, line: _Line, flat: bool) -> Any:
    label, fold, headed = line
    heads = bool(fold.below)
    if column.path and table.parts is None:
        return tuple(column.lines(fold.rows[0]))
    if column.path:
        indent = " " * (len(label) - len(label.lstrip()))
        return (label, *(indent + alias for alias in _aliases(fold)))
    if (fold.block is None or not fold.own) and heads != column.of_block and (heads or headed):
        return ""  # a heading has the facts of its block, and the rows below it all others
    if not fold.own and column.key == "block" and table.kinds:
        return table.kinds.get(fold.block or "", "")
    return _cell(table, column, fold, fold.parameters if heads else fold.rows, column.show)


def _aliases(fold: _Fold) -> List[str]:
    """The other paths of a row that represents one parameter, or one block."""
    if len(fold.own) != 1:
        return []
    transposed = getattr(fold.own[0], "transposed", ())
    aliases = getattr(fold.own[0], "aliases", ())
    return [f"= {alias}" for alias in braced_paths([f"{alias} (transposed)" if alias in transposed else alias
                                                    for alias in aliases])]  # fmt: skip


def _cell(table: Table, column: Column, fold: _Fold, rows: Sequence[Any], show: Callable[[Any], str]) -> str:
    """One cell of a row, in parentheses where other rows count all that it represents."""
    # `rows` are those of a block that has none of its own; of too many values, or too long ones, there are none shown.
    if not fold.own and column.fold in ("same", "range"):
        values = {repr(column.read(row)) for row in rows}
        most = 1 if column.number and column.fold == "same" else _MOST_VALUES
        if len(values) > most or (len(values) > 1 and len(column.show(column.of(rows))) > _LONGEST):
            return ""
    rows = fold.own or rows
    text = show(column.of(_counted(table, rows))) if rows else ""
    again = column.fold == "sum" and all(row.path in table.again for row in rows)
    return f"({text})" if again and text else text


def _counted(table: Table, rows: Sequence[Any]) -> Sequence[Any]:
    """The rows that no other row counts; all of them where there is none."""
    return [row for row in rows if row.path not in table.again] or rows


def _worst(table: Table, rows: Iterable[Any]) -> str:
    return min(map(table.emphasis, rows), key=_RANKS.index, default="")


def tree_table(table: Table, limit: Optional[int] = None) -> Table:
    """The table whose rows are branches, as HTML shows it: every block unfolds; its row has the sums of all below."""
    hoisted, different, title = _hoisted(table)
    path = next((column for column in hoisted if column.path), path_column())
    left_out = [*(table.shown_by_histogram if any(column.key == "histogram" for column in hoisted) else ()),
                *(["block"] if table.kinds or table.blocks else [])]  # fmt: skip
    columns = [column for column in hoisted if not column.path and column.key not in left_out
               and any(column.show(column.read(row)) for row in table.rows)]  # fmt: skip
    rest = [] if limit is None else table.rows[limit:]
    more = [("warning", _REST_OF_HTML.format(shown=limit, rows=counted(len(table.rows), table.noun)))] if rest else []
    if table.parts is None:
        branches = _list_branches(table, path, columns, table.rows[:limit])
    else:
        tree = _tree(table, table.rows, _key(table, different, ("same", "range")))
        root = _folded(table, [tree], "", "", merge=False)
        hidden = set(map(id, rest))
        branches = [branch for fold in ([root] if root.own else root.below)
                    for branch in _branches(table, columns, fold, hidden)]  # fmt: skip
        _open(branches, sum(table.emphasis(row) == "changed" for row in table.rows))
    footer = dict(zip((column.key for column in table.columns), table.footer))
    return replace(table, title=title, columns=(path, *columns), rows=branches, notes=(),
                   footer=[footer.get(column.key, "") for column in (path, *columns)] if footer else (),
                   footnotes=(*(("warning", note) for note in table.notes), *table.footnotes, *more))  # fmt: skip


def _list_branches(table: Table, path: Column, columns: Sequence[Column], rows: Sequence[Any]) -> List[Branch]:
    """A branch for each row of a table that is no tree; rows that the text does not show are below one of their own."""
    shown: List[Branch] = []
    others: List[Branch] = []
    for row in rows:
        cells = tuple(column.as_html(column.read(row), "") for column in columns)
        branch = Branch("\n".join(path.lines(row)), "", cells, "", table.emphasis(row))
        (shown if table.shown is None or table.shown(row) else others).append(branch)
    more = Branch(counted(len(others), "more row" if shown else "row"), cells=("",) * len(columns), below=others)
    return [*shown, *([more] if others else [])]


def _branches(table: Table, columns: Sequence[Column], fold: _Fold, hidden: Set[int]) -> Iterator[Branch]:
    """The branch of a row; none where all that it represents is hidden."""
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
    cells = tuple(_cell(table, column, fold, fold.parameters if column.of_block else fold.rows,
                        lambda value, column=column: column.as_html(value, fold.label))  # type: ignore[misc]
                  for column in columns)  # fmt: skip
    below = [branch for inner in fold.below for branch in _branches(table, columns, inner, hidden)]
    yield Branch(fold.name or "(network)", remark, cells, fold.label, _worst(table, fold.rows), below)


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
