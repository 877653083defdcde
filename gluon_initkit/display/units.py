"""How values, counts, shapes, sizes and foreign names are written."""

import html
from typing import Any, Sequence


class AtLeast(int):
    """A sum of which a part is unknown."""


def show_value(value: Any) -> str:
    """A value as tables show it: numbers short, nothing for None."""
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
    """A number and what it counts: ``1 value``, ``12,345 values``; `many` is the plural of more than a noun."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def counted_of(count: int, total: int, noun: str, one: str, many: str) -> str:
    """``1 of 4 parameters holds``: the noun goes by the second number, the verb, `one` or `many`, by the first."""
    return f"{count:,} of {counted(total, noun)} {one if count == 1 else many}"


def listed(names: Sequence[str], limit: int = 10) -> str:
    """Names for a message: ``0.weight, 0.bias and 1 more``."""
    more = len(names) - limit
    return ", ".join(names[:limit]) + (f" and {more:,} more" if more > 0 else "")


def shape_text(shape: Any) -> str:
    """A shape, with ``?`` for what is not known, ``(2, ?)``, and ranges as they are; a text is itself."""
    if shape is None or isinstance(shape, str):
        return "?" if shape is None else shape
    return "(" + ", ".join("?" if size is None else str(size) for size in shape) + ")"


def inputs_text(inputs: Any) -> str:
    """The shapes of several arrays; nothing for None, and a text is itself."""
    return inputs or "" if inputs is None or isinstance(inputs, str) else ", ".join(map(shape_text, inputs))


def size_text(size: int) -> str:
    """A number of bytes in powers of 1024: ``512 B``, ``1.5 KiB``."""
    power = min((int(size).bit_length() - 1) // 10, 4) if size else 0
    return f"{size / 1024**power:.1f} {('', 'KiB', 'MiB', 'GiB', 'TiB')[power]}" if power else f"{size} B"


def printable(text: str, keep: str = "") -> str:
    """A text in which characters that steer a terminal or are invisible are written as escapes, but those of `keep`."""
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() or char in keep else char.encode("unicode_escape").decode() for char in text
    )


def escape(text: str) -> str:
    """A text as HTML without markup and without unprintable characters."""
    return html.escape(printable(text, keep="\n"))
