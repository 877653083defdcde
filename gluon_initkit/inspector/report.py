"""`Report`: what `inspect` returns, to be asked, printed, sorted, written and read back; and the columns that it shows.

It is plain data, and needs no MXNet. Where it comes from a live network or a file, `live` reads values when they are
asked for.
"""

import dataclasses
from dataclasses import dataclass, replace
from operator import attrgetter
from typing import Any, Callable, Dict, Iterable, Iterator, List, Optional, Sequence, Tuple, Union

from .. import display
from ..display import Column
from ..parameters import did_you_mean, matcher, refuse_no_match, show_selector
from .findings import raise_for
from .records import (
    RUNNING,
    SEVERITIES,
    BlockRecord,
    Finding,
    ParameterRecord,
    SharedValues,
    Totals,
    counted_elsewhere,
    sum_of,
    totals_of,
)
from .report_json import decoded, encoded
from .survey import merge

STATISTICS = ("mean", "std", "min", "max", "norm", "zeros", "nan", "posinf", "neginf")  # those that are one number

_DEFAULT = (
    "path", "block", "shape", "dtype", "stype", "state", "contexts", "constant", "size", "grad_req", "trained",
    "replicas_agree", "mean", "std", "min", "max", "zeros", "nan", "posinf", "neginf", "histogram", "grad_mean",
    "grad_std", "grad_norm", "grad_nan", "grad_posinf", "grad_neginf", "grad_histogram", "grad_ratio", "grad_fresh",
)  # fmt: skip
_FIRST_TO_GO = (
    "block", "grad_histogram", "grad_mean", "zeros", "histogram", "grad_fresh", "trained", "max", "min", "grad_norm",
    "constant", "replicas_agree", "grad_req", "grad_std", "contexts", "stype", "mean",
)  # fmt: skip
_SHOWN_BY_HISTOGRAM = ("min", "max", "zeros", "grad_mean", "grad_norm")  # in HTML, where a histogram shows it
_WHERE_ANY = ("zeros", "nan", "posinf", "neginf", "histogram")  # of values and gradients: shown where there are any
_FULL = ("quantiles", "histogram", "grad_quantiles", "grad_histogram")  # which ``stats='full'`` computes
_IN_PARENTHESES = "(in parentheses: shares its values with another row, and is counted there)"
_MOST_PATHS = 4  # of a finding, and findings of one code; the report holds all of them


@dataclass(frozen=True, repr=False)
class Report(display.TableReport["ParameterView"]):
    """Every parameter of a network or file. ``print`` shows a table, Jupyter a tree that unfolds.

    Attributes
    ----------
    records : tuple of ParameterRecord
        In order of traversal, or as sorted.
    blocks : tuple of BlockRecord
        The blocks of the network; none for a file.
    shared : tuple of SharedValues
        Which parameters share, and which no longer do.
    findings : tuple of Finding
    source : str
        The network's class, or the file's name.
    live : object or None
        What ``report[path].data()`` reads through; neither compared nor written nor pickled.
    order : tuple of (str, bool) or None
        The column that the report is sorted by, and whether downwards: folded rows are sorted by their sums.

    Examples
    --------
    >>> report = Report([ParameterRecord("0.weight", "dense0_weight", "weight", (4, 3), "float32", size=12, bytes=48)])
    >>> print(report)
    Report · float32 · stored
    parameter  shape   size
    ───────────────────────
    0.weight   (4, 3)    12
    ───────────────────────
    total                12
    <BLANKLINE>
    total: 12 values in 1 parameter; 48 bytes (48 B)
    >>> report["0.weight"].shape
    (4, 3)
    """

    records: Tuple[ParameterRecord, ...]
    blocks: Tuple[BlockRecord, ...] = ()
    shared: Tuple[SharedValues, ...] = ()
    findings: Tuple[Finding, ...] = ()
    source: str = ""
    live: Any = dataclasses.field(default=None, compare=False)
    order: Optional[Tuple[str, bool]] = dataclasses.field(default=None, compare=False)

    def __post_init__(self) -> None:
        for name in ("records", "blocks", "shared", "findings"):
            object.__setattr__(self, name, tuple(getattr(self, name)))

    @property
    def rows(self) -> Tuple["ParameterView", ...]:  # type: ignore[override]
        """The `ParameterView` of each parameter, as iterating gives them."""
        return tuple(self)

    def __iter__(self) -> Iterator["ParameterView"]:
        return (ParameterView(record, self.live) for record in self.records)

    def __len__(self) -> int:
        return len(self.records)

    def __contains__(self, path: object) -> bool:
        return any(path in record.paths for record in self.records)

    def __getitem__(self, path: str) -> Any:
        """The `ParameterView` of a parameter's path or alias; the `Report` of a block's path."""
        for record in self.records:
            if path in record.paths:
                return ParameterView(record, self.live)
        if not isinstance(path, str):
            raise TypeError(f"a report is asked by path, found {path!r}; report.records[{path!r}] goes by number.")
        inside = path + "."
        records = [record for record in self.records if any(known.startswith(inside) for known in record.paths)]
        blocks = tuple(block for block in self.blocks if block.path == path or block.path.startswith(inside))
        if not path or not (records or blocks):
            hint = display.did_you_mean_path(path, self.records, [block.path for block in self.blocks if block.path])
            raise KeyError(f"no parameter or block has the path {path!r}; {hint}")
        kind = next((f" ({block.block})" for block in blocks if block.path == path), "")
        return replace(self._part(records, (inside,)), source=path + kind, blocks=blocks)

    @property
    def totals(self) -> Totals:
        """Values and bytes of all parameters, each counted once; ``str()`` says them in a line."""
        return totals_of(self.records, self.shared)

    def select(self, selector: Any) -> "Report":
        """The report of the parameters that a selector selects.

        It is a glob over paths, a role, a compiled regular expression, a Block class, or a callable that gets a
        `ParameterRecord`. A glob may select none; a path has to be a parameter's, else a ValueError says so.

        Examples
        --------
        >>> records = [ParameterRecord(f"0.{role}", role, role, (4,), "float32") for role in ("weight", "bias")]
        >>> [parameter.path for parameter in Report(records).select("bias")]
        ['0.bias']
        """
        selected = self.filter(record_matcher(selector, self.records, self.blocks, self.source))
        if not selected.records:
            refuse_no_match(selector, self.records)
        return selected

    def filter(self, predicate: Callable[[ParameterRecord], bool]) -> "Report":
        """The report of the parameters for whose `ParameterRecord` a predicate holds."""
        return self._part([record for record in self.records if predicate(record)])

    def sort(self, by: Union[str, Callable[[ParameterRecord], Any]], reverse: Optional[bool] = None) -> "Report":
        """The report in another order: by a column's key, or by what a callable answers for a `ParameterRecord`.

        By a column of numbers the largest come first, unless `reverse` says otherwise. Parameters without a value come
        last. By a column, folded rows are sorted as well.

        Examples
        --------
        >>> records = [ParameterRecord(f"{n}.bias", "bias", "bias", (n,), "float32", size=n) for n in (2, 9)]
        >>> [parameter.path for parameter in Report(records).sort("size")]
        ['9.bias', '2.bias']
        """
        if callable(by):
            return replace(self, records=tuple(display.sorted_by(self.records, by, bool(reverse))), order=None)
        (column,) = chosen_columns([by])
        downwards = column.number if reverse is None else reverse
        records = display.sorted_by(self.records, lambda record: column.sort_value(column.read(record)), downwards)
        return replace(self, records=tuple(records), order=(by, downwards))

    def check(self, strict: bool = False) -> None:
        """Raise a `FindingsError` that lists all errors and warnings; with `strict`, what is worth knowing as well."""
        raise_for(self.findings, strict)

    def to_json(self, columns: Sequence[Any] = (), indent: Optional[int] = None) -> str:
        """The whole report as JSON, which `from_json` reads. NaN and infinity are written as text.

        Parameters
        ----------
        columns : sequence
            Columns to write besides, under ``"rows"``, such as some of your own.
        indent : int, optional
            As in `json.dumps`.
        """
        return encoded(self, self.to_records(columns) if columns else None, indent)

    @classmethod
    def from_json(cls, text: str) -> "Report":
        """The report that `to_json` wrote, but for `live` and `order`. A ValueError says where a text is none."""
        return cls(**decoded(text))

    def plot(self, axes: Optional[Sequence[Any]] = None) -> List[Any]:
        """Draw the distribution of every layer's weights, and of their gradients where the report has them.

        Of all parameters if none is a weight; ``report.select('bias').plot()`` shows others. Returns the axes.

        Parameters
        ----------
        axes : sequence of matplotlib.axes.Axes, optional
            Where to draw: one, or two where there are gradients. By default on a new figure.
        """
        records = [record for record in self.records if _bins(record, "stats")[0] or _bins(record, "grad_stats")[0]]
        records = [record for record in records if record.role == "weight"] or records
        if not records:
            raise ValueError("there is no histogram to plot; ik.inspect(net, stats='full', grads=True) makes some.")
        fields = ["stats", "grad_stats"][: 1 + any(_bins(record, "grad_stats")[0] for record in records)]
        drawn = display.new_axes(len(fields), len(records), sharey=True) if axes is None else list(axes)
        if len(drawn) < len(fields):
            raise ValueError(f"values and gradients are drawn on 2 axes, found {len(drawn)}; pass two, or none.")
        for each, name, title in zip(drawn, fields, ("values", "gradients")):
            display.draw_ridges(each, [(record.path, *_bins(record, name)) for record in records], title)
        return drawn

    def _part(self, records: Sequence[ParameterRecord], inside: Tuple[str, ...] = ()) -> "Report":
        """The report of these of its parameters, and of what concerns them or stands `inside` of a block."""
        paths = {path for record in records for path in record.paths}
        shared = tuple(group for group in self.shared if len(paths.intersection(group.paths)) > 1)
        findings = tuple(finding for finding in self.findings
                         if any(path in paths or path.startswith(inside) for path in finding.paths))  # fmt: skip
        return replace(self, records=tuple(records), shared=shared, findings=findings)

    def _table(self, columns: Optional[Sequence[Any]] = None) -> display.Table:
        """The table of these columns, by default of those that tell its parameters apart."""
        again = counted_elsewhere(self.records, self.shared)
        usual = _default_columns(self.records)
        chosen = usual if columns is None else [replace(column, hoist=False) for column in chosen_columns(columns)]
        keys = {column.key for column in chosen}
        findings = sorted(self.findings, key=lambda finding: SEVERITIES.index(finding.severity))
        severities = {path: finding.severity for finding in reversed(findings) for path in finding.paths}
        key, reverse = self.order or ("", False)
        totals = [f"total: {totals_of(self.records, self.shared)}", *([_IN_PARENTHESES] if again else [])]
        once = [record for record in self.records if record.path not in again]
        sums = [_sum(column, once) if column.fold == "sum" and once else "" for column in chosen]
        return display.Table(
            title=self.source or "Report",
            columns=tuple(chosen),
            rows=self.records,
            emphasis=lambda record: severities.get(record.path) or (
                "dim" if record.grad_req == "null" and record.role not in RUNNING else ""),
            footnotes=(*(("", note) for note in totals), *_not_computed(self.records, columns and chosen),
                       *_footnotes(findings)),
            footer=["total" if column.path and any(sums) else text for column, text in zip(chosen, sums)],
            parts=_parts,
            kinds={block.path: block.block for block in self.blocks},
            alike=attrgetter("role", "lr_mult", "wd_mult"),
            again=again,
            noun="parameter",
            legend={"dim": "frozen: grad_req='null'"},
            shown_by_histogram=() if columns is not None else _SHOWN_BY_HISTOGRAM,
            in_title=[column for column in usual if column.key not in keys],
            order=(COLUMNS[key], reverse) if key in COLUMNS else None,
            first_to_go=() if columns is not None else _FIRST_TO_GO,
        )  # fmt: skip

    _chosen = _table
    _entries = property(attrgetter("records"))

    def _pandas_records(self, columns: Optional[Sequence[Any]]) -> List[Dict[str, Any]]:
        return self.to_records(list(COLUMNS) if columns is None else columns)

    def __getstate__(self) -> Dict[str, Any]:
        return {**self.__dict__, "live": None}


@dataclass(frozen=True, repr=False)
class ParameterView:
    """One parameter of a `Report`: every attribute of its `ParameterRecord`, and its values.

    Attributes
    ----------
    record : ParameterRecord
        The facts, as plain data.
    live : object or None
        What values are read through; not compared, and not pickled.
    """

    record: ParameterRecord
    live: Any = dataclasses.field(default=None, compare=False)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name == "record":  # before unpickling has set the fields
            raise AttributeError(name)
        if name in STATISTICS:
            has = "" if self.record.stats else ", which ik.inspect(net, stats=True) computes"
            raise AttributeError(f"{name} is a statistic: write report[{self.record.path!r}].stats.{name}{has}")
        return getattr(self.record, name)

    def data(self) -> Any:
        """The values, read now; a RuntimeError where the report is not of a live network or file any more.

        Examples
        --------
        >>> net = mx.gluon.nn.Dense(2, in_units=3)
        >>> net.initialize(mx.init.One())
        >>> ik.inspect(net)["weight"].data()
        array([[1., 1., 1.],
               [1., 1., 1.]], dtype=float32)
        """
        return self._source("data").values(self.record.path)

    def grad(self) -> Any:
        """The gradient, read now; a RuntimeError where the report is not of a live network any more."""
        return self._source("grad").gradient(self.record.path)

    def _source(self, asked: str) -> Any:
        if self.live is None:
            raise RuntimeError(f"{display.printable(self.record.path)}: this report was read back and holds facts "
                               f"only; ik.inspect(net)[{self.record.path!r}].{asked}() reads on.")  # fmt: skip
        return self.live

    __getstate__ = Report.__getstate__

    def __dir__(self) -> Any:
        return sorted({*super().__dir__(), *(each.name for each in dataclasses.fields(self.record))})

    def __repr__(self) -> str:
        kind = "Constant" if self.record.constant else "Parameter"
        shape = display.shape_text(self.record.shape)
        return display.printable(f"{kind} {self.record.path} (shape={shape}, dtype={self.record.dtype})")

    def _repr_html_(self) -> str:
        facts = [(column, column.read(self.record)) for column in COLUMNS.values()]
        rows = [display.Branch(column.title, cells=(column.as_html(value, self.record.path),))
                for column, value in facts if value not in (None, (), "")]  # fmt: skip
        return display.as_tree(display.Table(repr(self), (Column("", str), Column("", str)), rows))


def record_matcher(
    selector: Any, records: Sequence[ParameterRecord], blocks: Sequence[BlockRecord], source: str
) -> Callable[[Any], bool]:
    """The predicate over records that a selector means; a callable gets the `ParameterRecord`.

    A Block class goes by its name, and by those of its subclasses, among the blocks around a parameter. A ValueError
    refuses it where the records are of a file, which says nothing of blocks: it would silently select nothing.
    """
    if not isinstance(selector, type):
        return matcher(selector)
    if records and not any(record.block for record in records):
        first = records[0].path
        glob = f"{first.rsplit('.', 1)[0]}.*" if "." in first else f"{first[:3]}*"
        raise ValueError(
            f"{show_selector(selector)} is a class of blocks, and {source!r} is a file: it has arrays by name "
            f"({first!r}, ...) and does not say of what blocks. Select by a glob over names ({glob!r}), a role "
            f"({records[0].role!r}), a compiled regular expression or a callable; or inspect the network."
        )
    classes = [selector]
    for cls in classes:
        classes += cls.__subclasses__()
    names = {cls.__name__ for cls in classes}
    prefixes = tuple(f"{block.path}." if block.path else "" for block in blocks if block.block in names)
    return lambda record: record.block in names or any(path.startswith(prefixes) for path in record.paths)


def _bins(record: ParameterRecord, field: str) -> Tuple[Any, Any]:
    histogram = getattr(getattr(record, field), "histogram", None)
    return (histogram.edges, histogram.counts) if histogram else (None, None)


def _parts(record: ParameterRecord) -> Tuple[str, ...]:
    """The blocks around a parameter, and its own name. In a file, all before a name's last dot is a block."""
    inside = record.block_path + "."
    # MXNet 1 writes `_unfused.0.weight` of an RNN layer at another path than the block's.
    if not record.block_path or not record.path.startswith(inside):
        return tuple(record.path.split("."))
    return (*record.block_path.split("."), record.path[len(inside) :])


def _default_columns(records: Sequence[ParameterRecord]) -> List[Column]:
    """The columns that tell these parameters apart."""
    held = {None, *(field for field in set(_FIELDS.values()) if any(getattr(record, field) for record in records))}
    usual = [COLUMNS[key] for key in _DEFAULT if _FIELDS.get(key) in held]
    return [column for column in usual if column.key.split("_")[-1] not in _WHERE_ANY or any(map(column.read, records))]


def _sum(column: Column, records: Sequence[ParameterRecord]) -> str:
    """What stands under a column that has a sum."""
    values = list(map(column.read, records))
    return column.show(None if values.count(None) == len(values) else sum_of(values))


def _not_computed(records: Sequence[ParameterRecord], columns: Optional[Sequence[Column]]) -> Iterator[Tuple[str, str]]:
    """A note on columns that were asked for and are empty, since the report has moments alone, or no statistics."""
    empty = [column.key for column in columns or () if column.key in _FULL and not any(map(column.read, records))]
    if empty and records:
        grads = ", grads=True" if any(key.startswith("grad_") for key in empty) else ""
        yield "warning", f"{' and '.join(empty)}: ik.inspect(net, stats='full'{grads}) computes them"


def _footnotes(findings: Iterable[Finding]) -> Iterator[Tuple[str, str]]:
    """The findings, the worst first; of many with one code the first few, and where the others are."""
    groups: Dict[Tuple[str, str], List[Finding]] = {}
    for finding in findings:
        groups.setdefault((finding.severity, finding.code), []).append(finding)
    for (severity, code), alike in groups.items():
        shown = len(alike) if len(alike) <= _MOST_PATHS + 1 else _MOST_PATHS
        for finding in alike[:shown]:
            paths = display.listed(finding.paths, _MOST_PATHS)
            yield severity, f"{severity} [{code}] {paths}: {finding.evidence}; {finding.hint}"
        if alike[shown:]:
            rest = list(dict.fromkeys(path for finding in alike[shown:] for path in finding.paths))
            more = f"{len(alike) - shown:,} more, in report.findings: {display.listed(rest, _MOST_PATHS)}"
            yield severity, f"{severity} [{code}] {more}"


def _field(name: str, **options: Any) -> Column:
    return Column(name, attrgetter(name), **options)


def _nothing(records: Sequence[ParameterRecord]) -> None:
    """What several parameters have in common."""


def _inner(field: str, name: str, key: str, heading: str, fold: Any = _nothing, **options: Any) -> Column:
    """A column of what stands in a field of records, where it is there."""
    return Column(key, lambda record: getattr(getattr(record, field), name, None), heading, fold=fold, **options)


def _grad_ratio(records: Sequence[ParameterRecord]) -> Optional[float]:
    both = [(record.grad_stats, record.stats) for record in records if record.grad_stats and record.stats]
    gradients, values = merge(grad for grad, _ in both), merge(stats for _, stats in both)
    return gradients.norm / values.norm if gradients and values and values.norm else None


def _statistics(field: str, prefix: str, heading: str) -> Iterator[Column]:
    """The columns of the `Statistics` that are a field of records."""
    for name in STATISTICS:
        title = heading + {"posinf": "+inf", "neginf": "-inf"}.get(name, name)
        yield _inner(field, name, prefix + name, title, number=True, fold=lambda records, name=name: getattr(
            merge(getattr(record, field) for record in records), name, None))  # fmt: skip

    def quantiles(record: ParameterRecord) -> Any:
        stats = getattr(record, field)
        return tuple(value for _, value in stats.quantiles) or None if stats else None

    yield Column(f"{prefix}quantiles", quantiles, f"{heading}quantiles", fold=_nothing, number=True)
    yield _inner(field, "histogram", f"{prefix}histogram", f"{heading}distribution",
                 show=lambda bins: display.histogram_text(bins.counts) if bins else "",
                 html=lambda bins, path: display.histogram_svg(bins.edges, bins.counts, path) if bins else "")


_OF_STATISTICS = {"stats": list(_statistics("stats", "", "")),
                  "grad_stats": list(_statistics("grad_stats", "grad_", "grad "))}  # fmt: skip
# Which field of a record the columns of statistics read, by their keys.
_FIELDS = {column.key: field for field, columns in _OF_STATISTICS.items() for column in columns}
_BUILT_IN = (
    display.path_column(),
    _field("name"),
    _field("aliases"),
    _field("block", hoist="", of_block=True),
    _field("block_path"),
    _field("role", hoist=True),
    display.shape_column(),
    _field("dtype", hoist="{}"),
    _field("stype", hoist=True),
    _field("state", hoist="{}"),
    _field("pending"),
    _field("initializer"),
    _field("contexts", hoist="{}"),
    _field("constant", hoist=True),
    *(_field(name, show=lambda size: "?" if size is None else display.show_value(size), fold="sum", number=True)
      for name in ("size", "bytes")),
    _field("grad_req", hoist=True),
    _field("lr_mult", number=True),
    _field("wd_mult", number=True),
    _field("trained", hoist=True),
    _field("buffer"),
    *_OF_STATISTICS["stats"],
    *_OF_STATISTICS["grad_stats"],
    _inner("declared", "initializer", "declared", "declared"),
    *(_inner("declared", name, key, heading, number=True) for name, key, heading in (
        ("mean", "declared_mean", "promised mean"), ("std", "declared_std", "promised std"),
        ("z_mean", "z_mean", "z of mean"), ("z_std", "z_std", "z of std"))),
    _field("grad_ratio", heading="grad/weight", fold=_grad_ratio, number=True),
    _field("grad_fresh", heading="fresh", hoist=True),
    _field("replicas_agree", heading="replicas agree", hoist=True),
)  # fmt: skip

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
    names = list(names)
    for name in names:
        if not isinstance(name, Column) and name not in COLUMNS:
            hint = did_you_mean(str(name), list(COLUMNS))
            raise KeyError(f"no column is called {name!r}; {hint} ik.inspector.column({name!r}, ...) adds one.")
    return [name if isinstance(name, Column) else COLUMNS[name] for name in names]
