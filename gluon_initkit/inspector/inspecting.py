"""`inspect`: the front door, for networks and files (placeholder)."""

from typing import Any

from .checkpoint import read_checkpoint
from .report import Report

__all__ = ["inspect"]


def inspect(net_or_file: Any, *, stats: bool = False) -> Report:
    """The report of a file."""
    return read_checkpoint(net_or_file, stats=stats)
