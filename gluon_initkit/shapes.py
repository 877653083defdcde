"""What is known of a shape, and whether two can be one.

A shape is a tuple of sizes, None for an unknown size, and itself None where not even their number is known. A scalar's
shape, ``()``, is known, though Python takes it for false.
"""

from typing import Optional, Tuple

__all__ = ["agree", "is_known"]

Shape = Optional[Tuple[Optional[int], ...]]


def is_known(shape: Shape) -> bool:
    """Whether the number of dimensions is known, and every size.

    Examples
    --------
    >>> is_known((2, 3)), is_known(()), is_known((2, None)), is_known(None)
    (True, True, False, False)
    """
    return shape is not None and None not in shape


def agree(a: Shape, b: Shape) -> bool:
    """Whether two shapes can be of one array, as far as they are known.

    Examples
    --------
    >>> agree((2, None), (None, 3)), agree(None, (2,)), agree((2,), (3,)), agree((), (None,))
    (True, True, False, False)
    """
    return a is None or b is None or (len(a) == len(b) and all(x == y or None in (x, y) for x, y in zip(a, b)))
