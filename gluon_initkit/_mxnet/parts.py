"""What the one vector of a fused RNN is made of, all its weights and biases: `gluon1` and `gluon2` tell it."""

from typing import Any, Callable, Dict, NamedTuple, Tuple

import numpy

__all__ = ["Parts"]

class Parts(NamedTuple):
    """What the one vector of an RNN is made of."""

    network: Any
    """The initializer of the parts that declare none, where the vector's own names one."""
    shapes: Dict[str, Tuple[int, ...]]
    declared: Dict[str, Any]
    packed: Callable[[Dict[str, numpy.ndarray]], numpy.ndarray]
    """The vector of these parts."""
