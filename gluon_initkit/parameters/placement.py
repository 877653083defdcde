"""Where the parameters of a network are: one sentence for all who find them on different contexts."""

from typing import Dict, Iterable, List, Optional, Sequence, Tuple

from ..display import listed

__all__ = ["apart"]


def apart(placed: Iterable[Tuple[str, Sequence[str]]]) -> Optional[str]:
    """What to say of parameters that are not all on the same contexts, and how to put them there; else None.

    Parameters
    ----------
    placed : iterable of (str, sequence of str)
        Path and contexts of each parameter; a parameter without contexts has no place yet.

    Examples
    --------
    >>> print(apart([("0.weight", ["cpu(1)"]), ("1.weight", ["cpu(0)"]), ("1.bias", ["cpu(0)"])]).partition(". ")[0])
    The parameters are on different contexts: 0.weight on cpu(1); 1.weight, 1.bias on cpu(0)
    >>> apart([("0.weight", ["cpu(0)"]), ("1.weight", [])])
    """
    groups: Dict[Tuple[str, ...], List[str]] = {}
    for path, ctxs in placed:
        if ctxs:
            groups.setdefault(tuple(map(str, ctxs)), []).append(path)
    if len(groups) < 2:
        return None
    from .._mxnet import RESET_ALL  # not before: files are inspected without MXNet

    there = "; ".join(f"{listed(paths, 3)} on {', '.join(ctxs)}" for ctxs, paths in groups.items())
    return f"The parameters are on different contexts: {there}. {RESET_ALL} puts all on the same."
