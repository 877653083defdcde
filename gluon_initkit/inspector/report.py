"""`Report`, the result of `inspect`, and the registry of the columns that its tables show.

A report is plain data and needs no MXNet. Its field `live` reads values of the inspected network or file on request.
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

STATISTICS = ("mean", "std", "min", "max", "norm", "zeros", "nan", "posinf", "neginf")  # statistics that are one number

_DEFAULT = (
    "path", "block", "shape", "dtype", "stype", "state", "contexts", "constant", "size", "grad_req", "trained",
    "replicas_agree", "mean", "std", "min", "max", "zeros", "nan", "posinf", "neginf", "histogram", "grad_mean",
    "grad_std", "grad_norm", "grad_nan", "grad_posinf", "grad_neginf", "grad_histogram", "grad_ratio", "grad_fresh",
)  # fmt: skip
_FIRST_TO_GO = (
    "block", "grad_histogram", "grad_mean", "zeros", "histogram", "grad_fresh", "trained", "max", "min", "grad_norm",
    "constant", "replicas_agree", "grad_req", "grad_std", "contexts", "stype", "mean",
)  # fmt: skip
_SHOWN_BY_HISTOGRAM = ("min", "max", "zeros", "grad_mean", "grad_norm")  # not in HTML, where the histogram shows them
_WHERE_ANY = ("zeros", "nan", "posinf", "neginf", "histogram")  # of values and gradients: shown if any is not 0
_FULL = ("quantiles", "histogram", "grad_quantiles", "grad_histogram")  # columns that need ``stats='full'``
_IN_PARENTHESES = "(in parentheses: shares its values with another row, and is counted there)"
_MOST_PATHS = 4  # paths shown of a finding, and findings shown of a code; the report holds all


@dataclass(frozen=True, repr=False)
class Report(display.TableReport["ParameterView"]):
    """The parameters of a network or file. ``print`` shows a table, and Jupyter a tree with blocks that unfold.

    Attributes
    ----------
    records : tuple of ParameterRecord
        In order of traversal, or in the order of `sort`.
    blocks : tuple of BlockRecord
        The blocks of the network; empty for a file.
    shared : tuple of SharedValues
        Groups of parameters that share values, and groups of equal weights in separate memory.
    findings : tuple of Finding
    source : str
        The network's class, or the path of the file.
    live : object or None
        The reader that ``report[path].data()`` uses. It is not compared, not pickled, and not in the JSON.
    order : tuple of (str, bool) or None
        The sort column, and whether the order is descending. Folded rows are sorted by their sums.

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
        """One `ParameterView` for each parameter, in the order of iteration."""
        return tuple(self)

    def __iter__(self) -> Iterator["ParameterView"]:
        return (ParameterView(record, self.live) for record in self.records)

    def __len__(self) -> int:
        return len(self.records)

    def __contains__(self, path: object) -> bool:
        return any(path in record.paths for record in self.records)

    def __getitem__(self, path: str) -> Any:
        """Return a `ParameterView` for the path or alias of a parameter, a `Report` for the path of a block."""
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
        """Values and bytes of all parameters; shared memory counts once. ``str()`` gives one line."""
        return totals_of(self.records, self.shared)

    def select(self, selector: Any) -> "Report":
        """Return a report of the parameters that match a selector.

        The selector is a glob over paths, a role, a compiled regular expression, a Block class, or a callable that
        takes a `ParameterRecord`. A glob may match nothing; a path that no parameter has raises a ValueError.

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
        """Return a report of the parameters whose `ParameterRecord` satisfies a predicate."""
        return self._part([record for record in self.records if predicate(record)])

    def sort(self, by: Union[str, Callable[[ParameterRecord], Any]], reverse: Optional[bool] = None) -> "Report":
        """Return the report sorted by a column's key, or by a function of a `ParameterRecord`.

        A column of numbers is sorted in descending order, unless `reverse` says otherwise. Parameters without a value
        come last. Folded rows are sorted only by a column.

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
        """Raise a `FindingsError` with all findings if one is an error or a warning; with `strict`, if there is any."""
        raise_for(self.findings, strict)

    def to_json(self, columns: Sequence[Any] = (), indent: Optional[int] = None) -> str:
        """Return the whole report as JSON, which `from_json` reads. NaN and infinity are written as text.

        Parameters
        ----------
        columns : sequence
            Further columns to write under ``"rows"``, such as user-defined ones.
        indent : int, optional
            As in `json.dumps`.
        """
        return encoded(self, self.to_records(columns) if columns else None, indent)

    @classmethod
    def from_json(cls, text: str) -> "Report":
        """Read a report that `to_json` wrote, without `live` and `order`. Raises a ValueError if it is not valid."""
        return cls(**decoded(text))

    def plot(self, axes: Optional[Sequence[Any]] = None) -> List[Any]:
        """Draw the distribution of each layer's weights, and of their gradients if the report has them.

        If no parameter is a weight, all are drawn. ``report.select('bias').plot()`` draws others. Returns the axes.

        Parameters
        ----------
        axes : sequence of matplotlib.axes.Axes, optional
            One, or two if there are gradients. By default those of a new figure.
        """
        records = [record for record in self.records if _bins(record, "stats")[0] or _bins(record, "grad_stats")[0]]
        records = [record for record in records if record.role == "weight"] or records
        if not records:
            raise ValueError("there is no histogram to plot; ik.inspect(net, stats='full', grads=True) makes some.")
        fields = ["stats", "grad_stats"][: 1 + any(_bins(record, "grad_stats")[0] for record in records)]
        panels = display.new_axes(len(fields), len(records), sharey=True) if axes is None else list(axes)
        if len(panels) < len(fields):
            raise ValueError(f"values and gradients are drawn on 2 axes, found {len(panels)}; pass two, or none.")
        for panel, name, title in zip(panels, fields, ("values", "gradients")):
            display.draw_ridges(panel, [(record.path, *_bins(record, name)) for record in records], title)
        return panels

    def _part(self, records: Sequence[ParameterRecord], inside: Tuple[str, ...] = ()) -> "Report":
        """A report of these records with their groups and findings, and findings at paths that begin with `inside`."""
        paths = {path for record in records for path in record.paths}
        shared = tuple(group for group in self.shared if len(paths.intersection(group.paths)) > 1)
        findings = tuple(finding for finding in self.findings
                         if any(path in paths or path.startswith(inside) for path in finding.paths))  # fmt: skip
        return replace(self, records=tuple(records), shared=shared, findings=findings)

    def _table(self, columns: Optional[Sequence[Any]] = None) -> display.Table:
        """The table of the given columns, or of the default columns."""
        duplicates = counted_elsewhere(self.records, self.shared)
        defaults = _default_columns(self.records)
        chosen = defaults if columns is None else [replace(column, hoist=False) for column in chosen_columns(columns)]
        keys = {column.key for column in chosen}
        findings = sorted(self.findings, key=lambda finding: SEVERITIES.index(finding.severity))
        severities = {path: finding.severity for finding in reversed(findings) for path in finding.paths}
        key, reverse = self.order or ("", False)
        totals = [f"total: {totals_of(self.records, self.shared)}", *([_IN_PARENTHESES] if duplicates else [])]
        unique = [record for record in self.records if record.path not in duplicates]
        sums = [_sum(column, unique) if column.fold == "sum" and unique else "" for column in chosen]
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
            again=duplicates,
            noun="parameter",
            legend={"dim": "frozen: grad_req='null'"},
            shown_by_histogram=() if columns is not None else _SHOWN_BY_HISTOGRAM,
            in_title=[column for column in defaults if column.key not in keys],
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
    """One parameter of a `Report`: the attributes of its `ParameterRecord`, and its values.

    Attributes
    ----------
    record : ParameterRecord
        The recorded facts, as plain data.
    live : object or None
        The reader of the values. It is not compared and not pickled.
    """

    record: ParameterRecord
    live: Any = dataclasses.field(default=None, compare=False)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name == "record":  # asked before unpickling has set the fields
            raise AttributeError(name)
        if name in STATISTICS:
            hint = "" if self.record.stats else ", which ik.inspect(net, stats=True) computes"
            raise AttributeError(f"{name} is a statistic: write report[{self.record.path!r}].stats.{name}{hint}")
        return getattr(self.record, name)

    def data(self) -> Any:
        """Read the current values. Raises a RuntimeError if the report was read from JSON or a pickle.

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
        """Read the current gradient. Raises a RuntimeError if the report was read from JSON or a pickle."""
        return self._source("grad").gradient(self.record.path)

    def _source(self, method: str) -> Any:
        if self.live is None:
            raise RuntimeError(f"{display.printable(self.record.path)}: this report was read back and holds facts "
                               f"only; ik.inspect(net)[{self.record.path!r}].{method}() reads on.")  # fmt: skip
        return self.live

    __getstate__ = Report.__getstate__

    def __dir__(self) -> Any:
        return sorted({*super().__dir__(), *(field.name for field in dataclasses.fields(self.record))})

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
    """Return the predicate over records for a selector. A callable selector takes the `ParameterRecord`.

    A Block class and its subclasses are matched by name against the blocks around a parameter. A file has no blocks,
    so for the records of a file a Block class raises a ValueError; it would silently match nothing.
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
    """The names of the blocks around a parameter, and its own name. In a file, dots separate the blocks."""
    inside = record.block_path + "."
    # On MXNet 1, the path `_unfused.0.weight` in an RNN layer does not begin with the path of its block.
    if not record.block_path or not record.path.startswith(inside):
        return tuple(record.path.split("."))
    return (*record.block_path.split("."), record.path[len(inside) :])


def _default_columns(records: Sequence[ParameterRecord]) -> List[Column]:
    """The default columns for these records."""
    filled = {None, *(field for field in set(_FIELDS.values()) if any(getattr(record, field) for record in records))}
    usual = [COLUMNS[key] for key in _DEFAULT if _FIELDS.get(key) in filled]
    return [column for column in usual if column.key.split("_")[-1] not in _WHERE_ANY or any(map(column.read, records))]


def _sum(column: Column, records: Sequence[ParameterRecord]) -> str:
    """The text in the total row under a column with a sum."""
    values = list(map(column.read, records))
    return column.show(None if values.count(None) == len(values) else sum_of(values))


def _not_computed(records: Sequence[ParameterRecord], columns: Optional[Sequence[Column]]) -> Iterator[Tuple[str, str]]:
    """A note on requested columns that are empty because the report was made without ``stats='full'``."""
    empty = [column.key for column in columns or () if column.key in _FULL and not any(map(column.read, records))]
    if empty and records:
        grads = ", grads=True" if any(key.startswith("grad_") for key in empty) else ""
        yield "warning", f"{' and '.join(empty)}: ik.inspect(net, stats='full'{grads}) computes them"


def _footnotes(findings: Iterable[Finding]) -> Iterator[Tuple[str, str]]:
    """The findings as notes, in order. Of many with one code, only the first few are shown."""
    groups: Dict[Tuple[str, str], List[Finding]] = {}
    for finding in findings:
        groups.setdefault((finding.severity, finding.code), []).append(finding)
    for (severity, code), group in groups.items():
        shown = len(group) if len(group) <= _MOST_PATHS + 1 else _MOST_PATHS
        for finding in group[:shown]:
            paths = display.listed(finding.paths, _MOST_PATHS)
            yield severity, f"{severity} [{code}] {paths}: {finding.evidence}; {finding.hint}"
        if group[shown:]:
            hidden = list(dict.fromkeys(path for finding in group[shown:] for path in finding.paths))
            more = f"{len(group) - shown:,} more, in report.findings: {display.listed(hidden, _MOST_PATHS)}"
            yield severity, f"{severity} [{code}] {more}"


def _field(name: str, **options: Any) -> Column:
    return Column(name, attrgetter(name), **options)


def _nothing(records: Sequence[ParameterRecord]) -> None:
    """The `fold` of columns that have no common value."""


def _inner(field: str, name: str, key: str, heading: str, fold: Any = _nothing, **options: Any) -> Column:
    """A column of one attribute of a record's field; None if the field is None."""
    return Column(key, lambda record: getattr(getattr(record, field), name, None), heading, fold=fold, **options)


def _grad_ratio(records: Sequence[ParameterRecord]) -> Optional[float]:
    pairs = [(record.grad_stats, record.stats) for record in records if record.grad_stats and record.stats]
    gradients, values = merge(grad for grad, _ in pairs), merge(stats for _, stats in pairs)
    return gradients.norm / values.norm if gradients and values and values.norm else None


def _statistics(field: str, prefix: str, heading: str) -> Iterator[Column]:
    """The columns of the `Statistics` in a field of the records."""
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
# The record's field that a column of statistics reads, by the column's key.
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

COLUMNS: Dict[str, Column] = {entry.key: entry for entry in _BUILT_IN}
"""All columns by key, in the order in which a table shows them."""

_RESERVED = frozenset(COLUMNS)


def column(key: str, read: Optional[Callable[[ParameterRecord], Any]] = None, **options: Any) -> Any:
    """Add a column that every report can show: ``report.to_text(columns=['path', 'rows'])``.

    Parameters
    ----------
    key : str
        Its name in ``columns=``. An earlier user-defined column of this key is replaced, so a notebook cell can run
        again. A built-in column cannot be replaced.
    read : callable, optional
        Function from a `ParameterRecord` to the value. Without it, `column` is a decorator that returns the function.
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
    """Look up columns by key; a `Column` is returned as it is. An unknown key raises a KeyError with similar keys."""
    if isinstance(names, str):
        raise TypeError(f"columns= takes a sequence of keys, found the string {names!r}; pass columns=[{names!r}].")
    names = list(names)
    for name in names:
        if not isinstance(name, Column) and name not in COLUMNS:
            hint = did_you_mean(str(name), list(COLUMNS))
            raise KeyError(f"no column is called {name!r}; {hint} ik.inspector.column({name!r}, ...) adds one.")
    return [name if isinstance(name, Column) else COLUMNS[name] for name in names]
