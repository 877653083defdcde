"""Deferred initialization: what is pending and why, when and how it is resolved, and one error for all its failures."""

from .errors import DeferredInitError, Unresolved
from .events import Span, TraceEvent
from .timeline import Timeline
from .tracing import Trace, trace

__all__ = ["DeferredInitError", "Span", "Timeline", "Trace", "TraceEvent", "Unresolved", "trace"]
