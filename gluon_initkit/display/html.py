"""Tables as self-contained HTML: no script, nothing from a network, readable in light and dark notebooks."""

from typing import Sequence, Tuple

from .table import Column, Table
from .units import escape
from .wrapping import breakable_html

__all__ = ["as_facts", "as_html"]

# The class twice, to weigh more than Jupyter's own rules, which set cells flush right and stripe rows, so that those
# which differ would not stand out. The tree styles `ik-row`.
_STYLE = """<style>
.ik-table{border-collapse:collapse;font-size:90%}
.ik-table caption{text-align:left;font-weight:bold;padding:.3em 0}.ik-table .ik-short{white-space:nowrap}
.ik-table.ik-table td,.ik-table.ik-table th{padding:.15em .7em;text-align:left;vertical-align:top;
border-bottom:1px solid #8884}
.ik-table.ik-table .ik-right{text-align:right;font-variant-numeric:tabular-nums}
.ik-table .ik-error{color:#d33;font-weight:bold}
.ik-table.ik-table tbody tr{background:none}.ik-table.ik-table .ik-changed td{background:#2a92}
.ik-note{font-weight:bold;color:#b70}
.ik-table .ik-histogram{fill:var(--jp-brand-color1,currentColor)}.ik-table .ik-zero{stroke:#8888;fill:none}
</style>"""


def as_html(table: Table) -> str:
    """One ``<div>`` with the notes and the table."""
    notes = "".join(f'<p class="ik-note">{escape(note)}</p>' for note in table.notes)
    head = "".join(f"<th{_align(column)}>{escape(column.heading)}</th>" for column in table.columns)
    body = "".join(
        f'<tr class="ik-{table.emphasis(row) or "plain"}">'
        + "".join(f"<td{_align(column)}>{_cell(column, row)}</td>" for column in table.columns)
        + "</tr>"
        for row in table.rows
    )
    foot = "".join(f"<th{_align(column)}>{escape(column.footer)}</th>" for column in table.columns)
    foot = f"<tfoot><tr>{foot}</tr></tfoot>" if any(column.footer for column in table.columns) else ""
    below = "".join(f'<p class="ik-{style or "plain"}">{escape(text)}</p>' for style, text in table.footnotes)
    return (
        f'<div>{_STYLE}{notes}<table class="ik-table">{_caption(table.title)}'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody>{foot}</table>{below}</div>"
    )


def as_facts(title: str, facts: Sequence[Tuple[str, str]]) -> str:
    """One ``<div>`` with a heading and its value, which is HTML, in each row."""
    rows = "".join(f'<tr><th scope="row">{escape(heading)}</th><td>{value}</td></tr>' for heading, value in facts)
    return f'<div>{_STYLE}<table class="ik-table">{_caption(title)}<tbody>{rows}</tbody></table></div>'


def _caption(title: str) -> str:
    """The title, which a narrow table would squeeze."""
    style = ' class="ik-short"' if len(title) <= 80 else ""
    return f"<caption{style}>{escape(title)}</caption>"


def _align(column: Column) -> str:
    return ' class="ik-right"' if column.justify == "right" else ""


def _cell(column: Column, row: object) -> str:
    text = "\n".join(column.lines(row))
    return breakable_html(text) if column.path else escape(text)
