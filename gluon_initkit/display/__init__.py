"""One table model, trees and plots, and their renderers. Knows nothing of MXNet."""

from .histogram import histogram_svg, histogram_text
from .html import as_facts, as_html
from .markdown import as_markdown
from .plots import draw_lines, draw_ridges, new_axes
from .shown import Shown
from .table import Column, Table
from .text import as_rich, as_text, cell_widths, rendered
from .tree import Branch, as_page, as_tree
from .units import counted, counted_of, escape, listed, printable, shape_text, size_text

__all__ = [
    "Branch",
    "Column",
    "Shown",
    "Table",
    "as_facts",
    "as_html",
    "as_markdown",
    "as_page",
    "as_rich",
    "as_text",
    "as_tree",
    "cell_widths",
    "counted",
    "counted_of",
    "draw_lines",
    "draw_ridges",
    "escape",
    "histogram_svg",
    "histogram_text",
    "listed",
    "new_axes",
    "printable",
    "rendered",
    "shape_text",
    "size_text",
]
