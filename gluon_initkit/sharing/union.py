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
    forest, crossed = _joined(edges)
    if crossed is not None:
        # Which edge closes the contradiction depends on the order; in this one it is always the same.
        _, crossed = _joined(sorted(edges))
        one, other = (names[number] for number in crossed or (0, 0))
        raise SharingError(
            f"{one!r} and {other!r} are tied transposed, and by other ties not, so that a parameter would be the "
            f"transpose of itself. Take one of these ties back."
        )
    chosen = _chosen(ties, names, position, forest)
    members: Dict[int, List[int]] = {}
    for number in sorted(forest.parent):
        members.setdefault(forest.find(number)[0], []).append(number)
    found = ((chosen.get(root, root), each) for root, each in members.items() if len(each) > 1)
    return tuple(_group(names, forest, canonical, each) for canonical, each in found)


class _Forest:
    """Union-find over positions; a root is the smallest position of its tree."""

    def __init__(self) -> None:
        self.parent: Dict[int, int] = {}
        self.flips: Dict[int, bool] = {}

    def find(self, number: int) -> Tuple[int, bool]:
        """The root, and whether `number` sees it transposed. Every step on the way then leads to the root at once."""
        parent, flips = self.parent, self.flips
        way = []
        while parent.setdefault(number, number) != number:
            way.append(number)
            number = parent[number]
        odd = False
        for each in reversed(way):
            odd = flips[each] = flips[each] != odd
            parent[each] = number
        return number, odd

    def join(self, one: int, other: int, transposed: bool) -> bool:
        """Tie two positions; False where they are tied already, and the other way round."""
        (first, odd), (second, turned) = self.find(one), self.find(other)
        flip = (odd != turned) != transposed
        if first == second:
            return not flip
        low, high = sorted((first, second))
        self.parent[high], self.flips[high] = low, flip
        return True


_Edge = Tuple[int, int, bool]


def _edges(ties: List[Tie], position: Dict[str, int]) -> List[_Edge]:
    edges = []
    for tie in ties:
        paths = tie.paths if tie.to is None or tie.to in tie.paths else (*tie.paths, tie.to)
        for path in paths:
            if path not in position:
                raise SharingError(f"{path!r} is to be shared, and the network has no such path; print("
                                   f"gluon_initkit.plan(net)) shows those that it has.")  # fmt: skip
        edges += [(position[paths[0]], position[path], tie.transposed) for path in paths[1:]]
    return edges


def _joined(edges: List[_Edge]) -> Tuple[_Forest, Optional[Tuple[int, int]]]:
    """The forest of all edges, and the first edge that contradicts it."""
    forest = _Forest()
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
