"""Tables: the same cells as text and as HTML, whatever stands in them."""

from gluon_initkit.display import Column, Table, as_html, as_rich, as_text
from rich.console import Console

TABLE = Table(
    "Things",
    (Column("path", lambda row: row[0], path=True), Column("size", lambda row: str(row[1]), number=True)),
    [("a.very.long.path", 3), ("b[red]", 40)],
    ("Mind <this>.",),
    lambda row: "error" if row[1] == 3 else "",
)


def test_text_is_plain_and_fits(monkeypatch):
    monkeypatch.setenv("COLUMNS", "16")
    text = as_text(TABLE)
    assert max(map(len, text.splitlines())) <= 16 and "\x1b" not in text
    monkeypatch.setenv("COLUMNS", "60")
    text = as_text(TABLE)
    assert text.splitlines()[0] == "Mind <this>." and "a.very.long.path     3" in text and "b[red]" in text


def test_rich_colours_on_a_terminal():
    console = Console(force_terminal=True, width=60, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(as_rich(TABLE))
    assert "\x1b[" in console.export_text(styles=True)


def test_html_escapes_and_wraps_paths():
    html = as_html(TABLE)
    assert "Mind &lt;this&gt;." in html and "a.<wbr>very.<wbr>long" in html and 'class="ik-error"' in html
    assert html.count("<td") == 4 and html.count('"ik-right"') == 3


def test_a_table_is_none_of_the_trees_rows():
    """On one page the tree's style would make a grid of each row, as Jupyter's aligns all cells to the right."""
    html = as_html(Table("", (Column("path", str), Column("size", str, number=True)), ["a"]))
    assert 'class="ik-row' not in html and ".ik-table.ik-table :is(td,th)" in html
