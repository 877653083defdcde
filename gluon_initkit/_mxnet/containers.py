"""What blocks hold in a list, tuple, dictionary or set, also in a container inside a container: not where Gluon looks.

Gluon registers a Block or a Parameter that is an attribute itself. One in a container is no part of the network, and
one that is registered besides cannot be exchanged for another.
"""

from collections import deque
from typing import Any, Dict, Iterable, List, NamedTuple, Sequence, Tuple

from mxnet import gluon

from .preserve import parameters_of
from .tree import blocks_by_path


class Unregistered(NamedTuple):
    """An attribute whose container holds Blocks, or Parameters, that are no part of the network."""

    path: str
    """``'encoder.layers'``"""
    said: str
    """The attribute, the class that has it, and what it holds, as a sentence."""
    mend: str
    parameters: Tuple[gluon.Parameter, ...]
    """Those that no block of the network registers."""

    def __str__(self) -> str:
        return f"{self.said[0].upper()}{self.said[1:]}; {self.mend}."


def unregistered_blocks(blocks: Iterable[Tuple[str, gluon.Block]]) -> List[Unregistered]:
    """What the containers of a network hold that is no part of it; `blocks` are all of its blocks with their paths.

    A Block without parameters of its own is none: nothing of it would have to be initialized, saved or trained.
    """
    inside = {id(block): (path, block) for path, block in blocks}
    held = _held(inside.values())
    if not held:
        return []
    registered = set(map(id, parameters_of({str(key): block for key, (_, block) in inside.items()})))
    unregistered = []
    for path, block, container, things in held:
        strays = {id(thing): _parameters(thing) for thing in things
                  if id(thing) not in inside and id(thing) not in registered}  # fmt: skip
        missing = {id(param): param for params in strays.values() for param in params if id(param) not in registered}
        lost = [thing for thing in things if any(id(param) in missing for param in strays.get(id(thing), ()))]
        if lost:
            names = list(dict.fromkeys(type(thing).__name__ for thing in lost if isinstance(thing, gluon.Block)))
            what, their = "Blocks", "their parameters"
            mend = "put them into an nn.Sequential, or call register_child for each"
            if not names:
                names, what, their = [thing.name for thing in lost], "Parameters", "them"
                mend = "make each of them an attribute of its own"
            listed = ", ".join(names[:3]) + (", ..." if names[3:] else "")
            unregistered.append(Unregistered(
                path,
                f"the {type(container).__name__} {path} of {type(block).__name__} holds {what} ({listed}): they are no "
                f"part of the network, and nothing initializes, saves or trains {their}",
                mend,
                tuple(missing.values()),
            ))  # fmt: skip
    return unregistered


def parameters_in_containers(blocks: Iterable[Tuple[str, gluon.Block]]) -> Dict[gluon.Parameter, str]:
    """The parameters that containers of these blocks hold, each with the path of such an attribute.

    From there they cannot be taken.
    """
    return {thing: path for path, _, _, things in _held(blocks) for thing in things
            if isinstance(thing, gluon.Parameter)}  # fmt: skip


_CONTAINERS = (list, tuple, dict, set, frozenset, deque)
# What MXNet itself keeps in containers: what is registered, and what a cached graph takes.
_MXNETS_OWN = {"_children", "_reg_params", "_cached_op_args"}


class _Kinds(Dict[type, str]):
    """Whether what is of a type is ``'held'``, a ``'container'``, or neither, ``''``; most of many are of few types."""

    def __missing__(self, kind: type) -> str:
        held = issubclass(kind, (gluon.Block, gluon.Parameter))
        self[kind] = "held" if held else "container" if issubclass(kind, _CONTAINERS) else ""
        return self[kind]


_KINDS = _Kinds()


def _held(blocks: Iterable[Tuple[str, gluon.Block]]) -> List[Tuple[str, gluon.Block, Any, List[Any]]]:
    """The attributes of blocks that are containers of Blocks and Parameters: path, block, container, what it holds."""
    return [
        (f"{path}.{name}" if path else name, block, value, things)
        for path, block in blocks
        for name, value in vars(block).items()
        if _KINDS[type(value)] == "container" and value and name not in _MXNETS_OWN
        for things in [_things(value)]
        if things
    ]


def _things(container: Any) -> List[Any]:
    """The Blocks and Parameters in a container and in those inside it, each once and in order."""
    things: Dict[int, Any] = {}
    seen = set()
    left = [container]
    while left:
        item = left.pop()
        if id(item) in seen:
            continue
        seen.add(id(item))
        if _KINDS[type(item)] == "held":
            things[id(item)] = item
        else:
            inside = item.values() if isinstance(item, dict) else item
            left += [thing for thing in inside if _KINDS[type(thing)]][::-1]
    return list(things.values())


def _parameters(thing: Any) -> Sequence[gluon.Parameter]:
    return [thing] if isinstance(thing, gluon.Parameter) else parameters_of(blocks_by_path(thing))
