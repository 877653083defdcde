"""A report as an HTML tree: every block unfolds, its row carries the sums of all that is below."""

from dataclasses import dataclass, field
from typing import Any, Dict, List, Optional, Sequence

from ... import display
from ..records import ParameterRecord
from ..totals import counted_elsewhere
from .columns import COLUMNS, Column, chosen_columns
from .grouping import Node, braced, tree_of, twins
from .table import default_columns, findings_of, footers, severities, sums_of, title_of, worst

__all__ = ["LIMIT", "MOST", "html_of"]

LIMIT = 1000
"""How many parameters a notebook's page shows before it says how to see the rest."""

MOST = 800_000
"""How many characters their rows may take there, and twice that with the rows of blocks: notebooks are saved with their
pages, and histograms are long."""

_LEFT_OUT = ("path", "block", "min", "max", "zeros", "grad_mean", "grad_norm")  # distributions show them
_MARKUP, _PER_CELL = 200, 13  # characters of a row besides what its cells say
_FEW = 24  # parameters up to which everything is unfolded from the start


def html_of(report: Any, columns: Optional[Sequence[Any]], limit: Optional[int], most: Optional[int] = None) -> str:
    """A fragment of HTML: the tree with its totals, findings on top."""
    again = counted_elsewhere(report.records, report.shared)
    chosen = default_columns(report.records) if columns is None else chosen_columns(columns)
    left_out = ("path", "block") if columns else _LEFT_OUT
    chosen = [COLUMNS["path"], *(column for column in chosen if column.key not in left_out)]
    writer = _Writer(chosen[1:], again, severities(report), limit, most, len(report.records) <= _FEW)
    branches = writer.below(tree_of(report.records, report.blocks, again))
    notes = [*findings_of(report), *sums_of(report, again)]
    if writer.left_out:
        shown = display.counted_of(writer.shown, len(report.records), "parameter", "is", "are")
        notes.append(("warning", _CAPPED.format(shown=shown)))
    totals = footers(report, chosen)
    headings = [(column.heading or column.key, writer.width(column, total)) for column, total in zip(chosen, totals)]
    return display.as_tree(title_of(report, chosen), headings, branches, totals, notes)


_CAPPED = (
    "{shown} shown. The sums are of all. report['a.block'] or report.select('a.block.*') "
    "shows a part, report.to_html(limit=None) writes everything."
)


@dataclass
class _Writer:
    columns: List[Column]
    again: Any
    severity: Dict[str, str]
    limit: Optional[int]
    most: Optional[int]
    open: bool
    shown: int = 0
    written: int = 0
    left_out: int = 0
    longest: Dict[str, int] = field(default_factory=dict)  # by column, what has been written in characters

    def width(self, column: Column, total: str) -> str:
        """How wide a column is, of which all rows have been written."""
        heading = len(column.heading or column.key)
        if column.html:
            return f"max(120px,{heading + 2}ch)"
        return f"{min(max(self.longest.get(column.key, 0), heading, len(total)) + 1, 28)}ch"

    @property
    def full(self) -> bool:
        """Whether there is no room for another parameter."""
        too_many = self.limit is not None and self.shown >= self.limit
        return too_many or (self.most is not None and self.written >= self.most)

    def below(self, node: Node) -> List[display.Branch]:
        """The rows of a block's parameters, then those of its blocks."""
        branches = []
        for record in node.own:
            if self.full:
                self.left_out += 1
                continue
            self.shown += 1
            branches.append(self.parameter(node, record))
        for run in twins(node):
            blocks = []
            for each in run:
                if self.most is not None and self.written >= 2 * self.most:
                    self.left_out += sum(1 for _ in each.records())
                else:
                    blocks.append(self.block(each))
            branches += [self.together(node, run, blocks)] if blocks and len(run) > 1 else blocks
        return branches

    def parameter(self, node: Node, record: ParameterRecord) -> display.Branch:
        name = record.path[len(node.path) + 1 :] if record.path.startswith(node.path + ".") else record.path
        aliases = " ".join(f"= {alias}" for alias in record.aliases)
        severity = self.severity.get(record.path, "")
        return display.Branch(name, aliases, self.cells([record], record.path), title=record.path, severity=severity)

    def block(self, node: Node) -> display.Branch:
        records = list(node.records())
        before, below = self.shown, tuple(self.below(node))
        remark = node.block
        if self.shown == before:
            remark += f", {display.counted(len(records), 'parameter')} not shown"
        below = below if self.shown > before else ()
        cells, severity = self.cells(records, node.path), self.worst(records)
        return display.Branch(node.name, remark, cells, below, self.open, node.path, severity)

    def together(self, node: Node, run: Sequence[Node], blocks: Sequence[display.Branch]) -> display.Branch:
        records = [record for each in run for record in each.records()]
        name = braced([each.name for each in run])
        path = f"{node.path}.{name}" if node.path else name
        remark, cells = f"{run[0].block} x{len(run)}", self.cells(records, path)
        return display.Branch(name, remark, cells, tuple(blocks), False, path, self.worst(records))

    def worst(self, records: Sequence[ParameterRecord]) -> str:
        return worst(self.severity.get(record.path, "") for record in records)

    def cells(self, records: Sequence[ParameterRecord], label: str) -> Any:
        counted = [record for record in records if record.path not in self.again]
        cells = tuple(self.cell(column, records, counted, label) for column in self.columns)
        self.written += _MARKUP + sum(_PER_CELL + len(cell) for cell in cells)
        return cells

    def cell(self, column: Column, records: Sequence[Any], counted: Sequence[Any], label: str) -> str:
        text = column.as_html(column.of(counted or records), label)
        text = f"({text})" if column.fold == "sum" and not counted else text
        self.longest[column.key] = max(self.longest.get(column.key, 0), len(text))
        return text
