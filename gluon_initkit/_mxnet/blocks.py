"""Where every parameter of a network stands: its paths, and the blocks around it.

A path is what `Block.save_parameters` writes. Most blocks name a parameter by its attribute; a few name it otherwise
(fused RNN layers, GluonNLP's attention cells) by overriding `_collect_params_with_prefix`, and are asked.
"""

from dataclasses import dataclass
from typing import Any, Dict, FrozenSet, Iterator, List, Optional, Tuple

from mxnet import gluon
from mxnet.gluon.nn.conv_layers import _Conv

from .version import children, loose

__all__ = ["Place", "places"]

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


def places(net: gluon.Block) -> Dict[gluon.Parameter, Place]:
    """Every parameter of `net`, in order of traversal, with its place. Changes nothing.

    Parameters that `net.initialize` reaches but `net.save_parameters` does not write (created by ``self.params.get``
    and held by no attribute) come last, under their block's path and their own name.
    """
    found: Dict[gluon.Parameter, List[Tuple[str, str, Tuple[gluon.Block, ...]]]] = {}
    for path, blocks_path, blocks, param in _slots(net, "", ()):
        found.setdefault(param, []).append((path, blocks_path, blocks))
    for path, blocks_path, blocks, param in _unregistered(net, "", ()):
        if param not in found:
            found[param] = [(path, blocks_path, blocks)]
    symbols: Dict[int, Dict[str, Dict[str, str]]] = {}
    return {param: _place(param, slots, symbols) for param, slots in found.items()}


def _place(param: gluon.Parameter, slots: List[Tuple[str, str, Tuple[gluon.Block, ...]]], symbols: dict) -> Place:
    owner = slots[0][2][-1]
    symbol_init = None
    if param.init is None and isinstance(owner, gluon.SymbolBlock):
        if id(owner) not in symbols:
            symbols[id(owner)] = owner._cached_graph[1].attr_dict()
        symbol_init = symbols[id(owner)].get(param.name, {}).get("__init__")
    return Place(
        paths=tuple(path for path, _, _ in slots),
        owner=type(owner),
        owner_path=slots[0][1],
        inside=frozenset(type(block) for _, _, blocks in slots for block in blocks),
        axes=_axes(owner),
        symbol_init=symbol_init,
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
    below = [slot for name, child in children(block) for slot in _slots(child, _join(path, name), blocks)]
    for name, param in _own_names(block, path, {slot[0] for slot in below}):
        yield name, path, blocks, param
    yield from below


def _own_names(block: gluon.Block, path: str, taken: Any) -> Iterator[Tuple[str, gluon.Parameter]]:
    if type(block)._collect_params_with_prefix is not _PLAIN_NAMES:
        try:
            named = block._collect_params_with_prefix(path)
        except AttributeError:
            pass  # an RNN layer of eleven or more layers, whose own naming breaks on "l10_i2h_weight"
        else:
            own = {id(param) for param in block._reg_params.values()}
            yield from ((name, param) for name, param in named.items() if id(param) in own and name not in taken)
            return
    yield from ((_join(path, name), param) for name, param in block._reg_params.items())


def _unregistered(block: gluon.Block, path: str, around: Tuple[gluon.Block, ...]) -> Iterator[_Slot]:
    blocks = (*around, block)
    for name, param in loose(block):
        yield _join(path, name), path, blocks, param
    for name, child in children(block):
        yield from _unregistered(child, _join(path, name), blocks)


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
