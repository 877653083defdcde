"""Ties that were declared one by one, merged into groups. Works on paths alone and knows nothing of MXNet.

The groups are the connected components of what was declared, found by union-find, so the order of declarations cannot
matter: every root is the first of its paths in order of traversal. Each step to a root also carries whether it
transposes, so a transposed tie is one more bit and no second mechanism.
"""

from dataclasses import dataclass
from typing import Dict, Iterable, List, Optional, Tuple

from .errors import SharingError
from .groups import SharedGroup

__all__ = ["Tie", "merge"]


@dataclass(frozen=True)
class Tie:
    """One declaration: these paths share one parameter.

    Attributes
    ----------
    paths : tuple of str
    to : str or None
        The path that the whole group is to be called by; it belongs to the tie, listed in `paths` or not.
    transposed : bool
        Whether the first path sees transposed what the others see.
    """

    paths: Tuple[str, ...]
    to: Optional[str] = None
    transposed: bool = False


def merge(ties: Iterable[Tie], order: Iterable[str]) -> Tuple[SharedGroup, ...]:
    """Merge declarations into groups, in time near-linear in the number of paths.

    Parameters
    ----------
    ties : iterable of Tie
        In any order: it does not matter.
    order : iterable of str
        All paths of the network in order of traversal. A group's canonical path is the first, unless a tie says `to`.

    Returns
    -------
    tuple of SharedGroup
        In order of traversal.

    Raises
    ------
    SharingError
        A path is not in `order`; two ties of one group say different `to`; or ties contradict each other, so that a
        path would be the transpose of itself.

    Examples
    --------
    >>> merge([Tie(("c", "d")), Tie(("d", "a"))], order="abcd")
    (SharedGroup(canonical='a', aliases=('c', 'd'), transposed=()),)
    >>> merge([Tie(("c", "b"), transposed=True), Tie(("b", "a"), to="b")], order="abcd")
    (SharedGroup(canonical='b', aliases=('a', 'c'), transposed=('c',)),)
    """
    names = list(order)
    position = {path: number for number, path in enumerate(names)}
    ties = list(ties)
    edges = _edges(ties, position)
    forest, crossed = _joined(edges, len(names))
    if crossed is not None:
        # Which edge closes the contradiction depends on the order; in this one it is always the same.
        _, crossed = _joined(sorted(edges), len(names))
        one, other = (names[number] for number in crossed or (0, 0))
        raise SharingError(
            f"{one!r} and {other!r} are tied transposed, and by other ties not, so that a parameter would be the "
            f"transpose of itself. Take one of these ties back."
        )
    chosen = _chosen(ties, names, position, forest)
    members: Dict[int, List[int]] = {}
    for number, parent in enumerate(forest.parent):
        if parent != number:
            root, _ = forest.find(number)
            members.setdefault(root, [root]).append(number)
    return tuple(_group(names, forest, chosen.get(root, root), members[root]) for root in sorted(members))


class _Forest:
    """Union-find over positions; a root is the smallest position of its tree."""

    def __init__(self, size: int) -> None:
        self.parent = list(range(size))
        self.flips = bytearray(size)

    def find(self, number: int) -> Tuple[int, int]:
        """The root, and whether `number` sees it transposed. Every step on the way then leads to the root at once."""
        parent, flips = self.parent, self.flips
        root = parent[number]
        if parent[root] == root:
            return root, flips[number]
        way = []
        while parent[number] != number:
            way.append(number)
            number = parent[number]
        odd = 0
        for each in reversed(way):
            odd = flips[each] = flips[each] ^ odd
            parent[each] = number
        return number, odd

    def join(self, one: int, other: int, transposed: int) -> bool:
        """Tie two positions; False where they are tied already, and the other way round."""
        (first, odd), (second, turned) = self.find(one), self.find(other)
        flip = odd ^ turned ^ transposed
        if first == second:
            return not flip
        if first > second:
            first, second = second, first
        self.parent[second], self.flips[second] = first, flip
        return True


_Edge = Tuple[int, int, int]


def _edges(ties: List[Tie], position: Dict[str, int]) -> List[_Edge]:
    edges = []
    for tie in ties:
        paths = tie.paths if tie.to is None or tie.to in tie.paths else (*tie.paths, tie.to)
        for path in paths:
            if path not in position:
                raise SharingError(f"{path!r} is to be shared, and the network has no such path; print("
                                   f"gluon_initkit.plan(net)) shows those that it has.")  # fmt: skip
        edges += [(position[paths[0]], position[path], int(tie.transposed)) for path in paths[1:]]
    return edges


def _joined(edges: List[_Edge], size: int) -> Tuple[_Forest, Optional[Tuple[int, int]]]:
    """The forest of all edges, and the first edge that contradicts it."""
    forest = _Forest(size)
    crossed = None
    for one, other, transposed in edges:
        if not forest.join(one, other, transposed) and crossed is None:
            crossed = min(one, other), max(one, other)
    return forest, crossed


def _chosen(ties: List[Tie], names: List[str], position: Dict[str, int], forest: _Forest) -> Dict[int, int]:
    """For the root of each group that a tie says a `to` for: its position."""
    found: Dict[int, int] = {}
    for number in sorted({position[tie.to] for tie in ties if tie.to is not None}):
        root, _ = forest.find(number)
        if root in found:
            raise SharingError(
                f"{names[found[root]]!r} and {names[number]!r} are both given as to=, and the ties merge them into one "
                f"group, which has one canonical path. Leave one of the two out."
            )
        found[root] = number
    return found


def _group(names: List[str], forest: _Forest, canonical: int, members: List[int]) -> SharedGroup:
    parity = forest.find(canonical)[1]
    return SharedGroup(
        names[canonical],
        tuple(names[each] for each in members if each != canonical),
        tuple(names[each] for each in members if forest.find(each)[1] != parity),
    )
