"""The inspector: what every parameter is. Pure: looking changes nothing. Importing it imports no MXNet."""

from ..display import Column
from ..files import CheckpointError, StoredValues
from .compare.compare import compare
from .compare.comparison import Comparison, ComparisonRow
from .findings import CODES, FindingsError, findings_of, raise_for
from .inspect import inspect
from .outputs import OutputReport, OutputRow, outputs
from .recorder import History, Recorder
from .records import (
    BlockRecord,
    Declared,
    Finding,
    Histogram,
    ParameterRecord,
    SharedValues,
    Statistics,
    Totals,
    totals_of,
)
from .report.columns import COLUMNS, column
from .report.report import Report
from .statistics import statistics_of
from .summary import Summary, SummaryRow, summary
from .view import ParameterView

__all__ = [
    "CODES", "COLUMNS", "BlockRecord", "CheckpointError", "Column", "Comparison", "ComparisonRow", "Declared",
    "Finding", "FindingsError", "Histogram", "History", "OutputReport", "OutputRow", "ParameterRecord",
    "ParameterView", "Recorder", "Report", "SharedValues", "Statistics", "StoredValues", "Summary", "SummaryRow",
    "Totals", "column", "compare", "findings_of", "inspect", "outputs", "raise_for", "statistics_of", "summary",
    "totals_of",
]  # fmt: skip
