"""The inspector: what every parameter is. Pure: looking changes nothing. Importing it imports no MXNet."""

from .checkpoint import StoredValues, read_checkpoint
from .params_format import CheckpointError
from .report import Report

__all__ = ["CheckpointError", "Report", "StoredValues", "read_checkpoint"]
