"""A tree with columns as self-contained HTML: native ``<details>``, no script, nothing from a network.

Every row is a grid of the same columns, whatever its depth, so that numbers stand under each other; only the first cell
is indented. Colours are Jupyter's or VS Code's own where the page has such a theme, else follow the reader's light or
dark setting.
"""

from dataclasses import dataclass
from typing import Iterable, Iterator, Sequence, Tuple

from .units import escape
from .wrapping import breakable_html

__all__ = ["Branch", "as_page", "as_tree"]


@dataclass(frozen=True)
class Branch:
    """One row of a tree: its label, its cells, and the rows below it, where it has any.

    Attributes
    ----------
    label : str
        What stands in the first column; wraps at dots.
    remark : str
        What stands behind the label, less loud.
    cells : tuple of str
        HTML, one for each further column.
    below : tuple of Branch
    open : bool
        Whether the rows below are shown from the start.
    title : str
        What a pointer over the label shows: the whole path.
    severity : str
        ``'error'``, ``'warning'`` or ``'info'``: that there is a finding, here or below.
    """

    label: str
    remark: str = ""
    cells: Tuple[str, ...] = ()
    below: Tuple["Branch", ...] = ()
    open: bool = False
    title: str = ""
    severity: str = ""


def as_tree(
    title: str,
    headings: Sequence[Tuple[str, str]],
    branches: Sequence[Branch],
    footer: Sequence[str] = (),
    footnotes: Sequence[Tuple[str, str]] = (),
) -> str:
    """One ``<div>``: a title, findings, and the tree under its headings.

    Parameters
    ----------
    title : str
    headings : sequence of (str, str)
        Each column's heading and how wide it is, a CSS length; the first column is as wide as its labels.
    branches : sequence of Branch
    footer : sequence of str
        What stands under each column, the first included.
    footnotes : sequence of (str, str)
        ``'error'``, ``'warning'``, ``'info'`` or ``''``, and the text.
    """
    labels = min(max(24, max((_length(branch, 1) for branch in branches), default=0)), _LABELS)
    widths = " ".join(width for _, width in headings[1:])
    notes = "".join(f'<p class="ik-{style or "plain"}">{escape(text)}</p>' for style, text in footnotes)
    head = _row("ik-head", (escape(heading) for heading, _ in headings))
    foot = _row("ik-foot", map(escape, footer)) if footer else ""
    rows = "".join(part for branch in branches for part in _rows(branch, 0))
    return (
        f'<div class="ik-tree" style="--ik-columns:{labels}ch {widths}">{_STYLE}'
        f'<p class="ik-title">{escape(title)}</p>{notes}'
        f'<div class="ik-scroll"><div class="ik-body">{head}{rows}{foot}</div></div></div>'
    )


def as_page(title: str, body: str) -> str:
    """A whole page around a fragment, to be written to a file; its background follows light and dark as well."""
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><meta name="color-scheme" content="light dark">'
        f'<meta name="viewport" content="width=device-width"><title>{escape(title)}</title></head>'
        f"<body>{body}</body></html>\n"
    )


def _length(branch: Branch, depth: int) -> int:
    own = 2 * depth + len(branch.label) + len(branch.remark) + (10 if branch.severity else 2)
    return max([own, *(_length(inner, depth + 1) for inner in branch.below)])


_LABELS = 46  # characters, beyond which labels wrap


def _row(kind: str, cells: Iterable[str]) -> str:
    return f'<div class="ik-row {kind}">' + "".join(f"<span>{cell}</span>" for cell in cells) + "</div>"


def _rows(branch: Branch, depth: int) -> Iterator[str]:
    remark = f' <span class="ik-remark">{escape(branch.remark)}</span>' if branch.remark else ""
    if branch.severity:
        remark += f' <span class="ik-dot ik-{branch.severity}">● {branch.severity}</span>'
    title = f' title="{escape(branch.title)}"' if branch.title else ""
    label = f'<span class="ik-label" style="--ik-depth:{depth}"{title}>{breakable_html(branch.label)}{remark}</span>'
    row = label + "".join(f"<span>{cell}</span>" for cell in branch.cells)
    if not branch.below:
        yield f'<div class="ik-row">{row}</div>'
        return
    yield f'<details{" open" if branch.open else ""}><summary class="ik-row">{row}</summary>'
    for inner in branch.below:
        yield from _rows(inner, depth + 1)
    yield "</details>"


def _colours(text: str, quiet: str, rule: str, accent: str, hover: str, error: str, warning: str) -> str:
    """The theme of the page where it has one, else these colours."""
    return (
        ".ik-tree{--ik-back:var(--jp-layout-color0,var(--vscode-editor-background,Canvas));"
        f"--ik-text:var(--jp-content-font-color1,var(--vscode-foreground,{text}));"
        f"--ik-quiet:var(--jp-content-font-color2,var(--vscode-descriptionForeground,{quiet}));"
        f"--ik-rule:var(--jp-border-color2,var(--vscode-panel-border,{rule}));"
        f"--ik-accent:var(--jp-brand-color1,var(--vscode-charts-blue,{accent}));"
        f"--ik-hover:var(--jp-layout-color2,var(--vscode-list-hoverBackground,{hover}));"
        f"--ik-error-color:var(--jp-error-color1,{error});--ik-warning-color:var(--jp-warn-color0,{warning})}}"
    )


_STYLE = (
    "<style>"
    + _colours("#1f2328", "#59636e", "#d1d9e0", "#0969da", "#f0f3f6", "#cf222e", "#9a6700")
    + "@media(prefers-color-scheme:dark){"
    + _colours("#e6edf3", "#9198a1", "#3d444d", "#4493f8", "#262c36", "#ff7b72", "#d29922")
    + """}
.ik-tree{color:var(--ik-text);font:13px/1.45 system-ui,-apple-system,"Segoe UI",sans-serif}
.ik-tree p{margin:0 0 .4em;padding:0;overflow-wrap:anywhere}.ik-tree .ik-title{font-size:14px;font-weight:600}
p.ik-error,p.ik-warning,p.ik-info{border-left:3px solid;padding-left:.6em!important}
.ik-error{color:var(--ik-error-color)}.ik-warning{color:var(--ik-warning-color)}.ik-info{color:var(--ik-accent)}
.ik-plain,.ik-remark{color:var(--ik-quiet)}.ik-remark,.ik-dot{font-size:12px;margin-left:.3em;font-weight:400}
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
.ik-histogram{display:inline-block;vertical-align:middle;fill:var(--ik-accent)}
.ik-zero{stroke:var(--ik-quiet);stroke-width:.7;stroke-dasharray:2 2;fill:none}
</style>"""
)
