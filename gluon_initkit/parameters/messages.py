"""What every module says of parameters in the same words: that they are on different contexts, that memory does not
suffice.
"""

from contextlib import contextmanager
import math
from typing import Any, Callable, Dict, Iterable, Iterator, List, Optional, Sequence, Tuple

from ..display import listed, printable, size_text

__all__ = ["context_mismatch", "named_memory_errors"]


def context_mismatch(contexts: Iterable[Tuple[str, Sequence[str]]]) -> Optional[str]:
    """What to say where parameters, given by path and contexts, are not all on the same contexts; otherwise None.

    A parameter without contexts does not count.

    Examples
    --------
    >>> contexts = [("0.weight", ["cpu(1)"]), ("1.weight", ["cpu(0)"]), ("1.bias", ["cpu(0)"])]
    >>> print(context_mismatch(contexts).partition(". ")[0])
    The parameters are on different contexts: 0.weight on cpu(1); 1.weight, 1.bias on cpu(0)
    """
    groups: Dict[Tuple[str, ...], List[str]] = {}
    for path, ctxs in contexts:
        if ctxs:
            groups.setdefault(tuple(map(str, ctxs)), []).append(path)
    if len(groups) < 2:
        return None
    from .._mxnet import backend

    there = "; ".join(f"{listed(paths, 3)} on {', '.join(ctxs)}" for ctxs, paths in groups.items())
    return f"The parameters are on different contexts: {there}. {backend.reset_call} puts all on the same."


@contextmanager
def named_memory_errors(
    label: str, param: Any, error_class: Optional[Callable[[str], Exception]] = None
) -> Iterator[None]:
    """Context in which a failed allocation raises `error_class` (MXNet's error by default), naming the parameter."""
    import numpy  # not before: the names of a file's arrays are looked at without NumPy and MXNet

    from .._mxnet import mx
    from .._mxnet.parameter import shape_of

    try:
        yield
    except (MemoryError, mx.MXNetError) as error:
        last_line = (str(error).strip().splitlines() or [type(error).__name__])[-1]
        is_memory = isinstance(error, MemoryError) or any(words in last_line.lower() for words in _NO_MEMORY)
        if last_line.startswith(_START) or not is_memory:
            raise
        shape, dtype = shape_of(param), numpy.dtype(param.dtype)
        size = math.prod(length or 0 for length in shape or ()) * dtype.itemsize
        message = printable(
            f"{_START} {label!r} of shape {shape} and dtype {dtype.name}: each of its arrays "
            f"(values on each context, gradients) takes {size:,} bytes, {size_text(size)}; {last_line}. Nothing was "
            f"changed. Choose a smaller shape or dtype, or grad_req='null' where it is not trained."
        )
        raise (error_class or mx.MXNetError)(message) from error


_START = "There is no memory for parameter"
# "Failed to allocate CPU Memory", "cudaMalloc retry failed: out of memory", "Failed to allocate GPU Memory"
_NO_MEMORY = ("allocate", "out of memory", "bad_alloc")
