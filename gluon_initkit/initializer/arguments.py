"""Checks arguments of constructors and functions at the call: later they would fail far from their cause."""

from contextlib import suppress
import math
import operator
from typing import Any, Optional, Sequence

import numpy

from ..display import printable


def number(name: str, value: Any, above: Optional[float] = None, finite: bool = True) -> float:
    """The argument as a float. NumPy scalars and arrays of one value are numbers; strings and bools are not."""
    as_float = None
    with suppress(TypeError, ValueError, OverflowError):
        as_float = None if isinstance(value, (bool, numpy.bool_, str, bytes)) else float(value)
    if as_float is None:
        raise TypeError(f"{name} is {value!r}: expected a number{'' if above is None else f' above {above!r}'}")
    if above is not None and not as_float > above:
        raise ValueError(f"{name} is {value!r}: expected a number above {above!r}")
    if math.isnan(as_float) or (finite and math.isinf(as_float)):
        raise ValueError(f"{name} is {value!r}: expected a {'finite ' if finite else ''}number")
    return as_float


def count(name: str, value: Any) -> int:
    """The argument as an int, which is 1 or more."""
    as_int = None
    with suppress(TypeError, ValueError):
        as_int = None if isinstance(value, (bool, numpy.bool_)) else operator.index(value)
    if as_int is None or as_int < 1:
        raise (TypeError if as_int is None else ValueError)(f"{name} is {value!r}: expected an integer, 1 or more")
    return as_int


def one_of(name: str, value: Any, expected: Sequence[str]) -> str:
    """The argument, if it is one of the expected words."""
    if not isinstance(value, str) or value not in expected:
        raise ValueError(f"{name} is {value!r}, expected one of {', '.join(map(printable, expected))}")
    return value
