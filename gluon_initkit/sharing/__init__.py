"""Tied parameters: declared, found, checked, and kept over files."""

from .errors import SharingError
from .groups import SharedGroup, check_sharing, shared_groups
from .loading import load
from .saving import save
from .union import Tie, merge

__all__ = ["SharedGroup", "SharingError", "Tie", "check_sharing", "load", "merge", "save", "shared_groups"]
