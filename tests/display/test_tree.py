"""Trees as HTML: what stands in them cannot break the page, and every branch is there."""

from gluon_initkit.display import Branch, Column, Table, as_page, as_tree


def tree(branches, *headings, **facts):
    """Branches whose rows are their cells, under headings."""
    columns = [Column(heading, lambda row, index=index: row[index - 1], html=lambda value, path: value)
               for index, heading in enumerate(headings)]  # fmt: skip
    return as_tree(Table(facts.pop("title", ""), tuple(columns), branches, **facts))


def test_branches_nest():
    html = tree([Branch("x", ["1"], below=(Branch("y", ["2"]),), open=True)], "a", "b")
    assert (
        html.index("<details open><summary")
        < html.index(">x</span>")
        < html.index("</summary>")
        < html.index(">y</span>")
    )
    assert "--ik-depth:0" in html and "--ik-depth:1" in html and html.count("<details") == 1


def test_a_column_is_as_wide_as_its_widest_cell():
    columns = (Column("a", str), Column("b", lambda row: row))
    html = as_tree(Table("", columns, [Branch("x", 12, below=(Branch("y", 1234567),))]))
    assert f"ch {len('1,234,567') + 1}ch" in html


def test_text_is_escaped_and_cells_are_html():
    branches = [Branch("<l>", ["<i>x</i>"], "<r>", path='"q"')]
    html = tree(branches, "<h>", "", title="<t>", footer=["<f>", ""], footnotes=(("error", "<n>"),))
    assert not any(each in html for each in ("<t>", "<h>", "<l>", "<r>", "<f>", "<n>")) and "<i>x</i>" in html
    assert 'title="&quot;q&quot;"' in html and '<p class="ik-error">&lt;n&gt;</p>' in html


def test_long_labels_wrap_at_dots_and_underscores():
    assert "a.<wbr>long_<wbr>name" in tree([Branch("a.long_name")], "")


def test_light_and_dark():
    html = tree([], "")
    assert "@media(prefers-color-scheme:dark)" in html and "--jp-content-font-color1" in html
    assert 'content="light dark"' in as_page("t", html)


def test_what_cannot_be_printed_is_written_out():
    """A name from a file that nobody vouches for turns no text around, and a page of it can be encoded."""
    odd = "\u202e\x1b\udc80"
    html = as_page(odd, tree([Branch(odd, remark=odd, path=odd)], odd, title=odd, footer=[odd], footnotes=(("", odd),)))
    assert html.encode() and not any(each in html for each in odd) and html.count(r"\u202e\x1b\udc80") == 8
