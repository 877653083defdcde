"""`Transposed`: how one parameter stands in two places, in one of them transposed.

MXNet asks a block's parameters for `data()` or `var()` and nothing else, so a Parameter that answers for another is
enough. The block's own dictionary, which `collect_params` reads, holds that other one.
"""

from functools import lru_cache
from typing import Any, List, Optional, Tuple

from mxnet import gluon

from . import backend
from .arrays import EqualToBase


class Transposed(gluon.Parameter):
    """What stands in the slot of a transposed tie: the Parameter `transposed_of`, seen transposed.

    It has no state of its own. `data()` is the transpose of the other's, through the operator, so that gradients flow;
    `var()` is the transpose of the other's variable, so that a graph, cached or exported, has that one variable only
    (on MXNet 2 a block that does not hold the other has a variable of its own, filled at each call). Whatever is not
    about an array's axes (`initialize`, `cast`, `grad_req`, ...) is the other's own.

    As `data()` is a copy, it refuses to be written into: values are set by `set_data`, or through the other's `data()`.
    An operator's ``out=`` and ``copyto`` cannot be refused, which see no more than the array's handle. The copies of
    gradients may be written, in vain: on MXNet 2 `collect_params` has both, and who clips gradients in place scales the
    other's too.
    """

    transposed_of: gluon.Parameter

    def __init__(self, source: gluon.Parameter) -> None:
        object.__setattr__(self, "transposed_of", source)

    def __getattribute__(self, name: str) -> Any:
        if name in _OWN or name.startswith("__"):
            return object.__getattribute__(self, name)
        answer = getattr(object.__getattribute__(self, "transposed_of"), name)
        return _reversed(answer) if name in _SHAPES else answer

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self.transposed_of, name, _reversed(value) if name in _SHAPES else value)

    def data(self, ctx: Any = None) -> Any:
        """The other's values, transposed; inside `autograd.record` as part of the graph."""
        values = backend.transposed_input(self.transposed_of, ctx)
        return _refusing_writes(self.transposed_of.data(ctx).transpose() if values is None else values)

    def list_data(self) -> List[Any]:
        return [_refusing_writes(array.transpose()) for array in self.transposed_of.list_data()]

    def grad(self, ctx: Any = None) -> Any:
        """A transposed copy of the gradient with respect to the one parameter."""
        return self.transposed_of.grad(ctx).transpose()

    def list_grad(self) -> List[Any]:
        return [array.transpose() for array in self.transposed_of.list_grad()]

    def var(self) -> Any:
        """The other's variable, transposed; on MXNet 2 that of a graph without the other, as its parameter."""
        return backend.transposed_variable(self.transposed_of)

    def set_data(self, data: Any) -> None:
        """Set the other's values to the transpose of these."""
        self.transposed_of.set_data(data.transpose())

    def _set_trainer(self, trainer: Any) -> None:
        backend.train_source(trainer, self, self.transposed_of)

    def _reduce(self) -> Any:
        return self.transposed_of._reduce().transpose()

    def _load_init(self, data: Any, *args: Any, **kwargs: Any) -> None:
        self.transposed_of._load_init(data.transpose(), *args, **kwargs)

    def __repr__(self) -> str:
        return f"Transposed({self.transposed_of!r})"


_OWN = frozenset(vars(Transposed)) | {"transposed_of"}
_SHAPES = ("shape", "_shape")
_WRITES = ("__setitem__", "__iadd__", "__isub__", "__imul__", "__idiv__", "__itruediv__", "__imod__", "__ipow__")


def _reversed(shape: Optional[Tuple[int, ...]]) -> Optional[Tuple[int, ...]]:
    return None if shape is None else shape[::-1]


def _refusing_writes(array: Any) -> Any:
    """The same array, which raises where somebody writes into it: that would change a copy, and no parameter."""
    kind: Any = type(array)
    array.__class__ = _refusing(kind)
    return array


@lru_cache(maxsize=None)
def _refusing(kind: Any) -> type:
    def refuse(self: Any, *_: Any) -> None:
        raise ValueError(
            "this array is a copy: its parameter stands transposed and holds no values of its own, so writing here "
            "would change nothing.\nCall set_data(...) on the parameter, or write the transpose into its "
            "transposed_of.data()."
        )

    names = [name for name in _WRITES if hasattr(kind, name)]
    return EqualToBase(kind.__name__, (kind,), {"__slots__": (), **dict.fromkeys(names, refuse)})
