"""What stands for a network's arguments: arrays or shapes, nested as the arguments are.

=====================================  ======================================================
``mx.nd.zeros((2, 5))``                an array of MXNet's or NumPy's
``(2, 5)``                             a shape; None or 0 for a size that is not known
``((2, 5), 'int32')``                  a shape with a dtype, which is float32 otherwise
``None``                               None
``[(2, 5), [(1, 2, 4), (1, 2, 4)]]``   a list, tuple or dict of such
anything else                          itself
=====================================  ======================================================
"""

from typing import Any, Callable, List, Optional, Sequence, Tuple

import numpy

from .._mxnet import mx
from .._mxnet.arrays import context_of
from .._mxnet.instrument.call_stack import ArrayArgument, ValueArgument

__all__ = ["arguments_text", "as_arguments", "as_arrays", "contexts_in", "has_arrays", "map_arrays"]

Shape = Tuple[Optional[int], ...]


def map_arrays(given: Any, leaf: Callable[[Shape, Any, Any], Any]) -> Any:
    """The same nesting, with ``leaf(shape, dtype, array or None)`` for each array or shape.

    Raises
    ------
    TypeError
        A list of numbers stands where a shape, a tuple, was meant.
    """
    if isinstance(given, mx.nd.NDArray):
        return leaf(tuple(given.shape), numpy.dtype(given.dtype).name, given)
    if isinstance(given, numpy.ndarray):
        return leaf(given.shape, given.dtype.name, given)
    if isinstance(given, ArrayArgument):
        return leaf(given.shape, given.dtype, None)
    if isinstance(given, ValueArgument):
        return given.value
    if _is_shape(given):
        return leaf(_known(given), "float32", None)
    if isinstance(given, tuple) and len(given) == 2 and _is_shape(given[0]) and _is_dtype(given[1]):
        return leaf(_known(given[0]), numpy.dtype(given[1]).name, None)
    if isinstance(given, list) and given and all(_is_size(each) for each in given):
        raise TypeError(f"the list {given!r} is no shape: write {tuple(given)!r}, or give an array")
    if isinstance(given, (list, tuple)):
        return type(given)([map_arrays(each, leaf) for each in given])
    if isinstance(given, dict):
        return type(given)((key, map_arrays(each, leaf)) for key, each in given.items())
    return given


def as_arguments(inputs: Sequence[Any]) -> List[Any]:
    """The arguments for a run without memory."""
    return [map_arrays(each, lambda shape, dtype, _: ArrayArgument(shape, dtype)) for each in inputs]


def as_arrays(given: Any, ctx: Any) -> Any:
    """The arguments as arrays for a real forward pass: those given, and zeros where a shape was."""

    def leaf(shape: Shape, dtype: Any, array: Any) -> Any:
        if isinstance(array, mx.nd.NDArray):
            return array
        if None in shape:
            raise ValueError(f"a forward pass needs whole shapes, and {shape!r} has a size that is not known")
        make = mx.np if mx.util.is_np_array() else mx.nd
        return make.zeros(shape, dtype=dtype, ctx=ctx) if array is None else make.array(array, dtype=dtype, ctx=ctx)

    return map_arrays(given, leaf)


def arguments_text(inputs: Sequence[Any]) -> str:
    """The arguments as they are written in a call, arrays by their shapes."""

    def leaf(shape: Shape, dtype: Any, array: Any) -> "_Verbatim":
        return _Verbatim(repr(shape) if dtype == "float32" else f"({shape!r}, {dtype!r})")

    return ", ".join(repr(map_arrays(each, leaf)) for each in inputs)


class _Verbatim(str):
    def __repr__(self) -> str:
        return str(self)


def contexts_in(inputs: Sequence[Any]) -> List[Any]:
    """The contexts of the arrays among the arguments."""
    return [context_of(array) for array in _leaves(inputs) if isinstance(array, mx.nd.NDArray)]


def has_arrays(inputs: Sequence[Any]) -> bool:
    """Whether there is an array or a shape among the arguments."""
    return bool(_leaves(inputs))


def _leaves(inputs: Sequence[Any]) -> List[Any]:
    """The arrays among the arguments, and None for each shape."""
    leaves: List[Any] = []
    for each in inputs:
        map_arrays(each, lambda shape, dtype, array: leaves.append(array))
    return leaves


def _is_shape(given: Any) -> bool:
    sizes = type(given) is tuple and all(each is None or _is_size(each) for each in given)
    return sizes and any(each is not None for each in given)


def _is_size(given: Any) -> bool:
    return hasattr(given, "__index__") and not isinstance(given, (bool, numpy.ndarray, mx.nd.NDArray))


def _is_dtype(given: Any) -> bool:
    return isinstance(given, (str, type, numpy.dtype))


def _known(shape: Any) -> Shape:
    return tuple(None if each is None or int(each) <= 0 else int(each) for each in shape)
