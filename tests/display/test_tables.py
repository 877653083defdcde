"""Tables as text: plain where it is written, coloured on a terminal."""

from gluon_initkit.display import Column, Table, as_rich, as_text
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
