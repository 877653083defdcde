"""Deferred initialization: `explain` says what is pending and why, `trace` records when and how it is resolved, and
`materialize` resolves it without a forward pass. All failures raise one error.
"""

from .diagnosis import DeferredInitError, Explanation, Unresolved, explain
from .materialize import ShapeReport, ShapeRow, materialize, resolve_shapes
from .trace import Trace, TraceEvent, trace

__all__ = [
    "DeferredInitError", "Explanation", "ShapeReport", "ShapeRow", "Trace", "TraceEvent", "Unresolved", "explain",
    "materialize", "resolve_shapes", "trace",
]  # fmt: skip
