"""Markdown: what stands in a cell cannot break the table."""

from gluon_initkit.display import Column, Table, as_markdown


def test_cells_are_escaped():
    columns = (Column("name", str, path=True), Column("x", str, number=True))
    table = Table("a*b", columns, ["p|q", "r`s", "two\nlines", "<b>"], ("Mind.",), footer=("a|b", ""))
    lines = as_markdown(table).splitlines()
    assert lines[:4] == ["> Mind.", "", "**a\\*b**", ""]
    assert lines[4:] == [
        "| name | x |", "| --- | ---: |", "| `p\\|q` | p\\|q |", "| r\\`s | r\\`s |",
        "| `two\\nlines` | two<br>lines |", "| `<b>` | \\<b\\> |", "| **a\\|b** |  |",
    ]  # fmt: skip


def test_footnotes_are_a_list():
    text = as_markdown(Table("", (Column("a", str),), ["1"], footnotes=(("error", "one"), ("", "two_three"))))
    assert text.splitlines()[-2:] == ["- one", "- two\\_three"]


def test_what_cannot_be_printed_is_written_out():
    table = Table("\u202e\udc80", (Column("name", str, path=True),), ["\x1b"], footnotes=(("", "\u202e"),))
    assert as_markdown(table).replace("\n", "").isprintable() and as_markdown(table).encode()
