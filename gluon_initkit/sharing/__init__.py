"""Tied parameters: declared, found, checked, and kept over files."""

from .birth import shared_layers, sharing_scope
from .builder import Sharing
from .errors import SharingError
from .groups import SharedGroup, check_sharing, shared_groups
from .report import SharingReport, SharingRow
from .union import Tie, merge
from .untying import untie

__all__ = ["SharedGroup", "Sharing", "SharingError", "SharingReport", "SharingRow", "Tie", "check_sharing", "merge",
           "shared_groups", "shared_layers", "sharing_scope", "untie"]  # fmt: skip
