"""What the kit knows of a parameter without its values: paths, role, shape; and selectors that name many."""
# ruff: noqa: F401

from ..display import did_you_mean, did_you_mean_path, find_row
from .attributes import AttributeReport, AttributeRow, freeze, set_attributes, unfreeze
from .info import (
    LAYER_DEFAULTS,
    ROLES,
    ParameterInfo,
    Selector,
    check_block,
    context_mismatch,
    explain_no_match,
    list_parameters,
    matcher,
    named_memory_errors,
    parameter_info,
    path_matcher,
    refuse_no_match,
    role_of,
    select_parameters,
    selector_from_json,
    selector_to_json,
    show_selector,
)
