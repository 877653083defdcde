"""Shapes of a network found by its own code, on arrays without memory; see `run`."""

from .errors import NeedsNumbers
from .record import Call, Operator, Run
from .run import run_without_memory

__all__ = ["Call", "NeedsNumbers", "Operator", "Run", "run_without_memory"]
