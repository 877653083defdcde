"""Where every parameter of a network stands: its paths, and the blocks around it.

A path is what `Block.save_parameters` writes. Most blocks name a parameter by its attribute; a few name it otherwise
(fused RNN layers, GluonNLP's attention cells) by overriding `_collect_params_with_prefix`, and are asked.
"""

from dataclasses import dataclass
from typing import Any, Dict, FrozenSet, Iterator, List, Optional, Set, Tuple

from mxnet import gluon
from mxnet.gluon.nn.conv_layers import _Conv

from .version import children, loose

__all__ = ["Place", "places", "standing", "traversed"]

_PLAIN_NAMES = gluon.Block._collect_params_with_prefix


@dataclass(frozen=True)
class Place:
    """Where one parameter stands in one network; plain data, no live block."""

    paths: Tuple[str, ...]
    """Canonical path first, then the aliases, in the order of traversal."""
    owner: type
    """The class of the block that holds the parameter under its canonical path."""
    owner_path: str
    """That block's path, ``''`` for the network itself."""
    inside: FrozenSet[type]
    """The classes of all blocks around the parameter, under any of its paths."""
    axes: str = ""
    """What the axes of a weight of two dimensions or more are: O output, I input, others in space. ``'OIHW'``."""
    symbol_init: Optional[str] = None
    """The ``__init__`` attribute that a SymbolBlock's symbol carries for it."""
    transposed: Tuple[str, ...] = ()
    """The paths at which it is seen transposed, through a transposed tie."""


def places(net: gluon.Block) -> Dict[gluon.Parameter, Place]:
    """Every parameter of `net`, in order of traversal, with its place. Changes nothing.

    Parameters that `net.initialize` reaches but `net.save_parameters` does not write (created by ``self.params.get``
    and held by no attribute) come last, under their block's path and their own name.
    """
    found: Dict[gluon.Parameter, _Found] = {}
    transposed: Dict[gluon.Parameter, List[str]] = {}
    for path, owner_path, blocks, param in _slots(net, "", ()):
        source = getattr(param, "transposed_of", None)
        if source is None:
            _gather(found, path, owner_path, blocks, param)
        else:
            transposed.setdefault(source, []).append(path)
    for path, owner_path, blocks, param in _unregistered(net, "", (), set(map(id, found))):
        if param not in found:
            _gather(found, path, owner_path, blocks, param)
    symbols: Dict[int, Dict[str, Dict[str, str]]] = {}
    return {param: _place(param, each, tuple(transposed.get(param, ())), symbols) for param, each in found.items()}


def traversed(net: gluon.Block, unregistered: bool = True) -> Dict[str, gluon.Parameter]:
    """Every path of `net` in order of traversal, with the parameter that stands there. Changes nothing.

    Without `unregistered` those alone that `net.save_parameters` writes.
    """
    return {path: param for path, _, _, param in _standing(net, unregistered)}


def standing(net: gluon.Block, unregistered: bool = True) -> Dict[str, Tuple[gluon.Block, gluon.Parameter]]:
    """As `traversed`, with the block that holds each parameter."""
    return {path: (blocks[-1], param) for path, _, blocks, param in _standing(net, unregistered)}


def _standing(net: gluon.Block, unregistered: bool) -> Iterator["_Slot"]:
    paths, params = set(), set()
    for slot in _slots(net, "", ()):
        paths.add(slot[0])
        params.add(id(slot[3]))
        yield slot
    for slot in _unregistered(net, "", (), params) if unregistered else ():
        # A swapped parameter's old self may still stand in a dictionary under the name of its successor.
        if slot[0] not in paths:
            paths.add(slot[0])
            yield slot


class _Found:
    """What is gathered of one parameter. No record a path: the garbage collector would look through all of them."""

    def __init__(self, owner: gluon.Block, owner_path: str) -> None:
        self.owner, self.owner_path = owner, owner_path
        self.paths: List[str] = []
        self.inside: Set[type] = set()


def _gather(
    found: Dict[gluon.Parameter, _Found],
    path: str,
    owner_path: str,
    blocks: Tuple[gluon.Block, ...],
    param: gluon.Parameter,
) -> None:
    each = found.get(param)
    if each is None:
        each = found[param] = _Found(blocks[-1], owner_path)
    each.paths.append(path)
    each.inside.update(map(type, blocks))


def _place(param: gluon.Parameter, found: _Found, transposed: Tuple[str, ...], symbols: dict) -> Place:
    owner = found.owner
    symbol_init = None
    if param.init is None and isinstance(owner, gluon.SymbolBlock):
        if id(owner) not in symbols:
            symbols[id(owner)] = owner._cached_graph[1].attr_dict()
        symbol_init = symbols[id(owner)].get(param.name, {}).get("__init__")
    return Place(
        paths=tuple(found.paths),
        owner=type(owner),
        owner_path=found.owner_path,
        inside=frozenset(found.inside),
        axes=_axes(owner),
        symbol_init=symbol_init,
        transposed=transposed,
    )


def _axes(owner: gluon.Block) -> str:
    if isinstance(owner, gluon.nn.Embedding):
        return "IO"
    if not isinstance(owner, _Conv):
        return "OI"
    axes = owner._kwargs["layout"].replace("N", "O").replace("C", "I")
    # A transposed convolution's weight is that of the convolution which it reverses.
    return axes.translate(_SWAPPED) if owner._op_name.lower() == "deconvolution" else axes


_SWAPPED = str.maketrans("OI", "IO")

_Slot = Tuple[str, str, Tuple[gluon.Block, ...], gluon.Parameter]


def _slots(block: gluon.Block, path: str, around: Tuple[gluon.Block, ...]) -> Iterator[_Slot]:
    blocks = (*around, block)
    if type(block)._collect_params_with_prefix is _PLAIN_NAMES:
        for name, param in block._reg_params.items():
            yield _join(path, name), path, blocks, param
        for name, child in children(block):
            yield from _slots(child, _join(path, name), blocks)
        return
    below = [slot for name, child in children(block) for slot in _slots(child, _join(path, name), blocks)]
    for name, param in _own_names(block, path, {slot[0] for slot in below}):
        yield name, path, blocks, param
    yield from below


def _own_names(block: gluon.Block, path: str, taken: Any) -> Iterator[Tuple[str, gluon.Parameter]]:
    try:
        named = block._collect_params_with_prefix(path)
    except AttributeError:
        # An RNN layer of eleven or more layers, whose own naming breaks on "l10_i2h_weight".
        yield from ((_join(path, name), param) for name, param in block._reg_params.items())
    else:
        own = {id(param) for param in block._reg_params.values()}
        yield from ((name, param) for name, param in named.items() if id(param) in own and name not in taken)


def _unregistered(block: gluon.Block, path: str, around: Tuple[gluon.Block, ...], seen: Set[int]) -> Iterator[_Slot]:
    blocks = (*around, block)
    for name, param in loose(block):
        if id(param) not in seen:
            yield _join(path, name), path, blocks, param
    for name, child in children(block):
        yield from _unregistered(child, _join(path, name), blocks, seen)


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
