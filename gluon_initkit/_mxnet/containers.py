"""What blocks hold in a list, tuple, dictionary or set, also in a container inside a container: not where Gluon looks.

Gluon registers a Block or a Parameter that is an attribute itself. One in a container is no part of the network, and
one that is registered besides cannot be exchanged for another.
"""

from collections import deque
from typing import Any, Dict, Iterable, List, NamedTuple, Sequence, Set, Tuple

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
    held = [(path, name, block, _held(value)) for path, block in inside.values() for name, value in _containers(block)]
    held = [each for each in held if each[3]]
    if not held:
        return []
    registered = set(map(id, parameters_of({str(key): block for key, (_, block) in inside.items()})))
    found = []
    for path, name, block, things in held:
        strays = [each for each in things if id(each) not in inside and id(each) not in registered]
        missing = {id(each): each for stray in strays for each in _parameters(stray) if id(each) not in registered}
        if missing:
            strays = [each for each in strays if any(id(param) in missing for param in _parameters(each))]
            kind = type(vars(block)[name]).__name__
            found.append(_told(f"{path}.{name}" if path else name, type(block).__name__, kind, strays, missing))
    return found


def parameters_in_containers(blocks: Iterable[Tuple[str, gluon.Block]]) -> Dict[gluon.Parameter, str]:
    """The parameters that containers of these blocks hold, each with the path of such an attribute.

    From there they cannot be taken.
    """
    return {
        each: f"{path}.{name}" if path else name
        for path, block in blocks
        for name, value in _containers(block)
        for each in _held(value)
        if isinstance(each, gluon.Parameter)
    }


_CONTAINERS = (list, tuple, dict, set, frozenset, deque)


# What MXNet itself keeps in containers: what is registered, and what a cached graph takes.
_MXNETS_OWN = {"_children", "_reg_params", "_cached_op_args"}


def _containers(block: gluon.Block) -> List[Tuple[str, Any]]:
    return [(name, value) for name, value in vars(block).items()
            if _KINDS[type(value)] == "container" and value and name not in _MXNETS_OWN]  # fmt: skip


def _held(container: Any) -> List[Any]:
    """The Blocks and Parameters in a container and in those inside it, each once and in order."""
    found: Dict[int, Any] = {}
    seen: Set[int] = set()
    left = [container]
    while left:
        each = left.pop()
        if id(each) not in seen:
            seen.add(id(each))
            if _KINDS[type(each)] == "held":
                found[id(each)] = each
            else:
                inside = each.values() if isinstance(each, dict) else each
                left += [thing for thing in inside if _KINDS[type(thing)]][::-1]
    return list(found.values())


class _Kinds(Dict[type, str]):
    """Whether what is of a type is ``'held'``, a ``'container'``, or neither, ``''``; most of many are of few types."""

    def __missing__(self, kind: type) -> str:
        held = issubclass(kind, (gluon.Block, gluon.Parameter))
        self[kind] = "held" if held else "container" if issubclass(kind, _CONTAINERS) else ""
        return self[kind]


_KINDS = _Kinds()


def _parameters(thing: Any) -> Sequence[gluon.Parameter]:
    return [thing] if isinstance(thing, gluon.Parameter) else parameters_of(blocks_by_path(thing))


def _told(path: str, owner: str, kind: str, strays: Sequence[Any], missing: Dict[int, Any]) -> Unregistered:
    blocks = [type(each).__name__ for each in strays if isinstance(each, gluon.Block)]
    names = list(dict.fromkeys(blocks)) or [each.name for each in strays]
    listed = ", ".join(names[:3]) + (", ..." if names[3:] else "")
    return Unregistered(
        path,
        f"the {kind} {path} of {owner} holds {'Blocks' if blocks else 'Parameters'} ({listed}): they are no part of "
        f"the network, and nothing initializes, saves or trains {'their parameters' if blocks else 'them'}",
        "put them into an nn.Sequential, or call register_child for each" if blocks
        else "make each of them an attribute of its own",
        tuple(missing.values()),
    )  # fmt: skip
