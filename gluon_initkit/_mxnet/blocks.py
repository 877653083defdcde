"""Where every parameter of a network stands: its paths, and the blocks around it.

A path is what `Block.save_parameters` writes. Most blocks name a parameter by its attribute; a few name it otherwise
(fused RNN layers, GluonNLP's attention cells) by overriding `_collect_params_with_prefix`, and are asked.
"""

from typing import Dict, FrozenSet, Iterator, List, NamedTuple, Optional, Set, Tuple

from mxnet import gluon
from mxnet.gluon.nn.conv_layers import _Conv

from .version import children, loose

__all__ = ["Place", "places", "standing", "traversed"]

_PLAIN_NAMES = gluon.Block._collect_params_with_prefix


class Place(NamedTuple):
    """Where one parameter stands in one network; plain data, no live block."""

    paths: Tuple[str, ...]
    """Canonical path first, then the aliases in the order of traversal, also those at which it is seen transposed."""
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
    """Those of the paths at which it is seen transposed, through a transposed tie."""


def places(net: gluon.Block) -> Dict[gluon.Parameter, Place]:
    """Every parameter of `net`, in order of traversal, with its place. Changes nothing.

    Parameters that `net.initialize` reaches but `net.save_parameters` does not write (created by ``self.params.get``
    and held by no attribute) come last, under their block's path and their own name.
    """
    found: Dict[gluon.Parameter, Place] = {}
    again: Dict[gluon.Parameter, List[_Slot]] = {}
    transposed: Dict[gluon.Parameter, List[str]] = {}
    symbols: Dict[int, Dict[str, Dict[str, str]]] = {}
    axes_of, axes, symbolic = None, "", False
    walk = _Walk(net)
    for slot in walk.slots:
        path, owner_path, owner, inside, param = slot
        source = getattr(param, "transposed_of", None)
        if source is not None:
            transposed.setdefault(source, []).append(path)
            again.setdefault(source, []).append(slot)
        elif param in found:
            again.setdefault(param, []).append(slot)
        else:
            if owner is not axes_of:  # most blocks have several parameters
                axes_of, axes = owner, _axes(owner)
                symbolic = isinstance(owner, gluon.SymbolBlock)
            symbol_init = _symbol_init(param, owner, symbols) if symbolic else None
            found[param] = Place((path,), type(owner), owner_path, inside, axes, symbol_init)
    for path, owner_path, owner, inside, param in walk.unregistered(set(map(id, found))):
        if param not in found:
            symbol_init = _symbol_init(param, owner, symbols)
            found[param] = Place((path,), type(owner), owner_path, inside, _axes(owner), symbol_init)
    for param, slots in again.items():
        place = found.get(param)
        if place is not None:  # what a transposed tie shows may stand nowhere in this network itself
            paths = (*place.paths, *[slot[0] for slot in slots])
            inside, turned = place.inside.union(*[slot[3] for slot in slots]), tuple(transposed.get(param, ()))
            found[param] = place._replace(paths=paths, inside=inside, transposed=turned)
    return found


def traversed(net: gluon.Block, unregistered: bool = True) -> Dict[str, gluon.Parameter]:
    """Every path of `net` in order of traversal, with the parameter that stands there. Changes nothing.

    Without `unregistered` those alone that `net.save_parameters` writes.
    """
    return {slot[0]: slot[4] for slot in _standing(net, unregistered)}


def standing(net: gluon.Block, unregistered: bool = True) -> Dict[str, Tuple[gluon.Block, gluon.Parameter]]:
    """As `traversed`, with the block that holds each parameter."""
    return {slot[0]: (slot[2], slot[4]) for slot in _standing(net, unregistered)}


def _standing(net: gluon.Block, unregistered: bool) -> Iterator["_Slot"]:
    walk = _Walk(net)
    yield from walk.slots
    if unregistered:
        paths = {slot[0] for slot in walk.slots}
        for slot in walk.unregistered({id(slot[4]) for slot in walk.slots}):
            # A swapped parameter's old self may still stand in a dictionary under the name of its successor.
            if slot[0] not in paths:
                paths.add(slot[0])
                yield slot


def _symbol_init(param: gluon.Parameter, owner: gluon.Block, symbols: dict) -> Optional[str]:
    if param.init is not None or not isinstance(owner, gluon.SymbolBlock):
        return None
    if id(owner) not in symbols:
        symbols[id(owner)] = owner._cached_graph[1].attr_dict()
    return symbols[id(owner)].get(param.name, {}).get("__init__")


def _axes(owner: gluon.Block) -> str:
    if isinstance(owner, gluon.nn.Embedding):
        return "IO"
    if not isinstance(owner, _Conv):
        return "OI"
    axes = owner._kwargs["layout"].replace("N", "O").replace("C", "I")
    # A transposed convolution's weight is that of the convolution which it reverses.
    return axes.translate(_SWAPPED) if owner._op_name.lower() == "deconvolution" else axes


_SWAPPED = str.maketrans("OI", "IO")

_Slot = Tuple[str, str, gluon.Block, FrozenSet[type], gluon.Parameter]
"""Path, the path of the block that holds the parameter, that block, the classes around, and the parameter."""


class _Walk:
    """All slots of a network. Lists and no generators: each level of those would hand every slot on."""

    def __init__(self, net: gluon.Block) -> None:
        slots: List[_Slot] = []
        blocks: List[Tuple[str, gluon.Block, FrozenSet[type]]] = []
        around: Dict[Tuple[FrozenSet[type], type], FrozenSet[type]] = {}  # blocks that are alike share one set

        def visit(block: gluon.Block, path: str, outside: FrozenSet[type]) -> None:
            kind = type(block)
            inside = around.get((outside, kind))
            if inside is None:
                inside = around[outside, kind] = outside | {kind}
            blocks.append((path, block, inside))
            prefix, begun = f"{path}." if path else "", len(slots)
            plain = kind._collect_params_with_prefix is _PLAIN_NAMES
            if plain:
                for name, param in block._reg_params.items():
                    slots.append((prefix + name, path, block, inside, param))
            for name, child in children(block):
                visit(child, prefix + name, inside)
            if not plain:
                own = _own_names(block, path, {slot[0] for slot in slots[begun:]})
                slots[begun:begun] = [(name, path, block, inside, param) for name, param in own]

        visit(net, "", frozenset())
        self.slots, self._blocks = slots, blocks

    def unregistered(self, seen: Set[int]) -> Iterator[_Slot]:
        """What blocks made by ``self.params.get`` and no attribute holds; `seen` are the ids of all others."""
        for path, block, inside in self._blocks:
            if seen.issuperset(map(id, block.params.values())):
                continue
            for name, param in loose(block):
                if id(param) not in seen:
                    yield _join(path, name), path, block, inside, param


def _own_names(block: gluon.Block, path: str, taken: Set[str]) -> Iterator[Tuple[str, gluon.Parameter]]:
    try:
        named = block._collect_params_with_prefix(path)
    except AttributeError:
        # An RNN layer of eleven or more layers, whose own naming breaks on "l10_i2h_weight".
        yield from ((_join(path, name), param) for name, param in block._reg_params.items())
    else:
        own = {id(param) for param in block._reg_params.values()}
        yield from ((name, param) for name, param in named.items() if id(param) in own and name not in taken)


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
