"""Plots: inline SVG and block characters in tables, and Matplotlib figures. The first figure imports Matplotlib."""

import math
from typing import Any, List, Optional, Sequence, Tuple

from .table import wrapped
from .words import counted, escape, printable

_BLOCKS = "▁▂▃▄▅▆▇█"
_ROW = 0.32  # inches for each distribution
_MOST_NAMES = 12  # curves in a legend
_OUTLIERS = 4  # curves that are named if there are too many for a legend
_LONGEST = 44  # characters in each line of a name

Ridge = Tuple[str, Optional[Sequence[float]], Optional[Sequence[int]]]
"""A name, the edges of its bins, and their counts; edges and counts may be None."""


def histogram_svg(edges: Sequence[float], counts: Sequence[int], name: str, width: int = 120, height: int = 20) -> str:
    """An ``<svg>`` of bars. Its title describes the values in words, and a line marks zero if it is in the range."""
    total, tallest = sum(counts), max(counts, default=0)
    if not total:
        return ""
    low, high, mode = edges[0], edges[-1], list(counts).index(tallest)
    span = high - low
    # If all values are equal, the bins have no width; they are drawn with equal widths.
    xs = [(edge - low) / span * width if span else index * width / len(counts) for index, edge in enumerate(edges)]
    bars = "".join(f"M{_short(left)} {height}V{_short(height - max(1.0, height * count / tallest))}H{_short(right)}"
                   f"V{height}z" for left, right, count in zip(xs, xs[1:], counts) if count)  # fmt: skip
    zero = f'<path class="ik-zero" d="M{_short(-low / span * width)} 0V{height}"/>' if low < 0 < high else ""
    words = f"{name}: {counted(total, 'value')} from {low:.4g} to {high:.4g}, most of them in [{edges[mode]:.4g}, "
    return (
        f'<svg class="ik-histogram" role="img" width="{width}" height="{height}" viewBox="0 0 {width} {height}">'
        f'<title>{escape(words)}{edges[mode + 1]:.4g}]</title>{zero}<path d="{bars}"/></svg>'
    )


def _short(number: float) -> str:
    return f"{number:.1f}".rstrip("0").rstrip(".")


def histogram_text(counts: Sequence[int], width: int = 12) -> str:
    """A histogram as block characters, the tallest bar full. A blank is an empty bin."""
    size = max(1, -(-len(counts) // width))  # bins for each character
    sums = [sum(counts[start : start + size]) for start in range(0, len(counts), size)]
    tallest = max(sums, default=0)
    if not tallest:
        return ""
    return "".join(" " if not count else _BLOCKS[-(-count * len(_BLOCKS) // tallest) - 1] for count in sums)


def series_text(values: Sequence[float], width: int = 16) -> str:
    """A series as block characters, scaled from the smallest value to the largest; ``!`` is a non-finite value."""
    size = max(1, -(-len(values) // width))  # values for each character, which shows the last of them
    shown = [values[min(start + size, len(values)) - 1] for start in range(0, len(values), size)]
    finite = [value for value in shown if math.isfinite(value)] or [0.0]
    low, span = min(finite), (max(finite) - min(finite)) or 1.0
    steps = len(_BLOCKS) - 1
    return "".join(_BLOCKS[round((value - low) / span * steps)] if math.isfinite(value) else "!" for value in shown)


def new_axes(columns: int, rows: int, sharey: bool = False, height: Optional[float] = None) -> List[Any]:
    """Axes next to each other, as tall as `rows` distributions need."""
    try:
        from matplotlib import pyplot
    except ImportError:
        raise ImportError("plots need Matplotlib: pip install matplotlib", name="matplotlib") from None
    size = (5.2 * columns + 1.5, height or max(2.4, _ROW * rows + 1.3))
    _, axes = pyplot.subplots(1, columns, figsize=size, sharey=sharey, squeeze=False, layout="constrained")
    return list(axes[0])


def draw_ridges(axes: Any, ridges: Sequence[Ridge], title: str) -> None:
    """Draw one distribution in each row, the first on top. Each is scaled to the height of its row."""
    from matplotlib.ticker import MaxNLocator

    spans = []
    bases = range(len(ridges) - 1, -1, -1)
    for base, (_, edges, counts), shade in zip(bases, ridges, _shades(len(ridges), 0.08, 0.88)):
        axes.axhline(base, color="0.85", linewidth=0.6, zorder=0)
        if not (edges and counts and max(counts)):
            continue
        spans.append(_span(edges, counts))
        heights = [count / ((right - left) or 1.0) for left, right, count in zip(edges, edges[1:], counts)]
        tops = [base + 0.85 * height / max(heights) for height in (*heights, heights[-1])]
        axes.fill_between(edges, base, tops, step="post", color=shade, alpha=0.75, linewidth=0, zorder=2)
        axes.plot([edges[0], edges[-1]], [base, base], color=shade, linewidth=1, zorder=2)
    spans = [span for span in spans if span]
    if spans:
        if max(spans) > 100 * min(spans):  # linear near zero, logarithmic further away
            axes.set_xscale("symlog", linthresh=10.0 ** math.floor(math.log10(min(spans))), linscale=0.6)
        else:
            axes.xaxis.set_major_locator(MaxNLocator(5))
            axes.ticklabel_format(axis="x", scilimits=(-3, 4))
        axes.set_xlim(-1.05 * max(spans), 1.05 * max(spans))
    axes.axvline(0, color="0.5", linewidth=0.6, linestyle=":", zorder=1)
    labels = [_label(name) for name, _, _ in ridges]
    size = "x-small" if any("\n" in label for label in labels) else "small"  # two lines fit into a row
    axes.set_yticks(list(bases), labels, fontsize=size, linespacing=1.0)
    axes.set_ylim(-0.2, len(ridges))
    axes.tick_params(axis="y", length=0)
    _finish(axes, title, "left")


def _span(edges: Sequence[float], counts: Sequence[int]) -> float:
    """The distance from zero that contains all but 0.2 percent of the values."""
    total = 0
    for distance, count in sorted(zip(map(max, map(abs, edges), map(abs, edges[1:])), counts), reverse=True):
        total += count
        if total > 0.002 * sum(counts):
            return distance
    return 0.0


def draw_lines(
    axes: Any, steps: Sequence[int], lines: Sequence[Tuple[str, Sequence[float]]], title: str,
    marked: Sequence[int] = (),
) -> None:  # fmt: skip
    """Draw one line for each name over the steps, and crosses at the `marked` steps, where values were not finite."""
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
        # The texts are set afterwards: a legend omits labels with a leading underscore, such as an LSTM's paths.
        drawn = axes.get_lines()
        legend = axes.legend(drawn, [""] * len(drawn), fontsize="small", edgecolor="none", framealpha=0.8)
        for text, line in zip(legend.get_texts(), drawn):
            text.set_text(_label(line.get_label()))
    elif lines:
        names = f"{len(lines)} lines, from dark to bright: {_label(lines[0][0])} … {_label(lines[-1][0])}"
        axes.set_xlabel(f"step\n{names}", fontsize="small")
        _name_outliers(axes, steps, lines)


def _name_outliers(axes: Any, steps: Sequence[int], lines: Sequence[Tuple[str, Sequence[float]]]) -> None:
    """Write the names of the lines that end farthest from the middle line, if the names do not overlap."""
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


def _finish(axes: Any, title: str, *sides: str) -> None:
    axes.set_title(title, loc="left", fontsize="medium")
    axes.spines[["right", "top", *sides]].set_visible(False)


def _label(name: str) -> str:
    """A name broken into lines that leave room for the plot. Its ``$`` are escaped, so they are not mathematics."""
    return wrapped(printable(name), _LONGEST, path=True).replace("$", r"\$")
