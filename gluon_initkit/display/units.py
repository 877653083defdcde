"""How shapes and sizes are written."""

from typing import Optional, Tuple

__all__ = ["shape_text", "size_text"]


def shape_text(shape: Optional[Tuple[Optional[int], ...]]) -> str:
    """A shape, with ``?`` for what is not known.

    Examples
    --------
    >>> shape_text((2, None)), shape_text(None)
    ('(2, ?)', '?')
    """
    if shape is None:
        return "?"
    return "(" + ", ".join("?" if size is None else str(size) for size in shape) + ")"


def size_text(size: int) -> str:
    """A number of bytes in powers of 1024.

    Examples
    --------
    >>> size_text(512), size_text(1536), size_text(3 << 30)
    ('512 B', '1.5 KiB', '3.0 GiB')
    """
    if size < 1024:
        return f"{size} B"
    amount = float(size)
    for unit in ("KiB", "MiB", "GiB", "TiB"):
        amount /= 1024
        if amount < 1024 or unit == "TiB":
            break
    return f"{amount:.1f} {unit}"
