"""The error of deferred initialization, whose text `diagnosis` writes, and the record of one parameter in it."""

from dataclasses import dataclass
from typing import Optional, Tuple

from .._mxnet import mx
from ..display import KitError

Shape = Optional[Tuple[Optional[int], ...]]


@dataclass(frozen=True)
class Unresolved:
    """One parameter that has no values yet, or whose shape is in dispute.

    Attributes
    ----------
    path : str
        The canonical path.
    shape : tuple of (int or None), or None
        The dimensions that are known; None stands for one that is not, or for an unknown number of them.
    block, block_path : str
        The class of the block that holds it, as one writes it (``'nn.Dense'``), and that block's path.
    inputs : tuple of shapes, or None
        The shapes of the arrays that the block is given in a forward pass; None where that is not known.
    fix : str
        What to write instead, to be pasted: ``'features.0: nn.Dense(4, in_units=5)'``.
    reason : str
        Why it is unresolved.
    """

    path: str
    shape: Shape
    block: str
    block_path: str
    inputs: Optional[Tuple[Shape, ...]]
    fix: str
    reason: str


class DeferredInitError(
    KitError, mx.gluon.parameter.DeferredInitializationError, ValueError, AssertionError, RuntimeError
):
    """Parameters are used, or are to be resolved, and their shapes are not known or contradict the input.

    The message lists every unresolved parameter: path, dimensions, the input of its block, and what to write. The bases
    are what plain MXNet raises in the same places, so older ``except`` clauses go on working.

    Attributes
    ----------
    unresolved : tuple of Unresolved
        What the message lists.
    """

    def __init__(self, message: str, unresolved: Tuple[Unresolved, ...] = ()) -> None:
        super().__init__(message)
        self.unresolved = tuple(unresolved)
