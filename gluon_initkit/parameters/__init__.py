"""What a parameter is called: paths, roles, and the selectors that name many at once."""

from .info import ParameterInfo, check_block, describe, info_of
from .making import made
from .memory import memory_for
from .nearest import nearest, nearest_path, row_of
from .placement import apart
from .roles import LAYER_DEFAULTS, ROLES, role_of
from .selectors import (
    Selector,
    matcher,
    path_matcher,
    refuse_unknown,
    selector_from_json,
    selector_to_json,
    show_selector,
    why_unknown,
)

__all__ = [
    "LAYER_DEFAULTS",
    "ROLES",
    "ParameterInfo",
    "Selector",
    "apart",
    "check_block",
    "describe",
    "info_of",
    "made",
    "matcher",
    "memory_for",
    "nearest",
    "nearest_path",
    "path_matcher",
    "refuse_unknown",
    "role_of",
    "row_of",
    "selector_from_json",
    "selector_to_json",
    "show_selector",
    "why_unknown",
]
