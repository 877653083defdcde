"""How tables fold: what is one row, what stays apart, what the title says; no shape and no number is broken."""

from dataclasses import dataclass
import re
from typing import Tuple

from gluon_initkit.display import Column, Table, TableReport, path_column, shape_column
from gluon_initkit.display.fold import tree_table
from gluon_initkit.display.html import as_tree
import pytest


@dataclass(frozen=True)
class Row:
    path: str
    shape: Tuple[int, ...] = (3, 4)
    kind: str = "weight"
    size: int = 12
    aliases: Tuple[str, ...] = ()


@dataclass(frozen=True, repr=False)
class Sizes(TableReport[Row]):
    rows: Tuple[Row, ...]

    def _table(self):
        columns = (path_column(), shape_column(), Column("kind", lambda row: row.kind, hoist="only {}"),
                   Column("size", lambda row: row.size, fold="sum", number=True))  # fmt: skip
        return Table("Sizes", columns, self.rows, emphasis=lambda row: "error" if row.size == 13 else "")


def lines(*rows, width=80, **options):
    return Sizes(tuple(rows)).to_text(width, **options).splitlines()


def cells(of):
    """The rows between the heading's rule and the notes, each as words."""
    return [line.split() for line in of[3 : of.index("") if "" in of else None]]


def test_a_short_table_is_a_list_and_what_all_have_alike_is_in_its_title():
    assert lines(Row("0.weight"), Row("1.weight")) == [
        "Sizes · only weight", "parameter  shape   size", "───────────────────────", "0.weight   (3, 4)    12",
        "1.weight   (3, 4)    12",
    ]  # fmt: skip
    assert lines(Row("0.weight"), Row("1.bias", kind="bias"))[0] == "Sizes"
    assert "only weight" in lines(Row("0.weight"), columns=["path", "size"])[0]  # of what is not shown


def test_equal_siblings_are_one_row_with_their_sum_and_unequal_ones_are_not():
    text = lines(*(Row(f"layer.{n}.weight") for n in range(30)))
    assert cells(text) == [["layer.{0..29}.weight", "x30", "(3,", "4)", "360"]]
    text = lines(*(Row(f"layer.{n}.weight", size=13 if n == 7 else 12) for n in range(30)))
    assert [row[0] for row in cells(text)] == ["layer", "{0..6,8..29}.weight", "7.weight"]
    assert len(cells(lines(*(Row(f"layer.{n}.weight") for n in range(30)), all=True))) == 31


def test_rows_of_other_sizes_are_one_only_where_there_is_no_room_for_all():
    rows = [Row(f"{n}.{part}.weight", (n % 3, 4)) for n in range(30) for part in "ab"]
    assert [row[0] for row in cells(lines(*rows))] == ["{0,3,6,9,12,15,18,21,24,27}.{a,b}.weight",
                                                       "{1,4,7,10,13,16,19,22,25,28}.{a,b}.weight",
                                                       "{2,5,8,11,14,17,20,23,26,29}.{a,b}.weight"]  # fmt: skip
    many = [Row(f"{n}.weight", (n, 4)) for n in range(60)]
    assert cells(lines(*many)) == [["{0..59}.weight", "x60", "(0..59,", "4)", "720"]]


def test_blocks_that_differ_are_cut_to_what_fits():
    rows = [Row(f"{n}.{m}.w{n}_{m}", kind=f"{n}{m}") for n in range(20) for m in range(9)]
    text = lines(*rows)
    assert [row[0] for row in cells(text)] == [str(n) for n in range(20)] and cells(text)[0][-1] == "108"
    assert len(text) == 23


def test_depth_folds_and_a_wrong_one_is_refused():
    rows = [Row(f"{n}.{m}.weight") for n in "ab" for m in range(2)]
    assert [row[0] for row in cells(lines(*rows, depth=0))] == ["(all)"]
    with pytest.raises(ValueError, match="depth= takes 0"):
        lines(*rows, depth=-1)


@pytest.mark.parametrize("width", range(52, 90, 3))
def test_no_shape_and_no_number_is_broken(width):
    rows = [Row(f"features.{n}.a_long_name_of_a_block.weight", (1, 64, 224, 22400 + n), "k" * 20, 10**9 + n)
            for n in range(4)]  # fmt: skip
    text = "\n".join(lines(*rows, width=width))
    assert all(f"(1, 64, 224, {22400 + n})" in text and f"1,000,000,00{n}" in text for n in range(4))
    assert max(map(len, text.splitlines())) <= width


def test_a_table_says_how_much_room_it_needs():
    rows = [Row(f"0.a_long_name_of_a_block.{n}", (1, 64, 224, 224), "k" * 20, 10**9 + n) for n in range(2)]
    words = " ".join(lines(*rows, width=20)).split()
    needed = int(words[-1])
    assert words[-4:-1] == ["the", "table", "needs"] and "(1, 64, 224, 224)" in "\n".join(lines(*rows, width=needed))
    assert ["the table needs" in " ".join(lines(*rows, width=at)) for at in (needed - 1, needed)] == [True, False]


def test_columns_by_key_and_a_typo():
    assert lines(Row("0.weight"), columns=["path", "kind"])[1].split() == ["parameter", "kind"]
    with pytest.raises(KeyError, match="did you mean 'shape'"):
        lines(Row("0.weight"), columns=["shpe"])


def test_faces(tmp_path, monkeypatch):
    report = Sizes((Row("0.weight"), Row("0.bias", aliases=("1.bias",))))
    assert report["1.bias"] is report.rows[1] and report._ipython_key_completions_() == ["0.weight", "0.bias", "1.bias"]
    assert report.to_pandas().loc["0.bias", "size"] == 12 and report.to_records(["size"]) == [{"size": 12}] * 2
    path = tmp_path / "page.html"
    assert report.to_html(path) == str(path) and "<!DOCTYPE" in path.read_text(encoding="utf-8")
    assert report.to_html(path=str(path)) == str(path) and ">weight<" in report.to_html(page=False)
    with pytest.raises(TypeError, match="columns= chooses columns"):
        report.to_html(["size"])
    assert report.to_markdown().splitlines()[-1] == "| `0.bias`<br>`= 1.bias` | (3, 4) | 12 |"


def page_of(table):
    """A table's HTML behind its style."""
    return as_tree(tree_table(table)).split("</style>")[1]


def html_cells(page, label):
    """The HTML of a row's cells, by the row's label."""
    row = next(part for part in page.split("ik-row") if f">{label}<" in part)
    return re.findall(r"<span( class=\"ik-number\")?>([^<]*)</span>", row)


def test_html_sets_words_flush_left_and_numbers_flush_right_and_joins_no_blanks():
    columns = (path_column(), Column("kind", lambda row: row.kind), Column("size", lambda row: row.size, number=True))
    rows = [Row("0.weight", kind="", size=1), Row("0.bias", kind="x", size=2)]
    page = page_of(Table("A", columns, rows))
    number = ' class="ik-number"'
    assert html_cells(page, "weight") == [("", ""), (number, "1")]
    assert html_cells(page, "0") == [("", "x"), (number, "")]  # two numbers are no number, and a blank is no word


def test_html_of_a_list_folds_the_rows_that_its_text_leaves_out():
    rows = [Row("a", size=1), Row("b", size=2), Row("c", size=3)]
    page = page_of(Table("A", (path_column(),), rows, parts=None, shown=lambda row: row.size > 2))
    words = re.sub("<[^>]*>", " ", page.split('class="ik-body">')[1].split("<script")[0]).split()
    assert words == ["parameter", "c", "2", "more", "rows", "a", "b"]
    assert page.index(">c<") < page.index("<details>") < page.index(">a<")
    assert "<details" not in page_of(Table("A", (path_column(),), rows, parts=None))


def test_other_paths_of_a_row_are_one_line_where_they_differ_in_one_part():
    def others(*aliases):
        return [line for line in lines(Row("0.weight", aliases=aliases)) if line.startswith("=")]

    assert others("1.weight", "2.weight", "4.weight") == ["= {1,2,4}.weight"]
    assert others("1.weight") == ["= 1.weight"] and others("1.a", "2.b") == ["= 1.a", "= 2.b"]
    assert others("1.weight", "2.a.weight") == ["= 1.weight", "= 2.a.weight"]


def test_other_paths_of_any_number_of_dots_are_left_as_they_are():
    """A file may call an array so; every part beside every other would take hours."""
    deep = [name + "." * 100_000 + "w" for name in "ab"]
    text = Sizes((Row("0.weight", aliases=tuple(deep)),)).to_text(1000, all=True)
    assert "{a,b}" not in text and text.count("= ") == 2
