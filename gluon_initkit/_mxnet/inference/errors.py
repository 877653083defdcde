"""What ends a run on arrays without memory: code that reads numbers, and shapes that contradict each other."""

from mxnet.base import MXNetError


class NeedsNumbers(TypeError):
    """Code asked an array without memory for what only an array of numbers has."""


class ShapeConflict(MXNetError):
    """MXNet refuses shapes, as it would in a real forward pass; the cause is MXNet's error."""

    def __str__(self) -> str:
        return str(self.__cause__)
