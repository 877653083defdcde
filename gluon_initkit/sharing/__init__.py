"""Tied parameters: declare, find and check them, and keep their ties in files."""

from .builder import Sharing, SharingReport, SharingRow, shared_layers, sharing_scope, untie
from .errors import LoadError, SharingError
from .groups import SharedGroup, check_sharing, shared_groups
from .load import LoadReport, LoadRow, load
from .save import save

__all__ = ["LoadError", "LoadReport", "LoadRow", "SharedGroup", "Sharing", "SharingError", "SharingReport",
           "SharingRow", "check_sharing", "load", "save", "shared_groups", "shared_layers", "sharing_scope",
           "untie"]  # fmt: skip
