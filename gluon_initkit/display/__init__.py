"""How the kit shows things: a table model and its renderers, plots, units, errors. Knows nothing of MXNet."""

from .errors import KitError, warn
from .fold import MOST_ROWS, braced_paths, sorted_by, text_table, tree_table
from .histogram import histogram_svg, histogram_text, series_text
from .html import as_page, as_tree
from .markdown import as_markdown
from .plot import draw_lines, draw_ridges, new_axes
from .report import TableReport, import_pandas
from .suggest import did_you_mean, did_you_mean_path, find_row
from .table import Branch, Column, Table, path_column, shape_column
from .text import as_rich, as_text, rendered
from .units import AtLeast, counted, counted_of, inputs_text, listed, printable, shape_text, show_value, size_text

__all__ = [
    "MOST_ROWS", "AtLeast", "Branch", "Column", "KitError", "Table", "TableReport", "as_markdown", "as_page", "as_rich",
    "as_text", "as_tree", "braced_paths", "counted", "counted_of", "did_you_mean", "did_you_mean_path",
    "draw_lines", "draw_ridges", "find_row", "histogram_svg", "histogram_text", "import_pandas", "inputs_text",
    "listed", "new_axes", "path_column", "printable", "rendered", "series_text", "shape_column", "shape_text",
    "show_value", "size_text", "sorted_by", "text_table", "tree_table", "warn",
]  # fmt: skip
