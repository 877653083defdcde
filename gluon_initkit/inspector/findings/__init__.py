"""Findings: what in a network or a file deserves a look, by stable codes."""

from .registry import CODES, FindingsError, Ignored, findings_of, kept, raise_for

__all__ = ["CODES", "FindingsError", "Ignored", "findings_of", "kept", "raise_for"]
