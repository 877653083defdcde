"""Findings: what in a network or a file deserves a look, by stable codes.

`registry` holds the codes and runs the checks, which stand in `values`, `state` and `structure` by what they look at.
"""

# They fill the registry, in the order in which findings are told.
# isort: off
from . import values  # noqa: F401
from . import state  # noqa: F401
from . import structure  # noqa: F401

# isort: on
from .registry import CODES, FindingsError, Ignored, drop_ignored, findings_of, raise_for

__all__ = ["CODES", "FindingsError", "Ignored", "drop_ignored", "findings_of", "raise_for"]
