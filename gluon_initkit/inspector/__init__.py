"""The inspector: reports on every parameter, without changing anything. Importing it does not import MXNet."""

from ..display import Column
from ..files import CheckpointError, StoredValues
from .compare import Comparison, ComparisonRow, compare
from .findings import CODES, FindingsError, findings_of, raise_for
from .inspect import inspect
from .outputs import OutputReport, OutputRow, outputs
from .recorder import History, Recorder
from .records import BlockRecord, Declared, Finding, Histogram, ParameterRecord, SharedValues, Statistics, Totals
from .records import totals_of as totals_of
from .report import COLUMNS, ParameterView, Report, column
from .statistics import statistics_of
from .summary import Summary, SummaryRow, summary

__all__ = [
    "CODES", "COLUMNS", "BlockRecord", "CheckpointError", "Column", "Comparison", "ComparisonRow", "Declared",
    "Finding", "FindingsError", "Histogram", "History", "OutputReport", "OutputRow", "ParameterRecord",
    "ParameterView", "Recorder", "Report", "SharedValues", "Statistics", "StoredValues", "Summary", "SummaryRow",
    "Totals", "column", "compare", "findings_of", "inspect", "outputs", "raise_for", "statistics_of", "summary",
    "totals_of",
]  # fmt: skip
