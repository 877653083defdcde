"""Trees as HTML: what stands in them cannot break the page, and every branch is there."""

from gluon_initkit.display import Branch, as_page, as_tree


def test_branches_nest():
    html = as_tree(
        "t", [("a", ""), ("b", "9ch")], [Branch("x", cells=("1",), below=(Branch("y", cells=("2",)),), open=True)]
    )
    assert (
        html.index("<details open><summary")
        < html.index(">x</span>")
        < html.index("</summary>")
        < html.index(">y</span>")
    )
    assert "--ik-depth:0" in html and "--ik-depth:1" in html and "ch 9ch" in html and html.count("<details") == 1


def test_text_is_escaped_and_cells_are_html():
    html = as_tree(
        "<t>", [("<h>", "")], [Branch("<l>", "<r>", ("<i>x</i>",), title='"q"')], ["<f>"], [("error", "<n>")]
    )
    assert not any(each in html for each in ("<t>", "<h>", "<l>", "<r>", "<f>", "<n>")) and "<i>x</i>" in html
    assert 'title="&quot;q&quot;"' in html and '<p class="ik-error">&lt;n&gt;</p>' in html


def test_long_labels_wrap_at_dots_and_underscores():
    assert "a.<wbr>long_<wbr>name" in as_tree("", [("", "")], [Branch("a.long_name")])


def test_light_and_dark():
    html = as_tree("", [("", "")], [])
    assert "@media(prefers-color-scheme:dark)" in html and "--jp-content-font-color1" in html
    assert 'content="light dark"' in as_page("t", html)


def test_what_cannot_be_printed_is_written_out():
    """A name from a file that nobody vouches for turns no text around, and a page of it can be encoded."""
    odd = "\u202e\x1b\udc80"
    html = as_page(odd, as_tree(odd, [(odd, "")], [Branch(odd, odd, title=odd)], [odd], [("", odd)]))
    assert html.encode() and not any(each in html for each in odd) and html.count(r"\u202e\x1b\udc80") == 8
