"""Findings: what in a network or a file deserves a look, by stable codes."""

from . import checks  # noqa: F401  (they fill the registry)
from .registry import CODES, FindingsError, Ignored, drop_ignored, findings_of, raise_for

__all__ = ["CODES", "FindingsError", "Ignored", "drop_ignored", "findings_of", "raise_for"]
