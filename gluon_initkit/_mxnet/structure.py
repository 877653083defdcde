"""What Gluon does not tell of a network's structure: Blocks in containers, and cached graphs of other children.

Gluon registers a Block or a Parameter that is an attribute itself. One in a list, tuple, dictionary or set is no part
of the network, and one that is registered besides cannot be exchanged for another. And `HybridBlock.register_child`
clears the cached graph of the block itself, not those of the blocks around it: a forward pass goes on with the old
child, in silence.
"""

from collections import deque
from typing import Any, Dict, Iterable, List, NamedTuple, Sequence, Tuple

from mxnet import gluon

from . import backend
from .parameter import source_of
from .preserve import parameters_of
from .tree import blocks_by_path, places


class Flaw(NamedTuple):
    """What is wrong with the structure of a network."""

    path: str
    """Of the attribute that is a container, ``'encoder.layers'``; or of the block that has the graph."""
    said: str
    mend: str
    parameters: Tuple[gluon.Parameter, ...] = ()
    """Those in the container that no block of the network registers."""
    paths: Tuple[str, ...] = ()
    """Parameters of the block that its graph does not use."""

    def __str__(self) -> str:
        return f"{self.said[0].upper()}{self.said[1:]}; {self.mend}."


def unregistered_blocks(blocks: Iterable[Tuple[str, gluon.Block]]) -> List[Flaw]:
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
            unregistered.append(Flaw(
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


def stale_graphs(net: gluon.Block) -> List[Flaw]:
    """The blocks of a network whose cached graphs hold a parameter that they have no more, or lack one of a new child.

    A parameter that a graph lacks may be one that no forward pass uses. It is one of a new child where that child is
    not hybridized, as all children are that were there when the block was. Backends add parameters to graphs of theirs.
    """
    cached = [(path, block) for path, block in blocks_by_path(net).items()
              if vars(block).get("_cached_op") is not None and not vars(block).get("_backend")]  # fmt: skip
    if not cached:
        return []
    everything = [(path, param) for param, place in places(net).items() for path in place.paths]
    stale = []
    for path, block in cached:
        start = f"{path}." if path else ""
        own = {name: param for name, param in everything if name.startswith(start)}
        graph = {id(source_of(entry[-1])): entry[-1] for entry in block._cached_op_args if not entry[0]}
        here = set(map(id, own.values()))
        gone = [param.name for key, param in graph.items() if key not in here]
        lacking = [name for name, param in own.items() if id(param) not in graph]
        fresh = tuple(_not_hybridized(block, start))
        paths = lacking if gone else [name for name in lacking if name.startswith(fresh)]
        if gone or paths:
            what = " and ".join([f"holds {_listed(gone)}, which it has no more"] * bool(gone)
                                + [f"lacks {_listed(paths)}"] * bool(paths))  # fmt: skip
            kind = type(block).__name__
            stale.append(Flaw(
                path,
                f"the cached graph of {f'the {kind} {path}' if path else f'this {kind}'} {what}: a forward pass goes "
                f"on with the children that were there before",
                f"call hybridize() again on {path!r}" if path else "call net.hybridize() again",
                paths=tuple(paths),
            ))  # fmt: skip
    return stale


def _not_hybridized(block: Any, start: str) -> List[str]:
    """The paths of the outermost blocks inside that are not hybridized."""
    paths, left = [], [(block, start)]
    while left:
        outer, prefix = left.pop()
        for name, child in backend.children(outer):
            if vars(child).get("_active"):
                left.append((child, f"{prefix}{name}."))
            else:
                paths.append(f"{prefix}{name}.")
    return paths


def _listed(names: List[str]) -> str:
    return ", ".join(names[:10]) + (f" and {len(names) - 10} more" if names[10:] else "")
