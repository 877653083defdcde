"""Deferred initialization: what is pending and why, when and how it is resolved, resolving it without a forward pass,
and one error for all its failures.
"""

from .diagnosis import DeferredInitError, Explanation, Unresolved, explain
from .materialize import ShapeReport, ShapeRow, materialize, resolve_shapes
from .trace import Trace, TraceEvent, trace

__all__ = [
    "DeferredInitError", "Explanation", "ShapeReport", "ShapeRow", "Trace", "TraceEvent", "Unresolved", "explain",
    "materialize", "resolve_shapes", "trace",
]  # fmt: skip
