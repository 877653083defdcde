"""Tied parameters: declared, found, checked, and kept over files."""

from .errors import SharingError
from .groups import SharedGroup, check_sharing, shared_groups
from .union import Tie, merge

__all__ = ["SharedGroup", "SharingError", "Tie", "check_sharing", "merge", "shared_groups"]
