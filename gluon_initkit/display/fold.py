"""Folds tables whose rows form a tree of paths: siblings that are alike become one row.

The title gives values that all rows share. A short table shows every row. A longer table first folds siblings with the
same cells, then siblings that differ in size only, and finally folds each deep block into one row.
"""

from dataclasses import replace
import functools
import itertools
from operator import itemgetter
import re
from typing import Any, Callable, Dict, Iterable, Iterator, List, NamedTuple, Optional, Sequence, Set, Tuple

from .table import Branch, Column, Table, cell_lines, path_column
from .words import counted

_FLAT = 12  # a table of at most this many rows is a list of full paths
_FEW = 24  # a table of at most this many rows is not folded
MOST_ROWS = 45  # the most rows of a folded table
_MOST_IN_ORDER = 30  # rows of a list or of a sorted tree, whose first rows matter
_OPEN = 20  # HTML opens branches while at most this many rows are visible
_LONGEST_BRACES = 44  # characters of the names in braces
_MOST_VALUES, _LONGEST = 3, 24  # distinct values in one cell, and their characters
_DEEPEST = 64  # nested blocks: a name in a file can have any number of dots
_PATH_WIDTH = 26  # characters that paths keep when columns are left out
_RANKS = ("error", "warning", "info", "changed", "", "dim")
_UNREMARKABLE = (None, "", "default", "write", False, ())
_MORE_ROWS = "{shown:,} of {rows} are shown{order}; to_text(all=True) shows all."
_MORE_IN_HTML = "{shown:,} of {rows} are shown. The sums are of all. report.to_html(limit=None) writes all."
_FOLDED = "A row marked x2 stands for 2 that are alike; to_text(all=True) shows all {all:,}."

_Key = Callable[[Any], Any]


_NO_NODES: List["_Node"] = []
_NO_BLOCKS: Dict[str, "_Node"] = {}


class _Node:
    """A block of the tree, or a parameter. Tables have thousands: slots spare each a dictionary."""

    __slots__ = ("blocks", "name", "own", "parameters", "path", "rows", "structure")

    def __init__(self, name: str, path: Optional[str], own: List[Any]) -> None:
        self.name, self.path = name, path  # the path is None for a parameter
        self.own = own  # the row of the parameter, or the rows of the block itself
        self.parameters: List[_Node] = _NO_NODES if path is None else []
        self.blocks: Dict[str, _Node] = _NO_BLOCKS if path is None else {}
        self.rows: Sequence[Any] = own  # its own rows and all rows inside
        self.structure = -1  # a number; nodes of the same structure have the same number

    @property
    def children(self) -> List["_Node"]:
        return [*self.parameters, *self.blocks.values()]


class _Fold(NamedTuple):
    """One row of a folded tree, and the rows below it."""

    label: str  # the path, such as encoder.{0..11}.weight
    name: str  # the last part of the path
    rows: Sequence[Any]  # all rows of the table that it represents
    own: Sequence[Any] = ()  # the rows of the parameters, or of the blocks themselves
    parameters: Sequence[Any] = ()  # the rows of the blocks' own parameters, if these are below
    copies: int = 1  # the number of parameters or blocks that it represents
    block: Optional[str] = None  # the path of the first block that it represents; None for a parameter
    children: Sequence["_Fold"] = ()
    joined: bool = False  # whether the name begins with the names of blocks that have no row of their own


# A line of text: its label, the row that it shows, and whether the row of the enclosing block stands above.
_Line = Tuple[str, _Fold, bool]


def text_table(
    table: Table, width: Optional[int], everything: bool = False, depth: Optional[int] = None, flat: bool = False
) -> Table:
    """The table as text: an indented tree whose cells are texts. Columns fit into `width`, if it is given."""
    # At `depth`, a block is one row. If `flat`, as in Markdown, rows have full paths and blocks have no rows.
    is_shown = (lambda row: True) if everything or table.shown is None else table.shown
    rows, hidden_rows = list(filter(is_shown, table.rows)), list(itertools.filterfalse(is_shown, table.rows))
    flat = flat or table.order is not None or (len(rows) <= _FLAT and not table.blocks and not table.headings)
    columns, different, title = _hoisted(table)
    lines = _lines(table, different, rows, everything, depth, flat)
    if table.order is not None:
        order, reverse = table.order
        lines = sorted_by(lines, lambda line: line[0] if order.path else order.sort_value(
            order.of(_counted(table, line[1].rows))), reverse)  # fmt: skip
    notes = [table.rest(hidden_rows)] if hidden_rows else []
    limit = MOST_ROWS if table.parts is not None and table.order is None else _MOST_IN_ORDER
    if everything or depth is not None:
        limit = len(lines) if everything else 10 * MOST_ROWS
    if len(lines) > limit:
        order_text = f", sorted by {table.order[0].title}" if table.order else ""
        notes.append(_MORE_ROWS.format(shown=limit, rows=counted(len(lines), "row"), order=order_text))
    elif any(fold.copies > 1 for _, fold, _ in lines):
        notes.append(_FOLDED.format(all=len(rows)))
    lines = lines[:limit]
    texts = {column.key: [_text(table, column, line, flat) for line in lines] for column in columns}
    columns = [column for column in columns if column.path or any(texts[column.key])]
    emphases = [_worst(table, fold.rows) for _, fold, _ in lines]
    footer = dict(zip((column.key for column in table.columns), table.footer))
    plain = list(itertools.takewhile(lambda note: not note[0], table.footnotes))  # the notes follow these

    def with_columns() -> Table:
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

    hidden = _hidden_columns(with_columns(), width)
    if hidden:
        names = ", ".join(column.title for column in columns if column.key in hidden)
        notes.append(f"not shown at this width: {names}; width= or columns= shows more")
        columns = [column for column in columns if column.key not in hidden]
    return with_columns()


def _hoisted(table: Table) -> Tuple[List[Column], List[Column], str]:
    """The columns to show, without those that are equal in all rows; all columns that differ; the title, with the
    equal values."""
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


def sorted_by(items: Iterable[Any], read: Callable[[Any], Any], reverse: bool) -> List[Any]:
    """Sort items by a value. The sort is stable, and items without a value come last in both directions."""

    def rank(item: Any) -> Any:  # the value of several numbers is a text, which comes after numbers
        value = read(item)
        return (value is None) != reverse, isinstance(value, str), 0 if value is None else value

    return sorted(items, key=rank, reverse=reverse)


def _hidden_columns(table: Table, width: Optional[int]) -> Set[str]:
    """The keys of the columns to leave out so that paths have room. The least important columns go first."""
    hidden: Set[str] = set()
    widths = {column.key: max(map(len, lines)) for column, lines in zip(table.columns, cell_lines(table))}
    path = table.columns[0].key
    widths[path] = min(widths[path], _PATH_WIDTH + 8 * table.headings)
    total = sum(widths.values()) + 2 * (len(widths) - 1)
    for key in table.first_to_go:
        if width is not None and total > width and key in widths:
            hidden.add(key)
            total -= widths[key] + 2
    return hidden


def braced(names: Sequence[str]) -> str:
    """One name for several, as in a shell: ``{0..2}``, ``stage1_{conv,pool}``. Of many names, the first and last."""
    if len(names) == 1:
        return names[0]
    paths = braced_paths(names) if any("." in name for name in names) else []
    if len(paths) == 1:
        return paths[0]
    # Every second piece is a number.
    pieces = list(itertools.zip_longest(*(re.split(r"([0-9]+)", name) for name in names), fillvalue=""))
    different = [index for index, values in enumerate(pieces) if len(set(values)) > 1]
    if len(different) == 1 and different[0] % 2 and any(map(itemgetter(0), pieces[::2])):
        return "".join(braced(values) if index in different else values[0] for index, values in enumerate(pieces))
    before, after = _common_prefix(names), _common_prefix([name[::-1] for name in names])[::-1]
    if len(before + after) > min(map(len, names)):
        after = ""  # both are the same word
    if before or after:
        return before + braced([name[len(before) : len(name) - len(after)] for name in names]) + after
    if all(map(str.isdecimal, names)):
        names = sorted(names, key=int)
    parts: List[str] = []
    for _, group in itertools.groupby(enumerate(names), _run_key):
        run = [name for _, name in group]
        parts += run if len(run) < 3 else [f"{run[0]}..{run[-1]}"]
    text = ",".join(parts)
    return "{" + (text if len(text) <= _LONGEST_BRACES else f"{parts[0]},..,{parts[-1]}") + "}"


def _run_key(numbered: Tuple[int, str]) -> Any:
    """A key that consecutive numbers share; any other name has its own."""
    place, name = numbered
    return int(name) - place if name.isdecimal() and name == str(int(name)) else numbered


def _common_prefix(names: Sequence[str]) -> str:
    """The longest common beginning of all names that ends at a separator."""
    first, last = min(names), max(names)
    same = next((place for place, pair in enumerate(zip(first, last)) if len(set(pair)) > 1), len(first))
    return first[: max(first.rfind(sign, 0, same) for sign in "_:/") + 1]


def braced_paths(paths: Sequence[str]) -> List[str]:
    """Fewer paths with the same meaning: paths that differ in one part are one, ``{1..12}.{query,key}``."""
    patterns = [tuple(path.split(".")) for path in paths]
    longest = max(map(len, patterns), default=0)
    if len(patterns) < 2 or longest > _DEEPEST:  # the cost grows with the square of the length
        return list(paths)
    for place in range(longest):
        groups: Dict[Any, List[str]] = {}
        for pattern in patterns:
            others = (pattern[:place], pattern[place + 1 :]) if place < len(pattern) else (pattern, None)
            groups.setdefault(others, []).append(pattern[place] if place < len(pattern) else "")
        patterns = [before if after is None else (*before, braced(names), *after)
                    for (before, after), names in groups.items()]  # fmt: skip
    return [".".join(pattern) for pattern in patterns]


def _lines(
    table: Table, different: Sequence[Column], rows: Sequence[Any], everything: bool, depth: Optional[int], flat: bool
) -> List[_Line]:
    """The lines of the table, folded no more than is needed to make them few enough."""
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
        folds = [root] if root.own else root.children
        if not root.own and cut == 0 and rows:
            folds = [_Fold("(all)", "(all)", root.rows, block="")]
        lines = [line for fold in folds for line in _lines_of(fold, flat)]
        if len(lines) <= MOST_ROWS or table.order is not None:
            break
    return lines


def _key(table: Table, columns: Iterable[Column], kinds: Sequence[str]) -> _Key:
    """The key that rows share if they may be one row. It has the values of the columns whose `fold` is in `kinds`."""
    shown = [column for column in columns if column.fold in kinds and not column.path]

    def key(row: Any) -> Any:
        return (repr([column.read(row) for column in shown]), table.alike(row), getattr(row, "aliases", ()),
                row.path in table.again, table.emphasis(row))  # fmt: skip

    return key


def _tree(table: Table, rows: Iterable[Any], key: Optional[_Key]) -> _Node:
    """The tree of the blocks and parameters of all rows, numbered by structure. Without a `key` all numbers differ."""
    assert table.parts is not None
    root = _Node("", "", [])
    for row in rows:
        *outer, last = table.parts(row) or ("",)
        node = root
        for name in outer[:_DEEPEST] + [last] * (table.blocks and bool(last)):
            if name not in node.blocks:
                node.blocks[name] = _Node(name, _join(node.path or "", name), [])
            node = node.blocks[name]
        if table.blocks:
            node.own.append(row)
        else:
            node.parameters.append(_Node(".".join((*outer[_DEEPEST:], last)), None, [row]))
    _number(root, table, key, {})
    return root


def _number(node: _Node, table: Table, key: Optional[_Key], known: Dict[Any, int]) -> int:
    """Number a node by its structure: its class, its rows, and the names and structures of its children."""
    inside: Tuple[Tuple[str, int], ...] = ()
    if node.path is not None:
        children = node.children
        inside = tuple([(child.name, _number(child, table, key, known)) for child in children])
        node.rows = [*node.own, *(row for child in children for row in child.rows)]
    structure = id(node) if key is None else (table.kinds.get(node.path or ""), tuple(map(key, node.own)), inside)
    node.structure = known.setdefault(structure, len(known))
    return node.structure


def _folded(
    table: Table, twins: Sequence[_Node], path: str, name: str, level: int = -1, cut: Optional[int] = None,
    merge: bool = True,
) -> _Fold:
    """The row for nodes of the same structure (`twins`), and the rows below it. Siblings of one structure are one row.

    Without `merge` only blocks share a row, with the rows of each block below. At `cut` more levels, a block is a row.
    """
    first, own = twins[0], [row for node in twins for row in node.own]
    if first.path is None:
        return _Fold(path, name, own, own, copies=len(twins))
    folds, siblings = [], [node.children for node in twins]
    groups: Dict[int, List[int]] = {}
    if len(twins) > 1 and not merge:
        folds = [_folded(table, [node], node.path or "", node.name, level + 1, merge=merge) for node in twins]
    elif cut != 0:
        for index, node in enumerate(siblings[0]):
            groups.setdefault(node.structure if merge or node.path is not None else -1 - index, []).append(index)
    for indices in groups.values():
        names = [siblings[0][index].name for index in indices]
        nodes = [children[index] for children in siblings for index in indices]
        label = "*" if 2 < len(indices) == len(siblings[0]) and nodes[0].path is None else braced(names)
        folds.append(_folded(table, nodes, _join(path, label), label, level + 1, cut and cut - 1, merge))
    if len(folds) == 1 and not own and level >= table.headings:
        return folds[0]._replace(name=f"{name}.{folds[0].name}", joined=True)
    parameters = [row for node in twins for parameter in node.parameters for row in parameter.own] if groups else []
    rows = [row for node in twins for row in node.rows]
    return _Fold(path, name, rows, own, parameters, len(twins), first.path, folds)


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _lines_of(fold: _Fold, flat: bool, indent: int = 0, copies: int = 0, headed: bool = False) -> Iterator[_Line]:
    """The lines of a row and of the rows below it; `copies` is the number of the enclosing row."""
    times = f" x{fold.copies}" if fold.copies > 1 and (flat or fold.copies != copies) else ""
    label = "  " * indent + ((fold.label if flat else fold.name) or "(network)") + times
    if fold.own or not fold.children or not flat:
        yield label, fold, headed and not (fold.children or fold.joined)
    for child in fold.children:
        yield from _lines_of(child, flat, 0 if flat else indent + 1, fold.copies, not flat)


def _text(table: Table, column: Column, line: _Line, flat: bool) -> Any:
    label, fold, headed = line
    is_heading = bool(fold.children)
    if column.path and table.parts is None:
        return tuple(column.lines(fold.rows[0]))
    if column.path:
        indent = " " * (len(label) - len(label.lstrip()))
        return (label, *(indent + alias for alias in _aliases(fold)))
    if (fold.block is None or not fold.own) and is_heading != column.of_block and (is_heading or headed):
        return ""  # a heading shows the columns about its block, and the rows below it show the others
    if not fold.own and column.key == "block" and table.kinds:
        return table.kinds.get(fold.block or "", "")
    return _cell(table, column, fold, fold.parameters if is_heading else fold.rows, column.show)


def _aliases(fold: _Fold) -> List[str]:
    """The other paths of a row that represents one parameter or one block."""
    if len(fold.own) != 1:
        return []
    transposed = getattr(fold.own[0], "transposed", ())
    aliases = getattr(fold.own[0], "aliases", ())
    return [f"= {alias}" for alias in braced_paths([f"{alias} (transposed)" if alias in transposed else alias
                                                    for alias in aliases])]  # fmt: skip


def _cell(table: Table, column: Column, fold: _Fold, rows: Sequence[Any], show: Callable[[Any], str]) -> str:
    """One cell of a row. A sum is in parentheses if other rows count everything that it represents."""
    # `rows` are used if the block has no rows of its own; then too many or too long values give an empty cell.
    if not fold.own and column.fold in ("same", "range"):
        values = {repr(column.read(row)) for row in rows}
        limit = 1 if column.number and column.fold == "same" else _MOST_VALUES
        if len(values) > limit or (len(values) > 1 and len(column.show(column.of(rows))) > _LONGEST):
            return ""
    rows = fold.own or rows
    text = show(column.of(_counted(table, rows))) if rows else ""
    again = column.fold == "sum" and all(row.path in table.again for row in rows)
    return f"({text})" if again and text else text


def _counted(table: Table, rows: Sequence[Any]) -> Sequence[Any]:
    """The rows that no other row counts; all rows if there are none."""
    return [row for row in rows if row.path not in table.again] or rows


def _worst(table: Table, rows: Iterable[Any]) -> str:
    return min(map(table.emphasis, rows), key=_RANKS.index, default="")


def tree_table(table: Table, limit: Optional[int] = None) -> Table:
    """The table for HTML. Its rows are branches: every block unfolds, and its row has the sums of all rows below."""
    hoisted, different, title = _hoisted(table)
    path = next((column for column in hoisted if column.path), path_column())
    omitted = [*(table.shown_by_histogram if any(column.key == "histogram" for column in hoisted) else ()),
               *(["block"] if table.kinds or table.blocks else [])]  # fmt: skip
    columns = [column for column in hoisted if not column.path and column.key not in omitted
               and any(column.show(column.read(row)) for row in table.rows)]  # fmt: skip
    beyond = [] if limit is None else table.rows[limit:]
    more = [("warning", _MORE_IN_HTML.format(shown=limit, rows=counted(len(table.rows), table.noun)))] if beyond else []
    if table.parts is None:
        branches = _list_branches(table, path, columns, table.rows[:limit])
    else:
        tree = _tree(table, table.rows, _key(table, different, ("same", "range")))
        root = _folded(table, [tree], "", "", merge=False)
        hidden = set(map(id, beyond))
        branches = [branch for fold in ([root] if root.own else root.children)
                    for branch in _branches(table, columns, fold, hidden)]  # fmt: skip
        _open(branches, sum(table.emphasis(row) == "changed" for row in table.rows))
    footer = dict(zip((column.key for column in table.columns), table.footer))
    return replace(table, title=title, columns=(path, *columns), rows=branches, notes=(),
                   footer=[footer.get(column.key, "") for column in (path, *columns)] if footer else (),
                   footnotes=(*(("warning", note) for note in table.notes), *table.footnotes, *more))  # fmt: skip


def _list_branches(table: Table, path: Column, columns: Sequence[Column], rows: Sequence[Any]) -> List[Branch]:
    """A branch for each row of a list. Rows that a text does not show are children of one more branch."""
    shown: List[Branch] = []
    others: List[Branch] = []
    for row in rows:
        cells = tuple(column.as_html(column.read(row), "") for column in columns)
        branch = Branch("\n".join(path.lines(row)), "", cells, "", table.emphasis(row))
        (shown if table.shown is None or table.shown(row) else others).append(branch)
    folded = Branch(counted(len(others), "more row" if shown else "row"), cells=("",) * len(columns), below=others)
    return [*shown, *([folded] if others else [])]


def _branches(table: Table, columns: Sequence[Column], fold: _Fold, hidden: Set[int]) -> Iterator[Branch]:
    """The branch of a row; nothing if everything that it represents is hidden."""
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
    children = [branch for child in fold.children for branch in _branches(table, columns, child, hidden)]
    yield Branch(fold.name or "(network)", remark, cells, fold.label, _worst(table, fold.rows), children)


def _open(branches: Sequence[Branch], changed: int) -> None:
    """Open the branches that lead to findings or to few changes, and others from the top while few rows are visible."""
    important = ("error", "warning", *(["changed"] if changed <= _OPEN else []))
    shown, level = len(branches), list(branches)
    while level:
        for branch in sorted(level, key=lambda branch: branch.severity not in important):
            if branch.below and (branch.severity in important or shown + len(branch.below) <= _OPEN):
                branch.open = True
                shown += len(branch.below)
        level = [child for branch in level if branch.open for child in branch.below]
