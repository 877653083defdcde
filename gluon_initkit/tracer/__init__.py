"""Deferred initialization: what is pending and why, when and how it is resolved, resolving it without a forward pass,
and one error for all its failures.
"""

from .diagnosis import diagnose
from .errors import DeferredInitError, Unresolved
from .events import Span, TraceEvent
from .explaining import Explanation, explain
from .materializing import materialize
from .shapes import ShapeReport, ShapeRow, resolve_shapes
from .timeline import Timeline
from .tracing import Trace, trace

__all__ = [
    "DeferredInitError",
    "Explanation",
    "ShapeReport",
    "ShapeRow",
    "Span",
    "Timeline",
    "Trace",
    "TraceEvent",
    "Unresolved",
    "diagnose",
    "explain",
    "materialize",
    "resolve_shapes",
    "trace",
]
