"""`memory_for`: where memory does not suffice, the error names the parameter that it was for, and how much that is."""

from contextlib import contextmanager
import math
from typing import Any, Callable, Iterator, Optional

from ..display import printable, size_text

__all__ = ["memory_for"]


@contextmanager
def memory_for(label: str, param: Any, refusal: Optional[Callable[[str], Exception]] = None) -> Iterator[None]:
    """Inside, arrays for a parameter are made: its values, its gradient, or what they are computed from.

    Where memory does not suffice, `refusal` is raised, which is MXNet's own error by default.
    """
    import numpy  # here, since the names of a file's arrays are looked at without both

    from .._mxnet import mx, shape_of

    try:
        yield
    except (MemoryError, mx.MXNetError) as error:
        said = (str(error).strip().splitlines() or [type(error).__name__])[-1]
        named = said.startswith(_START)
        if named or not (isinstance(error, MemoryError) or any(words in said.lower() for words in _NO_MEMORY)):
            raise
        shape, dtype = shape_of(param), numpy.dtype(param.dtype)
        size = math.prod(each or 0 for each in shape or ()) * dtype.itemsize
        told = printable(
            f"{_START} {label!r} of shape {shape} and dtype {dtype.name}: each of its arrays "
            f"(values on each context, gradients) takes {size:,} bytes, {size_text(size)}; {said}. Nothing was "
            f"changed. Choose a smaller shape or dtype, or grad_req='null' where it is not trained."
        )
        raise (refusal or mx.MXNetError)(told) from error


_START = "There is no memory for parameter"
# "Failed to allocate CPU Memory", "cudaMalloc retry failed: out of memory", "Failed to allocate GPU Memory"
_NO_MEMORY = ("allocate", "out of memory", "bad_alloc")
