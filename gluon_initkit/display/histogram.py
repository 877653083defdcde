"""Histograms in small: as inline SVG for pages, as a line of block characters for terminals."""

from typing import List, Sequence

from .units import counted, escape

__all__ = ["histogram_svg", "histogram_text"]

_BLOCKS = "▁▂▃▄▅▆▇█"


def histogram_svg(edges: Sequence[float], counts: Sequence[int], name: str, width: int = 120, height: int = 20) -> str:
    """An ``<svg>`` of bars in the text's colour, with a title that says in words what it shows.

    A line marks zero where the values lie on both sides of it.

    Examples
    --------
    >>> svg = histogram_svg([-1, 0, 1], [3, 1], "0.weight")
    >>> "<title>0.weight: 4 values from -1 to 1, most of them in [-1, 0]</title>" in svg
    True
    """
    total, tallest = sum(counts), max(counts, default=0)
    if not total:
        return ""
    low, high, most = edges[0], edges[-1], list(counts).index(tallest)
    span = (high - low) or 1.0
    at = [round((edge - low) / span * width, 1) for edge in edges]
    if high == low:
        at = [round(index * width / len(counts), 1) for index in range(len(edges))]
    path = "".join(
        f"M{_short(left)} {height}V{_short(height - max(1.0, height * count / tallest))}H{_short(right)}V{height}z"
        for left, right, count in zip(at, at[1:], counts)
        if count
    )
    zero = f'<path class="ik-zero" d="M{_short(round(-low / span * width, 1))} 0V{height}"/>' if low < 0 < high else ""
    words = f"{name}: {counted(total, 'value')} from {low:.4g} to {high:.4g}, most of them in [{edges[most]:.4g}, "
    return (
        f'<svg class="ik-histogram" role="img" width="{width}" height="{height}" viewBox="0 0 {width} {height}">'
        f'<title>{escape(words)}{edges[most + 1]:.4g}]</title>{zero}<path d="{path}"/></svg>'
    )


def histogram_text(counts: Sequence[int], width: int = 12) -> str:
    """A histogram as block characters, the tallest full; a blank stands for no value at all.

    Examples
    --------
    >>> histogram_text([0, 1, 8, 1], width=4)
    ' ▁█▁'
    """
    sums = _merged(counts, width)
    tallest = max(sums, default=0)
    if not tallest:
        return ""
    return "".join(" " if not count else _BLOCKS[-(-count * len(_BLOCKS) // tallest) - 1] for count in sums)


def _merged(counts: Sequence[int], width: int) -> List[int]:
    size = max(1, -(-len(counts) // width))
    return [sum(counts[start : start + size]) for start in range(0, len(counts), size)]


def _short(number: float) -> str:
    return f"{number:.1f}".rstrip("0").rstrip(".")
