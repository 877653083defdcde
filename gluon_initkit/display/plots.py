"""Plots by Matplotlib, imported when one is asked for: distributions under each other, and lines over steps."""

import math
from typing import Any, List, Optional, Sequence, Tuple

from .units import printable
from .wrapping import wrapped

__all__ = ["draw_lines", "draw_ridges", "new_axes"]

_ROW = 0.32  # inches a distribution
_NAMED = 12  # lines that a legend can name
_LONGEST = 44  # characters of a name in a line


def new_axes(columns: int, rows: int, sharey: bool = False, height: Optional[float] = None) -> List[Any]:
    """Axes beside each other, as tall as `rows` distributions need."""
    try:
        from matplotlib import pyplot
    except ImportError:
        raise ImportError("plots need Matplotlib: pip install matplotlib", name="matplotlib") from None
    size = (5.2 * columns + 1.5, height or max(2.4, _ROW * rows + 1.3))
    _, axes = pyplot.subplots(1, columns, figsize=size, sharey=sharey, squeeze=False, layout="constrained")
    return list(axes[0])


Ridge = Tuple[str, Optional[Sequence[float]], Optional[Sequence[int]]]


def draw_ridges(axes: Any, ridges: Sequence[Ridge], title: str) -> None:
    """One distribution a row, the first on top: a name, the edges and the counts of its bins, None where there is none.

    Every distribution is as tall as its row. Where the widest spans more than a hundred times what the narrowest does,
    the axis is linear near zero only, so that both can be read.
    """
    from matplotlib import colormaps
    from matplotlib.ticker import MaxNLocator

    shades = colormaps["viridis"]
    spans = [span for _, edges, counts in ridges if edges and counts for span in [_span(edges, counts)] if span > 0]
    for index, (_, edges, counts) in enumerate(ridges):
        base = len(ridges) - 1 - index
        axes.axhline(base, color="0.85", linewidth=0.6, zorder=0)
        if edges and counts and max(counts):
            heights = [_density(edges, counts, bin) for bin in range(len(counts))]
            tallest = max(heights)
            xs = [x for left, right in zip(edges, edges[1:]) for x in (left, right)]
            ys = [base + 0.85 * height / tallest for height in heights for _ in "lr"]
            shade = shades(0.08 + 0.8 * index / max(1, len(ridges) - 1))
            axes.fill_between(xs, base, ys, color=shade, alpha=0.75, linewidth=0, zorder=2)
            axes.plot([edges[0], edges[-1]], [base, base], color=shade, linewidth=1, zorder=2)
    if spans:
        if max(spans) > 100 * min(spans):
            axes.set_xscale("symlog", linthresh=_power(min(spans)), linscale=0.6)
        else:
            axes.xaxis.set_major_locator(MaxNLocator(5))
            axes.ticklabel_format(axis="x", scilimits=(-3, 4))
        axes.set_xlim(-1.05 * max(spans), 1.05 * max(spans))
    axes.axvline(0, color="0.5", linewidth=0.6, linestyle=":", zorder=1)
    axes.set_yticks([len(ridges) - 1 - index for index in range(len(ridges))])
    axes.set_yticklabels([_readable(name) for name, _, _ in ridges], fontsize="small")
    axes.set_ylim(-0.2, len(ridges))
    axes.tick_params(axis="y", length=0)
    axes.set_title(title, loc="left", fontsize="medium")
    for side in ("left", "right", "top"):
        axes.spines[side].set_visible(False)


def draw_lines(
    axes: Any,
    steps: Sequence[int],
    lines: Sequence[Tuple[str, Sequence[float]]],
    title: str,
    marked: Sequence[int] = (),
) -> None:
    """One line a name over steps, broken where a value is missing; a legend where there are few enough to tell apart.

    Steps at which something was not finite are marked below.
    """
    from matplotlib import colormaps
    from matplotlib.ticker import MaxNLocator

    shades = colormaps["viridis"]
    for index, (name, values) in enumerate(lines):
        shade = shades(0.05 + 0.85 * index / max(1, len(lines) - 1))
        axes.plot(steps, values, color=shade, linewidth=1.3, label=name, marker="." if len(steps) < 3 else "")
    if marked:
        low = axes.get_xaxis_transform()
        axes.plot(marked, [0.02] * len(marked), "x", color="C3", transform=low, label="NaN or Inf", clip_on=False)
    shown = [value for _, values in lines for value in values if math.isfinite(value)]
    if shown and min(shown) > 0 and max(shown) > 100 * min(shown):
        axes.set_yscale("log")
    axes.set_xlabel("step")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_title(title, loc="left", fontsize="medium")
    axes.grid(axis="y", color="0.9", linewidth=0.6)
    for side in ("right", "top"):
        axes.spines[side].set_visible(False)
    if 0 < len(lines) <= _NAMED:
        # Texts are set afterwards: a legend leaves out what begins with an underscore, as an LSTM's paths do.
        drawn = axes.get_lines()
        legend = axes.legend(drawn, [""] * len(drawn), fontsize="small", edgecolor="none", framealpha=0.8)
        for text, line in zip(legend.get_texts(), drawn):
            text.set_text(_readable(line.get_label()))
    elif lines:
        axes.set_xlabel(
            f"step\n{len(lines)} lines, from dark to bright: {_readable(lines[0][0])} … {_readable(lines[-1][0])}",
            fontsize="small",
        )


def _readable(name: str) -> str:
    """A name in lines that leave room for the plot, in which dollars are no mathematics."""
    return wrapped(printable(name), _LONGEST, name=True).replace("$", r"\$")


def _density(edges: Sequence[float], counts: Sequence[int], bin: int) -> float:
    return counts[bin] / ((edges[bin + 1] - edges[bin]) or 1.0)


def _span(edges: Sequence[float], counts: Sequence[int]) -> float:
    """How far from zero all but a few in a thousand values lie."""
    few, total = 0.002 * sum(counts), 0
    far = sorted(((max(abs(edges[i]), abs(edges[i + 1])), count) for i, count in enumerate(counts)), reverse=True)
    for distance, count in far:
        total += count
        if total > few:
            return distance
    return 0.0


def _power(number: float) -> float:
    return 10.0 ** math.floor(math.log10(number))
