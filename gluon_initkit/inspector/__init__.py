"""The inspector: what every parameter is. Pure: looking changes nothing."""

from typing import Any

from .columns import COLUMNS, Column, column
from .history import History
from .records import BlockRecord, Finding, Histogram, ParameterRecord, SharedValues, Statistics
from .report import Report
from .totals import Totals
from .view import ParameterView

__all__ = [
    "COLUMNS",
    "BlockRecord",
    "Column",
    "Finding",
    "Histogram",
    "History",
    "ParameterRecord",
    "ParameterView",
    "Recorder",
    "Report",
    "SharedValues",
    "Statistics",
    "Totals",
    "column",
    "inspect",
]


def __getattr__(name: str) -> Any:
    if name == "Recorder":  # it needs MXNet, which reports of files do without
        from .recorder import Recorder

        return Recorder
    if name == "inspect":
        from .inspecting import inspect

        return inspect
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
