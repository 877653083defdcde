"""The columns of reports: the fields of a record, its statistics and its gradient's. `column` adds your own."""

from operator import attrgetter
from typing import Any, Callable, Dict, Iterable, List, Optional, Sequence, Union

from ...display import Column, did_you_mean, histogram_svg, histogram_text, path_column, shape_column, show_value
from ..records import Histogram, ParameterRecord
from ..survey import merge

STATISTICS = ("mean", "std", "min", "max", "norm", "zeros", "nan", "posinf", "neginf")
"""The statistics that are one number, by the names of their fields."""

_STATISTICS_HEADINGS = {"posinf": "+inf", "neginf": "-inf"}


def _field(name: str, **options: Any) -> Column:
    return Column(name, attrgetter(name), **options)


def _declared(key: str, field: str, heading: str, number: bool = True) -> Column:
    return Column(key, lambda record: getattr(record.declared, field, None), heading, fold=_nothing, number=number)


def _nothing(records: Sequence[ParameterRecord]) -> None:
    """What several parameters have in common."""


def _unknown_or(value: Optional[int]) -> str:
    return "?" if value is None else show_value(value)


def _grad_ratio(records: Sequence[ParameterRecord]) -> Optional[float]:
    both = [(record.grad_stats, record.stats) for record in records if record.grad_stats and record.stats]
    gradients, values = merge(grad for grad, _ in both), merge(stats for _, stats in both)
    return gradients.norm / values.norm if gradients and values and values.norm else None


def _statistics(field: str, prefix: str, heading: str) -> List[Column]:
    """The columns of the `Statistics` that are a field of records."""

    def reader(name: str) -> Callable[[ParameterRecord], Any]:
        return lambda record: getattr(getattr(record, field), name, None)

    def number(name: str) -> Column:
        def fold(records: Sequence[ParameterRecord]) -> Any:
            return getattr(merge(map(attrgetter(field), records)), name, None)

        title = heading + _STATISTICS_HEADINGS.get(name, name)
        return Column(prefix + name, reader(name), title, fold=fold, number=True)

    def quantiles(record: ParameterRecord) -> Any:
        return tuple(value for _, value in reader("quantiles")(record) or ()) or None

    def text(value: Optional[Histogram]) -> str:
        return histogram_text(value.counts) if value else ""

    def svg(value: Optional[Histogram], path: str) -> str:
        return histogram_svg(value.edges, value.counts, path) if value else ""

    return [
        *map(number, STATISTICS),
        Column(f"{prefix}quantiles", quantiles, f"{heading}quantiles", fold=_nothing, number=True),
        Column(f"{prefix}histogram", reader("histogram"), f"{heading}distribution", show=text, fold=_nothing, html=svg),
    ]


_OF_VALUES, _OF_GRADIENTS = _statistics("stats", "", ""), _statistics("grad_stats", "grad_", "grad ")
FIELDS = {column.key: field for field, columns in (("stats", _OF_VALUES), ("grad_stats", _OF_GRADIENTS))
          for column in columns}  # fmt: skip
"""Which field of a record the columns of statistics read, by their keys."""

_BUILT_IN = (
    path_column(),
    _field("name"),
    _field("aliases"),
    _field("block", hoist="", of_block=True),
    _field("block_path"),
    _field("role", hoist=True),
    shape_column(),
    _field("dtype", hoist="{}"),
    _field("stype", hoist=True),
    _field("state", hoist="{}"),
    _field("pending"),
    _field("initializer"),
    _field("contexts", hoist="{}"),
    _field("constant", hoist=True),
    _field("size", show=_unknown_or, fold="sum", number=True),
    _field("bytes", show=_unknown_or, fold="sum", number=True),
    _field("grad_req", hoist=True),
    _field("lr_mult", number=True),
    _field("wd_mult", number=True),
    _field("trained", hoist=True),
    _field("buffer"),
    *_OF_VALUES,
    *_OF_GRADIENTS,
    _declared("declared", "initializer", "declared", number=False),
    _declared("declared_mean", "mean", "promised mean"),
    _declared("declared_std", "std", "promised std"),
    _declared("z_mean", "z_mean", "z of mean"),
    _declared("z_std", "z_std", "z of std"),
    Column("grad_ratio", lambda record: record.grad_ratio, "grad/weight", fold=_grad_ratio, number=True),
    _field("grad_fresh", heading="fresh", hoist=True),
    _field("replicas_agree", heading="replicas agree", hoist=True),
)

COLUMNS: Dict[str, Column] = {each.key: each for each in _BUILT_IN}
"""The registry, by key, in the order in which a table shows them."""

_RESERVED = frozenset(COLUMNS)


def column(key: str, read: Optional[Callable[[ParameterRecord], Any]] = None, **options: Any) -> Any:
    """Add a column that every report can show: ``report.to_text(columns=['path', 'rows'])``.

    Parameters
    ----------
    key : str
        What ``columns=`` will call it. A column of yours under the same key is replaced, so a notebook's cell can run
        again; a built-in one is not.
    read : callable, optional
        Its value in a `ParameterRecord`. Without it, `column` is a decorator, and answers the function.
    options
        Further fields of `Column`: `heading`, `show`, `fold`, `number`, `html`, `hoist`.

    Examples
    --------
    >>> rows = column("rows", lambda record: record.shape and record.shape[0], number=True)
    >>> rows.read(ParameterRecord("0.weight", "dense0_weight", "weight", (4, 3), "float32"))
    4
    """
    if key in _RESERVED:
        raise ValueError(f"the column {key!r} is built in; call yours otherwise, such as {'my_' + key!r}.")
    if read is not None:
        COLUMNS[key] = Column(key, read, **options)
        return COLUMNS[key]

    def decorate(function: Callable[[ParameterRecord], Any]) -> Callable[[ParameterRecord], Any]:
        column(key, function, **options)
        return function

    return decorate


def chosen_columns(names: Iterable[Union[str, Column]]) -> List[Column]:
    """The columns of these keys; a `Column` is itself. A KeyError names the nearest keys."""
    if isinstance(names, str):
        raise TypeError(f"columns= takes a sequence of keys, found the string {names!r}; pass columns=[{names!r}].")
    chosen = []
    for name in names:
        if not isinstance(name, Column) and name not in COLUMNS:
            hint = did_you_mean(str(name), list(COLUMNS))
            raise KeyError(f"no column is called {name!r}; {hint} ik.inspector.column({name!r}, ...) adds one.")
        chosen.append(name if isinstance(name, Column) else COLUMNS[name])
    return chosen
