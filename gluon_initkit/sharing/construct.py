"""Layers that share as soon as they are built: ordinary layers, tied by the same builder under the same checks."""

from contextlib import contextmanager
from typing import Any, Callable, Dict, Iterator, List

from .._mxnet import backend, mx
from .._mxnet.instrument.patches import new_blocks
from .._mxnet.ties import slots
from .._mxnet.tree import walk
from ..display import printable
from .builder import Sharing
from .errors import SharingError


def shared_layers(factory: Callable[[], Any], n: int, only: Any = None) -> List[Any]:
    """Build `n` layers that share their parameters, as ALBERT's do (Lan et al., 2019, arXiv:1909.11942).

    A shape that one of them infers holds for all.

    Parameters
    ----------
    factory, n : callable, int
        Builds and returns a new Block each of `n` times, with its usual name inside a ``name_scope()``.
    only : selector or list of selectors, optional
        Which of the parameters to share, ``'weight'``; all by default.

    Raises
    ------
    SharingError
        The layers differ in structure, or `factory` returned one Block twice.

    Examples
    --------
    >>> net = mx.gluon.nn.HybridSequential()
    >>> net.add(*shared_layers(lambda: mx.gluon.nn.Dense(4), n=3, only="weight"))
    >>> net.initialize()
    >>> _ = net(mx.nd.ones((2, 4)))
    >>> net[2].weight is net[0].weight, net[2].weight.shape
    (True, (4, 4))
    """
    if isinstance(factory, mx.gluon.Block) or not callable(factory):
        raise TypeError(f"factory is {factory!r:.80}: expected a function that makes a Block, `lambda: nn.Dense(4)`")
    if n < 1:
        raise ValueError(f"n={n!r}: expected at least one layer")
    layers = [factory() for _ in range(n)]
    for layer in layers:
        if not isinstance(layer, mx.gluon.Block):
            kind = printable(type(layer).__name__)
            raise TypeError(f"factory returned {layer!r:.80}, a {kind}; expected a new Block each time")
    if len({id(layer) for layer in layers}) < n:
        raise SharingError("factory returned one Block more than once, which shares everything, and its place in the "
                           "network too; expected a new Block each time: pass `lambda: nn.Dense(...)`")  # fmt: skip
    _tie({str(number): layer for number, layer in enumerate(layers)}, only)
    return layers


@contextmanager
def sharing_scope(donor: Any, only: Any = None) -> Iterator[None]:
    """Blocks that are built inside take the parameters of `donor`; they must have its structure.

    Where MXNet 1's ``params=`` matches by name and silently makes what it does not find, this goes by path and raises.

    Parameters
    ----------
    donor, only : Block, selector or list of selectors
        Whose Parameters are taken, and which of them, ``'weight'``; all by default.

    Raises
    ------
    SharingError
        At the end: a block has another structure, or contradicts the donor's parameters; or none was built.

    Examples
    --------
    >>> net = mx.gluon.nn.HybridSequential()
    >>> net.add(mx.gluon.nn.Dense(4, in_units=4))
    >>> with sharing_scope(net[0]):
    ...     net.add(mx.gluon.nn.Dense(4, in_units=4, activation="relu"))
    >>> net[1].weight is net[0].weight
    True
    """
    if not isinstance(donor, mx.gluon.Block):
        raise TypeError(f"expected a Block to share with, found {printable(type(donor).__name__)}: {donor!r:.80}")
    with new_blocks() as living:
        yield
    built = [block for block in living if not isinstance(block, _Holder)]
    within = {id(below) for block in built for path, below in walk(block) if path}
    takers = [block for block in built if id(block) not in within and slots(block)]
    if not takers:
        raise SharingError("sharing_scope: no block with parameters was built inside, by this thread")
    named = {f"the {type(donor).__name__} to share with": donor}
    for number, block in enumerate(takers, 1):
        count = f", number {number}" if len(takers) > 1 else ""
        named[f"the {type(block).__name__} built inside{count}"] = block
    _tie(named, only)


class _Holder(mx.gluon.Block):
    """A network for as long as its blocks are being tied."""


def _tie(named: Dict[str, Any], only: Any) -> None:
    """Tie blocks to the first of them. Messages call them by these names."""
    donor, *others = named.values()
    if others:
        holder = backend.unnamed(_Holder)  # which takes no name from Gluon's counters
        for name, block in named.items():
            holder.register_child(block, name)
        sharing = Sharing(holder).tie_blocks(*others, to=donor, only=only)
        sharing._newborn = frozenset(slot.param for block in others for slot in slots(block))
        sharing.apply()
