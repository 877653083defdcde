"""Shapes with unknown dimensions: whether a shape is known, and whether two shapes agree.

A shape is a tuple of sizes, in which None is an unknown size. The shape is None if the number of dimensions is unknown.
A scalar's shape, ``()``, is known, although it is false in Python.
"""

from typing import Optional, Tuple

__all__ = ["agree", "is_known"]

Shape = Optional[Tuple[Optional[int], ...]]


def is_known(shape: Shape) -> bool:
    """Whether the number of dimensions and every size are known.

    Examples
    --------
    >>> is_known((2, 3)), is_known(()), is_known((2, None)), is_known(None)
    (True, True, False, False)
    """
    return shape is not None and None not in shape


def agree(a: Shape, b: Shape) -> bool:
    """Whether two shapes, as far as they are known, can belong to the same array.

    Examples
    --------
    >>> agree((2, None), (None, 3)), agree(None, (2,)), agree((2,), (3,)), agree((), (None,))
    (True, True, False, False)
    """
    return a is None or b is None or (len(a) == len(b) and all(x == y or None in (x, y) for x, y in zip(a, b)))
