"""The tree of blocks behind a list of records, and the rows that a table makes of it.

Rows fold everything below a depth into its block, and siblings of the same structure, one after the other, into one:
``encoder.{0..11}``. No record is lost or counted twice by either, so sums stay exact.
"""

from dataclasses import dataclass, field
import itertools
from typing import Any, Dict, FrozenSet, Iterable, Iterator, List, Optional, Sequence, Tuple

from ..records import BlockRecord, ParameterRecord

__all__ = ["Node", "Row", "braced", "rows_of", "tree_of", "twins"]


@dataclass(eq=False)
class Node:
    """One block that holds parameters, itself or below; `name` is the last part of `path`."""

    name: str
    path: str
    block: str = ""
    own: List[ParameterRecord] = field(default_factory=list)
    children: Dict[str, "Node"] = field(default_factory=dict)
    structure: int = -1
    """The same number for blocks of the same structure."""

    def records(self) -> Iterator[ParameterRecord]:
        """Every parameter here and below."""
        yield from self.own
        for child in self.children.values():
            yield from child.records()


@dataclass(frozen=True)
class Row:
    """One row of a table: what stands for several parameters, and which.

    Attributes
    ----------
    label : str
        Such as ``encoder.{0..11}.weight``.
    records : tuple of ParameterRecord
        All of them.
    counted : tuple of ParameterRecord
        Those that an earlier row has not counted already.
    blocks : int
        How many blocks were folded into it; 0 for a row of parameters.
    block : str
        The class of those blocks.
    copies : int
        For how many identical things it stands.
    """

    label: str
    records: Tuple[ParameterRecord, ...]
    counted: Tuple[ParameterRecord, ...]
    blocks: int = 0
    block: str = ""
    copies: int = 1


def tree_of(
    records: Iterable[ParameterRecord], blocks: Iterable[BlockRecord] = (), again: FrozenSet[str] = frozenset()
) -> Node:
    """The blocks that hold these parameters, as a tree. In a file, what stands before a name's last dot is a block."""
    classes = {block.path: block.block for block in blocks}
    root = Node("", "", classes.get("", ""))
    for record in records:
        node = root
        owner = _owner(record)
        for name in owner.split(".", _DEEPEST) if owner else ():
            path = f"{node.path}.{name}" if node.path else name
            if name not in node.children:
                node.children[name] = Node(name, path, classes.get(path, ""))
            node = node.children[name]
        node.own.append(record)
        node.block = node.block or record.block
    _number(root, {}, again)
    return root


_DEEPEST = 64  # blocks: a name in a file may have any number of dots


def rows_of(root: Node, depth: Optional[int], collapse: bool, again: FrozenSet[str]) -> List[Row]:
    """The rows of a table in the order of the tree.

    Parameters
    ----------
    root : Node
    depth : int or None
        Blocks at this depth become one row each; the network itself is at depth 0. None folds nothing.
    collapse : bool
        Whether identical siblings become one.
    again : frozenset of str
        Paths of parameters that another row counts.
    """
    return list(_rows([root], "", 0, depth, collapse, again))


def _rows(
    nodes: Sequence[Node], label: str, level: int, depth: Optional[int], collapse: bool, again: FrozenSet[str]
) -> Iterator[Row]:
    if depth is not None and level >= depth:
        below = [record for node in nodes for record in node.records()]
        if below:
            yield _row(label or "(all)", below, again, blocks=len(nodes), block=nodes[0].block, copies=len(nodes))
        return
    for records in zip(*(node.own for node in nodes)):
        name = records[0].path if len(nodes) == 1 else _join(label, _last(nodes[0], records[0]))
        yield _row(name, records, again, copies=len(records))
    for twins_of_first in twins(nodes[0], collapse):
        names = [twin.name for twin in twins_of_first]
        same = [node.children[name] for node in nodes for name in names]
        yield from _rows(same, _join(label, braced(names)), level + 1, depth, collapse, again)


def twins(node: Node, collapse: bool = True) -> List[List[Node]]:
    """The children of a node; neighbours of the same structure together."""
    if not collapse:
        return [[child] for child in node.children.values()]
    return [list(run) for _, run in itertools.groupby(node.children.values(), key=lambda child: child.structure)]


def braced(names: Sequence[str]) -> str:
    """Several names as one, as a shell expands it.

    Examples
    --------
    >>> braced(["0", "1", "2"]), braced(["1", "2"]), braced(["query", "key"]), braced(["a"])
    ('{0..2}', '{1,2}', '{query,key}', 'a')
    >>> braced([f"w{number}" for number in range(1000)])
    '{w0,w1,w2,w3,w4,w5,w6,w7,w8,w9 and 990 more}'
    """
    if len(names) == 1:
        return names[0]
    numbers = [int(name) for name in names if name.isdecimal() and name == str(int(name))]
    if len(numbers) == len(names) > 2 and numbers == list(range(numbers[0], numbers[0] + len(numbers))):
        return f"{{{numbers[0]}..{numbers[-1]}}}"
    more = f" and {len(names) - 10:,} more" if len(names) > _MOST_NAMES else ""
    return "{" + ",".join(names[:10] if more else names) + more + "}"


_MOST_NAMES = 20


def _row(label: str, records: Sequence[ParameterRecord], again: FrozenSet[str], **facts: Any) -> Row:
    return Row(label, tuple(records), tuple(record for record in records if record.path not in again), **facts)


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


def _owner(record: ParameterRecord) -> str:
    return record.block_path or record.path.rpartition(".")[0]


def _last(node: Node, record: ParameterRecord) -> str:
    """A parameter's path within its block."""
    inside = node.path + "."
    return record.path[len(inside) :] if record.path.startswith(inside) else record.path


def _join(label: str, name: str) -> str:
    return f"{label}.{name}" if label else name
