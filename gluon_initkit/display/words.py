"""Texts of values, counts, sizes and foreign names in tables, errors and warnings.

Names of parameters, blocks, arrays and files are untrusted: characters that control a terminal are escaped.
"""

import difflib
from html import escape as escape_html
import sys
from typing import Any, Iterable, Sequence
import warnings

__all__ = ["AtLeast", "KitError", "counted", "counted_of", "did_you_mean", "did_you_mean_path", "escape", "find_row",
           "inputs_text", "listed", "printable", "shape_text", "show_value", "size_text", "warn"]  # fmt: skip

_INTERNAL = (__name__.partition(".")[0], "mxnet")


class AtLeast(int):
    """A lower bound of a sum with unknown terms."""


def show_value(value: Any) -> str:
    """A value as tables show it: numbers are short, and None is empty."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{'≥' if isinstance(value, AtLeast) else ''}{value:,}"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, (tuple, list)):
        return ", ".join(filter(None, map(show_value, value)))
    return str(value)


def counted(count: int, one: str, many: str = "") -> str:
    """A number with its noun: ``1 value``, ``12,345 values``. `many` is the plural if it is not `one` with an s."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def counted_of(count: int, total: int, noun: str, one: str, many: str) -> str:
    """``1 of 4 parameters holds``: the noun agrees with the second number, the verb `one` or `many` with the first."""
    return f"{count:,} of {counted(total, noun)} {one if count == 1 else many}"


def listed(names: Sequence[str], limit: int = 10) -> str:
    """Names for a message: ``0.weight, 0.bias and 1 more``."""
    more = len(names) - limit
    return ", ".join(names[:limit]) + (f" and {more:,} more" if more > 0 else "")


def shape_text(shape: Any) -> str:
    """A shape with ``?`` for unknown dimensions, ``(2, ?)``. Ranges in it and texts stay as they are."""
    if shape is None or isinstance(shape, str):
        return "?" if shape is None else shape
    return "(" + ", ".join("?" if size is None else str(size) for size in shape) + ")"


def inputs_text(inputs: Any) -> str:
    """The shapes of several arrays; empty for None. A text stays as it is."""
    return inputs or "" if inputs is None or isinstance(inputs, str) else ", ".join(map(shape_text, inputs))


def size_text(size: int) -> str:
    """A number of bytes in powers of 1024: ``512 B``, ``1.5 KiB``."""
    power = min((int(size).bit_length() - 1) // 10, 4) if size else 0
    return f"{size / 1024**power:.1f} {('', 'KiB', 'MiB', 'GiB', 'TiB')[power]}" if power else f"{size} B"


def printable(text: str, keep: str = "") -> str:
    """Escape the characters of a text that control a terminal or are invisible, except those in `keep`."""
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() or char in keep else char.encode("unicode_escape").decode() for char in text
    )


def escape(text: str) -> str:
    """Escape a text for HTML, including its unprintable characters."""
    return escape_html(printable(text, keep="\n"))


class KitError(Exception):
    """An error whose text has no control characters. Its attributes and ``args`` are not escaped."""

    def __str__(self) -> str:
        return printable(super().__str__(), keep="\n")


def warn(message: str) -> None:
    """Issue a warning that points to the innermost line outside of MXNet and the kit."""
    # The number of frames varies: a rule is checked while `initialize` fills, below twenty calls of MXNet.
    level, frame = 1, sys._getframe()  # `warnings.warn` counts its caller as 1
    while frame.f_back is not None and str(frame.f_globals.get("__name__")).partition(".")[0] in _INTERNAL:
        level, frame = level + 1, frame.f_back
    warnings.warn(printable(message), stacklevel=level)


def did_you_mean(name: str, known: Sequence[str]) -> str:
    """A hint for an unknown name: similar known names, or the first known names if none is similar.

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
    """A hint for a path that no parameter has. For Gluon's name of a parameter, the hint is its path.

    `records` have `path`, `aliases` and Gluon's `name`. `others` are further possible names, such as paths of blocks.

    Examples
    --------
    >>> bias = ik.ParameterInfo("0.bias", ("1.bias",), "dense0_bias", "bias", (4,), "float32")
    >>> did_you_mean_path("dense0_bias", [bias]), did_you_mean_path("1.bais", [bias])
    ("that is Gluon's name of '0.bias'.", "did you mean '1.bias' or '0.bias'?")
    """
    records = [record for record in records if record.path != ""]  # an empty path is the network itself
    matches = [record.path for record in records
               if path == getattr(record, "name", None) and record.path not in (None, path)]  # fmt: skip
    if len(matches) == 1:  # in MXNet 2, many parameters have the name "weight"
        return f"that is Gluon's name of {matches[0]!r}."
    known = [name for record in records for name in (record.path or record.name, *record.aliases)]
    return did_you_mean(str(path), [*known, *others])


def find_row(rows: Iterable[Any], path: Any, noun: str = "parameter") -> Any:
    """The row with this path or alias. Raises a KeyError with similar paths if there is none."""
    for row in rows:
        if path == row.path or path in row.aliases:
            return row
    raise KeyError(f"no {noun} has the path {path!r}; {did_you_mean_path(path, rows)}")
