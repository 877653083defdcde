"""Deferred initialization: what is pending and why, and resolving it without a forward pass."""

from .diagnosis import diagnose
from .errors import DeferredInitError, Unresolved

__all__ = ["DeferredInitError", "Unresolved", "diagnose"]
