"""Tables as self-contained HTML: no script, nothing from a network, readable in light and dark notebooks."""

from html import escape

from .table import Column, Table

__all__ = ["as_html"]

_STYLE = """<style>
.ik-table{border-collapse:collapse;font-size:90%}.ik-table caption{text-align:left;font-weight:bold;padding:.3em 0}
.ik-table td,.ik-table th{padding:.15em .7em;text-align:left;vertical-align:top;border-bottom:1px solid #8884}
.ik-table .ik-right{text-align:right}.ik-table .ik-error{color:#d33;font-weight:bold}
.ik-table .ik-changed{background:#2a92}.ik-note{font-weight:bold;color:#b70}
</style>"""


def as_html(table: Table) -> str:
    """One ``<div>`` with the notes and the table."""
    notes = "".join(f'<p class="ik-note">{escape(note)}</p>' for note in table.notes)
    head = "".join(f"<th{_align(column)}>{escape(column.heading)}</th>" for column in table.columns)
    body = "".join(
        f'<tr class="ik-{table.emphasis(row) or "row"}">'
        + "".join(f"<td{_align(column)}>{_cell(column, row)}</td>" for column in table.columns)
        + "</tr>"
        for row in table.rows
    )
    return (
        f'<div>{_STYLE}{notes}<table class="ik-table"><caption>{escape(table.title)}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _align(column: Column) -> str:
    return ' class="ik-right"' if column.justify == "right" else ""


def _cell(column: Column, row: object) -> str:
    text = escape(column.read(row))
    return text.replace(".", ".<wbr>") if column.path else text
