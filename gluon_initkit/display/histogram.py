"""Small histograms: inline SVG for pages, a line of block characters for terminals."""

import math
from typing import Sequence

from .units import counted, escape

_BLOCKS = "▁▂▃▄▅▆▇█"


def histogram_svg(edges: Sequence[float], counts: Sequence[int], name: str, width: int = 120, height: int = 20) -> str:
    """An ``<svg>`` of bars with a title that says in words what it shows, and a line at zero where there is one."""
    total, tallest = sum(counts), max(counts, default=0)
    if not total:
        return ""
    low, high, most = edges[0], edges[-1], list(counts).index(tallest)
    span = high - low
    # Values that are all the same have bins without width, which are drawn equally wide.
    xs = [(edge - low) / span * width if span else index * width / len(counts) for index, edge in enumerate(edges)]
    bars = "".join(f"M{_short(left)} {height}V{_short(height - max(1.0, height * count / tallest))}H{_short(right)}"
                   f"V{height}z" for left, right, count in zip(xs, xs[1:], counts) if count)  # fmt: skip
    zero = f'<path class="ik-zero" d="M{_short(-low / span * width)} 0V{height}"/>' if low < 0 < high else ""
    words = f"{name}: {counted(total, 'value')} from {low:.4g} to {high:.4g}, most of them in [{edges[most]:.4g}, "
    return (
        f'<svg class="ik-histogram" role="img" width="{width}" height="{height}" viewBox="0 0 {width} {height}">'
        f'<title>{escape(words)}{edges[most + 1]:.4g}]</title>{zero}<path d="{bars}"/></svg>'
    )


def histogram_text(counts: Sequence[int], width: int = 12) -> str:
    """A histogram as block characters, the tallest full; a blank means no value at all."""
    size = max(1, -(-len(counts) // width))  # bins a character
    sums = [sum(counts[start : start + size]) for start in range(0, len(counts), size)]
    tallest = max(sums, default=0)
    if not tallest:
        return ""
    return "".join(" " if not count else _BLOCKS[-(-count * len(_BLOCKS) // tallest) - 1] for count in sums)


def series_text(values: Sequence[float], width: int = 16) -> str:
    """Values in their order as block characters, from the smallest to the largest; ``!`` for what is not finite."""
    size = max(1, -(-len(values) // width))  # values a character, of which the last is shown
    shown = [values[min(start + size, len(values)) - 1] for start in range(0, len(values), size)]
    finite = [value for value in shown if math.isfinite(value)]
    low, span = min(finite, default=0.0), (max(finite, default=0.0) - min(finite, default=0.0)) or 1.0
    steps = len(_BLOCKS) - 1
    return "".join(_BLOCKS[round((value - low) / span * steps)] if math.isfinite(value) else "!" for value in shown)


def _short(number: float) -> str:
    return f"{number:.1f}".rstrip("0").rstrip(".")
