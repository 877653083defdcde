"""The inspector: what every parameter is. Pure: looking changes nothing."""

from .findings import CODES, FindingsError, findings_of, raise_for
from .inspecting import inspect
from .records import BlockRecord, Declared, Finding, Histogram, ParameterRecord, SharedValues, Statistics
from .statistics import statistics_of
from .totals import Totals, totals_of

__all__ = [
    "CODES",
    "BlockRecord",
    "Declared",
    "Finding",
    "FindingsError",
    "Histogram",
    "ParameterRecord",
    "SharedValues",
    "Statistics",
    "Totals",
    "findings_of",
    "inspect",
    "raise_for",
    "statistics_of",
    "totals_of",
]
