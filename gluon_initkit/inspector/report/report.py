"""`Report`: what the inspector found, to be asked, printed, sorted, written and read back.

Plain data; where it comes from a live network or a file, `live` reads values when they are asked for. How it looks is
`looks`' business; no line here needs MXNet, so reports of files do without it.
"""

import dataclasses
from dataclasses import dataclass
from typing import Any, Callable, Dict, Iterator, Optional, Sequence, Tuple, Union

from ...display import printable
from ...parameters import did_you_mean_path, refuse_no_match
from ..records import BlockRecord, Finding, ParameterRecord, SharedValues
from ..selecting import check_selector, record_matcher
from ..totals import Totals, totals_of
from ..view import ParameterView
from . import facts  # noqa: F401  (fills the registry of columns)
from .columns import chosen_columns
from .json import decoded, encoded
from .looks import Looks
from .table import sorted_by

__all__ = ["Report"]


@dataclass(frozen=True, repr=False)
class Report(Looks):
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
        The column that the report is sorted by, and whether downwards, so that folded rows are sorted by their sums.

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
        inside = [record for record in self.records if any(each.startswith(path + ".") for each in record.paths)]
        blocks = [block for block in self.blocks if block.path == path or block.path.startswith(path + ".")]
        if not path or not (inside or blocks):
            raise KeyError(self._unknown(path))
        block = next((block.block for block in blocks if block.path == path), "")
        source = f"{path} ({block})" if block else path
        part = self._only(inside)
        findings = tuple(finding for finding in self.findings
                         if finding in part.findings or any(each.startswith(path + ".") for each in finding.paths)
                         )  # fmt: skip
        return dataclasses.replace(part, source=source, blocks=tuple(blocks), findings=findings)

    @property
    def totals(self) -> Totals:
        """Values and bytes of all parameters, each counted once; ``str()`` says them in a line."""
        return totals_of(self.records, self.shared)

    def select(self, selector: Any) -> "Report":
        """The report of some parameters.

        Parameters
        ----------
        selector
            A glob over paths, a role, a compiled regular expression, a Block class, or a callable that gets a
            `ParameterRecord`.

        Returns
        -------
        Report

        Raises
        ------
        TypeError, ValueError
            `selector` is none of these, a path that no parameter of the report has, a regular expression in a str, or
            a Block class where the report is of a file. What describes parameters without naming one, such as
            ``'*.bias'``, may select none.

        Examples
        --------
        >>> made = [ParameterRecord(f"0.{role}", role, role, (4,), "float32") for role in ("weight", "bias")]
        >>> [parameter.path for parameter in Report(made).select("bias")]
        ['0.bias']
        """
        check_selector(selector, self.records, repr(self.source))
        selected = self.filter(record_matcher(selector, self.blocks))
        if not selected.records:
            refuse_no_match(selector, self.records)
        return selected

    def filter(self, predicate: Callable[[ParameterRecord], bool]) -> "Report":
        """The report of the parameters for which a predicate holds.

        Parameters
        ----------
        predicate : callable
            Gets a `ParameterRecord`.

        Returns
        -------
        Report

        Examples
        --------
        >>> made = [ParameterRecord(f"{size}.bias", "bias", "bias", (size,), "float32", size=size) for size in (2, 9)]
        >>> len(Report(made).filter(lambda record: record.size > 5))
        1
        """
        return self._only([record for record in self.records if predicate(record)])

    def sort(self, by: Union[str, Callable[[ParameterRecord], Any]], reverse: bool = False) -> "Report":
        """The report in another order. Parameters without a value come last.

        Parameters
        ----------
        by : str or callable
            A column's key, or what to sort by in a `ParameterRecord`. By a column, folded rows are sorted as well.
        reverse : bool
            Whether the greatest comes first.

        Returns
        -------
        Report

        Raises
        ------
        KeyError
            There is no such column.

        Examples
        --------
        >>> made = [ParameterRecord(f"{size}.bias", "bias", "bias", (size,), "float32", size=size) for size in (2, 9)]
        >>> [parameter.path for parameter in Report(made).sort("size", reverse=True)]
        ['9.bias', '2.bias']
        """
        read = by
        if isinstance(by, str):
            (column,) = chosen_columns([by])
            read = lambda record: column.sort_value(column.read(record))  # noqa: E731
        records = tuple(sorted_by(self.records, read, reverse))
        return dataclasses.replace(self, records=records, order=(by, reverse) if isinstance(by, str) else None)

    def check(self, strict: bool = False) -> None:
        """Raise if there are findings, with all of them.

        Parameters
        ----------
        strict : bool
            Whether what is only worth knowing (``'info'``) raises as well, not only errors and warnings.

        Raises
        ------
        FindingsError
            There are such findings; its message lists all.

        Examples
        --------
        >>> Report([]).check(strict=True)
        """
        from ..findings import raise_for

        raise_for(self.findings, strict)

    def to_json(self, columns: Sequence[Any] = (), indent: Optional[int] = None) -> str:
        """The whole report as JSON, which `from_json` reads.

        Parameters
        ----------
        columns : sequence
            Columns to write besides, under ``"rows"``, such as some of your own.
        indent : int, optional
            As in `json.dumps`.

        Returns
        -------
        str
            An object with ``"schema"`` and ``"version"``; it has no NaN or infinity, which are written as text.

        Examples
        --------
        >>> report = Report([ParameterRecord("0.bias", "bias", "bias", (4,), "float32")])
        >>> Report.from_json(report.to_json()) == report
        True
        """
        return encoded(self, self.to_records(columns) if columns else None, indent)

    @classmethod
    def from_json(cls, text: str) -> "Report":
        """The report that `to_json` wrote.

        Parameters
        ----------
        text : str

        Returns
        -------
        Report

        Raises
        ------
        ValueError
            `text` is no such report, or of a later version; the message says where.

        Examples
        --------
        >>> Report.from_json(Report([], source="Dense").to_json()).source
        'Dense'
        """
        return cls(**decoded(text))

    def _only(self, records: Sequence[ParameterRecord]) -> "Report":
        """The report of these of its parameters, and of what concerns them."""
        paths = {path for record in records for path in record.paths}
        shared = tuple(group for group in self.shared if len(paths.intersection(group.paths)) > 1)
        findings = tuple(finding for finding in self.findings if paths.intersection(finding.paths))
        return dataclasses.replace(self, records=tuple(records), shared=shared, findings=findings)

    def _unknown(self, path: str) -> str:
        """What to say of a path that is none."""
        blocks = [block.path for block in self.blocks if block.path]
        return f"no parameter or block has the path {path!r}; {did_you_mean_path(path, self.records, blocks)}"

    def __getstate__(self) -> Dict[str, Any]:
        return {**self.__dict__, "live": None}

    def __repr__(self) -> str:
        return printable(f"<Report{' of ' + self.source if self.source else ''}: {self.totals}>")
