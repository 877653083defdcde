"""Where the parameters of a network are: one sentence for all who find them on different contexts."""

from typing import Dict, Iterable, List, Optional, Sequence, Tuple

from ..display import listed

__all__ = ["apart"]


def apart(placed: Iterable[Tuple[str, Sequence[str]]]) -> Optional[str]:
    """Which parameters are on which contexts, where these are not the same for all; else None.

    Parameters
    ----------
    placed : iterable of (str, sequence of str)
        Path and contexts of each parameter; a parameter without contexts has no place yet.

    Examples
    --------
    >>> apart([("0.weight", ["cpu(1)"]), ("1.weight", ["cpu(0)"]), ("1.bias", ["cpu(0)"])])
    '0.weight on cpu(1); 1.weight, 1.bias on cpu(0)'
    """
    groups: Dict[Tuple[str, ...], List[str]] = {}
    for path, ctxs in placed:
        if ctxs:
            groups.setdefault(tuple(map(str, ctxs)), []).append(path)
    if len(groups) < 2:
        return None
    return "; ".join(f"{listed(paths, 3)} on {', '.join(ctxs)}" for ctxs, paths in groups.items())
