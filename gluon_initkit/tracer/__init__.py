"""Deferred initialization: what is pending and why, when and how it is resolved, resolving it without a forward pass,
and one error for all its failures.
"""

from .errors import DeferredInitError, Unresolved
from .events import TraceEvent
from .explain import Explanation, explain
from .materialize import materialize
from .shapes import ShapeReport, ShapeRow, resolve_shapes
from .trace import Trace, trace

__all__ = [
    "DeferredInitError",
    "Explanation",
    "ShapeReport",
    "ShapeRow",
    "Trace",
    "TraceEvent",
    "Unresolved",
    "explain",
    "materialize",
    "resolve_shapes",
    "trace",
]
