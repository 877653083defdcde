"""`Report.plot`: axes with a distribution a layer."""

import html

import gluon_initkit as ik
import matplotlib
import mxnet as mx
from mxnet.gluon import nn
import networks
from networks import record
import pytest
from vocabulary import nd

matplotlib.use("Agg")
from matplotlib import pyplot


@pytest.fixture(autouse=True)
def _closed():
    yield
    pyplot.close("all")


def trained():
    net = nn.HybridSequential()
    net.add(nn.Dense(8, in_units=4), nn.BatchNorm(in_channels=8), nn.Dense(2, in_units=8))
    net.initialize(mx.init.Normal(0.1))
    with mx.autograd.record():
        loss = (net(nd.array([[1, 2, 3, 4], [4, 3, 2, 2]])) ** 2).sum()
    loss.backward()
    return ik.inspect(net, stats="full", grads=True)


def names(axes):
    return [label.get_text() for label in axes.get_yticklabels()]


def test_weights_and_gradients_of_every_layer():
    values, gradients = trained().plot()
    assert names(values) == ["0.weight", "2.weight"] and values.get_title("left") == "values"
    assert gradients.get_title("left") == "gradients" and len(gradients.collections) == 2
    low, high = values.get_xlim()
    assert low < -0.1 and high > 0.1
    values.figure.canvas.draw()


def test_a_distribution_has_the_area_of_its_histogram():
    report = trained()
    (axes, _) = report.plot()
    (first, _) = axes.collections
    bounds = first.get_datalim(axes.transData).bounds
    stats = report["0.weight"].stats
    assert bounds[0] == pytest.approx(stats.min) and bounds[2] == pytest.approx(stats.max - stats.min)
    assert bounds[1] == 1 and bounds[3] == pytest.approx(0.85)


def test_only_values_where_there_are_no_gradients():
    (axes,) = networks.small().plot()
    assert names(axes) == ["0.weight", "2.weight"]
    (biases,) = networks.small().select("bias").plot()
    assert names(biases) == ["0.bias", "2.bias"]


def test_scales_far_apart_can_both_be_read():
    small, large = networks.small().select("0.weight").records[0], record("1.weight")
    import dataclasses

    from gluon_initkit.inspector import Histogram, Report

    big = dataclasses.replace(small.stats, histogram=Histogram((-5000.0, 0.0, 5000.0), (3, 4)))
    (axes,) = Report([small, dataclasses.replace(large, stats=big)]).plot()
    assert axes.get_xscale() == "symlog"
    axes.figure.canvas.draw()


def test_on_axes_of_ones_own():
    figure, both = pyplot.subplots(1, 2)
    assert trained().plot(both) == list(both) and both[0].figure is figure
    with pytest.raises(ValueError, match="drawn on 2 axes, found 1"):
        trained().plot([both[0]])


def test_a_column_without_histograms_says_what_to_call():
    report = ik.inspect(nn.Dense(2, in_units=2), grads=True)
    for text in (report.to_text(columns=["path", "histogram"]), report.to_html(columns=["histogram"])):
        assert "histogram: ik.inspect(net, stats='full') computes them" in html.unescape(text)
    asked = report.to_text(columns=["path", "quantiles", "grad_histogram"], width=120)
    assert "quantiles and grad_histogram: ik.inspect(net, stats='full', grads=True) computes them" in asked
    assert "computes them" not in report.to_text() + trained().to_text(columns=["path", "quantiles"])


def test_without_statistics_it_says_what_to_call():
    with pytest.raises(ValueError, match=r"ik.inspect\(net, stats='full', grads=True\)"):
        networks.deferred().plot()


def test_constant_values_and_values_that_are_not_finite():
    net = nn.Dense(2, in_units=2)
    net.initialize(mx.init.Zero())
    net.bias.set_data(nd.array([float("nan")] * 2))
    (axes,) = ik.inspect(net, stats="full").plot()
    axes.figure.canvas.draw()
    assert names(axes) == ["weight"]
