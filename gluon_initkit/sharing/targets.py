"""The arguments of `Sharing.tie` and `Sharing.tie_blocks`, found in the network: declarations become ties of paths.
Whether these parameters fit together is decided in `checks`.
"""

from dataclasses import dataclass
import fnmatch
from typing import Any, Dict, List, Optional, Sequence, Tuple

from .._mxnet import backend, mx
from .._mxnet.parameter import source_of
from .._mxnet.ties import Slot, slots
from .._mxnet.tree import walk
from ..display import KitError
from ..parameters import (
    ParameterInfo,
    did_you_mean,
    explain_no_match,
    list_parameters,
    matcher,
    path_matcher,
    show_selector,
)
from .merge import Tie


class TargetNotFound(KitError):
    """A target that names nothing, or not what the call can tie."""


@dataclass(frozen=True)
class Declaration:
    """One call of `tie` or `tie_blocks`, as it was made; ``str()`` is the call."""

    targets: Tuple[Any, ...]
    to: Any
    transpose: bool = False
    blocks: bool = False
    only: Any = None

    def __str__(self) -> str:
        shown = [_shown(target) for target in self.targets]
        if self.to is not None:
            shown.append(f"to={_shown(self.to)}")
        if self.transpose:
            shown.append("transpose=True")
        if self.only is not None:
            only = ", ".join(map(show_selector, selectors_in(self.only)))
            shown.append(f"only=[{only}]" if isinstance(self.only, (list, tuple)) else f"only={only}")
        return f"{'tie_blocks' if self.blocks else 'tie'}({', '.join(shown)})"


class Targets:
    """A network's slots by path, in order of traversal, and how targets lead to them."""

    def __init__(self, net: Any) -> None:
        self._net = net
        self.slots: Dict[str, Slot] = {slot.path: slot for slot in slots(net)}
        self._infos: Dict[str, ParameterInfo] = {}
        self._first: Dict[int, str] = {}  # the first path of each Parameter
        for path, slot in self.slots.items():
            self._first.setdefault(id(slot.param), path)

    def ties(self, declared: Declaration) -> List[Tie]:
        """The ties of a declaration; `TargetNotFound` where it has none."""
        if declared.blocks:
            return self._block_ties(declared)
        sides = [self._paths(target) for target in declared.targets]
        to = None
        if declared.to is not None:
            kept = self._paths(declared.to)
            to = kept[0]
            if any(self.slots[path].param is not self.slots[to].param for path in kept):
                raise TargetNotFound(f"to={_shown(declared.to)} names {_list(kept)}: it must name one parameter")
        if not declared.transpose:
            paths = tuple(dict.fromkeys([path for side in sides for path in side] + ([to] if to else [])))
            if len(paths) < 2:
                raise TargetNotFound(f"{declared} names {_list(paths)} alone: a tie takes two or more")
            return [Tie(paths), *self._kept(to)]
        if len(sides) == 1 and to is not None:
            sides.append([to])
        if len(sides) != 2 or (to is not None and to not in (*sides[0], *sides[1])):
            raise TargetNotFound(f"{declared} expected two targets, the first the transpose of the second, or one and "
                                 f"to=")  # fmt: skip
        one, other = (tuple(side) for side in sides)
        return [Tie(one), Tie(other), Tie((one[0], other[0]), transposed=True), *self._kept(to)]

    def _block_ties(self, declared: Declaration) -> List[Tie]:
        blocks = {id(block): (path, block) for target in declared.targets for path, block in self._blocks(target)}
        kept = None
        if declared.to is not None:
            named = self._blocks(declared.to)
            if len({id(block) for _, block in named}) != 1:
                raise TargetNotFound(f"to={_shown(declared.to)} names {len(named)} blocks: it must name one")
            kept = named[0][0]
            blocks = {id(named[0][1]): named[0], **blocks}
        if len(blocks) < 2:
            listed = _list([path for path, _ in blocks.values()])
            raise TargetNotFound(f"{declared} names {listed} alone: a tie takes two or more")
        inside = {path: self._inside(path, block, declared.only) for path, block in blocks.values()}
        names = list(dict.fromkeys(name for own in inside.values() for name in own))
        for selector in selectors_in(declared.only):
            if not any(self._inside(path, block, [selector]) for path, block in blocks.values()):
                hint = explain_no_match(selector, [self._info(path) for path in self.slots])
                raise TargetNotFound(f"{declared}: {show_selector(selector)} selects no parameter of "
                                     f"{_list(list(inside))}{hint and f': {hint}'}")  # fmt: skip
        if not names:
            raise TargetNotFound(f"{_list(list(inside))} hold no parameter to share")
        missing = [f"{path!r} has no {name!r}, which {next(p for p in inside if name in inside[p])!r} has"
                   for path, own in inside.items() for name in names if name not in own]  # fmt: skip
        if missing:
            raise TargetNotFound(f"{'; '.join(missing)}: tied blocks have the same structure; only= ties a part of it")
        ties = [Tie(tuple(own[name] for own in inside.values())) for name in names]
        return ties + [tie for name in names if kept is not None for tie in self._kept(inside[kept][name])]

    def _kept(self, path: Optional[str]) -> List[Tie]:
        """Keep the Parameter at a path, by its first path: to name two of its paths is no contradiction."""
        if path is None:
            return []
        first = self._first.get(id(source_of(self.slots[path].param)), path)
        return [Tie((first,), kept=True)]

    def _paths(self, target: Any) -> List[str]:
        """The paths that a target of `tie` names, in order of traversal."""
        if isinstance(target, str) and target in self.slots:
            return [target]
        if isinstance(target, mx.gluon.Parameter):
            paths = [path for path, slot in self.slots.items() if slot.param is target]
            if not paths:
                raise TargetNotFound(f"the parameter {target.name!r} is not in this network; pass a path, or the "
                                     f"Parameter that is there now")  # fmt: skip
            return paths[:1]
        if isinstance(target, mx.gluon.Block):
            count = len({slot.path for slot in slots(target)})
            path, block = self._blocks(target)[0]
            if count != 1:
                raise TargetNotFound(f"the block {path!r} holds {count} parameters: name one, or use tie_blocks")
            return list(self._inside(path, block, None).values())
        by_path, match = path_matcher(target), matcher(target)  # the infos of 100,000 parameters take their time
        paths = list(filter(by_path, self.slots)) if by_path else [p for p in self.slots if match(self._info(p))]
        if not paths:
            text = f"{_shown(target)} matches no parameter"
            if isinstance(target, str) and any(path == target for path, _ in walk(self._net)):
                text += ": it is a block; name one of its parameters, or use tie_blocks"
            elif isinstance(target, str):
                text = explain_no_match(target, [self._info(path) for path in self.slots]) or text
            raise TargetNotFound(text)
        return paths

    def _blocks(self, target: Any) -> List[Tuple[str, Any]]:
        """The blocks that a target of `tie_blocks` names, with their paths; of nested ones the outermost."""
        everything = list(walk(self._net))
        if isinstance(target, mx.gluon.Block):
            found = [(path, block) for path, block in everything if block is target][:1]
            if not found:
                raise TargetNotFound(f"the block {_shown(target)!r}, a {type(target).__name__}, is not in this network")
            return found
        inner = [(path, block) for path, block in everything if path]  # a pattern never names the network itself
        if isinstance(target, str):
            exact = [(path, block) for path, block in inner if path == target]
            found = exact or _outermost([pair for pair in inner if fnmatch.fnmatchcase(pair[0], target)])
        elif isinstance(target, type):
            found = _outermost([(path, block) for path, block in inner if isinstance(block, target)])
        else:
            found = _outermost([(path, block) for path, block in inner if target.search(path)])
        if not found:
            hint = did_you_mean(target, [path for path, _ in inner]) if isinstance(target, str) else ""
            raise TargetNotFound(f"{_shown(target)} matches no block{hint and f'; {hint}'}")
        return found

    def _inside(self, path: str, block: Any, only: Any) -> Dict[str, str]:
        """Whole paths by those within a block, of its parameters that `only` selects by either."""
        inside = {slot.path: f"{path}.{slot.path}" if path else slot.path for slot in slots(block)}
        if only is None:
            return inside
        tests = [matcher(selector) for selector in selectors_in(only)]
        infos = {name: (self._info(whole), self._info(whole)._replace(path=name)) for name, whole in inside.items()}
        return {name: whole for name, whole in inside.items()
                if any(test(info) for test in tests for info in infos[name])}  # fmt: skip

    def _info(self, path: str) -> ParameterInfo:
        """The facts of the parameter at one path, as if that were its only one."""
        if not self._infos:
            by_param = {id(param): info for param, _, info in list_parameters(self._net)}
            for own, slot in self.slots.items():
                info = by_param[id(source_of(slot.param))]
                if slot.param is not source_of(slot.param) and info.shape is not None:
                    info = info._replace(shape=info.shape[::-1])
                self._infos[own] = info._replace(path=own, aliases=())
        return self._infos[path]


def _outermost(blocks: Sequence[Tuple[str, Any]]) -> List[Tuple[str, Any]]:
    kept: List[Tuple[str, Any]] = []
    for path, block in blocks:  # in order of traversal: what is inside the last one kept comes right after it
        if not kept or not path.startswith(f"{kept[-1][0]}."):
            kept.append((path, block))
    return kept


def selectors_in(only: Any) -> List[Any]:
    """The selectors of ``only=``, which is one, a list of them, or None."""
    return [] if only is None else list(only) if isinstance(only, (list, tuple)) else [only]


def _shown(target: Any) -> str:
    if isinstance(target, mx.gluon.Block):
        return backend.prefix_of(target).rstrip("_") or type(target).__name__
    return target.name if isinstance(target, mx.gluon.Parameter) else show_selector(target)


def _list(paths: Sequence[str], most: int = 4) -> str:
    shown = ", ".join(map(repr, paths[:most]))
    return (shown or "nothing") + (f" and {len(paths) - most} more" if len(paths) > most else "")
