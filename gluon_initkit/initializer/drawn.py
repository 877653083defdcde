"""`Drawn`: the base of our own initializers. Each says by which law it fills an array; the base draws it, wherever the
initializer is called from.
"""

from typing import Any

from .._mxnet import mx
from .._mxnet.arrays import classic
from .distributions import Shape, drawn
from .initializer import Initializer

__all__ = ["Drawn", "registered"]


class Drawn(Initializer):
    """An initializer whose weights follow a law."""

    def law(self, desc: Any, shape: Shape) -> Any:
        """The law for an array of this shape."""
        raise NotImplementedError

    def _init_weight(self, desc: Any, arr: Any) -> None:
        classic(arr)[:] = drawn(self.law(desc, arr.shape), desc.key, arr.shape, arr.dtype)


def registered(cls: type) -> type:
    """MXNet makes the class by its name, behind ours, from its `dumps`."""
    cls._registered_name = f"gluon_initkit.{cls.__name__.lower()}"  # type: ignore[attr-defined]
    return mx.init.alias(cls._registered_name)(cls)  # type: ignore[attr-defined]
