"""`History`: bounded, evenly spaced over the whole, and honest about gaps."""

import math
import re
import sys

from gluon_initkit.inspector import History
from hypothesis import given, settings
from hypothesis import strategies as st
import matplotlib
import numpy
import pytest

matplotlib.use("Agg")


def filled(steps, **options):
    history = History(["a", "b"], ["mean", "nan"], **options)
    for step in range(steps):
        if history.counts():
            history.keep(numpy.full((2, 2, 2), step))
    return history


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 400), st.integers(1, 5), st.integers(2, 20))
def test_it_spans_everything_evenly_within_its_capacity(steps, every, capacity):
    history = filled(steps, every=every, capacity=capacity)
    assert len(history) <= capacity
    assert history.steps == tuple(range(0, steps, history.every))
    assert history.series("a", "mean") == list(history.steps)
    assert (history.every // every) in {2**power for power in range(12)} and history.every % every == 0
    if steps >= every * capacity:
        assert len(history) > capacity // 2
    assert history.nbytes == 2 * 2 * 2 * 8 * len(history)


def test_records_and_gaps():
    history = History(["a"], ["mean", "nan"])
    history.counts()
    history.keep([[[1.5, 0], [math.nan, math.nan]]])
    assert history.to_records() == [
        {"step": 0, "path": "a", "mean": 1.5, "nan": 0.0, "grad_mean": None, "grad_nan": None}
    ]
    assert math.isnan(history.series("a", "mean", of="gradient")[0])
    with pytest.raises(KeyError, match="path='x' is not recorded; there are 'a'."):
        history.series("x", "mean")
    with pytest.raises(KeyError, match="stat='std' is not recorded; there are 'mean', 'nan'"):
        history.series("a", "std")


def test_pandas(monkeypatch):
    frame = filled(3).to_pandas()
    assert frame.shape == (6, 4) and frame.loc[(2, "b"), "grad_mean"] == 2 and frame.index.names == ["step", "path"]
    assert filled(0).to_pandas().shape == (0, 4)
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match="pip install pandas"):
        filled(1).to_pandas()


@pytest.mark.parametrize(
    "options, told",
    [
        ({"stats": ["mode"]}, r"stats= takes a sequence of mean, std, .*; found \['mode'\]"),
        ({"stats": "mean"}, "found 'mean'"),
        ({"stats": []}, r"found \[\]"),
        ({"every": 0}, "every= takes an integer of 1 or more, found 0"),
        ({"every": True}, "found True"),
        ({"capacity": 1}, "capacity= takes an integer of 2 or more, found 1"),
    ],
)
def test_bad_arguments(options, told):
    with pytest.raises(ValueError, match=told):
        History(**{"paths": ["a"], "stats": ["mean"], **options})


def test_plot_marks_what_is_not_finite():
    values, gradients = filled(3).plot()
    assert values.get_title("left") == "mean of values"
    assert [line.get_label() for line in values.lines] == ["a", "b", "NaN or Inf"]
    assert list(values.lines[-1].get_xdata()) == [1, 2]  # the recorded number of NaN is the step's here
    gradients.figure.canvas.draw()
    with pytest.raises(ValueError, match="'std' is not recorded; there are mean, nan"):
        filled(1).plot("std")
    with pytest.raises(ValueError, match="found 1; pass two"):
        filled(1).plot(axes=[values])


def test_plot_marks_a_gradient_that_is_not_finite_beside_values_that_are():
    history = History(["a"], ["mean", "nan"])
    for nan in (0, 3):
        history.counts()
        history.keep([[[1, 0], [1, nan]]])
    values, gradients = history.plot()
    assert [line.get_label() for line in values.lines] == ["a"]
    assert [line.get_label() for line in gradients.lines] == ["a", "NaN or Inf"]
    assert list(gradients.lines[-1].get_xdata()) == [1]


def test_its_repr():
    history = History(["a", "b"], ["mean"])
    assert repr(history).startswith("History: 0 steps of 2 parameters every 1, 0 B; mean, first to last\n")
    history.counts()
    history.keep(numpy.zeros((2, 2, 1)))
    assert repr(history).startswith("History: 1 step of 2 parameters every 1, 32 B; mean, first to last\n")


def test_in_html_a_block_shows_nothing_that_its_parameters_do_not_share():
    history = History(["0.weight", "0.bias", "1.weight", "1.bias"], ["norm"])
    for step in range(3):
        history.counts()
        history.keep([[[1 + step], [5]], [[2 + step], [5]], [[3], [5]], [[3], [5]]])
    cells = re.findall(r'<summary class="ik-row">.*?</summary>', history.to_html())
    texts = [re.findall(r'<span class="ik-number">([^<]*)</span>', cell) for cell in cells]
    assert texts == [["", "", "▁▁▁", "5, 5"], ["▁▁▁", "3, 3", "▁▁▁", "5, 5"]]


def test_of_many_parameters_those_that_moved_most_come_first():
    paths = [f"{number}.weight" for number in range(50)]
    history = History(paths, ["norm", "nan"])
    number = numpy.arange(50)
    for step in range(2):
        values = numpy.where(number == 7, 9.0**step, 1.0 + number)
        gradient = numpy.where(number == 3, 100.0**-step, numpy.where(number == 4, 0, 1.0))
        history.counts()
        history.keep(numpy.array([[values, number == 5], [gradient, 0 * number]]).transpose(2, 0, 1))
    text = history.to_text(100)
    assert [line.split(".")[0] for line in text.splitlines()[3:6]] == ["5", "3", "7"]
    assert "shown, sorted by how far it moved; to_text(all=True)" in text
    short = History(paths[:45], ["norm"])
    assert "sorted" not in short.to_text(100)


def test_a_block_counts_what_was_not_finite_below_it():
    history = History(["0.weight", "0.bias"], ["nan"])
    history.counts()
    history.keep([[[3], [0]], [[0], [0]]])
    (block,) = re.findall(r'<summary class="ik-row">.*?</summary>', history.to_html())
    assert block.endswith('<span class="ik-number">1</span></summary>')


def test_a_series_by_an_alias_and_by_a_typo():
    history = History(["0.weight", "1.bias"], ["mean"], aliases={"1.weight": "0.weight"})
    history.counts()
    history.keep(numpy.arange(4.0).reshape(2, 2, 1))
    assert history.series("1.weight", "mean") == history.series("0.weight", "mean") == [0.0]
    assert history.series("1.weight", "mean", of="gradient") == [1.0] and history.series("1.bias", "mean") == [2.0]
    with pytest.raises(KeyError, match="path='1.wieght' is not recorded; did you mean '1.weight'"):
        history.series("1.wieght", "mean")
    with pytest.raises(KeyError, match="of='gradients' is not recorded; did you mean 'gradient'"):
        history.series("1.weight", "mean", of="gradients")
