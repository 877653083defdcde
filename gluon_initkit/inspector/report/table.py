"""A report as the table that text, HTML and Markdown show: which columns, which rows, what stands around."""

from dataclasses import replace
from operator import attrgetter
from typing import Any, Dict, FrozenSet, Iterator, List, Optional, Sequence, Tuple

from ...display import Column, Table, listed
from ..records import Finding, ParameterRecord, counted_elsewhere, totals_of
from .columns import COLUMNS, FIELDS, chosen_columns

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
_WHERE_ANY = (  # columns that are shown where there are any
    "zeros", "nan", "posinf", "neginf", "histogram", "grad_nan", "grad_posinf", "grad_neginf", "grad_histogram",
)  # fmt: skip
_FULL = ("quantiles", "histogram", "grad_quantiles", "grad_histogram")  # which ``stats='full'`` computes
_IN_PARENTHESES = "(in parentheses: shares its values with another row, and is counted there)"
_MOST_PATHS = 4  # of a finding, and findings of one code; the report holds all of them
_SEVERITIES = ("error", "warning", "info", "")


def table_of(report: Any, columns: Optional[Sequence[Any]]) -> Table:
    """The table of a report: of these columns, by default of those that tell its parameters apart."""
    again = counted_elsewhere(report.records, report.shared)
    usual = _default_columns(report.records)
    chosen = usual if columns is None else [replace(column, hoist=False) for column in chosen_columns(columns)]
    keys = {column.key for column in chosen}
    severities = {path: finding.severity for finding in reversed(_by_severity(report)) for path in finding.paths}
    key, reverse = report.order or ("", False)
    totals = [f"total: {totals_of(report.records, report.shared)}", *([_IN_PARENTHESES] if again else [])]
    return Table(
        title=report.source or "Report",
        columns=tuple(chosen),
        rows=report.records,
        emphasis=lambda record: severities.get(record.path) or _frozen(record),
        footnotes=(*(("", note) for note in totals), *_not_computed(report, columns and chosen), *_findings(report)),
        footer=_sums(report, chosen, again),
        parts=_parts,
        kinds={block.path: block.block for block in report.blocks},
        alike=attrgetter("role", "lr_mult", "wd_mult"),
        again=again,
        noun="parameter",
        legend={"dim": "frozen: grad_req='null'"},
        shown_by_histogram=() if columns is not None else _SHOWN_BY_HISTOGRAM,
        in_title=[column for column in usual if column.key not in keys],
        order=(COLUMNS[key], reverse) if key in COLUMNS else None,
        first_to_go=() if columns is not None else _FIRST_TO_GO,
    )  # fmt: skip


def _frozen(record: ParameterRecord) -> str:
    return "dim" if record.grad_req == "null" and record.role not in ("running_mean", "running_var") else ""


def _parts(record: ParameterRecord) -> Tuple[str, ...]:
    """The blocks around a parameter, and its own name. In a file, all before a name's last dot is a block."""
    inside = record.block_path + "."
    # MXNet 1 writes `_unfused.0.weight` of an RNN layer at another path than the block's.
    if not record.block_path or not record.path.startswith(inside):
        return tuple(record.path.split("."))
    return (*record.block_path.split("."), record.path[len(inside) :])


def _not_computed(report: Any, columns: Optional[Sequence[Column]]) -> List[Tuple[str, str]]:
    """A note on columns that were asked for and are empty, since the report has moments alone, or no statistics."""
    keys = [column.key for column in columns or () if column.key in _FULL
            and report.records and not any(column.read(record) for record in report.records)]  # fmt: skip
    grads = ", grads=True" if any(key.startswith("grad_") for key in keys) else ""
    return [("warning", f"{' and '.join(keys)}: ik.inspect(net, stats='full'{grads}) computes them")] if keys else []


def _default_columns(records: Sequence[ParameterRecord]) -> List[Column]:
    """The columns that tell these parameters apart."""
    held = {field for field in set(FIELDS.values()) if any(getattr(record, field) for record in records)}

    def tells(column: Column) -> bool:
        if column.key in FIELDS and FIELDS[column.key] not in held:
            return False
        return column.key not in _WHERE_ANY or any(map(column.read, records))

    return [COLUMNS[key] for key in _DEFAULT if tells(COLUMNS[key])]


def _sums(report: Any, columns: Sequence[Column], again: FrozenSet[str]) -> List[str]:
    """What stands under each column: its sum where it has one, every parameter counted once."""
    once = [record for record in report.records if record.path not in again]
    sums = [column.show(column.of(once)) if column.fold == "sum" and once else "" for column in columns]
    return ["total" if column.path and any(sums) else text for column, text in zip(columns, sums)]


def _findings(report: Any) -> Iterator[Tuple[str, str]]:
    """The findings as footnotes, the worst first; of many with one code the first few, and where the others are."""
    groups: Dict[Tuple[str, str], List[Finding]] = {}
    for finding in _by_severity(report):
        groups.setdefault((finding.severity, finding.code), []).append(finding)
    for (severity, code), alike in groups.items():
        shown = len(alike) if len(alike) <= _MOST_PATHS + 1 else _MOST_PATHS
        for finding in alike[:shown]:
            paths = listed(finding.paths, _MOST_PATHS)
            yield severity, f"{severity} [{code}] {paths}: {finding.evidence}; {finding.hint}"
        if alike[shown:]:
            rest = list(dict.fromkeys(path for finding in alike[shown:] for path in finding.paths))
            more = f"{len(alike) - shown:,} more, in report.findings: {listed(rest, _MOST_PATHS)}"
            yield severity, f"{severity} [{code}] {more}"


def _by_severity(report: Any) -> List[Finding]:
    return sorted(report.findings, key=lambda finding: _SEVERITIES.index(finding.severity))
