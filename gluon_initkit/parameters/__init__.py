"""What the kit knows of a parameter without its values: paths, role, shape; and selectors that name many."""
# ruff: noqa: F401

from ..display import did_you_mean, did_you_mean_path, find_row
from .attributes import AttributeReport, AttributeRow, freeze, set_attributes, unfreeze
from .info import *  # noqa: F403
