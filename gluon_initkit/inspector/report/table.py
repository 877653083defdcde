"""A report as a table, for text and Markdown, and as a tree for HTML: which columns, which rows, what stands around.

A default table shows what tells parameters apart. What all have alike stands in the title; where the room is short, a
note names the columns that are left out.
"""

import dataclasses
import itertools
from operator import itemgetter
from typing import Any, Dict, FrozenSet, Iterable, List, Optional, Sequence, Tuple

from ...display import Branch, Column, Table, cell_widths, counted, counted_of, listed
from ..records import ParameterRecord
from ..totals import counted_elsewhere, totals_of
from .columns import COLUMNS, chosen_columns
from .tree import Row, flat_rows, root_row, tree_of

__all__ = ["sorted_by", "table_of", "tree_table_of"]

_DEFAULT = (
    "path", "block", "shape", "dtype", "stype", "state", "contexts", "constant", "size", "grad_req", "trained",
    "replicas_agree", "mean", "std", "min", "max", "zeros", "nan", "posinf", "neginf", "histogram", "grad_mean",
    "grad_std", "grad_norm", "grad_nan", "grad_posinf", "grad_neginf", "grad_histogram", "grad_ratio", "grad_fresh",
)  # fmt: skip
_FIRST_TO_GO = (
    "block", "grad_histogram", "grad_mean", "zeros", "histogram", "grad_fresh", "trained", "max", "min", "grad_norm",
    "constant", "replicas_agree", "grad_req", "grad_std", "contexts", "stype", "mean",
)  # fmt: skip
_SHOWN_BY_TREE = ("path", "block")
_SHOWN_BY_HISTOGRAM = ("min", "max", "zeros", "grad_mean", "grad_norm")
_NEED_NO_HEADING = ("dtype", "state", "contexts")
_IN_TITLE = (*_NEED_NO_HEADING, "stype", "grad_req", "trained", "replicas_agree", "constant")
_UNREMARKABLE = (None, "default", "write", False, ())
_COUNTS = ("zeros", "nan", "posinf", "neginf", "grad_nan", "grad_posinf", "grad_neginf")  # shown where there are any
_FULL = ("quantiles", "histogram", "grad_quantiles", "grad_histogram")  # which ``stats='full'`` computes
_ROOM_FOR_PATHS = 26
_MOST_ALIKE = 10  # parameters for a row, where only the first rows are shown
_MOST_PATHS = 4  # of a finding, and findings of one code; the report holds all of them
_OPEN = 24  # parameters up to which an HTML tree is unfolded
_IN_NOTEBOOK = 1000  # parameters that a notebook's tree shows; less where there are histograms, which are long
_SEVERITIES = ("error", "warning", "info", "")
_REST_OF_TEXT = (
    "{shown:,} of {all:,} parameters are shown. The sums are of all. depth= folds blocks, "
    "report.select('a.block.*') shows a part, report.to_text(limit=None) writes everything."
)
_REST_OF_HTML = (
    "{shown} shown. The sums are of all. report['a.block'] or report.select('a.block.*') "
    "shows a part, report.to_html(limit=None) writes everything."
)


def table_of(
    report: Any,
    depth: Optional[int],
    columns: Optional[Sequence[Any]],
    width: Optional[int],
    collapse: Optional[bool],
    limit: Optional[int] = None,
) -> Table:
    """The table of a report; default columns fit into `width` where it is given."""
    again = counted_elsewhere(report.records, report.shared)
    if collapse is None:
        collapse = not any(record.stats for record in report.records)
    # No tree is made of parameters that cannot be shown. Folded blocks need all of theirs, for the sums.
    records = report.records if limit is None or depth is not None else report.records[: _MOST_ALIKE * limit]
    root = root_row(tree_of(records, report.blocks, again), again, collapse)
    rows = _in_order(list(flat_rows(root, depth)), report)[:limit]
    chosen = _default_columns(records) if columns is None else chosen_columns(columns)
    texts: List[Any] = [[_path_lines(row) if column.path else _text(column, row) for row in rows] for column in chosen]
    if columns is None:  # folded rows have no shape and no distribution
        telling = [index for index, column in enumerate(chosen) if column.path or any(texts[index])]
        chosen, texts = [chosen[index] for index in telling], [texts[index] for index in telling]
    notes = _totals(report, again)
    shown = sum(len(row.records) for row in rows)
    if shown < len(report.records):
        notes.insert(0, ("warning", _REST_OF_TEXT.format(shown=shown, all=len(report.records))))
    notes += _not_computed(report, columns and chosen)
    severities = _severities(report)
    table = Table(
        title=_title(report, chosen),
        columns=tuple(_text_column(column, index) for index, column in enumerate(chosen)),
        rows=list(zip(*texts, (_worst(severities, row.records) for row in rows))),
        emphasis=itemgetter(-1),
        footnotes=(*notes, *_findings(report)),
        footer=_sums(report, chosen, again),
    )
    return table if columns is not None or width is None else _fitted(table, len(notes), width)


def tree_table_of(report: Any, columns: Optional[Sequence[Any]], limit: Optional[int], notebook: bool = False) -> Table:
    """The table of a report whose rows are branches: every block unfolds, its row has the sums of all that is below."""
    again = counted_elsewhere(report.records, report.shared)
    chosen = _default_columns(report.records) if columns is None else chosen_columns(columns)
    has_histogram = columns is None and any(column.key == "histogram" for column in chosen)
    left_out = {*_SHOWN_BY_TREE, *(_SHOWN_BY_HISTOGRAM if has_histogram else ())}
    chosen = [column for column in chosen if column.key not in left_out]
    if notebook:
        limit = _IN_NOTEBOOK // (1 + sum(column.html is not None for column in chosen))
    shown = frozenset(record.path for record in report.records[:limit])
    root = root_row(tree_of(report.records, report.blocks, again), again, merge=False, shown=shown)
    severities, is_open = _severities(report), len(report.records) <= _OPEN

    def branch(row: Row) -> Branch:
        if row.block is None:
            remark = " ".join(f"= {alias}" for alias in row.records[0].aliases)
        else:
            missing = sum(record.path not in shown for record in row.records)
            times = f" x{row.copies}" if row.copies > 1 else ""
            parts = (row.block + times, f"{counted(missing, 'parameter')} not shown" if missing else "")
            remark = ", ".join(filter(None, parts))
        cells = tuple(column.as_html(column.of(row.counted or row.records), row.label) for column in chosen)
        cells = tuple(f"({cell})" if column.fold == "sum" and not row.counted and cell else cell
                      for column, cell in zip(chosen, cells))  # fmt: skip
        severity, below = _worst(severities, row.records), tuple(map(branch, row.below))
        return Branch(row.name, remark, cells, row.label, severity, below, is_open and row.copies == 1)

    notes = [*_findings(report), *_totals(report, again), *_not_computed(report, columns and chosen)]
    if len(shown) < len(report.records):
        count = counted_of(len(shown), len(report.records), "parameter", "is", "are")
        notes.append(("warning", _REST_OF_HTML.format(shown=count)))
    chosen_and_path = [COLUMNS["path"], *chosen]
    return Table(_title(report, chosen), tuple(chosen_and_path), tuple(map(branch, root.below)),
                 footnotes=tuple(notes), footer=_sums(report, chosen_and_path, again))  # fmt: skip


def _not_computed(report: Any, columns: Optional[Sequence[Column]]) -> List[Tuple[str, str]]:
    """A note on columns that were asked for and are empty, since the report has moments alone, or no statistics."""
    keys = [column.key for column in columns or () if column.key in _FULL
            and report.records and not any(column.read(record) for record in report.records)]  # fmt: skip
    grads = ", grads=True" if any(key.startswith("grad_") for key in keys) else ""
    return [("warning", f"{' and '.join(keys)}: ik.inspect(net, stats='full'{grads}) computes them")] if keys else []


def sorted_by(things: Iterable[Any], read: Any, reverse: bool) -> List[Any]:
    """Things in the order of a value; those that have none come last, whichever way; order among equals is kept.

    Numbers stand before texts, which is what a row is sorted by that stands for several different numbers.
    """
    keyed = [(read(thing), thing) for thing in things]
    known = sorted((pair for pair in keyed if pair[0] is not None),
                   key=lambda pair: (isinstance(pair[0], str), pair[0]), reverse=reverse)  # fmt: skip
    return [thing for _, thing in known] + [thing for value, thing in keyed if value is None]


def _default_columns(records: Sequence[ParameterRecord]) -> List[Column]:
    """The columns that tell these parameters apart."""

    def tells(column: Column) -> bool:
        if column.key in ("path", "shape"):
            return True
        if column.key == "size" or not records:
            return bool(records)
        values = map(column.read, records)
        if column.hoist:
            first = column.read(records[0])
            return any(value != first for value in values)
        return any(value is not None and (value or column.key not in _COUNTS) for value in values)

    return [COLUMNS[key] for key in _DEFAULT if tells(COLUMNS[key])]


def _text_column(column: Column, index: int) -> Column:
    """The column of a table whose rows are tuples of texts."""
    return Column(column.key, itemgetter(index), column.title, number=column.number, path=column.path)


def _text(column: Column, row: Row) -> str:
    if column.key == "block" and row.block:
        return row.block
    text = column.show(column.of(row.counted or row.records))
    return f"({text})" if column.fold == "sum" and not row.counted and text else text


def _path_lines(row: Row) -> Tuple[str, ...]:
    times = f" x{row.copies}" if row.copies > 1 else ""
    aliases = row.records[0].aliases if row.block is None and len(row.records) == 1 else ()
    return ((row.label or "(all)") + times, *(f"= {alias}" for alias in aliases))


def _fitted(table: Table, first_findings: int, width: int) -> Table:
    """The table without the columns that leave paths too little room, the least telling first, and a note of them."""
    widths = {column.key: wanted for column, wanted in zip(table.columns, cell_widths(table))}
    total = min(widths["path"], _ROOM_FOR_PATHS) + sum(widths.values()) - widths["path"] + 2 * (len(widths) - 1)
    hidden = set()
    for key in _FIRST_TO_GO:
        if total > width and key in widths:
            hidden.add(key)
            total -= widths[key] + 2
    if not hidden:
        return table
    names = ", ".join(column.title for column in table.columns if column.key in hidden)
    note = ("", f"not shown at this width: {names}; width= or columns= shows more")
    kept = [index for index, column in enumerate(table.columns) if column.key not in hidden]
    return dataclasses.replace(
        table,
        columns=tuple(table.columns[index] for index in kept),
        footer=[table.footer[index] for index in kept],
        footnotes=(*table.footnotes[:first_findings], note, *table.footnotes[first_findings:]),
    )


def _in_order(rows: List[Row], report: Any) -> List[Row]:
    """The rows sorted as the report is, by their sums; else each where its first parameter stands."""
    place = {id(record): index for index, record in enumerate(report.records)}
    rows.sort(key=lambda row: min(place[id(record)] for record in row.records))
    key, reverse = report.order or ("", False)
    if key not in COLUMNS:
        return rows
    column = COLUMNS[key]
    values = {id(row): row.label if column.path else column.sort_value(column.of(row.counted or row.records))
              for row in rows}  # fmt: skip
    return sorted_by(rows, lambda row: values[id(row)], reverse)


def _title(report: Any, shown: Sequence[Column]) -> str:
    """The report's source, and what all its parameters have alike, except what is a column."""
    parts, keys = [report.source or "Report"], {column.key for column in shown}
    for column in (COLUMNS[key] for key in _IN_TITLE if key not in keys):
        values = {column.read(record) for record in report.records}
        if len(values) == 1 and not values & set(_UNREMARKABLE):
            text = column.show(*values)
            parts.append(text if column.key in _NEED_NO_HEADING else f"{column.title} {text}")
    return " · ".join(parts)


def _sums(report: Any, columns: Sequence[Column], again: FrozenSet[str]) -> List[str]:
    """What stands under each column: its sum where it has one, every parameter counted once."""
    once = [record for record in report.records if record.path not in again]
    sums = [column.show(column.of(once)) if column.fold == "sum" and once else "" for column in columns]
    return ["total" if column.path and any(sums) else text for column, text in zip(columns, sums)]


def _totals(report: Any, again: FrozenSet[str]) -> List[Tuple[str, str]]:
    notes = [("", f"total: {totals_of(report.records, report.shared)}")]
    if again:
        notes.append(("", "(in parentheses: shares its values with another row, and is counted there)"))
    return notes


def _severities(report: Any) -> Dict[str, str]:
    """The worst severity that a finding gives each path."""
    pairs = ((path, finding.severity) for finding in report.findings for path in finding.paths)
    return dict(sorted(pairs, key=lambda pair: -_SEVERITIES.index(pair[1])))


def _worst(severities: Dict[str, str], records: Iterable[ParameterRecord]) -> str:
    return min((severities.get(record.path, "") for record in records), key=_SEVERITIES.index, default="")


def _findings(report: Any) -> List[Tuple[str, str]]:
    """The findings as footnotes, the worst first; of many with one code the first few, and where the others are."""
    notes = []
    ordered = sorted(report.findings, key=lambda finding: _SEVERITIES.index(finding.severity))
    for severity, code in dict.fromkeys((finding.severity, finding.code) for finding in ordered):
        alike = [finding for finding in report.findings if (finding.severity, finding.code) == (severity, code)]
        shown = alike if len(alike) <= _MOST_PATHS + 1 else alike[:_MOST_PATHS]
        for finding in shown:
            paths = listed(finding.paths, _MOST_PATHS)
            notes.append((severity, f"{severity} [{code}] {paths}: {finding.evidence}; {finding.hint}"))
        rest = list(dict.fromkeys(itertools.chain(*(finding.paths for finding in alike[len(shown) :]))))
        if len(alike) > len(shown):
            count = len(alike) - len(shown)
            notes.append((severity, f"{severity} [{code}] {count:,} more, in report.findings: {listed(rest, 4)}"))
    return notes
