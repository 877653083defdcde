"""`nearest`: what to say of a name that nobody has."""

import difflib
from typing import Sequence

__all__ = ["nearest"]


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
