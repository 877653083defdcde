"""What the kit knows of a parameter without its values: paths, role, shape; and selectors that name many."""

from ..display import did_you_mean, did_you_mean_path, find_row
from .attributes import AttributeReport, AttributeRow, freeze, set_attributes, unfreeze
from .info import (
    LAYER_DEFAULTS,
    ROLES,
    ParameterInfo,
    check_block,
    context_mismatch,
    list_parameters,
    named_memory_errors,
    parameter_info,
    role_of,
)
from .selectors import (
    Selector,
    explain_no_match,
    matcher,
    path_matcher,
    refuse_no_match,
    select_parameters,
    selector_from_json,
    selector_to_json,
    show_selector,
)

__all__ = [
    "LAYER_DEFAULTS", "ROLES", "AttributeReport", "AttributeRow", "ParameterInfo", "Selector", "check_block",
    "context_mismatch", "did_you_mean", "did_you_mean_path", "explain_no_match", "find_row", "freeze",
    "list_parameters", "matcher", "named_memory_errors", "parameter_info", "path_matcher", "refuse_no_match", "role_of",
    "select_parameters", "selector_from_json", "selector_to_json", "set_attributes", "show_selector", "unfreeze",
]  # fmt: skip
