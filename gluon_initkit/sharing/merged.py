"""`Merged`: one group of paths that is to share one parameter, with the live parameters behind it.

What it says follows from the declarations and the network alone; nothing is checked or changed here.
"""

import dataclasses
from dataclasses import dataclass
from typing import Any, Dict, Iterable, List, NamedTuple, Tuple

from .._mxnet.ties import Move, Slot
from .._mxnet.transposed import Transposed, source_of
from .groups import SharedGroup, groups_of
from .union import Tie, merge

__all__ = ["Member", "Merged", "merged"]


class Member(NamedTuple):
    """A parameter of a group, and the first path of the group at which it stands."""

    path: str
    param: Any
    turned: bool
    """Whether it is the transpose of the one that is kept."""
    places: Tuple[Tuple[Slot, bool], ...]
    """All its slots, and whether each is to see the kept parameter transposed."""


@dataclass(frozen=True)
class Merged:
    """Parameters that are to become one: the first member is kept, the others go."""

    group: SharedGroup
    members: Tuple[Member, ...]

    @property
    def kept(self) -> Member:
        """The member whose Parameter stays."""
        return self.members[0]

    @property
    def dropped(self) -> Tuple[Member, ...]:
        """The members whose Parameters go."""
        return self.members[1:]

    def moves(self) -> List[Move]:
        """What has to stand in which slot."""
        shown = Transposed(self.kept.param)
        return [(slot, shown if turned else self.kept.param)
                for member in self.dropped for slot, turned in member.places]  # fmt: skip


def merged(ties: Iterable[Tie], slots: Dict[str, Slot]) -> List[Merged]:
    """The groups that these ties make, together with those that the slots have already, in order of traversal."""
    ties = list(ties)
    told = {path for tie in ties for path in (*tie.paths, *([tie.to] if tie.to else []))}
    found = merge([*ties, *_present(slots)], slots)
    return [_merged(group, slots) for group in found if not told.isdisjoint(group.paths)]


def _present(slots: Dict[str, Slot]) -> Iterable[Tie]:
    sources = ((path, slot.param, source_of(slot.param)) for path, slot in slots.items())
    for group in groups_of({path: (source, source is not param) for path, param, source in sources}):
        turned = set(group.transposed)
        yield Tie(tuple(path for path in group.paths if path not in turned))
        yield from (Tie((path, group.canonical), transposed=True) for path in group.transposed)


def _merged(group: SharedGroup, slots: Dict[str, Slot]) -> Merged:
    kept = source_of(slots[group.canonical].param)
    if kept is not slots[group.canonical].param:
        group = _seen_from_another(group, next(path for path in group.paths if slots[path].param is kept))
    turned = set(group.transposed)
    places: Dict[Any, List[Tuple[Slot, bool]]] = {kept: []}
    for path in group.paths:
        places.setdefault(source_of(slots[path].param), []).append((slots[path], path in turned))
    return Merged(group, tuple(_member(param, stands) for param, stands in places.items()))


def _member(param: Any, stands: List[Tuple[Slot, bool]]) -> Member:
    slot, turned = stands[0]
    return Member(slot.path, param, turned != (slot.param is not param), tuple(stands))


def _seen_from_another(group: SharedGroup, canonical: str) -> SharedGroup:
    """The same group, called by a path at which its parameter stands untransposed."""
    odd = set(group.transposed)
    flipped = tuple(path for path in group.paths if (path in odd) != (canonical in odd))
    aliases = tuple(path for path in group.paths if path != canonical)
    return dataclasses.replace(group, canonical=canonical, aliases=aliases, transposed=flipped)
