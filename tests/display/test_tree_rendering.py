"""Trees as HTML: what stands in them cannot break the page, and every branch is there."""

from gluon_initkit.display import Branch, Column, Table, as_page, as_tree


def tree(branches, *headings, **facts):
    """Branches under headings."""
    columns = tuple(Column(heading, str) for heading in headings)
    return as_tree(Table(facts.pop("title", ""), columns, branches, **facts))


def test_branches_nest():
    html = tree([Branch("x", cells=("1",), below=(Branch("y", cells=("2",)),), open=True)], "a", "b")
    assert (
        html.index("<details open><summary")
        < html.index(">x</span>")
        < html.index("</summary>")
        < html.index(">y</span>")
    )
    assert "--ik-depth:0" in html and "--ik-depth:1" in html and html.count("<details") == 1


def test_a_column_is_as_wide_as_its_widest_cell():
    html = tree([Branch("x", cells=("1",), below=(Branch("y", cells=("1,234,567",)),))], "a", "b")
    assert f"ch {len('1,234,567') + 1}ch" in html


def test_text_is_escaped_and_cells_are_html():
    branches = [Branch("<l>", "<r>", ("<i>x</i>",), path='"q"')]
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
