"""The built-in columns: every field of a record, its statistics, and those of its gradient."""

from typing import Any, Callable, Iterator, Optional, Sequence

from ...display import escape, histogram_svg, histogram_text, shape_text
from ..pooling import pooled
from ..records import Histogram, ParameterRecord, Statistics
from .columns import Column, built_in, show_value

__all__ = ["STATISTICS"]

STATISTICS = ("mean", "std", "min", "max", "norm", "zeros", "nan", "posinf", "neginf")
"""The statistics that are one number, by the names of their fields."""

_Read = Callable[[ParameterRecord], Any]


def _field(name: str, **options: Any) -> Column:
    return Column(name, lambda record: getattr(record, name), **options)


def _counted(value: Optional[int]) -> str:
    return "?" if value is None else show_value(value)


def _shape(value: Any) -> str:
    return value if isinstance(value, str) else shape_text(value)


def _same_shape(records: Sequence[ParameterRecord]) -> Any:
    shapes = {record.shape for record in records}
    return shapes.pop() if len(shapes) == 1 else ""


def _statistics(prefix: str, heading: str, of: Callable[[ParameterRecord], Optional[Statistics]]) -> Iterator[Column]:
    def one(name: str) -> Column:
        def read(record: ParameterRecord) -> Any:
            stats = of(record)
            return None if stats is None else getattr(stats, name)

        def fold(records: Sequence[ParameterRecord]) -> Any:
            together = pooled(map(of, records))
            return None if together is None else getattr(together, name)

        return Column(prefix + name, read, heading + _HEADINGS.get(name, name), fold=fold, number=True)

    yield from map(one, STATISTICS)
    yield Column(
        f"{prefix}quantiles", lambda record: _quantiles(of(record)), f"{heading}quantiles", fold=_nothing, number=True
    )
    yield Column(
        f"{prefix}histogram",
        lambda record: _histogram(of(record)),
        f"{heading}distribution",
        show=lambda value: histogram_text(value.counts) if isinstance(value, Histogram) else "",
        fold=_nothing,
        html=_svg,
    )


_HEADINGS = {"posinf": "+inf", "neginf": "-inf"}


def _nothing(records: Sequence[ParameterRecord]) -> None:
    """Quantiles and histograms of several arrays do not add up to one."""


def _quantiles(stats: Optional[Statistics]) -> Any:
    return tuple(value for _, value in stats.quantiles) or None if stats else None


def _histogram(stats: Optional[Statistics]) -> Optional[Histogram]:
    return stats.histogram if stats else None


def _svg(value: Optional[Histogram], label: str) -> str:
    return histogram_svg(value.edges, value.counts, label) if value else ""


def _ratio(records: Sequence[ParameterRecord]) -> Optional[float]:
    both = [(record.grad_stats, record.stats) for record in records if record.grad_stats and record.stats]
    top, bottom = pooled(grad for grad, _ in both), pooled(stats for _, stats in both)
    return top.norm / bottom.norm if top and bottom and bottom.norm else None


def _declared(field: str) -> _Read:
    return lambda record: getattr(getattr(record, "declared", None), field, None)


_DECLARED = (
    ("declared", "initializer", "declared"),
    ("declared_mean", "mean", "promised mean"),
    ("declared_std", "std", "promised std"),
    ("z_mean", "z_mean", "z of mean"),
    ("z_std", "z_std", "z of std"),
)


def _path(record: ParameterRecord) -> str:
    return record.path


def _path_html(value: Any, label: str) -> str:
    return escape(label)


built_in(
    [
        Column("path", _path, "parameter", html=_path_html),
        _field("name"),
        _field("aliases"),
        _field("block", hoist=True),
        _field("block_path"),
        _field("role", hoist=True),
        _field("shape", show=_shape, fold=_same_shape),
        _field("dtype", hoist=True),
        _field("stype", hoist=True),
        _field("state", hoist=True),
        _field("pending"),
        _field("initializer"),
        _field("contexts", hoist=True),
        _field("constant", hoist=True),
        _field("size", show=_counted, fold="sum", number=True),
        _field("bytes", show=_counted, fold="sum", number=True),
        _field("grad_req", hoist=True),
        _field("lr_mult", number=True),
        _field("wd_mult", number=True),
        _field("trained", hoist=True),
        _field("buffer"),
        *_statistics("", "", lambda record: record.stats),
        *_statistics("grad_", "grad ", lambda record: record.grad_stats),
        *(Column(key, _declared(field), heading, fold=_nothing, number=key != "declared")
          for key, field, heading in _DECLARED),
        Column("grad_ratio", lambda record: record.grad_ratio, "grad/weight", fold=_ratio, number=True),
        _field("grad_fresh", heading="fresh", hoist=True),
        _field("replicas_agree", heading="replicas agree", hoist=True),
    ]
)
