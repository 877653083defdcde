"""Shapes of a network found by its own code, on arrays without memory; see `run`."""

from .record import Call, NeedsNumbers, Operator, Run
from .run import run_without_memory

__all__ = ["Call", "NeedsNumbers", "Operator", "Run", "run_without_memory"]
