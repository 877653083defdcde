"""A report as distributions, one a layer."""

from typing import Any, List, Optional, Sequence

from ... import display
from ..records import ParameterRecord, Statistics

__all__ = ["plot_distributions"]


def plot_distributions(report: Any, axes: Optional[Sequence[Any]]) -> List[Any]:
    """Draw the histograms of a report's weights, and of their gradients where there are any."""
    drawn = [record for record in report.records if _histogram(record.stats) or _histogram(record.grad_stats)]
    drawn = [record for record in drawn if record.role == "weight"] or drawn
    if not drawn:
        raise ValueError("there is no histogram to plot; ik.inspect(net, stats=True, grads=True) makes some.")
    gradients = any(_histogram(record.grad_stats) for record in drawn)
    made = display.new_axes(1 + gradients, len(drawn), sharey=True) if axes is None else list(axes)
    if len(made) < 1 + gradients:
        raise ValueError(f"values and gradients are drawn on 2 axes, found {len(made)}; pass two, or none.")
    _draw(made[0], drawn, "stats", "values")
    if gradients:
        _draw(made[1], drawn, "grad_stats", "gradients")
    return made


def _draw(axes: Any, records: Sequence[ParameterRecord], field: str, title: str) -> None:
    histograms = [(record.path, _histogram(getattr(record, field))) for record in records]
    ridges = [(path, found.edges if found else None, found.counts if found else None) for path, found in histograms]
    display.draw_ridges(axes, ridges, title)


def _histogram(stats: Optional[Statistics]) -> Any:
    return stats.histogram if stats else None
