"""`Report`: what `inspect` returns, to be asked, printed, sorted, written and read back.

It is plain data, and needs no MXNet. Where it comes from a live network or a file, `live` reads values when they are
asked for.
"""

import dataclasses
from dataclasses import dataclass
from typing import Any, Callable, Dict, Iterator, List, Optional, Sequence, Tuple, Union

from ... import display
from ...parameters import matcher, refuse_no_match, show_selector
from ..findings import raise_for
from ..records import BlockRecord, Finding, ParameterRecord, SharedValues, Statistics, Totals, totals_of
from ..view import ParameterView
from .columns import COLUMNS, chosen_columns
from .json import decoded, encoded
from .table import table_of


@dataclass(frozen=True, repr=False)
class Report(display.TableReport[ParameterView]):
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
        What to look at.
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
    def rows(self) -> Tuple[ParameterView, ...]:  # type: ignore[override]
        """The `ParameterView` of each parameter, as iterating gives them."""
        return tuple(self)

    def __iter__(self) -> Iterator[ParameterView]:
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
        part = self._part(records)
        findings = tuple(finding for finding in self.findings
                         if finding in part.findings or any(found.startswith(inside) for found in finding.paths)
                         )  # fmt: skip
        kind = next((f" ({block.block})" for block in blocks if block.path == path), "")
        return dataclasses.replace(part, source=path + kind, blocks=blocks, findings=findings)

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
        """The report of the parameters for whose `ParameterRecord` a predicate holds.

        Examples
        --------
        >>> records = [ParameterRecord(f"{n}.bias", "bias", "bias", (n,), "float32", size=n) for n in (2, 9)]
        >>> len(Report(records).filter(lambda record: record.size > 5))
        1
        """
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
            records = display.sorted_by(self.records, by, bool(reverse))
            return dataclasses.replace(self, records=tuple(records), order=None)
        (column,) = chosen_columns([by])
        downwards = column.number if reverse is None else reverse
        records = display.sorted_by(self.records, lambda record: column.sort_value(column.read(record)), downwards)
        return dataclasses.replace(self, records=tuple(records), order=(by, downwards))

    def check(self, strict: bool = False) -> None:
        """Raise a `FindingsError` that lists all errors and warnings; with `strict`, what is worth knowing as well."""
        raise_for(self.findings, strict)

    def _chosen(self, columns: Optional[Sequence[Any]]) -> display.Table:
        return table_of(self, columns)

    def _table(self) -> display.Table:
        return table_of(self, None)

    @property
    def _entries(self) -> Sequence[ParameterRecord]:
        return self.records

    def _pandas_records(self, columns: Optional[Sequence[Any]]) -> List[Dict[str, Any]]:
        return self.to_records(list(COLUMNS) if columns is None else columns)

    def to_json(self, columns: Sequence[Any] = (), indent: Optional[int] = None) -> str:
        """The whole report as JSON, which `from_json` reads. NaN and infinity are written as text.

        Parameters
        ----------
        columns : sequence
            Columns to write besides, under ``"rows"``, such as some of your own.
        indent : int, optional
            As in `json.dumps`.

        Examples
        --------
        >>> report = Report([ParameterRecord("0.bias", "bias", "bias", (4,), "float32")])
        >>> Report.from_json(report.to_json()) == report
        True
        """
        return encoded(self, self.to_records(columns) if columns else None, indent)

    @classmethod
    def from_json(cls, text: str) -> "Report":
        """The report that `to_json` wrote. A ValueError says where a text is none."""
        return cls(**decoded(text))

    def plot(self, axes: Optional[Sequence[Any]] = None) -> List[Any]:
        """The distribution of every layer's weights, and of their gradients where the report has them.

        Of all parameters if none is a weight; ``report.select('bias').plot()`` shows others.

        Parameters
        ----------
        axes : sequence of matplotlib.axes.Axes, optional
            Where to draw: one, or two where there are gradients. By default on a new figure.

        Returns
        -------
        list of matplotlib.axes.Axes
        """
        records = [record for record in self.records if _bins(record.stats)[0] or _bins(record.grad_stats)[0]]
        records = [record for record in records if record.role == "weight"] or records
        if not records:
            raise ValueError("there is no histogram to plot; ik.inspect(net, stats='full', grads=True) makes some.")
        fields = ["stats", "grad_stats"] if any(_bins(record.grad_stats)[0] for record in records) else ["stats"]
        drawn = display.new_axes(len(fields), len(records), sharey=True) if axes is None else list(axes)
        if len(drawn) < len(fields):
            raise ValueError(f"values and gradients are drawn on 2 axes, found {len(drawn)}; pass two, or none.")
        for each, name, title in zip(drawn, fields, ("values", "gradients")):
            display.draw_ridges(each, [(record.path, *_bins(getattr(record, name))) for record in records], title)
        return drawn

    def _part(self, records: Sequence[ParameterRecord]) -> "Report":
        """The report of these of its parameters, and of what concerns them."""
        paths = {path for record in records for path in record.paths}
        shared = tuple(group for group in self.shared if len(paths.intersection(group.paths)) > 1)
        findings = tuple(finding for finding in self.findings if paths.intersection(finding.paths))
        return dataclasses.replace(self, records=tuple(records), shared=shared, findings=findings)

    def __getstate__(self) -> Dict[str, Any]:
        return {**self.__dict__, "live": None}


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


def _bins(stats: Optional[Statistics]) -> Tuple[Any, Any]:
    histogram = stats.histogram if stats else None
    return (histogram.edges, histogram.counts) if histogram else (None, None)
