"""Find the targets of `Sharing.tie` and `Sharing.tie_blocks` in the network. Targets become ties of paths, and ties
merge into groups of live parameters. `checks` decides whether the parameters of a group fit together.
"""

from dataclasses import dataclass
import fnmatch
from functools import cached_property
from typing import Any, Dict, Iterable, List, NamedTuple, Sequence, Set, Tuple

from .._mxnet import backend, mx
from .._mxnet.parameter import source_of
from .._mxnet.ties import Slot, slots
from .._mxnet.tree import walk
from ..display import did_you_mean, listed
from ..parameters import (
    ParameterInfo,
    explain_no_match,
    list_parameters,
    matcher,
    parameter_info,
    path_matcher,
    show_selector,
)
from .errors import SharingError
from .groups import SharedGroup, group_of


@dataclass(frozen=True)
class Declaration:
    """One call of `tie` or `tie_blocks`, with its arguments; ``str()`` shows the call."""

    targets: Tuple[Any, ...]
    to: Any
    transpose: bool = False
    blocks: bool = False
    only: Any = None

    def __str__(self) -> str:
        shown = [*map(_shown, self.targets), *[f"to={_shown(self.to)}"] * (self.to is not None)]
        shown += ["transpose=True"] * bool(self.transpose)
        if self.only is not None:
            only = ", ".join(map(show_selector, selectors_in(self.only)))
            shown.append(f"only=[{only}]" if isinstance(self.only, (list, tuple)) else f"only={only}")
        return f"{'tie_blocks' if self.blocks else 'tie'}({', '.join(shown)})"


class Tie(NamedTuple):
    """These paths share one parameter."""

    paths: Tuple[str, ...]
    transposed: bool = False  # whether the first path sees the parameter transposed, compared to the others
    kept: bool = False  # whether the first path becomes the canonical path of the whole group


def merge(ties: Iterable[Tie], order: Iterable[str]) -> List[SharedGroup]:
    """The groups of paths that ties connect. Groups and paths are in order of traversal, which is that of `order`.

    The order of ties does not matter. The canonical path of a group is its first, or the one that a tie marks `kept`.
    Raises a SharingError if a group has two kept paths, or a path would be the transpose of itself.
    """
    position = {path: number for number, path in enumerate(order)}
    neighbors: Dict[str, List[Tuple[int, str, bool]]] = {}
    kept: Set[str] = set()
    for tie in ties:
        first, *others = tie.paths
        kept.update([first] if tie.kept else [])
        for other in others:
            neighbors.setdefault(first, []).append((position[other], other, tie.transposed))
            neighbors.setdefault(other, []).append((position[first], first, tie.transposed))
    groups: List[SharedGroup] = []
    done: Set[str] = set()
    for start in sorted(neighbors, key=position.__getitem__):
        if start in done:
            continue
        reached, transposed = [start], {start: False}
        for path in reached:
            for _, other, flip in sorted(neighbors[path]):
                expected = transposed[path] != flip
                if other not in transposed:
                    reached.append(other)
                if transposed.setdefault(other, expected) != expected:
                    raise SharingError(
                        f"{path!r} and {other!r} are tied transposed, and by other ties not, so that a parameter "
                        f"would be the transpose of itself. Take one of these ties back."
                    )
        done.update(reached)
        members = sorted(reached, key=position.__getitem__)
        to = [path for path in members if path in kept]
        if len(to) > 1:
            raise SharingError(
                f"{to[0]!r} and {to[1]!r} are both given as to=, and the ties merge them into one group, which has "
                f"one canonical path. Leave one of the two out."
            )
        groups.append(group_of(members, {path for path in members if transposed[path]}, (to or members)[0]))
    return groups


class Member(NamedTuple):
    """A parameter of a group, and its first path in the group."""

    path: str
    param: Any
    transposed: bool  # whether it is the transpose of the kept parameter
    places: Tuple[Tuple[Slot, bool], ...]  # all its slots, and whether each will see the kept parameter transposed


class TieGroup(NamedTuple):
    """Parameters that become one: the first member is kept, the others are dropped."""

    group: SharedGroup
    kept: Member
    dropped: Tuple[Member, ...]

    @property
    def members(self) -> Tuple[Member, ...]:
        return (self.kept, *self.dropped)


class Targets:
    """A network's slots by path, in order of traversal; finds the targets of declarations among them."""

    def __init__(self, net: Any) -> None:
        self._net = net
        self.slots: Dict[str, Slot] = {slot.path: slot for slot in slots(net)}

    @cached_property
    def infos(self) -> Dict[str, ParameterInfo]:
        """The info of the parameter at each path, as if it had no other path."""
        infos = {}
        by_param = {id(param): info for param, _, info in list_parameters(self._net)}
        for path, slot in self.slots.items():
            source = source_of(slot.param)  # which another network may hold, and this one only show transposed
            info = (by_param.get(id(source)) or parameter_info(source, None))._replace(path=path, aliases=())
            if slot.param is not source and info.shape is not None:
                info = info._replace(shape=info.shape[::-1])
            infos[path] = info
        return infos

    def groups(self, declarations: Iterable[Declaration]) -> Tuple[List[TieGroup], List[str]]:
        """The declared groups, merged with the existing ties; and the problems of declarations that are impossible."""
        ties: List[Tie] = []
        problems: List[str] = []
        for declared in declarations:
            try:
                ties += self._block_ties(declared) if declared.blocks else self._ties(declared)
            except SharingError as reason:
                problems.append(str(reason))
        named = {path for tie in ties for path in tie.paths}
        first_slots: Dict[int, Slot] = {}  # by the id of the Parameter
        for path, slot in self.slots.items():
            source = source_of(slot.param)
            first = first_slots.setdefault(id(source), slot)
            if first is not slot:
                ties.append(Tie((first.path, path), transposed=(first.param is source) != (slot.param is source)))
        try:
            merged = merge(ties, self.slots)
        except SharingError as contradiction:
            return [], [*problems, str(contradiction).rstrip(".")]
        groups = []
        for group in merged:
            try:
                groups += [] if named.isdisjoint(group.paths) else [self._group(group)]
            except SharingError as reason:
                problems.append(str(reason))
        return groups, problems

    def _group(self, group: SharedGroup) -> TieGroup:
        kept = source_of(self.slots[group.canonical].param)
        if kept is not self.slots[group.canonical].param:  # messages use a path that sees the parameter untransposed
            plain = [path for path in group.paths if self.slots[path].param is source_of(self.slots[path].param)]
            canonical = next((path for path in plain if self.slots[path].param is kept), None)
            if canonical is None:  # a network that was tied earlier and holds one of its layers has that path
                mend = (f"keep the parameter of {plain[0]!r} instead, to={plain[0]!r}" if plain else
                        "add the block that has it untransposed to this network, or tie in one that has both blocks")
                raise SharingError(f"{_list(group.paths)} cannot be tied: {group.canonical!r} is to be kept, and shows "
                                   f"transposed a parameter that has no path in this network; {mend}")  # fmt: skip
            group = group_of(group.paths, set(group.transposed), canonical)
        transposed = set(group.transposed)
        places: Dict[Any, List[Tuple[Slot, bool]]] = {}
        for path in group.paths:
            places.setdefault(source_of(self.slots[path].param), []).append((self.slots[path], path in transposed))
        members = []
        for param, slots_of_param in places.items():
            slot, transpose = slots_of_param[0]
            members.append(Member(slot.path, param, transpose != (slot.param is not param), tuple(slots_of_param)))
        return TieGroup(group, members[0], tuple(members[1:]))

    def _ties(self, declared: Declaration) -> List[Tie]:
        """The ties of a call of `tie`. Raises a SharingError if there are none."""
        sides = [self._paths(target) for target in declared.targets]
        to, kept = [], []
        if declared.to is not None:
            to = self._paths(declared.to)
            if any(self.slots[path].param is not self.slots[to[0]].param for path in to):
                raise SharingError(f"to={_shown(declared.to)} names {_list(to)}: it must name one parameter")
            to, kept = to[:1], [self._kept(to[0])]
        if not declared.transpose:
            paths = tuple(dict.fromkeys([path for side in (*sides, to) for path in side]))
            if len(paths) < 2:
                raise SharingError(f"{declared} names {_list(paths)} alone: a tie takes two or more")
            return [Tie(paths), *kept]
        if len(sides) == 1 and to:
            sides.append(to)
        if len(sides) != 2 or not {*sides[0], *sides[1]}.issuperset(to):
            raise SharingError(f"{declared} expected two targets, the first the transpose of the second, or one and "
                               f"to=")  # fmt: skip
        first, second = (tuple(side) for side in sides)
        return [Tie(first), Tie(second), Tie((first[0], second[0]), transposed=True), *kept]

    def _block_ties(self, declared: Declaration) -> List[Tie]:
        blocks = {id(block): (path, block) for target in declared.targets for path, block in self._blocks(target)}
        kept = ""
        if declared.to is not None:
            named = {id(block): (path, block) for path, block in self._blocks(declared.to)}
            if len(named) != 1:
                raise SharingError(f"to={_shown(declared.to)} names {len(named)} blocks: it must name one")
            blocks = {**named, **blocks}
            kept = blocks[next(iter(named))][0]
        inside = {path: self._inside(path, block, declared.only) for path, block in blocks.values()}
        if len(blocks) < 2:
            raise SharingError(f"{declared} names {_list(list(inside))} alone: a tie takes two or more")
        names = list(dict.fromkeys(name for members in inside.values() for name in members))
        for selector in selectors_in(declared.only):
            if not any(self._inside(path, block, selector) for path, block in blocks.values()):
                hint = explain_no_match(selector, self.infos.values())
                raise SharingError(f"{declared}: {show_selector(selector)} selects no parameter of "
                                   f"{_list(list(inside))}{hint and f': {hint}'}")  # fmt: skip
        if not names:
            raise SharingError(f"{_list(list(inside))} hold no parameter to share")
        missing = [f"{path!r} has no {name!r}, which {next(p for p in inside if name in inside[p])!r} has"
                   for path, members in inside.items() for name in names if name not in members]  # fmt: skip
        if missing:
            raise SharingError(f"{'; '.join(missing)}: tied blocks have the same structure; only= ties a part of it")
        ties = [Tie(tuple(members[name] for members in inside.values())) for name in names]
        return ties + [self._kept(inside[kept][name]) for name in names if declared.to is not None]

    def _kept(self, path: str) -> Tie:
        """Keep the Parameter at a path. Marks its first path, so that two of its paths given as ``to=`` agree."""
        source = source_of(self.slots[path].param)
        return Tie((self._first.get(id(source), path),), kept=True)

    @cached_property
    def _first(self) -> Dict[int, str]:
        """The first path of each Parameter."""
        return {id(slot.param): path for path, slot in reversed(self.slots.items())}

    def _paths(self, target: Any) -> List[str]:
        """The paths that a target of `tie` names, in order of traversal."""
        if isinstance(target, str) and target in self.slots:
            return [target]
        if isinstance(target, mx.gluon.Parameter):
            if id(target) not in self._first:
                raise SharingError(f"the parameter {target.name!r} is not in this network; pass a path, or the "
                                   f"Parameter that is there now")  # fmt: skip
            return [self._first[id(target)]]
        if isinstance(target, mx.gluon.Block):
            path, block = self._blocks(target)[0]
            inside = self._inside(path, block, None)
            if len(inside) != 1:
                raise SharingError(f"the block {path!r} holds {len(inside)} parameters: name one, or use tie_blocks")
            return list(inside.values())
        by_path, match = path_matcher(target), matcher(target)  # 100,000 infos take a long time
        paths = list(filter(by_path, self.slots)) if by_path else [p for p in self.slots if match(self.infos[p])]
        if not paths:
            text = f"{_shown(target)} matches no parameter"
            if isinstance(target, str) and any(path == target for path, _ in walk(self._net)):
                text += ": it is a block; name one of its parameters, or use tie_blocks"
            elif isinstance(target, str):
                text = explain_no_match(target, self.infos.values()) or text
            raise SharingError(text)
        return paths

    def _blocks(self, target: Any) -> List[Tuple[str, Any]]:
        """The blocks that a target of `tie_blocks` names, with their paths. Of nested blocks, the outermost."""
        if isinstance(target, mx.gluon.Block):
            blocks = [(path, block) for path, block in walk(self._net) if block is target][:1]
            if not blocks:
                raise SharingError(f"the block {_shown(target)!r}, a {type(target).__name__}, is not in this network")
            return blocks
        inner = [(path, block) for path, block in walk(self._net) if path]  # a pattern never names the network itself
        if isinstance(target, str):
            exact = [(path, block) for path, block in inner if path == target]
            blocks = exact or [(path, block) for path, block in inner if fnmatch.fnmatchcase(path, target)]
        elif isinstance(target, type):
            blocks = [(path, block) for path, block in inner if isinstance(block, target)]
        else:
            blocks = [(path, block) for path, block in inner if target.search(path)]
        if not blocks:
            hint = did_you_mean(target, [path for path, _ in inner]) if isinstance(target, str) else ""
            raise SharingError(f"{_shown(target)} matches no block{hint and f'; {hint}'}")
        outermost = blocks[:1]
        for path, block in blocks:  # in order of traversal, where the blocks inside a block come right after it
            if not f"{path}.".startswith(f"{outermost[-1][0]}."):
                outermost.append((path, block))
        return outermost

    def _inside(self, path: str, block: Any, only: Any) -> Dict[str, str]:
        """Maps paths within the block to full paths, for the parameters of which `only` selects either path."""
        inside = {slot.path: f"{path}.{slot.path}" if path else slot.path for slot in slots(block)}
        if only is None:
            return inside
        tests = [matcher(selector) for selector in selectors_in(only)]
        return {name: full_path for name, full_path in inside.items()
                if any(test(info) for test in tests
                       for info in (self.infos[full_path], self.infos[full_path]._replace(path=name)))}  # fmt: skip


def selectors_in(only: Any) -> List[Any]:
    """The selectors of ``only=``, which is a selector, a list of selectors, or None."""
    return [] if only is None else list(only) if isinstance(only, (list, tuple)) else [only]


def _shown(target: Any) -> str:
    if isinstance(target, mx.gluon.Block):
        return backend.prefix_of(target).rstrip("_") or type(target).__name__
    return target.name if isinstance(target, mx.gluon.Parameter) else show_selector(target)


def _list(paths: Sequence[str]) -> str:
    return listed(list(map(repr, paths)), 4) or "nothing"
