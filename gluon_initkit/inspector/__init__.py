"""The inspector: what every parameter is. Pure: looking changes nothing. Importing it imports no MXNet."""

from .checkpoint import StoredValues, read_checkpoint
from .comparing import compare
from .comparison import Comparison, ComparisonRow
from .errors import CheckpointError
from .forecast import LoadForecast
from .inspecting import inspect
from .prefixes import Prefix
from .report import Report

__all__ = [
    "CheckpointError",
    "Comparison",
    "ComparisonRow",
    "LoadForecast",
    "Prefix",
    "Report",
    "StoredValues",
    "compare",
    "inspect",
    "read_checkpoint",
]
