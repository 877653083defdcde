"""Tied parameters: declared, found, checked, and kept over files."""

from .birth import shared_layers, sharing_scope
from .builder import Sharing
from .errors import LoadError, SharingError
from .groups import SharedGroup, check_sharing, shared_groups
from .loading import load
from .report import SharingReport, SharingRow
from .saving import save
from .union import Tie, merge
from .untying import untie

__all__ = ["LoadError", "SharedGroup", "Sharing", "SharingError", "SharingReport", "SharingRow", "Tie",
           "check_sharing", "load", "merge", "save", "shared_groups", "shared_layers", "sharing_scope",
           "untie"]  # fmt: skip
