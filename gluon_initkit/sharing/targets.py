"""What `Sharing.tie` and `Sharing.tie_blocks` were told, found in the network: declarations become ties of paths.

Whether what is tied so fits together is not asked here.
"""

from dataclasses import dataclass
import fnmatch
from typing import Any, Dict, List, Optional, Sequence, Tuple

from .._mxnet import backend, mx
from .._mxnet.ties import Slot, slots
from .._mxnet.transposed import source_of
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
from .union import Tie

__all__ = ["Declaration", "Index", "Unfound", "call_of", "selectors_in"]


@dataclass(frozen=True)
class Declaration:
    """One call of `tie` or `tie_blocks`, as it was made."""

    targets: Tuple[Any, ...]
    to: Any
    transpose: bool = False
    blocks: bool = False
    only: Any = None


def call_of(told: Declaration) -> str:
    """A declaration as it was written: ``tie('1.weight', to='0.weight')``."""
    more = [*(["transpose=True"] if told.transpose else []),
            *([] if told.only is None else [f"only={_only(told.only)}"])]  # fmt: skip
    return f"{'tie_blocks' if told.blocks else 'tie'}({', '.join([_args(told), *more])})"


class Unfound(KitError):
    """A target that names nothing, or not what the call can tie."""


class Index:
    """A network's slots, and how targets lead to them.

    Attributes
    ----------
    slots : dict of str to Slot
        By path, in order of traversal.
    """

    def __init__(self, net: Any) -> None:
        self._net = net
        self.slots: Dict[str, Slot] = {slot.path: slot for slot in slots(net)}
        self._infos: Dict[str, ParameterInfo] = {}
        self._first: Dict[int, str] = {}
        for path, slot in self.slots.items():
            if slot.param is source_of(slot.param):
                self._first.setdefault(id(slot.param), path)

    def ties(self, told: Declaration) -> List[Tie]:
        """The ties that a declaration stands for; `Unfound` where it stands for none."""
        return self._block_ties(told) if told.blocks else self._ties(told)

    def _ties(self, told: Declaration) -> List[Tie]:
        sides = [self._paths(target) for target in told.targets]
        to = None
        if told.to is not None:
            kept = self._paths(told.to)
            to = kept[0]
            if any(self.slots[path].param is not self.slots[to].param for path in kept):
                raise Unfound(f"to={_shown(told.to)} names {_list(kept)}: it must name one parameter")
        if not told.transpose:
            paths = tuple(dict.fromkeys([path for side in sides for path in side] + ([to] if to else [])))
            if len(paths) < 2:
                raise Unfound(f"tie({_args(told)}) names {_list(paths)} alone: a tie takes two or more")
            return [Tie(paths), *self._kept(to)]
        if len(sides) == 1 and to is not None:
            sides.append([to])
        if len(sides) != 2 or (to is not None and to not in (*sides[0], *sides[1])):
            raise Unfound(f"tie({_args(told)}, transpose=True) expected two targets, the first the transpose "
                          f"of the second, or one and to=")  # fmt: skip
        one, other = (tuple(side) for side in sides)
        return [Tie(one), Tie(other), Tie((one[0], other[0]), transposed=True), *self._kept(to)]

    def _block_ties(self, told: Declaration) -> List[Tie]:
        found = {id(block): (path, block) for target in told.targets for path, block in self._blocks(target)}
        first = None
        if told.to is not None:
            kept = self._blocks(told.to)
            if len({id(block) for _, block in kept}) != 1:
                raise Unfound(f"to={_shown(told.to)} names {len(kept)} blocks: it must name one")
            first = kept[0]
            found = {id(first[1]): first, **found}
        if len(found) < 2:
            paths = [path for path, _ in found.values()]
            raise Unfound(f"tie_blocks({_args(told)}) names {_list(paths)} alone: a tie takes two or more")
        inside = {path: self._inside(path, block, told.only) for path, block in found.values()}
        names = list(dict.fromkeys(name for each in inside.values() for name in each))
        if not names:
            chosen = f" that only={_only(told.only)} selects" if told.only is not None else ""
            infos = [self._info(each) for each in self.slots]
            hint = "; ".join(filter(None, (explain_no_match(each, infos) for each in selectors_in(told.only))))
            raise Unfound(f"{_list(list(inside))} hold no parameter{chosen}{hint and f': {hint}'}")
        for selector in selectors_in(told.only):
            if not any(self._inside(path, block, [selector]) for path, block in found.values()):
                raise Unfound(f"only={_only(told.only)}: {show_selector(selector)} selects no parameter of "
                              f"{_list(list(inside))}")  # fmt: skip
        missing = [f"{path!r} has no {name!r}, which {next(p for p in inside if name in inside[p])!r} has"
                   for path, each in inside.items() for name in names if name not in each]  # fmt: skip
        if missing:
            raise Unfound("; ".join(missing) + ": tied blocks have the same structure; only= ties a part of it")
        ties = [Tie(tuple(each[name] for each in inside.values())) for name in names]
        return ties + [tie for name in names if first for tie in self._kept(inside[first[0]][name])]

    def _kept(self, path: Optional[str]) -> List[Tie]:
        """That the Parameter at a path is kept, said of its first path: two ways of saying so are no contradiction."""
        if path is None:
            return []
        first = self._first.get(id(source_of(self.slots[path].param)), path)
        return [Tie((first,), first)]

    def _paths(self, target: Any) -> List[str]:
        """The paths that a target of `tie` names, in order of traversal."""
        if isinstance(target, str) and target in self.slots:
            return [target]
        if isinstance(target, mx.gluon.Parameter):
            found = [path for path, slot in self.slots.items() if slot.param is target]
            if not found:
                raise Unfound(f"the parameter {target.name!r} is not in this network; pass a path, or the "
                              f"Parameter that stands there now")  # fmt: skip
            return found[:1]
        if isinstance(target, mx.gluon.Block):
            held = list(dict.fromkeys(slot.path for slot in slots(target)))
            (path, block) = self._blocks(target)[0]
            if len(held) != 1:
                raise Unfound(f"the block {path!r} holds {len(held)} parameters: name one, or use tie_blocks")
            return list(self._inside(path, block, None).values())
        by_path, match = path_matcher(target), matcher(target)  # facts of 100,000 parameters take their time
        found = list(filter(by_path, self.slots)) if by_path else [p for p in self.slots if match(self._info(p))]
        if not found:
            raise Unfound(self._no_path(target))
        return found

    def _no_path(self, target: Any) -> str:
        text = f"{_shown(target)} matches no parameter"
        if isinstance(target, str):
            if any(path == target for path, _ in walk(self._net)):
                return f"{text}: it is a block; name one of its parameters, or use tie_blocks"
            return explain_no_match(target, [self._info(each) for each in self.slots]) or text
        return text

    def _blocks(self, target: Any) -> List[Tuple[str, Any]]:
        """The blocks that a target of `tie_blocks` names; of nested ones the outermost."""
        everything = list(walk(self._net))
        if isinstance(target, mx.gluon.Block):
            found = [(path, block) for path, block in everything if block is target][:1]
            if not found:
                raise Unfound(f"the block {_shown(target)!r}, a {type(target).__name__}, is not in this network")
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
            raise Unfound(f"{_shown(target)} matches no block{hint and f'; {hint}'}")
        return found

    def _inside(self, path: str, block: Any, only: Any) -> Dict[str, str]:
        """Full paths by relative ones of a block's parameters, those that `only` selects by either."""
        found = {slot.path: f"{path}.{slot.path}" if path else slot.path for slot in slots(block)}
        if only is None:
            return found
        tests = [matcher(selector) for selector in selectors_in(only)]
        return {
            name: full
            for name, full in found.items()
            if any(test(self._info(full)) or test(self._info(full)._replace(path=name)) for test in tests)
        }

    def _info(self, path: str) -> ParameterInfo:
        """The facts of the parameter at one path, as if that were its only one."""
        if not self._infos:
            by_param = {id(param): info for param, _, info in list_parameters(self._net)}
            for each, slot in self.slots.items():
                source = getattr(slot.param, "transposed_of", None)
                info = by_param[id(slot.param if source is None else source)]
                if source is not None and info.shape is not None:
                    info = info._replace(shape=info.shape[::-1])
                self._infos[each] = info._replace(path=each, aliases=())
        return self._infos[path]


def _outermost(found: Sequence[Tuple[str, Any]]) -> List[Tuple[str, Any]]:
    kept: List[Tuple[str, Any]] = []
    for path, block in found:  # in order of traversal: what is inside the last one kept comes right after it
        if not kept or not path.startswith(f"{kept[-1][0]}."):
            kept.append((path, block))
    return kept


def selectors_in(only: Any) -> List[Any]:
    """The selectors of ``only=``: of a list each, of none none."""
    return [] if only is None else list(only) if isinstance(only, (list, tuple)) else [only]


def _only(only: Any) -> str:
    shown = ", ".join(map(show_selector, selectors_in(only)))
    return f"[{shown}]" if isinstance(only, (list, tuple)) else shown


def _args(told: Declaration) -> str:
    return ", ".join([*map(_shown, told.targets), *([] if told.to is None else [f"to={_shown(told.to)}"])])


def _shown(target: Any) -> str:
    if isinstance(target, mx.gluon.Block):
        return backend.prefix_of(target).rstrip("_") or type(target).__name__
    if isinstance(target, mx.gluon.Parameter):
        return target.name
    return show_selector(target)


def _list(paths: Sequence[str], most: int = 4) -> str:
    shown = ", ".join(map(repr, paths[:most]))
    return (shown or "nothing") + (f" and {len(paths) - most} more" if len(paths) > most else "")
