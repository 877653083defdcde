"""Small histograms: their bars are their counts."""

import re

from gluon_initkit.display import histogram_svg, histogram_text


def test_bars_are_as_tall_as_their_counts():
    svg = histogram_svg([0, 1, 2, 3], [5, 0, 10], "w", width=30, height=20)
    assert re.search(r' d="([^"]*)"', svg)[1] == "M0 20V10H10V20zM20 20V0H30V20z"
    assert "<title>w: 15 values from 0 to 3, most of them in [2, 3]</title>" in svg and "ik-zero" not in svg


def test_a_single_value_can_be_seen_beside_many():
    assert "V19H10" in histogram_svg([0, 1, 2], [1, 10**9], "w", width=20, height=20)


def test_zero_is_marked_where_values_lie_on_both_sides():
    assert 'class="ik-zero" d="M10 0V20"' in histogram_svg([-1, 0, 3], [1, 1], "w", width=40)


def test_bins_without_width_and_without_values():
    assert histogram_svg([2, 2], [7], "w", width=20, height=20).count("M0 20V0H20V20z") == 1
    assert histogram_svg([0, 1], [0], "w") == "" and histogram_svg([], [], "w") == ""


def test_names_are_escaped():
    assert "<title>&lt;b&gt;" in histogram_svg([0, 1], [1], "<b>")


def test_as_text():
    assert histogram_text([0, 1, 4, 8]) == " ▁▄█" and histogram_text([]) == "" == histogram_text([0, 0])
    assert len(histogram_text(list(range(50)), width=12)) == 10  # five bins a character
    assert histogram_text([1, 10**9], width=2) == "▁█"
    assert histogram_text([9, 16]) == "▅█"  # rounded up
