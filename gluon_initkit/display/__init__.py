"""The kit's output: a table model and its renderers, plots, text formats and errors. Independent of MXNet."""
# ruff: noqa: F401

from .fold import MOST_ROWS, braced_paths, sorted_by, text_table, tree_table
from .html import as_page, as_tree
from .plot import draw_lines, draw_ridges, histogram_svg, histogram_text, new_axes, series_text
from .report import TableReport, import_pandas
from .table import (
    Branch,
    Column,
    Table,
    as_markdown,
    as_rich,
    as_text,
    number_columns,
    path_column,
    rendered,
    shape_column,
)
from .words import *  # noqa: F403
