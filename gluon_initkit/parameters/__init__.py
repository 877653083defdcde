"""Descriptions of parameters without their values: paths, role, shape. And selectors, which select several."""
# ruff: noqa: F401

from ..display import did_you_mean, did_you_mean_path, find_row
from .attributes import AttributeReport, AttributeRow, freeze, set_attributes, unfreeze
from .info import *  # noqa: F403
