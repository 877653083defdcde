"""How a table is fitted into its room."""

from gluon_initkit.display import Column, Table, as_text
from hypothesis import given, settings
from hypothesis import strategies as st


def test_prose_gives_way_before_calls_and_calls_before_numbers():
    columns = (
        Column("shape", lambda row: "(16, ?, 5, 5)"),
        Column("call", lambda row: "Xavier(rnd_type='uniform', magnitude=3)"),
        Column("why", lambda row: "layer default"),
        Column("size", lambda row: "1,234,567", number=True),
    )
    table = Table("", columns, [0])
    # Calls and prose break at blanks, shapes and numbers never.
    assert as_text(table, 64).splitlines()[2:] == [
        "(16, ?, 5, 5)  Xavier(rnd_type='uniform',  layer       1,234,567",
        "               magnitude=3)                default",
    ]
    # Then within calls, where an argument begins.
    assert [line[15:36].rstrip() for line in as_text(table, 56).splitlines()[2:]] == [
        "Xavier(", "rnd_type='uniform',", "magnitude=3)",
    ]  # fmt: skip
    for width in range(20, 110):
        text = as_text(table, width)
        assert max(map(len, text.splitlines())) <= width
        assert ("1,234,567" in text and "(16, ?, 5, 5)" in text) or width < 48, width


cells = st.text("abcdef._ ", max_size=40)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(cells, st.integers(0, 10**9)), min_size=1, max_size=5), st.integers(14, 60))
def test_no_character_of_a_name_is_lost(rows, width):
    columns = (Column("path", lambda row: row[0], path=True), Column("size", lambda row: str(row[1]), number=True))
    lines = as_text(Table("", columns, rows), width).splitlines()
    assert max(map(len, lines), default=0) <= width
    shown = "".join("".join(lines).split()).replace("─", "")
    for name, size in rows:
        assert sorted(set(name) - {" "}) == sorted(set(name) & set(shown)) and str(size)[:1] in shown


def test_what_stands_for_several_layers_is_not_torn():
    columns = (Column("path", str, path=True),)
    assert as_text(Table("", columns, ["encoder.{0..11}.gamma x12"]), 17).splitlines()[2:] == [
        "encoder.{0..11}.", "gamma x12",
    ]  # fmt: skip


def test_names_break_at_dots_then_at_underscores():
    columns = (Column("path", str, path=True),)
    assert as_text(Table("", columns, ["features.1.running_mean"]), 14).splitlines()[2:] == [
        "features.1.",
        "running_mean",
    ]
    assert as_text(Table("", columns, ["arg_resnet_stage_gamma"]), 12).splitlines()[2:] == [
        "arg_resnet_",
        "stage_gamma",
    ]
    assert as_text(Table("", columns, ["abcdefghijkl"]), 5).splitlines()[2:5] == ["abcde", "fghij", "kl"]


def test_footers_and_footnotes():
    columns = (Column("a", str), Column("b", str, number=True))
    notes = (("", "All of it."), ("error", "Mind the [gap] between the two."))
    table = Table("", columns, ["5", "7"], footnotes=notes, footer=("total", "12"))
    assert as_text(table, 24).splitlines() == [
        "a       b", "─────────", "5       5", "7       7", "─────────", "total  12", "",
        "All of it.", "", "Mind the [gap] between", "  the two.",
    ]  # fmt: skip


def test_a_number_of_bytes_stays_with_its_unit():
    totals = "1,234 values; 177,664 bytes (173.5 KiB), 12 B"
    table = Table(totals, (Column("a", str),), ["1"], footnotes=(("", totals), ("error", totals)))
    for width in range(20, 60):
        lines = as_text(table, width).splitlines()
        assert max(map(len, lines)) <= width
        assert sum("(173.5 KiB)" in line for line in lines) == sum("12 B" in line for line in lines) == 3, width


def test_a_table_without_rows_is_its_title():
    assert as_text(Table("3 equal", (Column("parameter", str),), []), 30) == "3 equal"


def test_a_foreign_name_does_not_steer_the_terminal():
    name = chr(27) + "[2J.weight"
    text = as_text(Table(name, (Column("", lambda row: row, path=True),), [name], footnotes=(("", name),)), 60)
    assert text.count(r"\x1b[2J.weight") == 3 and text.replace("\n", "").isprintable()
