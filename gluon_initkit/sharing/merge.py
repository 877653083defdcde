"""Ties that were declared one by one, merged into groups, and the live parameters behind each group.

A group is a connected component of the declared ties. Each tie also says whether it transposes, so a transposed tie is
no second mechanism. Ties are merged in order of traversal, so the order of declarations cannot matter.
"""

from typing import Any, Dict, Iterable, List, NamedTuple, Set, Tuple

from .._mxnet.parameter import source_of
from .._mxnet.ties import Move, Slot, Transposed
from .errors import SharingError
from .groups import SharedGroup, group_of, groups_of


class Tie(NamedTuple):
    """One declaration: these paths share one parameter."""

    paths: Tuple[str, ...]
    transposed: bool = False  # whether the first path sees transposed what the others see
    kept: bool = False  # whether the whole group is to be called by the first path


def merge(ties: Iterable[Tie], order: Iterable[str]) -> Tuple[SharedGroup, ...]:
    """Merge declarations into groups, in order of traversal.

    `order` are all paths of the network in order of traversal. A group's canonical path is the first, unless a tie says
    `kept`. Two kept paths in one group, and a path that would be the transpose of itself are a SharingError.
    """
    names = list(order)
    position = {path: number for number, path in enumerate(names)}
    edges: List[Tuple[int, int, bool]] = []
    chosen: Set[int] = set()
    for tie in ties:
        first, *others = (position[path] for path in tie.paths)
        edges += [(min(first, other), max(first, other), tie.transposed) for other in others]
        chosen.update([first] if tie.kept else [])
    groups: Dict[int, Dict[int, bool]] = {}  # of each path its group: all paths in it, and which of them are transposed
    for first, second, transposed in sorted(edges):
        group, other = (groups.setdefault(number, {number: False}) for number in (first, second))
        flipped = (group[first] != other[second]) != transposed
        if group is other and flipped:
            raise SharingError(
                f"{names[first]!r} and {names[second]!r} are tied transposed, and by other ties not, so that a "
                f"parameter would be the transpose of itself. Take one of these ties back."
            )
        if group is not other:
            larger, smaller = (group, other) if len(group) >= len(other) else (other, group)
            larger.update((number, sees != flipped) for number, sees in smaller.items())
            groups.update(dict.fromkeys(smaller, larger))
    merged = []
    for members in sorted(map(sorted, {id(group): group for group in groups.values()}.values())):
        to = sorted(chosen.intersection(members))
        if len(to) > 1:
            raise SharingError(
                f"{names[to[0]]!r} and {names[to[1]]!r} are both given as to=, and the ties merge them into one "
                f"group, which has one canonical path. Leave one of the two out."
            )
        turned = {names[number] for number in members if groups[number][number]}
        merged.append(group_of([names[number] for number in members], turned, names[to[0] if to else members[0]]))
    return tuple(merged)


class Member(NamedTuple):
    """A parameter of a group, and its first path in the group."""

    path: str
    param: Any
    transposed: bool
    """Whether it is the transpose of the one that is kept."""
    places: Tuple[Tuple[Slot, bool], ...]
    """All its slots, and whether each is to see the kept parameter transposed."""


class TieGroup(NamedTuple):
    """Parameters that are to become one: the first member is kept, the others go."""

    group: SharedGroup
    members: Tuple[Member, ...]

    @property
    def kept(self) -> Member:
        """The member that stays."""
        return self.members[0]

    @property
    def dropped(self) -> Tuple[Member, ...]:
        """The members that go."""
        return self.members[1:]

    def moves(self) -> List[Move]:
        """What has to stand in which slot."""
        transpose = Transposed(self.kept.param)
        return [(slot, transpose if transposed else self.kept.param)
                for member in self.dropped for slot, transposed in member.places]  # fmt: skip


def tie_groups(ties: Iterable[Tie], slots: Dict[str, Slot]) -> List[TieGroup]:
    """The groups that these ties make, together with the ties that the network has, in order of traversal."""
    ties = list(ties)
    declared = {path for tie in ties for path in tie.paths}
    held = {path: (source_of(slot.param), slot.param is not source_of(slot.param)) for path, slot in slots.items()}
    for group in groups_of(held):
        transposed = set(group.transposed)
        ties.append(Tie(tuple(path for path in group.paths if path not in transposed)))
        ties += [Tie((path, group.canonical), transposed=True) for path in group.transposed]
    return [_tie_group(group, slots) for group in merge(ties, slots) if not declared.isdisjoint(group.paths)]


def _tie_group(group: SharedGroup, slots: Dict[str, Slot]) -> TieGroup:
    kept = source_of(slots[group.canonical].param)
    if kept is not slots[group.canonical].param:  # messages call the group by a path that sees its parameter as it is
        canonical = next(path for path in group.paths if slots[path].param is kept)
        group = group_of(group.paths, set(group.transposed), canonical)
    transposed = set(group.transposed)
    places: Dict[Any, List[Tuple[Slot, bool]]] = {kept: []}
    for path in group.paths:
        places.setdefault(source_of(slots[path].param), []).append((slots[path], path in transposed))
    members = []
    for param, stands in places.items():
        slot, turned = stands[0]
        members.append(Member(slot.path, param, turned != (slot.param is not param), tuple(stands)))
    return TieGroup(group, tuple(members))
