"""What a constructor was given, checked where it is given: what only filling noticed would be far from its cause.

Whatever stands for a number is taken, NumPy's scalars and arrays of one value too; text and truth values are none.
"""

import math
import operator
from typing import Any, Optional, Sequence

import numpy

from ..display import printable

__all__ = ["count", "number", "one_of"]


def number(name: str, value: Any, above: Optional[float] = None, finite: bool = True) -> float:
    """The argument as a float: a TypeError if it is no number, a ValueError if it is NaN, infinite or too low."""
    try:
        found = None if isinstance(value, (bool, numpy.bool_, str, bytes)) else float(value)
    except (TypeError, ValueError, OverflowError):
        found = None
    if found is None:
        raise TypeError(f"{name} is {value!r}: expected a number{'' if above is None else f' above {above!r}'}")
    if above is not None and not found > above:
        raise ValueError(f"{name} is {value!r}: expected a number above {above!r}")
    if math.isnan(found) or (finite and math.isinf(found)):
        raise ValueError(f"{name} is {value!r}: expected a {'finite ' if finite else ''}number")
    return found


def count(name: str, value: Any) -> int:
    """The argument as an int: a TypeError if it is no integer, a ValueError if it is below 1."""
    try:
        found = None if isinstance(value, (bool, numpy.bool_)) else operator.index(value)
    except (TypeError, ValueError):
        found = None
    if found is None or found < 1:
        raise (TypeError if found is None else ValueError)(f"{name} is {value!r}: expected an integer, 1 or more")
    return found


def one_of(name: str, value: Any, expected: Sequence[str]) -> str:
    """The argument: a ValueError if it is none of these words."""
    if not isinstance(value, str) or value not in expected:
        raise ValueError(f"{name} is {value!r}, expected one of {', '.join(map(printable, expected))}")
    return value
