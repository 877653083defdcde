"""Pictures: inline SVG and block characters in tables, and Matplotlib's, which the first plot imports."""

import math
from typing import Any, List, Optional, Sequence, Tuple

from .table import wrapped
from .words import counted, escape, printable

_BLOCKS = "▁▂▃▄▅▆▇█"
_ROW = 0.32  # inches a distribution
_MOST_NAMES = 12  # lines that a legend can name
_OUTLIERS = 4  # lines that are named where a legend cannot name all
_LONGEST = 44  # characters of a name in a line

Ridge = Tuple[str, Optional[Sequence[float]], Optional[Sequence[int]]]
"""A name, the edges of its bins and their counts; None where there are none."""


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


def _short(number: float) -> str:
    return f"{number:.1f}".rstrip("0").rstrip(".")


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
    finite = [value for value in shown if math.isfinite(value)] or [0.0]
    low, span = min(finite), (max(finite) - min(finite)) or 1.0
    steps = len(_BLOCKS) - 1
    return "".join(_BLOCKS[round((value - low) / span * steps)] if math.isfinite(value) else "!" for value in shown)


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
    """One distribution a row, the first on top, each as tall as its row."""
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
        if max(spans) > 100 * min(spans):  # linear near zero, and logarithmic beyond
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
    """How far from zero all but 2 in a thousand values lie."""
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
    """One line a name over steps, and crosses at the `marked` steps, at which something was not finite."""
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


def _finish(axes: Any, title: str, *sides: str) -> None:
    axes.set_title(title, loc="left", fontsize="medium")
    axes.spines[["right", "top", *sides]].set_visible(False)


def _label(name: str) -> str:
    """A name in lines that leave room for the plot, in which dollars are no mathematics."""
    return wrapped(printable(name), _LONGEST, path=True).replace("$", r"\$")
