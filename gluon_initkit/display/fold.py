"""Tables whose rows are a tree of paths, folded: siblings that are alike are one row.

What all rows have alike stands in the title. A short table shows every row. In a longer one siblings are one row where
all that is shown of them is the same, then also where their sizes differ; if that does not do, deep blocks are one row
each.
"""

from dataclasses import dataclass, field, replace
import itertools
from operator import itemgetter
import re
from typing import Any, Callable, Dict, Iterable, Iterator, List, Mapping, NamedTuple, Optional, Sequence, Set, Tuple

from .table import Branch, Column, Table, path_column
from .text import cell_widths
from .units import counted

__all__ = ["braced", "flat_table", "sorted_by", "text_table", "tree_table"]

_FLAT = 12  # rows that are a list of whole paths
_FEW = 24  # rows up to which nothing is folded
_MOST = 45  # rows of a folded table
_OPEN = 20  # rows to which HTML opens
_MOST_NAMES = 20
_MOST_VALUES, _LONGEST = 3, 24  # values of a block that its row shows, and their characters
_DEEPEST = 64  # blocks below each other: a name in a file may have any number of dots
_ROOM_FOR_PATHS = 26
_RANKS = ("error", "warning", "info", "changed", "", "dim")
_UNREMARKABLE = (None, "", "default", "write", False, ())
_REST = "{shown:,} of {rows} are shown; to_text(all=True) shows all."
_REST_OF_HTML = "{shown:,} of {rows} are shown. The sums are of all. report.to_html(limit=None) writes all."
_FOLDED = "A row marked x2 stands for 2 that are alike; to_text(all=True) shows all {all:,}."


@dataclass(eq=False)
class _Node:
    """One block, and what stands in it; blocks of the same structure have the same number."""

    name: str
    path: str
    blocks: List[Any] = field(default_factory=list)  # the rows of this block itself
    own: List[Tuple[str, Any]] = field(default_factory=list)  # the rows in it, by name
    children: Dict[str, "_Node"] = field(default_factory=dict)
    structure: int = -1

    def rows(self) -> Iterator[Any]:
        """Every row here and below."""
        yield from self.blocks
        for _, row in self.own:
            yield row
        for child in self.children.values():
            yield from child.rows()


class _Fold(NamedTuple):
    """One row of a folded tree, and the rows below it."""

    label: str  # the path, such as encoder.{0..11}.weight
    name: str  # the last part of it
    rows: Tuple[Any, ...]  # all that it stands for
    copies: int = 1  # for how many alike it stands
    block: Optional[str] = None  # the path of the first block that it stands for; None for what stands in a block
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
        Whether rows have whole paths, and blocks no rows of their own.
    """
    rows = [row for row in table.rows if everything or table.shown is None or table.shown(row)]
    flat = flat or table.order is not None or (len(rows) <= _FLAT and not table.blocks and not table.headings)
    lines = _in_order(table, _chosen_lines(table, rows, everything, depth, flat))
    left_out = [row for row in table.rows if table.shown and not table.shown(row)] if not everything else []
    notes = [("", table.rest(left_out))] if left_out else []
    limit = None if everything else 10 * _MOST if depth is not None else _MOST
    if len(lines) > (limit or len(lines)):
        notes.append(("", _REST.format(shown=limit, rows=counted(len(lines), "row"))))
    elif any(line.fold.copies > 1 for line in lines):
        notes.append(("", _FOLDED.format(all=len(rows))))
    lines = lines[:limit]
    columns, title = _hoisted(table)
    texts = [[_text(table, column, line, flat) for line in lines] for column in columns]
    telling = [index for index, column in enumerate(columns) if column.path or any(texts[index])]
    footer = dict(zip((column.key for column in table.columns), table.footer or [""] * len(columns)))
    made = replace(
        table,
        title=title,
        columns=tuple(_text_column(columns[index], place) for place, index in enumerate(telling)),
        rows=list(zip(*(texts[index] for index in telling), (_worst(table, line.fold.rows) for line in lines))),
        emphasis=itemgetter(-1),
        footer=[footer[columns[index].key] for index in telling] if table.footer else (),
        footnotes=_with_notes(table.footnotes, [note for note in notes if note[1]]),
    )
    return made if width is None else _fitted(made, width)


def flat_table(table: Table, depth: Optional[int] = None) -> Table:
    """The table as Markdown shows it: all columns, and whole paths."""
    return text_table(table, None, depth=depth, flat=True)


def tree_table(table: Table, limit: Optional[int] = None) -> Table:
    """The table whose rows are branches, as HTML shows it: every block unfolds; its row has the sums of all below."""
    hoisted, title = _hoisted(table)
    path = next((column for column in hoisted if column.path), path_column())
    has_histogram = any(column.key == "histogram" for column in hoisted)
    left_out = {*(table.shown_by_histogram if has_histogram else ())}
    if table.kinds or table.blocks:
        left_out.add("block")
    columns = [column for column in hoisted if not column.path and column.key not in left_out
               and any(column.show(column.read(row)) for row in table.rows)]  # fmt: skip
    shown = None if limit is None or limit >= len(table.rows) else {row.path for row in table.rows[:limit]}
    rest = _REST_OF_HTML.format(shown=limit or 0, rows=counted(len(table.rows), table.noun))
    more = [] if shown is None else [("warning", rest)]
    if table.parts is None:
        branches = _list_branches(table, path, columns, table.rows[:limit])
    else:
        root = _folded(table, table.rows, _key(table, loose=False), merge=False)
        folds = (root,) if root.own else root.below
        branches = _opened([branch for fold in folds for branch in _branches(table, columns, fold, shown)])
    footer = dict(zip((column.key for column in table.columns), table.footer))
    return replace(table, title=title, columns=(path, *columns), rows=branches, notes=(),
                   footer=[footer.get(column.key, "") for column in (path, *columns)] if footer else (),
                   footnotes=(*(("warning", note) for note in table.notes), *table.footnotes, *more))  # fmt: skip


def _list_branches(table: Table, path: Column, columns: Sequence[Column], rows: Sequence[Any]) -> List[Branch]:
    """A branch for each row of a table that is no tree; rows that the text does not show are below one of their own."""
    def branch(row: Any) -> Branch:
        cells = tuple(column.as_html(column.read(row), "") for column in columns)
        return Branch("\n".join(path.lines(row)), "", cells, "", table.emphasis(row))

    shown = [row for row in rows if table.shown is None or table.shown(row)]
    others = tuple(branch(row) for row in rows if table.shown is not None and not table.shown(row))
    more = Branch(counted(len(others), "more row" if shown else "row"), cells=("",) * len(columns), below=others)
    return [*map(branch, shown), *([more] if others else [])]


def _in_order(table: Table, lines: List[_Line]) -> List[_Line]:
    if table.order is None:
        return lines
    column, reverse = table.order

    def value(line: _Line) -> Any:
        rows = [row for row in line.fold.rows if row.path not in table.again] or line.fold.rows
        return line.label if column.path else column.sort_value(column.of(rows))

    return sorted_by(lines, value, reverse)


def sorted_by(things: Iterable[Any], read: Callable[[Any], Any], reverse: bool) -> List[Any]:
    """Things in the order of a value; those that have none come last, whichever way; order among equals is kept.

    Numbers stand before texts, which is what a row is sorted by that stands for several different numbers.
    """
    keyed = [(read(thing), thing) for thing in things]
    known = sorted((pair for pair in keyed if pair[0] is not None),
                   key=lambda pair: (isinstance(pair[0], str), pair[0]), reverse=reverse)  # fmt: skip
    return [thing for _, thing in known] + [thing for value, thing in keyed if value is None]


def braced(names: Sequence[str]) -> str:
    """Several names as one, as a shell expands it: ``{0..2}``, ``{query,key}``.

    Examples
    --------
    >>> braced(["0"]), braced(["query", "key"]), braced(["0", "1", "2", "5"]), braced(["conv0_fwd", "conv1_fwd"])
    ('0', '{query,key}', '{0..2,5}', 'conv{0,1}_fwd')
    """
    if len(names) == 1:
        return names[0]
    # Every second piece is a number.
    pieces = list(itertools.zip_longest(*(re.split(r"([0-9]+)", name) for name in names), fillvalue=""))
    different = [index for index, values in enumerate(pieces) if len(set(values)) > 1]
    if len(different) == 1 and different[0] % 2 and any(map(itemgetter(0), pieces[::2])):
        return "".join(braced(values) if index in different else values[0] for index, values in enumerate(pieces))
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
    more = f" and {len(parts) - 10:,} more" if len(parts) > _MOST_NAMES else ""
    return "{" + ",".join(parts[:10] if more else parts) + more + "}"


def _chosen_lines(
    table: Table, rows: Sequence[Any], everything: bool, depth: Optional[int], flat: bool
) -> List[_Line]:
    """The least folded lines of those that are few enough."""
    if table.parts is None:
        return [_Line("", _Fold("", "", (row,))) for row in rows]

    def lines(key: Optional[Callable[[Any], Any]], depth: Optional[int] = depth) -> List[_Line]:
        root = _folded(table, rows, key)
        if root.own:
            return list(_lines(root, depth, flat, table.headings))
        below = [_Fold("(all)", "(all)", root.rows, block="")] if depth == 0 and rows else root.below
        inside = None if depth is None else depth - 1
        return [line for fold in below for line in _lines(fold, inside, flat, table.headings)]

    found = lines(None) if everything or len(rows) <= _FEW else []
    if everything or len(rows) <= _FEW:
        return found
    for loose in (False, True):
        found = lines(_key(table, loose))
        if len(found) <= _MOST or table.order is not None:
            return found
    if depth is None:
        for cut in reversed(range(1, max(len(table.parts(row)) for row in rows[: 10 * _MOST]))):
            found = lines(_key(table, loose=True), min(cut, _DEEPEST))
            if len(found) <= _MOST:
                break
    return found


def _key(table: Table, loose: bool) -> Callable[[Any], Any]:
    """What rows must have in common to be one."""
    kinds = ("same",) if loose else ("same", "range")
    columns = [column for column in (*table.columns, *table.in_title) if column.fold in kinds and not column.path]

    def key(row: Any) -> Any:
        cells = [column.read(row) for column in columns]
        return repr((cells, table.alike(row), getattr(row, "aliases", ()), row.path in table.again,
                     table.emphasis(row)))  # fmt: skip

    return key


def _folded(
    table: Table, rows: Iterable[Any], key: Optional[Callable[[Any], Any]], merge: bool = True
) -> _Fold:
    """The tree of all rows. Siblings of the same `key` are one row; with `merge`, so are the rows below them."""
    parts = table.parts
    assert parts is not None
    root = _Node("", "")
    for row in rows:
        *around, last = parts(row) or ("",)
        node = root
        for name in around[:_DEEPEST]:
            node = _child(node, name)
        if not table.blocks:
            node.own.append((".".join((*around[_DEEPEST:], last)), row))
        else:
            (_child(node, last) if last else node).blocks.append(row)
    if key is not None:
        _number(root, key, table.kinds, {})

    def block(nodes: Sequence[_Node], path: str, name: str) -> _Fold:
        below = [block([node], node.path, node.name) for node in nodes] if len(nodes) > 1 and not merge else \
            [*own(nodes, path), *children(nodes, path)]
        rows = tuple(row for node in nodes for row in node.rows())
        return _Fold(path, name, rows, len(nodes), nodes[0].path, tuple(row for node in nodes for row in node.blocks),
                     tuple(below))  # fmt: skip

    def own(nodes: Sequence[_Node], path: str) -> Iterator[_Fold]:
        first = nodes[0].own
        for indices in _runs([key(row) if key and merge else index for index, (_, row) in enumerate(first)]):
            names = [first[index][0] for index in indices]
            whole = 2 < len(names) == len(first) and not nodes[0].children
            name = "*" if whole else braced(names)
            rows = tuple(node.own[index][1] for node in nodes for index in indices)
            yield _Fold(_join(path, name), name, rows, len(rows))

    def children(nodes: Sequence[_Node], path: str) -> Iterator[_Fold]:
        names = list(nodes[0].children)
        keys = [nodes[0].children[name].structure if key else name for name in names]
        for indices in _runs(keys):
            twins = [names[index] for index in indices]
            name = braced(twins)
            yield block([node.children[twin] for node in nodes for twin in twins], _join(path, name), name)

    return block([root], "", "")


def _child(node: _Node, name: str) -> _Node:
    if name not in node.children:
        node.children[name] = _Node(name, _join(node.path, name))
    return node.children[name]


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _number(node: _Node, key: Callable[[Any], Any], kinds: Mapping[str, str], known: Dict[Any, int]) -> None:
    for child in node.children.values():
        _number(child, key, kinds, known)
    own = tuple((name, key(row)) for name, row in node.own)
    below = tuple((child.name, child.structure) for child in node.children.values())
    whole = (kinds.get(node.path), tuple(map(key, node.blocks)), own, below)
    node.structure = known.setdefault(whole, len(known))


def _runs(keys: Sequence[Any]) -> List[List[int]]:
    """The places of equal keys together, each where the first of them stands."""
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
    rows: Sequence[Any] = fold.own or fold.rows
    if not fold.own and (line.heads or (column.of_block and line.headed)):
        if not line.heads or not column.of_block:
            return ""
        rows = [row for below in fold.below if below.block is None for row in below.rows]
    if not fold.own and fold.block is not None and column.key == "block" and table.kinds:
        return table.kinds.get(fold.block, "")
    if fold.block is not None and not fold.own and _differ(column, rows):
        return ""
    return _cell(table, column, rows, column.show)


def _aliases(fold: _Fold) -> List[str]:
    """The other paths of a row that stands for one."""
    rows = fold.own or (fold.rows if fold.block is None else ())
    if len(rows) != 1:
        return []
    transposed = getattr(rows[0], "transposed", ())
    aliases = getattr(rows[0], "aliases", ())
    return [f"= {alias}{' (transposed)' if alias in transposed else ''}" for alias in aliases]


def _differ(column: Column, rows: Sequence[Any]) -> bool:
    """Whether rows have too many values in a column, or too long ones, for one cell."""
    if column.fold not in ("same", "range"):
        return False
    values = {repr(column.read(row)) for row in rows}
    most = 1 if column.number and column.fold == "same" else _MOST_VALUES
    return len(values) > most or (len(values) > 1 and len(column.show(column.of(rows))) > _LONGEST)


def _cell(table: Table, column: Column, rows: Sequence[Any], show: Callable[[Any], str]) -> str:
    """One cell of several rows; in parentheses is what another row counts."""
    if not rows:
        return ""
    once = [row for row in rows if row.path not in table.again]
    text = show(column.of(once or rows))
    return f"({text})" if column.fold == "sum" and not once and text else text


def _text_column(column: Column, index: int) -> Column:
    """The column of a table whose rows are tuples of texts."""
    return Column(column.key, itemgetter(index), column.title, number=column.number, path=column.path)


def _hoisted(table: Table) -> Tuple[Tuple[Column, ...], str]:
    """The columns but for those in which all rows are alike, and the title, which says these."""
    columns, title = [], [table.title]
    for column in (*table.columns, *table.in_title):
        values = {repr(column.read(row)): column.read(row) for row in table.rows} if column.hoist is not False else {}
        if len(values) == 1:
            (value,) = values.values()
            words = f"{column.title} {{}}" if column.hoist is True else str(column.hoist)
            if words and value not in _UNREMARKABLE:
                title.append(words.replace("{}", column.show(value)))
        elif column not in table.in_title:
            columns.append(column)
    return tuple(columns), " · ".join(title)


def _worst(table: Table, rows: Iterable[Any]) -> str:
    return min(map(table.emphasis, rows), key=_RANKS.index, default="")


def _with_notes(
    footnotes: Sequence[Tuple[str, str]], notes: Sequence[Tuple[str, str]]
) -> Tuple[Tuple[str, str], ...]:
    """Footnotes, with more of them before those that a mark sets apart."""
    first = list(itertools.takewhile(lambda note: not note[0], footnotes))
    return (*first, *notes, *footnotes[len(first) :])


def _fitted(table: Table, width: int) -> Table:
    """The table without the columns that leave paths too little room, the least telling first, and a note of them."""
    widths = {column.key: wanted for column, wanted in zip(table.columns, cell_widths(table))}
    path = table.columns[0].key
    room = _ROOM_FOR_PATHS + 8 * table.headings
    total = min(widths[path], room) + sum(widths.values()) - widths[path] + 2 * (len(widths) - 1)
    hidden = set()
    for key in table.first_to_go:
        if total > width and key in widths:
            hidden.add(key)
            total -= widths[key] + 2
    if not hidden:
        return table
    names = ", ".join(column.title for column in table.columns if column.key in hidden)
    note = ("", f"not shown at this width: {names}; width= or columns= shows more")
    kept = [index for index, column in enumerate(table.columns) if column.key not in hidden]
    return replace(
        table,
        columns=tuple(table.columns[index] for index in kept),
        footer=[table.footer[index] for index in kept] if table.footer else (),
        footnotes=_with_notes(table.footnotes, [note]),
    )


def _branches(
    table: Table, columns: Sequence[Column], fold: _Fold, shown: Optional[Set[str]], before: str = "", level: int = 0
) -> Iterator[Branch]:
    """The branch of a row; none of a row that is not shown."""
    if fold.block is not None and len(fold.below) == 1 and not fold.own and level >= table.headings:
        yield from _branches(table, columns, fold.below[0], shown, f"{before}{fold.name}.", level)
        return
    missing = 0 if shown is None else sum(row.path not in shown for row in fold.rows)
    if fold.block is None:
        remark = " ".join(_aliases(fold))
    else:
        kind = next((column.of(fold.own) for column in table.columns if fold.own and column.key == "block"), "")
        kind = kind or table.kinds.get(fold.block, "")
        times = f"x{fold.copies}" if fold.copies > 1 else ""
        parts = (" ".join(filter(None, (kind, times))), f"{counted(missing, table.noun)} not shown" if missing else "")
        remark = ", ".join(filter(None, parts))
    if missing < len(fold.rows):
        below = tuple(branch for inner in fold.below
                      for branch in _branches(table, columns, inner, shown, "", level + 1))  # fmt: skip
        cells = tuple(_html_cell(table, column, fold) for column in columns)
        name = before + fold.name or "(network)"
        yield Branch(name, remark, cells, fold.label, _worst(table, fold.rows), below)


def _html_cell(table: Table, column: Column, fold: _Fold) -> str:
    rows: Sequence[Any] = fold.own or fold.rows
    if fold.block is not None and not fold.own:
        if column.of_block:
            rows = [row for below in fold.below if below.block is None for row in below.rows]
        if _differ(column, rows):
            return ""
    return _cell(table, column, rows, lambda value: column.as_html(value, fold.label))


def _opened(branches: Sequence[Branch]) -> List[Branch]:
    """The branches, opened to what was found, and from the top while few rows are in sight."""
    def leaves(branch: Branch) -> Iterator[Branch]:
        yield from itertools.chain(*map(leaves, branch.below)) if branch.below else [branch]

    changed = sum(leaf.severity == "changed" for branch in branches for leaf in leaves(branch))
    found = ("error", "warning", *(["changed"] if changed <= _OPEN else []))
    shown, level, opened = len(branches), list(branches), set()
    while level:
        for branch in sorted(level, key=lambda branch: branch.severity not in found):
            if branch.below and (branch.severity in found or shown + len(branch.below) <= _OPEN):
                opened.add(id(branch))
                shown += len(branch.below)
        level = [inner for branch in level if id(branch) in opened for inner in branch.below]

    def rebuilt(branch: Branch) -> Branch:
        return replace(branch, open=id(branch) in opened, below=tuple(map(rebuilt, branch.below)))

    return list(map(rebuilt, branches))
