"""A report as a table, for text and Markdown: which columns, which rows, what is said once in the title, what below.

A default table shows what tells parameters apart: what all have alike stands in the title, and where the room is short
the least telling columns are left out, with a note.
"""

from typing import Any, Dict, FrozenSet, Iterable, List, Optional, Sequence, Tuple

from ... import display
from ..records import Finding, ParameterRecord
from ..totals import counted_elsewhere, totals_of
from .columns import COLUMNS, Column, chosen_columns
from .grouping import Row, rows_of, tree_of

__all__ = ["default_columns", "findings_of", "footers", "severities", "sums_of", "table_of", "title_of", "worst"]

_DEFAULT = (
    "path", "block", "shape", "dtype", "stype", "state", "contexts", "constant", "size", "grad_req", "trained",
    "replicas_agree", "mean", "std", "min", "max", "zeros", "nan", "posinf", "neginf", "histogram", "grad_mean",
    "grad_std", "grad_norm", "grad_nan", "grad_posinf", "grad_neginf", "grad_histogram", "grad_ratio", "grad_fresh",
)  # fmt: skip
_FIRST_TO_GO = (
    "block", "grad_histogram", "grad_mean", "zeros", "histogram", "grad_fresh", "trained", "max", "min", "grad_norm",
    "constant", "replicas_agree", "grad_req", "grad_std", "contexts", "stype", "mean",
)  # fmt: skip
_SPEAK_FOR_THEMSELVES = ("dtype", "state", "contexts")
_ALIKE = (*_SPEAK_FOR_THEMSELVES, "stype", "grad_req", "trained", "replicas_agree", "constant")
_NOTHING_TO_SAY = (None, "default", "write", False, ())
_COUNTS = ("zeros", "nan", "posinf", "neginf", "grad_nan", "grad_posinf", "grad_neginf")  # shown where there are any
_ROOM_FOR_PATHS = 26


def table_of(
    report: Any,
    depth: Optional[int],
    columns: Optional[Sequence[Any]],
    width: Optional[int],
    collapse: Optional[bool],
    limit: Optional[int] = None,
) -> display.Table:
    """The table of a report; `width` is the room that default columns must fit, None for as much as they like."""
    again = counted_elsewhere(report.records, report.shared)
    if collapse is None:
        collapse = not any(record.stats for record in report.records)
    # Folded blocks sum up what is in them. Else no tree is made of parameters that have no chance to be shown.
    records = report.records if limit is None or depth is not None else report.records[: _ALIKE_IN_A_ROW * limit]
    rows = rows_of(tree_of(records, report.blocks, again), depth, collapse, again)
    _put_in_order(rows, report)
    shown = sum(len(row.records) for row in rows[:limit])
    left_out = [] if shown == len(report.records) else [_CAPPED.format(shown=shown, all=len(report.records))]
    rows = rows[:limit]
    chosen = chosen_columns(columns) if columns is not None else _telling(default_columns(records), rows)
    severity = severities(report)
    table = display.Table(
        title=title_of(report, chosen),
        columns=tuple(_rendered(*each) for each in zip(chosen, footers(report, chosen))),
        rows=rows,
        emphasis=lambda row: worst(severity.get(record.path, "") for record in row.records),
        footnotes=(*(("warning", note) for note in left_out), *sums_of(report, again), *findings_of(report)),
    )
    return table if columns is not None or width is None else _narrowed(table, chosen, width)


_ALIKE_IN_A_ROW = 10
_CAPPED = (
    "{shown:,} of {all:,} parameters are shown. The sums are of all. depth= folds blocks, "
    "report.select('a.block.*') shows a part, report.to_text(limit=None) writes everything."
)


def default_columns(records: Sequence[ParameterRecord]) -> List[Column]:
    """The columns that tell these parameters apart."""
    return [COLUMNS[key] for key in _DEFAULT if _tells(COLUMNS[key], records)]


def _tells(column: Column, records: Sequence[ParameterRecord]) -> bool:
    if column.key in ("path", "shape"):
        return True
    if column.key == "size" or not records:
        return bool(records)
    values = map(column.read, records)
    if column.hoist:
        first = column.read(records[0])
        return any(value != first for value in values)
    return any(value is not None and (value or column.key not in _COUNTS) for value in values)


def _telling(columns: Sequence[Column], rows: Sequence[Row]) -> List[Column]:
    """The columns that say something of some row: folded rows have no shape and no distribution."""
    return [column for column in columns if column.key == "path" or any(_cell(column, row) for row in rows)]


def title_of(report: Any, shown: Sequence[Column]) -> str:
    """The report's source, and what all its parameters have alike, except what is a column."""
    said = [report.source or "Report"]
    for column in (COLUMNS[key] for key in _ALIKE if COLUMNS[key] not in shown):
        values = {column.read(record) for record in report.records}
        if len(values) == 1 and not values & set(_NOTHING_TO_SAY):
            text = column.show(*values)
            said.append(text if column.key in _SPEAK_FOR_THEMSELVES else f"{column.heading or column.key} {text}")
    return " · ".join(said)


def findings_of(report: Any) -> List[Tuple[str, str]]:
    """The findings as footnotes, the worst first; of many with one code the first few, and where the others are."""
    alike: Dict[Tuple[str, str], List[Finding]] = {}
    for finding in sorted(report.findings, key=lambda finding: _SEVERITIES.index(finding.severity)):
        alike.setdefault((finding.severity, finding.code), []).append(finding)
    notes = []
    for (severity, code), found in alike.items():
        shown = found if len(found) <= _FEW + 1 else found[:_FEW]
        notes += [(severity, _sentence(finding)) for finding in shown]
        if len(found) > len(shown):
            rest = dict.fromkeys(path for finding in found[len(shown) :] for path in finding.paths)
            count = len(found) - len(shown)
            notes.append((severity, f"{severity} [{code}] {count:,} more, in report.findings: {_listed(list(rest))}"))
    return notes


def sums_of(report: Any, again: FrozenSet[str]) -> List[Tuple[str, str]]:
    """The totals as footnotes, and what parentheses mean where there are any."""
    notes = [("", f"total: {totals_of(report.records, report.shared)}")]
    if again:
        notes.append(("", "(in parentheses: shares its values with another row, and is counted there)"))
    return notes


def _sentence(finding: Finding) -> str:
    return f"{finding.severity} [{finding.code}] {_listed(finding.paths)}: {finding.evidence}; {finding.hint}"


def _listed(paths: Sequence[str]) -> str:
    return ", ".join(paths[:_FEW]) + (f" and {len(paths) - _FEW:,} more" if len(paths) > _FEW else "")


_FEW = 4  # paths that a finding names in a table, and findings of one code; the report holds all of them


def footers(report: Any, columns: Sequence[Column]) -> List[str]:
    """What stands under each column: the sum of those that have one, every parameter counted once."""
    again = counted_elsewhere(report.records, report.shared)
    counted = [record for record in report.records if record.path not in again]
    texts = [column.show(column.of(counted)) if column.fold == "sum" and counted else "" for column in columns]
    return ["total" if column.key == "path" and any(texts) else text for column, text in zip(columns, texts)]


def severities(report: Any) -> Dict[str, str]:
    """The worst severity that a finding gives each path."""
    found: Dict[str, str] = {}
    for finding in report.findings:
        for path in finding.paths:
            found[path] = worst((found.get(path, ""), finding.severity))
    return found


_SEVERITIES = ("error", "warning", "info", "")


def worst(severities: Iterable[str]) -> str:
    """The worst of several severities, or none."""
    return min(severities, key=_SEVERITIES.index, default="")


def _put_in_order(rows: List[Row], report: Any) -> None:
    """The order of the report: sums of rows where it is sorted by a column, else where their first parameter stands."""
    place = {id(record): index for index, record in enumerate(report.records)}
    rows.sort(key=lambda row: min(place[id(record)] for record in row.records))
    if report.order and report.order[0] in COLUMNS:
        key, reverse = report.order
        column = COLUMNS[key]
        values = {
            id(row): (row.label if key == "path" else column.sort_value(column.of(row.counted or row.records)))
            for row in rows
        }
        rows[:] = sorted_by(rows, lambda row: values[id(row)], reverse)


def sorted_by(things: Sequence[Any], read: Any, reverse: bool) -> List[Any]:
    """Things in the order of a value; those that have none come last, whichever way; order among equals is kept.

    Numbers stand before texts, which is what a row is sorted by that stands for several different numbers.
    """
    known = [thing for thing in things if read(thing) is not None]
    unknown = [thing for thing in things if read(thing) is None]
    return sorted(known, key=lambda thing: (isinstance(read(thing), str), read(thing)), reverse=reverse) + unknown


def _rendered(column: Column, footer: str) -> display.Column:
    reads = _label if column.key == "path" else lambda row: _cell(column, row)
    justify = "right" if column.number else "left"
    return display.Column(column.heading or column.key, reads, justify, path=column.key == "path", footer=footer)


def _label(row: Row) -> Tuple[str, ...]:
    times = f" x{row.copies}" if row.copies > 1 else ""
    aliases = row.records[0].aliases if len(row.records) == 1 and not row.blocks else ()
    return (row.label + times, *(f"= {alias}" for alias in aliases))


def _cell(column: Column, row: Row) -> str:
    if column.key == "block" and row.block:
        return row.block
    text = column.show(column.of(row.counted or row.records))
    return f"({text})" if column.fold == "sum" and not row.counted and text else text


def _narrowed(table: display.Table, chosen: Sequence[Column], width: int) -> display.Table:
    """The table without the columns that leave paths too little room."""
    wants = dict(zip((column.key for column in chosen), display.cell_widths(table)))
    paths = min(wants["path"], _ROOM_FOR_PATHS)
    gone: List[str] = []
    for key in _FIRST_TO_GO:
        others = [wanted for each, wanted in wants.items() if each != "path" and each not in gone]
        if paths + sum(others) + 2 * len(others) <= width:
            break
        if key in wants:
            gone.append(key)
    if not gone:
        return table
    kept = tuple(made for column, made in zip(chosen, table.columns) if column.key not in gone)
    names = ", ".join(COLUMNS[key].heading or key for key in wants if key in gone)
    note = ("", f"not shown at this width: {names}; width= or columns= shows more")
    plain = sum(not style for style, _ in table.footnotes)  # the sums, which stand before the findings
    footnotes = (*table.footnotes[:plain], note, *table.footnotes[plain:])
    return display.Table(table.title, kept, table.rows, table.notes, table.emphasis, footnotes)
