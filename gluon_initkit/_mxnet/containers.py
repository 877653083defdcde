"""Blocks that a network holds where Gluon does not look for them: in a list, tuple or dictionary.

They are no part of the network. Gluon's own `collect_params` warns of them; the kit goes another way and asks here.
"""

from typing import Any, Iterator, List

from mxnet import gluon

from .blocks import walk

__all__ = ["blocks_in_containers"]


def blocks_in_containers(net: gluon.Block) -> List[str]:
    """The attributes, ``'encoder.layers'``, whose containers hold Blocks that are no part of the network."""
    inside = {id(block): (path, block) for path, block in walk(net)}
    return [
        f"{path}.{name}" if path else name
        for path, block in inside.values()
        for name, value in vars(block).items()
        if isinstance(value, _CONTAINERS) and value and any(id(each) not in inside for each in _blocks(value))
    ]


_CONTAINERS = (list, tuple, dict)


def _blocks(container: Any) -> Iterator[gluon.Block]:
    for each in container.values() if isinstance(container, dict) else container:
        if isinstance(each, gluon.Block):
            yield each
        elif isinstance(each, _CONTAINERS):
            yield from _blocks(each)
