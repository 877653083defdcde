"""The tree of blocks behind a list of records, and the rows that a table or an HTML tree makes of it.

Siblings of the same structure, one after the other, become one row: ``encoder.{0..11}``. In a table the rows below them
are merged as well; in HTML they unfold into one row each.
"""

from dataclasses import dataclass, field
import itertools
from typing import Any, Dict, FrozenSet, Iterable, Iterator, List, Optional, Sequence, Tuple

from ..records import BlockRecord, ParameterRecord

__all__ = ["Node", "Row", "braced", "flat_rows", "root_row", "tree_of"]

_DEEPEST = 64  # blocks below each other: a name in a file may have any number of dots
_MOST_NAMES = 20


@dataclass(eq=False)
class Node:
    """One block that holds parameters, itself or below; blocks of the same structure have the same number."""

    name: str
    path: str
    block: str = ""
    own: List[ParameterRecord] = field(default_factory=list)
    children: Dict[str, "Node"] = field(default_factory=dict)
    structure: int = -1

    def records(self) -> Iterator[ParameterRecord]:
        """Every parameter here and below."""
        yield from self.own
        for child in self.children.values():
            yield from child.records()


@dataclass(frozen=True)
class Row:
    """One row of a table, and the rows below it."""

    label: str  # the path, such as encoder.{0..11}.weight
    name: str  # the last part of it
    records: Tuple[ParameterRecord, ...]  # all that it stands for
    counted: Tuple[ParameterRecord, ...]  # those that no other row counts
    copies: int = 1  # for how many identical parameters or blocks it stands
    block: Optional[str] = None  # the class of the blocks; None for parameters
    below: Tuple["Row", ...] = ()


def tree_of(
    records: Iterable[ParameterRecord], blocks: Iterable[BlockRecord] = (), again: FrozenSet[str] = frozenset()
) -> Node:
    """The blocks that hold these parameters. In a file, what stands before a name's last dot is a block.

    Blocks are not of the same structure where a parameter of one is counted `again`, by its path, and the other's not.
    """
    classes = {block.path: block.block for block in blocks}
    root = Node("", "", classes.get("", ""))
    for record in records:
        node = root
        owner = record.block_path or record.path.rpartition(".")[0]
        for name in owner.split(".", _DEEPEST) if owner else ():
            path = _join(node.path, name)
            if name not in node.children:
                node.children[name] = Node(name, path, classes.get(path, ""))
            node = node.children[name]
        node.own.append(record)
        node.block = node.block or record.block
    _number(root, {}, again)
    return root


def root_row(
    root: Node, again: FrozenSet[str], collapse: bool = True, merge: bool = True, shown: Optional[FrozenSet[str]] = None
) -> Row:
    """The row of the whole tree, with all others below it.

    Identical siblings become one row where `collapse` is set; with `merge`, the rows below it stand for all of them,
    else each has a row. The parameters of the paths `again` are counted by other rows. Only those of the paths `shown`
    have rows, where it is given.
    """

    def block(nodes: Sequence[Node], path: str, name: str) -> Row:
        if len(nodes) > 1 and not merge:
            rows = [block([node], node.path, node.name) for node in nodes]
        else:
            rows = list(below(nodes, path))
        records = tuple(record for node in nodes for record in node.records())
        kept = tuple(row for row in rows if row.block is None or row.below)
        return Row(path, name, records, _counted(records, again), len(nodes), nodes[0].block, kept)

    def below(nodes: Sequence[Node], path: str) -> Iterator[Row]:
        for records in zip(*(node.own for node in nodes)):
            name = _last(nodes[0], records[0])
            if shown is None or records[0].path in shown:
                label = records[0].path if len(nodes) == 1 else _join(path, name)
                yield Row(label, name, records, _counted(records, again), len(records))
        for twins in _twins(nodes[0], collapse):
            name = braced([twin.name for twin in twins])
            children = [node.children[twin.name] for node in nodes for twin in twins]
            yield block(children, _join(path, name), name)

    return block([root], "", "")


def flat_rows(row: Row, depth: Optional[int] = None) -> Iterator[Row]:
    """The rows of a table: parameters, and blocks at `depth` in place of all that is below them."""
    if row.block is None or depth == 0:
        if row.records:
            yield row
        return
    for inner in row.below:
        yield from flat_rows(inner, None if depth is None else depth - 1)


def braced(names: Sequence[str]) -> str:
    """Several names as one, as a shell expands it: ``{0..2}``, ``{query,key}``."""
    if len(names) == 1:
        return names[0]
    numbers = [int(name) for name in names if name.isdecimal() and name == str(int(name))]
    if len(numbers) == len(names) > 2 and numbers == list(range(numbers[0], numbers[0] + len(numbers))):
        return f"{{{numbers[0]}..{numbers[-1]}}}"
    more = f" and {len(names) - 10:,} more" if len(names) > _MOST_NAMES else ""
    return "{" + ",".join(names[:10] if more else names) + more + "}"


def _twins(node: Node, collapse: bool) -> List[List[Node]]:
    """The children of a node; neighbours of the same structure together."""
    if not collapse:
        return [[child] for child in node.children.values()]
    return [list(run) for _, run in itertools.groupby(node.children.values(), key=lambda child: child.structure)]


def _number(node: Node, known: Dict[Any, int], again: FrozenSet[str]) -> None:
    for child in node.children.values():
        _number(child, known, again)
    own = tuple((_last(node, record), _structure(record, again)) for record in node.own)
    below = tuple((child.name, child.structure) for child in node.children.values())
    node.structure = known.setdefault((node.block, own, below), len(known))


def _structure(record: ParameterRecord, again: FrozenSet[str]) -> Tuple[Any, ...]:
    """What must be the same in parameters that one row stands for."""
    return (record.role, record.shape, record.dtype, record.stype, record.state, record.contexts, record.grad_req,
            record.lr_mult, record.wd_mult, record.trained, record.constant, record.aliases,
            record.path in again)  # fmt: skip


def _counted(records: Tuple[ParameterRecord, ...], again: FrozenSet[str]) -> Tuple[ParameterRecord, ...]:
    return tuple(record for record in records if record.path not in again) if again else records


def _last(node: Node, record: ParameterRecord) -> str:
    """A parameter's path within its block."""
    inside = node.path + "."
    return record.path[len(inside) :] if record.path.startswith(inside) else record.path


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
