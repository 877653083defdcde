"""One table model and its renderers. Knows nothing of MXNet."""

from .html import as_html
from .table import Column, Table
from .text import as_rich, as_text, rendered
from .units import shape_text, size_text

__all__ = ["Column", "Table", "as_html", "as_rich", "as_text", "rendered", "shape_text", "size_text"]
