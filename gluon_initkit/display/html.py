"""Trees as self-contained HTML, which loads nothing from the internet and is readable in light and dark.

A tree unfolds without scripts. Where scripts run, a short one adds a filter, and buttons that fold and unfold all.
Colours come from the theme of Jupyter or VS Code, or follow the reader's setting. All rows of a tree are grids of the
same columns at every depth, so that numbers are aligned.
"""

import re
from typing import Iterable, Iterator, Sequence, Tuple

from .table import DOT, Branch, Table
from .words import escape

_FINDINGS = ("error", "warning", "info")  # severities that are marked by a dot
_WIDEST_LABEL, _WIDEST_CELL = 46, 28  # characters; longer texts wrap


def as_tree(table: Table) -> str:
    """One ``<div>`` with the title, the footnotes, and the branches as native ``<details>`` below the headings."""
    columns, footer = table.columns[1:], table.footer[1:] or [""] * len(table.columns)
    branches = list(_flat(table.rows, 1))
    label = max([24, *(2 * depth + len(branch.label) + len(branch.remark) + (10 if branch.severity in _FINDINGS else 2)
                       for depth, branch in branches)])  # fmt: skip
    widths = [f"{min(label, _WIDEST_LABEL)}ch"]
    for index, (column, text) in enumerate(zip(columns, footer)):
        longest = max([len(column.title), len(text), *(len(branch.cells[index]) for _, branch in branches)])
        widths.append(f"max(120px,{len(column.title) + 2}ch)" if column.html else f"{min(longest + 1, _WIDEST_CELL)}ch")
    cells = ['<span class="ik-number">' if column.number or column.html else "<span>" for column in columns]
    rows = "".join(part for branch in table.rows for part in _rows(branch, 0, cells))
    head, foot = ("".join(f"{tag}{escape(text)}</span>" for tag, text in zip(["<span>", *cells], texts))
                  for texts in ([column.title for column in table.columns], table.footer))  # fmt: skip
    foot = foot and f'<div class="ik-row ik-foot">{foot}</div>'
    notes = "".join(f'<p class="ik-{style or "plain"}">{escape(text)}</p>' for style, text in table.footnotes)
    marks = {branch.severity for _, branch in branches}
    words = [f'<span class="ik-{mark}">{escape(text)}</span>' for mark, text in table.legend.items() if mark in marks]
    legend = f'<p class="ik-legend">{" ".join(words)}</p>' if words else ""
    return (
        f'<div class="ik ik-tree" style="--ik-columns:{" ".join(widths)}">{_STYLE}'
        f'<p class="ik-title">{escape(table.title)}</p>{notes}{legend}'
        f'<div class="ik-scroll"><div class="ik-body"><div class="ik-row ik-head">{head}</div>{rows}{foot}</div></div>'
        f"</div>{_SCRIPT if '<details' in rows else ''}"
    )


def as_page(title: str, body: str) -> str:
    """A complete HTML page with this body."""
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><meta name="color-scheme" content="light dark">'
        f'<meta name="viewport" content="width=device-width"><title>{escape(title)}</title></head>'
        f"<body>{body}</body></html>\n"
    )


def _flat(branches: Iterable[Branch], depth: int) -> Iterator[Tuple[int, Branch]]:
    for branch in branches:
        yield depth, branch
        yield from _flat(branch.below, depth + 1)


def _rows(branch: Branch, depth: int, tags: Sequence[str]) -> Iterator[str]:
    """The HTML of a branch in parts. `tags` are the opening tags of the cells."""
    remark = f' <span class="ik-remark">{escape(branch.remark)}</span>' if branch.remark else ""
    if branch.severity in _FINDINGS:
        remark += f' <span class="ik-dot ik-{branch.severity}">● {branch.severity}</span>'
    title = f' title="{escape(branch.path)}"' if branch.path else ""
    label = f'<span class="ik-label" style="--ik-depth:{depth}"{title}>{_breakable(branch.label)}{remark}</span>'
    row = label + "".join(f"{tag}{cell}</span>" for tag, cell in zip(tags, branch.cells))
    if not branch.below:
        kind = "" if branch.severity in ("", *_FINDINGS) else f" ik-{branch.severity}"
        yield f'<div class="ik-row{kind}">{row}</div>'
        return
    yield f'<details{" open" if branch.open else ""}><summary class="ik-row">{row}</summary>'
    for child in branch.below:
        yield from _rows(child, depth + 1, tags)
    yield "</details>"


def _breakable(text: str) -> str:
    """Text as HTML that may break at dots and underscores."""
    return re.sub(DOT + "|(?<=_)", "<wbr>", escape(text))


def _colours(text: str, quiet: str, rule: str, accent: str, hover: str, error: str, warning: str) -> str:
    """CSS that uses the page's theme, or these colours if it has none."""
    return (
        ".ik{--ik-back:var(--jp-layout-color0,var(--vscode-editor-background,Canvas));"
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
.ik{color:var(--ik-text);font:13px/1.45 system-ui,-apple-system,"Segoe UI",sans-serif}
.ik p{margin:0 0 .4em;padding:0;overflow-wrap:anywhere}.ik .ik-title{font-size:14px;font-weight:600}
p.ik-error,p.ik-warning,p.ik-info{border-left:3px solid;padding-left:.6em!important}
.ik-error{color:var(--ik-error-color)}.ik-warning{color:var(--ik-warning-color)}.ik-info{color:var(--ik-accent)}
.ik-plain,.ik-remark{color:var(--ik-quiet)}.ik-remark,.ik-dot{font-size:12px;margin-left:.3em;font-weight:400}
.ik-histogram{display:inline-block;vertical-align:middle;fill:var(--ik-accent)}
.ik-zero{stroke:var(--ik-quiet);stroke-width:.7;stroke-dasharray:2 2;fill:none}
.ik-legend>span{padding:.1em .6em;border:1px solid var(--ik-rule);border-radius:3px}
.ik-legend .ik-changed{background:#2a92}.ik-legend .ik-dim{color:var(--ik-quiet)}
.ik-bar{display:flex;gap:.5em;margin:0 0 .4em}.ik-bar>*{font:inherit;color:inherit;background:var(--ik-back);
border:1px solid var(--ik-rule);border-radius:3px;padding:.1em .6em}.ik-bar>button{cursor:pointer}
.ik-bar>button:hover{background:var(--ik-hover)}.ik-tree [hidden]{display:none!important}
.ik-scroll{overflow-x:auto;padding-bottom:.3em}.ik-body{width:max-content}
.ik-row{display:grid;grid-template-columns:var(--ik-columns);column-gap:1em;align-items:center;
padding:.15em .5em .15em 0;border-bottom:1px solid var(--ik-rule)}
.ik-row>span{font-variant-numeric:tabular-nums;overflow-wrap:anywhere}.ik-row>.ik-number{text-align:right}
.ik-row>span:first-child{position:sticky;left:0;padding-left:.5em;background:var(--ik-back)}
.ik-row.ik-changed{background:#2a92}
.ik-row.ik-changed>.ik-label{background:linear-gradient(#2a92,#2a92),var(--ik-back)}
.ik-row.ik-dim>span{color:var(--ik-quiet)}.ik-row>span.ik-label{white-space:pre-line;
padding-left:calc(1.2em*(var(--ik-depth) + 1) + .5em)}
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
_SCRIPT = """<script>
for (const tree of document.querySelectorAll(".ik-tree:not([data-ik])")) {
  tree.dataset.ik = "";
  const blocks = [...tree.querySelectorAll("details")].reverse(), before = blocks.map(block => block.open);
  const rows = [...tree.querySelectorAll(".ik-body > .ik-row:not(.ik-head,.ik-foot), details > div.ik-row")];
  if (!blocks.length) continue;
  const bar = document.createElement("div");
  bar.className = "ik-bar";
  bar.innerHTML = '<input type="search" placeholder="filter" aria-label="filter">' +
    '<button type="button">unfold all</button><button type="button">fold all</button>';
  const [filter, unfold, fold] = bar.children, open = value => () => blocks.forEach(block => block.open = value);
  unfold.onclick = open(true);
  fold.onclick = open(false);
  filter.oninput = () => {
    const words = filter.value.toLowerCase(), says = row => row.textContent.toLowerCase().includes(words);
    const holds = row => row.querySelector(".ik-label").title.toLowerCase().includes(words) || says(row);
    rows.forEach(row => row.hidden = !holds(row));
    blocks.forEach((block, index) => {
      block.hidden = !block.querySelector("div.ik-row:not([hidden])");
      block.open = words ? !block.hidden : before[index];
    });
  };
  tree.querySelector(".ik-scroll").before(bar);
}
</script>"""
