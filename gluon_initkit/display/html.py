"""Tables and trees as self-contained HTML: no script, nothing from a network, readable in light and dark.

Colours are Jupyter's or VS Code's own where the page has such a theme, else they follow the reader's setting. In a
tree every row is a grid of the same columns, whatever its depth, so that numbers stand under each other.
"""

from typing import Any, Iterable, Iterator, Tuple

from .line_breaks import breakable_html
from .table import Branch, Column, Table
from .units import escape

__all__ = ["as_html", "as_page", "as_tree"]

_FOUND = ("error", "warning", "info")  # what a dot marks
_WIDEST_LABEL, _WIDEST_CELL = 46, 28  # characters; what is longer wraps


def as_html(table: Table) -> str:
    """One ``<div>`` with the notes, the table and the footnotes. Without headings, the first column heads its row."""
    notes = "".join(f'<p class="ik-note">{escape(note)}</p>' for note in table.notes)
    head = "".join(f"<th{_align(column)}>{escape(column.title)}</th>" for column in table.columns)
    head = f"<thead><tr>{head}</tr></thead>" if any(column.title for column in table.columns) else ""
    body = ""
    for row in table.rows:
        cells = [f"<td{_align(column)}>{_cell(column, row)}</td>" for column in table.columns]
        if not head:
            cells[0] = f'<th scope="row">{_cell(table.columns[0], row)}</th>'
        body += f'<tr class="ik-{table.emphasis(row) or "plain"}">{"".join(cells)}</tr>'
    foot = "".join(f"<th{_align(column)}>{escape(text)}</th>" for column, text in zip(table.columns, table.footer))
    foot = f"<tfoot><tr>{foot}</tr></tfoot>" if foot else ""
    short = ' class="ik-short"' if len(table.title) <= 80 else ""  # which a narrow table would break
    return (
        f'<div class="ik">{_STYLE}{notes}<table class="ik-table"><caption{short}>{escape(table.title)}</caption>'
        f"{head}<tbody>{body}</tbody>{foot}</table>{_footnotes(table)}</div>"
    )


def as_tree(table: Table) -> str:
    """One ``<div>`` with the title, the footnotes, and the branches as native ``<details>`` under the headings."""
    columns, footer = table.columns[1:], table.footer[1:] or [""] * len(table.columns)
    longest = [max(len(column.title), len(text)) for column, text in zip(columns, footer)]
    label = 24
    for depth, branch in _branches(table.rows, 1):
        length = 2 * depth + len(branch.label) + len(branch.remark) + (10 if branch.severity in _FOUND else 2)
        label = min(max(label, length), _WIDEST_LABEL)
        longest = [max(most, len(cell)) for most, cell in zip(longest, branch.cells)]
    rows = "".join(part for branch in table.rows for part in _rows(branch, 0))
    widths = [
        f"max(120px,{len(column.title) + 2}ch)" if column.html else f"{min(most + 1, _WIDEST_CELL)}ch"
        for column, most in zip(columns, longest)
    ]
    head = _row("ik-head", (escape(column.title) for column in table.columns))
    foot = _row("ik-foot", map(escape, table.footer)) if table.footer else ""
    return (
        f'<div class="ik ik-tree" style="--ik-columns:{" ".join([f"{label}ch", *widths])}">{_STYLE}'
        f'<p class="ik-title">{escape(table.title)}</p>{_footnotes(table)}'
        f'<div class="ik-scroll"><div class="ik-body">{head}{rows}{foot}</div></div></div>'
    )


def as_page(title: str, body: str) -> str:
    """A whole page around a fragment, to be written to a file."""
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><meta name="color-scheme" content="light dark">'
        f'<meta name="viewport" content="width=device-width"><title>{escape(title)}</title></head>'
        f"<body>{body}</body></html>\n"
    )


def _footnotes(table: Table) -> str:
    return "".join(f'<p class="ik-{style or "plain"}">{escape(text)}</p>' for style, text in table.footnotes)


def _align(column: Column) -> str:
    return ' class="ik-right"' if column.number else ""


def _cell(column: Column, row: Any) -> str:
    if column.html:
        return column.html(column.read(row), "")
    text = "\n".join(column.lines(row))
    return breakable_html(text) if column.path else escape(text)


def _row(kind: str, cells: Iterable[str]) -> str:
    return f'<div class="ik-row {kind}">' + "".join(f"<span>{cell}</span>" for cell in cells) + "</div>"


def _branches(branches: Iterable[Branch], depth: int) -> Iterator[Tuple[int, Branch]]:
    for branch in branches:
        yield depth, branch
        yield from _branches(branch.below, depth + 1)


def _rows(branch: Branch, depth: int) -> Iterator[str]:
    """The HTML of a branch in parts."""
    remark = f' <span class="ik-remark">{escape(branch.remark)}</span>' if branch.remark else ""
    if branch.severity in _FOUND:
        remark += f' <span class="ik-dot ik-{branch.severity}">● {branch.severity}</span>'
    title = f' title="{escape(branch.path)}"' if branch.path else ""
    label = f'<span class="ik-label" style="--ik-depth:{depth}"{title}>{breakable_html(branch.label)}{remark}</span>'
    row = label + "".join(f"<span>{cell}</span>" for cell in branch.cells)
    if not branch.below:
        kind = "" if branch.severity in ("", *_FOUND) else f" ik-{branch.severity}"
        yield f'<div class="ik-row{kind}">{row}</div>'
        return
    yield f'<details{" open" if branch.open else ""}><summary class="ik-row">{row}</summary>'
    for inner in branch.below:
        yield from _rows(inner, depth + 1)
    yield "</details>"


def _colours(text: str, quiet: str, rule: str, accent: str, hover: str, error: str, warning: str) -> str:
    """The theme of the page where it has one, else these colours."""
    return (
        ".ik{--ik-back:var(--jp-layout-color0,var(--vscode-editor-background,Canvas));"
        f"--ik-text:var(--jp-content-font-color1,var(--vscode-foreground,{text}));"
        f"--ik-quiet:var(--jp-content-font-color2,var(--vscode-descriptionForeground,{quiet}));"
        f"--ik-rule:var(--jp-border-color2,var(--vscode-panel-border,{rule}));"
        f"--ik-accent:var(--jp-brand-color1,var(--vscode-charts-blue,{accent}));"
        f"--ik-hover:var(--jp-layout-color2,var(--vscode-list-hoverBackground,{hover}));"
        f"--ik-error-color:var(--jp-error-color1,{error});--ik-warning-color:var(--jp-warn-color0,{warning})}}"
    )


# The table's class is written twice to weigh more than Jupyter's own rules, by which cells are flush right and striped.
_STYLE = (
    "<style>"
    + _colours("#1f2328", "#59636e", "#d1d9e0", "#0969da", "#f0f3f6", "#cf222e", "#9a6700")
    + "@media(prefers-color-scheme:dark){"
    + _colours("#e6edf3", "#9198a1", "#3d444d", "#4493f8", "#262c36", "#ff7b72", "#d29922")
    + """}
.ik{color:var(--ik-text);font:13px/1.45 system-ui,-apple-system,"Segoe UI",sans-serif}
.ik p{margin:0 0 .4em;padding:0;overflow-wrap:anywhere}.ik .ik-title{font-size:14px;font-weight:600}
p.ik-error,p.ik-warning,p.ik-info{border-left:3px solid;padding-left:.6em!important}
.ik-error{color:var(--ik-error-color)}.ik-warning,.ik-note{color:var(--ik-warning-color)}
.ik-info{color:var(--ik-accent)}.ik-note{font-weight:600}
.ik-plain,.ik-remark{color:var(--ik-quiet)}.ik-remark,.ik-dot{font-size:12px;margin-left:.3em;font-weight:400}
.ik-histogram{display:inline-block;vertical-align:middle;fill:var(--ik-accent)}
.ik-zero{stroke:var(--ik-quiet);stroke-width:.7;stroke-dasharray:2 2;fill:none}
.ik-table{border-collapse:collapse}.ik-table caption{text-align:left;font-weight:600;padding:.3em 0}
.ik-table .ik-short{white-space:nowrap}
.ik-table.ik-table :is(td,th){padding:.15em .7em;text-align:left;vertical-align:top;
border-bottom:1px solid var(--ik-rule)}
.ik-table.ik-table .ik-right{text-align:right;font-variant-numeric:tabular-nums}
.ik-table.ik-table tbody tr{background:none;color:var(--ik-text)}.ik-table.ik-table .ik-changed td{background:#2a92}
.ik-row.ik-changed>span,.ik-row.ik-changed>.ik-label{background:linear-gradient(#2a92,#2a92),var(--ik-back)}
.ik-row.ik-dim>span{color:var(--ik-quiet)}
.ik-table.ik-table tbody .ik-error{color:var(--ik-error-color);font-weight:600}
.ik-scroll{overflow-x:auto;padding-bottom:.3em}.ik-body{width:max-content}
.ik-row{display:grid;grid-template-columns:var(--ik-columns);column-gap:1em;align-items:center;
padding:.15em .5em;border-bottom:1px solid var(--ik-rule)}
.ik-row>span{text-align:right;font-variant-numeric:tabular-nums;overflow-wrap:anywhere}
.ik-row>span:first-child{text-align:left;position:sticky;left:0;background:var(--ik-back)}
.ik-label{padding-left:calc(1.2em*(var(--ik-depth) + 1))}
.ik-head>span{color:var(--ik-quiet);font-weight:600}.ik-foot{border-bottom:0}.ik-foot>span{font-weight:600}
summary.ik-row{cursor:pointer;list-style:none}summary.ik-row::-webkit-details-marker{display:none}
summary>.ik-label{font-weight:600}
summary>.ik-label::before{content:"";display:inline-block;box-sizing:border-box;width:.45em;height:.45em;
margin:0 .6em .1em -1.05em;border-right:1.5px solid var(--ik-quiet);border-bottom:1.5px solid var(--ik-quiet);
transform:rotate(-45deg);transition:transform .1s}
details[open]>summary>.ik-label::before{transform:translateY(-.15em) rotate(45deg)}
.ik-tree :is(summary,div.ik-row:not(.ik-head,.ik-foot)):hover,
.ik-tree :is(summary,div.ik-row:not(.ik-head,.ik-foot)):hover>.ik-label{background:var(--ik-hover)}
summary.ik-row:focus-visible{outline:2px solid var(--ik-accent);outline-offset:-2px}
</style>"""
)
