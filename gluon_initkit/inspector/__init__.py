"""The inspector: what every parameter is. Pure: looking changes nothing. Importing it imports no MXNet."""

from .checkpoint import StoredValues, read_checkpoint
from .comparing import compare
from .comparison import Comparison, ComparisonRow
from .errors import CheckpointError
from .findings import CODES, FindingsError, findings_of, raise_for
from .forecast import LoadForecast
from .inspecting import inspect
from .prefixes import Prefix
from .records import BlockRecord, Declared, Finding, Histogram, ParameterRecord, SharedValues, Statistics
from .report import Report
from .statistics import statistics_of
from .totals import Totals, totals_of

__all__ = [
    "CODES",
    "BlockRecord",
    "CheckpointError",
    "Comparison",
    "ComparisonRow",
    "Declared",
    "Finding",
    "FindingsError",
    "Histogram",
    "LoadForecast",
    "ParameterRecord",
    "Prefix",
    "Report",
    "SharedValues",
    "Statistics",
    "StoredValues",
    "Totals",
    "compare",
    "findings_of",
    "inspect",
    "raise_for",
    "read_checkpoint",
    "statistics_of",
    "totals_of",
]
