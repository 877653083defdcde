"""Plots as such."""

from gluon_initkit.display import draw_lines, draw_ridges, new_axes
import matplotlib
import pytest

matplotlib.use("Agg")
from matplotlib import pyplot


@pytest.fixture(autouse=True)
def _closed():
    yield
    pyplot.close("all")


def test_ridges_stand_under_each_other_the_first_on_top():
    (axes,) = new_axes(1, 3)
    draw_ridges(axes, [("a", [-1, 0, 1], [1, 3]), ("none", None, None), ("b", [-2, 0, 2], [1, 1])], "t")
    tops = {label.get_text(): at for label, at in zip(axes.get_yticklabels(), axes.get_yticks())}
    assert tops == {"a": 2, "none": 1, "b": 0} and len(axes.collections) == 2 and axes.get_xscale() == "linear"
    assert axes.get_xlim() == (-2.1, 2.1)
    axes.figure.canvas.draw()


def test_a_bin_without_width_is_drawn():
    (axes,) = new_axes(1, 1)
    draw_ridges(axes, [("a", [1, 1], [3])], "")
    axes.figure.canvas.draw()
    assert len(axes.collections) == 1


def test_lines_are_named_or_counted():
    few, many = new_axes(2, 0, height=3)
    draw_lines(few, [0, 1], [("a", [1, 2]), ("b", [2, 300])], "t", marked=[1])
    assert [text.get_text() for text in few.get_legend().get_texts()] == ["a", "b", "NaN or Inf"]
    assert few.get_yscale() == "log" and few.get_xlabel() == "step"
    draw_lines(many, [0], [(str(index), [index]) for index in range(20)], "t")
    assert many.get_legend() is None and "20 lines, from dark to bright: 0 … 19" in many.get_xlabel()
    named = [text.get_text() for text in many.texts]
    assert 1 < len(named) <= 4 and {"0", "19"} & set(named)  # those that stand out
    draw_lines(many, [], [], "nothing")
    few.figure.canvas.draw()


def test_any_name_can_be_read():
    """A legend of Matplotlib leaves out what begins with an underscore, and takes two dollars for mathematics."""
    names = ["_unfused.0.weight", "a$b$c", "a\udc80\n", "block." * 60]
    ridges, lines = new_axes(2, len(names))
    draw_ridges(ridges, [(name, [0, 1], [3]) for name in names], "")
    draw_lines(lines, [0, 1], [(name, [1, 2]) for name in names], "")
    ridges.figure.canvas.draw()
    for said in ([text.get_text() for text in lines.get_legend().get_texts()],
                 [label.get_text() for label in ridges.get_yticklabels()][::1]):  # fmt: skip
        assert said[:3] == ["_unfused.0.weight", r"a\$b\$c", r"a\udc80\n"]
        assert said[3].replace("\n", "") == names[3] and max(map(len, said[3].split("\n"))) <= 44
    assert ridges.get_position().width > 0.2  # of the figure
