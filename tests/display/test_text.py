"""How a table is fitted into its room."""

from gluon_initkit.display import Column, Table, as_text
from gluon_initkit.display.text import fitted
from hypothesis import given, settings
from hypothesis import strategies as st

widths = st.lists(st.integers(1, 60), min_size=1, max_size=8)


@settings(max_examples=100, deadline=None)
@given(widths, st.integers(8, 200), st.data())
def test_widths_fit_and_numbers_give_way_last(wanted, room, data):
    flexible = data.draw(st.lists(st.booleans(), min_size=len(wanted), max_size=len(wanted)))
    made = fitted(wanted, flexible, room)
    assert sum(made) <= room and all(1 <= width <= most for width, most in zip(made, wanted))
    if sum(wanted) <= room:
        assert made == wanted
    if any(width < most for width, most, gives in zip(made, wanted, flexible) if not gives):
        assert all(width <= 12 for width, gives in zip(made, flexible) if gives)


cells = st.text("abcdef._ ", max_size=40)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(cells, st.integers(0, 10**9)), min_size=1, max_size=5), st.integers(14, 60))
def test_no_character_of_a_name_is_lost(rows, width):
    columns = (Column("path", lambda row: row[0], path=True), Column("size", lambda row: str(row[1]), "right"))
    lines = as_text(Table("", columns, rows), width).splitlines()
    assert max(map(len, lines), default=0) <= width
    shown = "".join("".join(lines).split()).replace("─", "")
    for name, size in rows:
        assert sorted(set(name) - {" "}) == sorted(set(name) & set(shown)) and str(size)[:1] in shown


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
    assert as_text(Table("", columns, ["abcdefghijkl"]), 5).splitlines()[2:] == ["abcde", "fghij", "kl"]


def test_footers_and_footnotes():
    columns = (Column("a", str, footer="total"), Column("b", str, "right", footer="12"))
    table = Table("", columns, ["5", "7"], footnotes=(("error", "Mind the [gap]."),))
    assert as_text(table, 30).splitlines() == [
        "a       b", "─────────", "5       5", "7       7", "─────────", "total  12", "Mind the [gap].",
    ]  # fmt: skip
