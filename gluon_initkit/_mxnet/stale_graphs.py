"""Cached graphs of other parameters than their block has: a child was exchanged since they were made.

`HybridBlock.register_child` and `__setattr__` clear the cached graph of the block itself, and not those of the blocks
around it: a forward pass goes on with the old child, in silence.
"""

from typing import Any, List, NamedTuple, Tuple

from mxnet import gluon

from . import backend
from .transposed import source_of
from .tree import blocks_by_path, places


class StaleGraph(NamedTuple):
    """A block whose cached graph is of other parameters than it has."""

    path: str
    """The block's, ``''`` for the network itself."""
    paths: Tuple[str, ...]
    """Parameters of the block that its graph does not use."""
    said: str
    mend: str

    def __str__(self) -> str:
        return f"{self.said[0].upper()}{self.said[1:]}; {self.mend}."


def stale_graphs(net: gluon.Block) -> List[StaleGraph]:
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
        own = {each: param for each, param in everything if each.startswith(start)}
        graph = {id(source_of(entry[-1])): entry[-1] for entry in block._cached_op_args if not entry[0]}
        here = set(map(id, own.values()))
        gone = [param.name for key, param in graph.items() if key not in here]
        lacking = [each for each, param in own.items() if id(param) not in graph]
        fresh = tuple(_not_hybridized(block, start))
        paths = lacking if gone else [each for each in lacking if each.startswith(fresh)]
        if gone or paths:
            what = " and ".join([f"holds {_listed(gone)}, which it has no more"] * bool(gone)
                                + [f"lacks {_listed(paths)}"] * bool(paths))  # fmt: skip
            kind = type(block).__name__
            stale.append(StaleGraph(
                path, tuple(paths),
                f"the cached graph of {f'the {kind} {path}' if path else f'this {kind}'} {what}: a forward pass goes "
                f"on with the children that were there before",
                f"call hybridize() again on {path!r}" if path else "call net.hybridize() again",
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
