"""Deferred initialization: what is pending and why, and resolving it without a forward pass."""

from .diagnosis import diagnose
from .errors import DeferredInitError, Unresolved
from .explaining import Explanation, explain
from .materializing import materialize
from .shapes import ShapeReport, ShapeRow, resolve_shapes

__all__ = [
    "DeferredInitError",
    "Explanation",
    "ShapeReport",
    "ShapeRow",
    "Unresolved",
    "diagnose",
    "explain",
    "materialize",
    "resolve_shapes",
]
