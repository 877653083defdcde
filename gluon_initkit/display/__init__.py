"""How the kit shows things: a table model and its renderers, plots, units, errors. Knows nothing of MXNet."""

from .errors import KitError, warn
from .histogram import histogram_svg, histogram_text
from .html import as_html, as_page, as_tree
from .markdown import as_markdown
from .plot import draw_lines, draw_ridges, new_axes
from .report import TableReport
from .table import Branch, Column, Table
from .text import as_rich, as_rich_tree, as_text, cell_widths, rendered, rich_text, terminal_width
from .units import AtLeast, counted, counted_of, escape, listed, printable, shape_text, show_value, size_text

__all__ = ["AtLeast", "Branch", "Column", "KitError", "Table", "TableReport", "as_html", "as_markdown",
           "as_page", "as_rich", "as_rich_tree", "as_text", "as_tree", "cell_widths", "counted",
           "counted_of", "draw_lines", "draw_ridges", "escape", "histogram_svg", "histogram_text", "listed",
           "new_axes", "printable", "rendered", "rich_text", "shape_text", "show_value", "size_text",
           "terminal_width", "warn"]  # fmt: skip
