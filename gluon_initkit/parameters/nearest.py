"""`nearest`: what to say of a name that nobody has. All look-ups by path end here."""

import difflib
from typing import Any, Iterable, Sequence

__all__ = ["nearest", "nearest_path", "row_of"]


def nearest(name: str, known: Sequence[str]) -> str:
    """What to say of a name that is not known: which are near it, else which there are.

    Examples
    --------
    >>> nearest("0.wieght", ["0.weight", "0.bias"]), nearest("momentum", ["0.weight"])
    ("did you mean '0.weight'?", "there are '0.weight'.")
    """
    near = difflib.get_close_matches(name, known, n=3)
    if near:
        return f"did you mean {' or '.join(map(repr, near))}?"
    return f"there are {', '.join(map(repr, known[:8])) or 'none'}{', …' if len(known) > 8 else ''}."


def nearest_path(path: Any, holders: Iterable[Any], others: Sequence[str] = ()) -> str:
    """What to say of a path that is nobody's: Gluon's name of a parameter is answered by its path.

    Parameters
    ----------
    path : str
    holders : iterable
        Records of parameters: with `path`, `aliases`, and Gluon's `name`.
    others : sequence of str
        What else could have been meant, such as the paths of blocks.

    Examples
    --------
    >>> bias = ik.ParameterInfo("0.bias", ("1.bias",), "dense0_bias", "bias", (4,), "float32")
    >>> nearest_path("dense0_bias", [bias]), nearest_path("1.bais", [bias])
    ("that is Gluon's name of '0.bias'.", "did you mean '1.bias' or '0.bias'?")
    """
    holders = list(holders)
    named = [holder.path for holder in holders if path == holder.name and holder.path not in (None, path)]
    if len(named) == 1:  # MXNet 2 calls many parameters "weight"
        return f"that is Gluon's name of {named[0]!r}."
    known = [each for holder in holders for each in (holder.path or holder.name, *holder.aliases)]
    return nearest(str(path), [*known, *others])


def row_of(rows: Iterable[Any], path: Any) -> Any:
    """The row of a report that has this path, its own or an alias.

    Raises
    ------
    KeyError
        None has; the message says which is near to it.
    """
    for row in rows:
        if path == row.path or path in row.aliases:
            return row
    raise KeyError(f"no parameter has the path {path!r}; {nearest_path(path, rows)}")
