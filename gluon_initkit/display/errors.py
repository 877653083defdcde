"""The base class of the kit's errors, its warnings, and what both say of a name that is not known.

Names of parameters, blocks, arrays and files come from somebody else: what steers a terminal is escaped.
"""

import difflib
import sys
from typing import Any, Iterable, Sequence
import warnings

from .table import printable

_INTERNAL = (__name__.partition(".")[0], "mxnet")


class KitError(Exception):
    """An error whose text has no control characters. Attributes and ``args`` keep names as they are."""

    def __str__(self) -> str:
        return printable(super().__str__(), keep="\n")


def warn(message: str) -> None:
    """Warn at the innermost line that is neither MXNet's nor the kit's."""
    # How many frames lie between differs: a rule is checked while `initialize` fills, twenty calls of MXNet deep.
    level, frame = 1, sys._getframe()  # `warnings.warn` counts its caller as 1
    while frame.f_back is not None and str(frame.f_globals.get("__name__")).partition(".")[0] in _INTERNAL:
        level, frame = level + 1, frame.f_back
    warnings.warn(printable(message), stacklevel=level)


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
    records = [record for record in records if record.path != ""]  # which is a network itself
    named = [record.path for record in records
             if path == getattr(record, "name", None) and record.path not in (None, path)]  # fmt: skip
    if len(named) == 1:  # MXNet 2 calls many parameters "weight"
        return f"that is Gluon's name of {named[0]!r}."
    known = [known for record in records for known in (record.path or record.name, *record.aliases)]
    return did_you_mean(str(path), [*known, *others])


def find_row(rows: Iterable[Any], path: Any, noun: str = "parameter") -> Any:
    """The row of a report whose path, or one of whose aliases, is `path`; else a KeyError that names what is near."""
    for row in rows:
        if path == row.path or path in row.aliases:
            return row
    raise KeyError(f"no {noun} has the path {path!r}; {did_you_mean_path(path, rows)}")
