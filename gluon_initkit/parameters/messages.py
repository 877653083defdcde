"""What every module says of parameters in the same words: a mistyped path, parameters on different contexts, and
memory that does not suffice.
"""

from contextlib import contextmanager
import difflib
import math
from typing import Any, Callable, Dict, Iterable, Iterator, List, Optional, Sequence, Tuple

from ..display import listed, printable, size_text

__all__ = ["context_mismatch", "did_you_mean", "did_you_mean_path", "find_row", "named_memory_errors"]


def did_you_mean(name: str, known: Sequence[str]) -> str:
    """What to say of an unknown name: the known names that are near it, otherwise the first of all known names.

    Examples
    --------
    >>> did_you_mean("0.wieght", ["0.weight", "0.bias"]), did_you_mean("momentum", ["0.weight"])
    ("did you mean '0.weight'?", "there are '0.weight'.")
    """
    near = difflib.get_close_matches(name, known, n=3)
    if near:
        return f"did you mean {' or '.join(map(repr, near))}?"
    return f"there are {', '.join(map(repr, known[:8])) or 'none'}{', …' if len(known) > 8 else ''}."


def did_you_mean_path(path: Any, records: Iterable[Any], others: Sequence[str] = ()) -> str:
    """What to say of a path that no parameter has. Gluon's name of a parameter is answered by its path.

    `records` have `path`, `aliases` and Gluon's `name`; `others` could have been meant too, such as paths of blocks.

    Examples
    --------
    >>> bias = ik.ParameterInfo("0.bias", ("1.bias",), "dense0_bias", "bias", (4,), "float32")
    >>> did_you_mean_path("dense0_bias", [bias]), did_you_mean_path("1.bais", [bias])
    ("that is Gluon's name of '0.bias'.", "did you mean '1.bias' or '0.bias'?")
    """
    records = list(records)
    named = [record.path for record in records if path == record.name and record.path not in (None, path)]
    if len(named) == 1:  # MXNet 2 calls many parameters "weight"
        return f"that is Gluon's name of {named[0]!r}."
    known = [known for record in records for known in (record.path or record.name, *record.aliases)]
    return did_you_mean(str(path), [*known, *others])


def find_row(rows: Iterable[Any], path: Any) -> Any:
    """The row of a report whose path, or one of whose aliases, is `path`; else a KeyError that names what is near."""
    for row in rows:
        if path == row.path or path in row.aliases:
            return row
    raise KeyError(f"no parameter has the path {path!r}; {did_you_mean_path(path, rows)}")


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
