"""Plots by Matplotlib: distributions below each other, and lines over steps. It is imported by the first plot."""

import math
from typing import Any, List, Optional, Sequence, Tuple

from .text import wrapped
from .units import printable

_ROW = 0.32  # inches a distribution
_MOST_NAMES = 12  # lines that a legend can name
_OUTLIERS = 4  # lines that are named where a legend cannot name all
_LONGEST = 44  # characters of a name in a line

Ridge = Tuple[str, Optional[Sequence[float]], Optional[Sequence[int]]]
"""A name, the edges of its bins and their counts; None where there are none."""


def new_axes(columns: int, rows: int, sharey: bool = False, height: Optional[float] = None) -> List[Any]:
    """Axes beside each other, as tall as `rows` distributions need."""
    try:
        from matplotlib import pyplot
    except ImportError:
        raise ImportError("plots need Matplotlib: pip install matplotlib", name="matplotlib") from None
    size = (5.2 * columns + 1.5, height or max(2.4, _ROW * rows + 1.3))
    _, axes = pyplot.subplots(1, columns, figsize=size, sharey=sharey, squeeze=False, layout="constrained")
    return list(axes[0])


def draw_ridges(axes: Any, ridges: Sequence[Ridge], title: str) -> None:
    """One distribution a row, the first on top, each as tall as its row.

    Where the widest spans more than a hundred times what the narrowest does, the axis is linear near zero and
    logarithmic beyond.
    """
    from matplotlib.ticker import MaxNLocator

    spans = []
    for index, ((_, edges, counts), shade) in enumerate(zip(ridges, _shades(len(ridges), 0.08, 0.88))):
        base = len(ridges) - 1 - index
        axes.axhline(base, color="0.85", linewidth=0.6, zorder=0)
        if not (edges and counts and max(counts)):
            continue
        spans.append(_span(edges, counts))
        heights = [count / ((right - left) or 1.0) for left, right, count in zip(edges, edges[1:], counts)]
        xs = [x for bin in zip(edges, edges[1:]) for x in bin]
        ys = [base + 0.85 * height / max(heights) for height in heights for _ in "lr"]
        axes.fill_between(xs, base, ys, color=shade, alpha=0.75, linewidth=0, zorder=2)
        axes.plot([edges[0], edges[-1]], [base, base], color=shade, linewidth=1, zorder=2)
    spans = [span for span in spans if span]
    if spans:
        if max(spans) > 100 * min(spans):
            axes.set_xscale("symlog", linthresh=10.0 ** math.floor(math.log10(min(spans))), linscale=0.6)
        else:
            axes.xaxis.set_major_locator(MaxNLocator(5))
            axes.ticklabel_format(axis="x", scilimits=(-3, 4))
        axes.set_xlim(-1.05 * max(spans), 1.05 * max(spans))
    axes.axvline(0, color="0.5", linewidth=0.6, linestyle=":", zorder=1)
    axes.set_yticks([len(ridges) - 1 - index for index in range(len(ridges))])
    labels = [_label(name) for name, _, _ in ridges]
    size = "x-small" if any("\n" in label for label in labels) else "small"  # two lines fit into a row
    axes.set_yticklabels(labels, fontsize=size, linespacing=1.0)
    axes.set_ylim(-0.2, len(ridges))
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    _finish(axes, title)


def draw_lines(
    axes: Any,
    steps: Sequence[int],
    lines: Sequence[Tuple[str, Sequence[float]]],
    title: str,
    marked: Sequence[int] = (),
) -> None:
    """One line a name over steps, and crosses at the `marked` steps, at which something was not finite.

    A legend names the lines where they are few.
    """
    from matplotlib.ticker import MaxNLocator

    for (name, values), shade in zip(lines, _shades(len(lines), 0.05, 0.9)):
        axes.plot(steps, values, color=shade, linewidth=1.3, label=name, marker="." if len(steps) < 3 else "")
    if marked:
        low = axes.get_xaxis_transform()
        axes.plot(marked, [0.02] * len(marked), "x", color="C3", transform=low, label="NaN or Inf", clip_on=False)
    finite = [value for _, values in lines for value in values if math.isfinite(value)]
    if finite and min(finite) > 0 and max(finite) > 100 * min(finite):
        axes.set_yscale("log")
    axes.set_xlabel("step")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(axis="y", color="0.9", linewidth=0.6)
    _finish(axes, title)
    if 0 < len(lines) <= _MOST_NAMES:
        # Texts are set afterwards: a legend leaves out what begins with an underscore, as an LSTM's paths do.
        drawn = axes.get_lines()
        legend = axes.legend(drawn, [""] * len(drawn), fontsize="small", edgecolor="none", framealpha=0.8)
        for text, line in zip(legend.get_texts(), drawn):
            text.set_text(_label(line.get_label()))
    elif lines:
        names = f"{len(lines)} lines, from dark to bright: {_label(lines[0][0])} … {_label(lines[-1][0])}"
        axes.set_xlabel(f"step\n{names}", fontsize="small")
        _name_outliers(axes, steps, lines)


def _name_outliers(axes: Any, steps: Sequence[int], lines: Sequence[Tuple[str, Sequence[float]]]) -> None:
    """Write the names of the lines that end farthest from the middle one, as far as they do not meet."""
    ends = sorted((values[-1], name) for name, values in lines if math.isfinite(values[-1]))
    heights = [axes.transAxes.inverted().transform(axes.transData.transform((0, end)))[1] for end, _ in ends]
    middle = heights[len(heights) // 2] if heights else 0.0
    written: List[float] = []
    for height, (end, name) in sorted(zip(heights, ends), key=lambda pair: -abs(pair[0] - middle)):
        if len(written) < _OUTLIERS and all(abs(height - other) > 0.08 for other in written):
            written.append(height)
            axes.annotate(_label(name), (steps[-1], end), xytext=(4, 0), textcoords="offset points", va="center",
                          fontsize="x-small", annotation_clip=False)  # fmt: skip


def _shades(count: int, first: float, last: float) -> List[Any]:
    from matplotlib import colormaps

    return [colormaps["viridis"](first + (last - first) * index / max(1, count - 1)) for index in range(count)]


def _finish(axes: Any, title: str) -> None:
    axes.set_title(title, loc="left", fontsize="medium")
    for side in ("right", "top"):
        axes.spines[side].set_visible(False)


def _label(name: str) -> str:
    """A name in lines that leave room for the plot, in which dollars are no mathematics."""
    return wrapped(printable(name), _LONGEST, path=True).replace("$", r"\$")


def _span(edges: Sequence[float], counts: Sequence[int]) -> float:
    """How far from zero all but 2 in a thousand values lie."""
    total = 0
    for distance, count in sorted(zip(map(max, map(abs, edges), map(abs, edges[1:])), counts), reverse=True):
        total += count
        if total > 0.002 * sum(counts):
            return distance
    return 0.0
