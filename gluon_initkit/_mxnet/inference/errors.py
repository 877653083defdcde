"""What ends a run on arrays without memory: code that reads numbers, and shapes that contradict each other."""

from mxnet.base import MXNetError

__all__ = ["NeedsNumbers", "ShapeConflict"]


class NeedsNumbers(TypeError):
    """Code asked an array without memory for what only an array of numbers has."""


class ShapeConflict(MXNetError):
    """MXNet refuses an operator's shapes, as it would in a real forward pass; the message is MXNet's."""
