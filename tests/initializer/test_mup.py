"""ik.mup and ik.coordinate_check: a wide network learns as a narrow one does, and the check tells where it does not."""

import itertools

import gluon_initkit as ik
import mxnet as mx
from mxnet.gluon import nn
import numpy as np
import pytest
from vocabulary import convolution, declared, nd, uniform

WIDTHS = (64, 128, 256, 512)


def mlp(width, last=8):
    net = nn.HybridSequential()
    net.add(nn.Dense(width, in_units=16, activation="relu"), nn.Dense(width, in_units=width, activation="relu"),
            nn.Dense(width, in_units=width, activation="relu"), nn.Dense(last, in_units=width))  # fmt: skip
    return net


def task(seed, batch=64):
    """A step of training on a fixed batch of 8 classes."""
    rng = np.random.RandomState(seed)
    x, y = nd.array(rng.normal(size=(batch, 16)).astype("float32")), nd.array(rng.randint(0, 8, batch))
    loss_of = mx.gluon.loss.SoftmaxCrossEntropyLoss()

    def step(net, trainer):
        with mx.autograd.record():
            loss = loss_of(net(x), y)
        loss.backward()
        trainer.step(batch)
        return loss

    return step


@pytest.mark.parametrize("optimizer, rate", [("adam", 0.01), ("sgd", 0.5)])
def test_outputs_keep_their_size_as_the_width_grows(optimizer, rate):
    seeds = itertools.count()

    def slope(build):
        check = ik.coordinate_check(build, WIDTHS, task(0), optimizer=optimizer, learning_rate=rate, repeats=3)
        return check["3"].slope, max(abs(row.slope) for row in check), [losses[-1] for losses in check.losses]

    def standard(width):
        net = mlp(width)
        ik.initialize(net, ik.VarianceScaling(2.0), seed=next(seeds))
        return net

    def by_mup(width):
        net = mlp(width)
        ik.mup(net, mlp(64), mlp(128), ik.VarianceScaling(2.0), next(seeds), optimizer)
        return net

    last, _, losses = slope(standard)
    assert last > 0.45 and losses[-1] > 3 * losses[0]
    last, steepest, losses = slope(by_mup)
    assert abs(last) < 0.15 and steepest < 0.35 and losses[-1] < 1.5 * losses[0]


def parameters(net):
    return {f"{layer}.{name}": getattr(net[layer], name) for layer in range(len(net)) for name in ("weight", "bias")}


@pytest.mark.parametrize("optimizer, rates", [("adam", [1, 1, 0.25, 1, 0.25, 1, 0.25, 1]),
                                              ("sgd", [4, 4, 1, 4, 1, 4, 0.25, 1])])  # fmt: skip
def test_scales_and_rates_are_those_of_the_table(optimizer, rates):
    net = mlp(256)
    report = ik.mup(net, mlp(64), mlp(128), mx.init.Normal(0.1), seed=1, optimizer=optimizer)
    kinds = ["input", "input", "hidden", "input", "hidden", "input", "output", "fixed"]
    assert [(row.kind, row.lr_mult) for row in report] == list(zip(kinds, rates))
    assert [param.lr_mult for param in parameters(net).values()] == rates
    stds = [0.1, 0.05, 0.05, 0.025]  # input, hidden, hidden, output
    found = [float(net[layer].weight.data().asnumpy().std()) for layer in range(4)]
    assert found == pytest.approx(stds, rel=0.05)
    assert report["3.weight"].scale == 0.25 and f"Maximal update parametrization for {optimizer}" in str(report)


def test_an_initializer_that_counts_inputs_is_not_scaled_twice():
    for init in (ik.VarianceScaling(), mx.init.Orthogonal()):
        report = ik.mup(mlp(256), mlp(64), mlp(128), init, seed=1)
        assert [report[f"{layer}.weight"].scale for layer in range(4)] == pytest.approx([1, 1, 1, 0.5])
    report = ik.mup(mlp(256), mlp(64), mlp(128), mx.init.Xavier(), seed=1)  # counts outputs too
    assert report["3.weight"].scale == pytest.approx(0.25 * ((256 + 8) / (64 + 8)) ** 0.5)


def test_at_the_width_of_the_base_nothing_is_multiplied():
    net, same = mlp(64), mlp(64)
    report = ik.mup(net, mlp(64), mlp(128), mx.init.Xavier(), seed=3)
    ik.initialize(same, mx.init.Xavier(), seed=3)
    assert ik.fingerprint(net) == ik.fingerprint(same) and report.seed == 3
    assert {(row.scale, row.lr_mult) for row in report} == {(1, 1)}


def test_what_the_recipe_says_of_rates_is_multiplied_and_not_twice():
    def slow(width):
        net = mlp(width)
        net[1].weight.lr_mult = 0.5
        return net

    net = slow(256)
    for _ in range(2):
        ik.mup(net, slow(64), slow(128), seed=1)
    assert net[1].weight.lr_mult == 0.125


def test_convolutions_norms_and_embeddings():
    def build(width):
        net = nn.HybridSequential()
        net.add(convolution(nn.Conv2D, width, 3, in_channels=3), nn.BatchNorm(in_channels=width),
                convolution(nn.Conv2D, 2 * width, 3, in_channels=width), nn.Embedding(7, width))  # fmt: skip
        return net

    rows = ik.mup(build(32), build(8), build(16), seed=1).rows
    found = {row.path: (row.kind, row.lr_mult) for row in rows}
    assert found["0.weight"] == found["1.gamma"] == found["3.weight"] == ("input", 1)
    assert found["2.weight"] == ("hidden", 0.25)


def test_a_parameter_of_another_role_is_as_a_bias():
    class Position(nn.HybridBlock):
        def __init__(self, width):
            super().__init__()
            self.places = declared(self, "places", shape=(5, width), init=mx.init.Normal(0.1))

    report = ik.mup(Position(64), Position(16), Position(32), seed=1, optimizer="sgd")
    assert (report["places"].kind, report["places"].scale, report["places"].lr_mult) == ("input", 1, 4)


@pytest.mark.parametrize("networks, says", [
    (lambda: (mlp(256), mlp(64), nn.Dense(3, in_units=3)), "do not have the same parameters"),
    (lambda: (mlp(256, last=9), mlp(64), mlp(128)), r"3.weight has the shape \(9, 256\).*must be so in net"),
    (lambda: (nn.Dense(8), nn.Dense(4, in_units=2), nn.Dense(6, in_units=2)), r"weight has the shapes \(8, \?\)"),
    (lambda: tuple(tied(width) for width in (256, 64, 128)), "0.weight is shared by an input layer and"),
])  # fmt: skip
def test_networks_that_do_not_fit_are_refused_and_nothing_changes(networks, says):
    net, base, wider = networks()
    ik.initialize(net, mx.init.One())
    with pytest.raises(ValueError, match=f"(?s){says}"):
        ik.mup(net, base, wider)
    first = next(iter(net.collect_params().values()))
    assert first.lr_mult == 1 and (first.shape[-1] in (0, -1) or (first.data().asnumpy() == 1).all())


def tied(width):
    net = nn.HybridSequential()
    net.add(nn.Embedding(7, width), nn.Dense(7, in_units=width, use_bias=False))
    ik.Sharing(net).tie("0.weight", "1.weight").apply()
    return net


def test_wrong_arguments():
    with pytest.raises(ValueError, match="optimizer is 'lion', expected one of adam, sgd"):
        ik.mup(mlp(8), mlp(4), mlp(6), optimizer="lion")
    step = task(0)
    for widths in ((64,), (128, 64), (64, 64)):
        with pytest.raises(ValueError, match="two or more, in ascending order"):
            ik.coordinate_check(mlp, widths, step)
    with pytest.raises(ValueError, match="step does not call the network"):
        ik.coordinate_check(initialized, (4, 8), lambda net, trainer: None)
    with pytest.raises(TypeError, match="expected a network"):
        ik.coordinate_check(lambda width: None, (4, 8), step)


def initialized(width):
    net = mlp(width)
    ik.initialize(net, mx.init.Xavier(), seed=1)
    return net


def test_the_check_measures_what_the_network_puts_out_after_the_steps():
    nets = []

    def build(width):
        nets.append(initialized(width))
        nets[-1].hybridize()
        return nets[-1]

    seen = []

    def step(net, trainer):
        seen.append(uniform((4, 16)))
        with mx.autograd.record():
            loss = net(seen[-1]).mean()
        loss.backward()
        trainer.step(1)
        return loss

    check = ik.coordinate_check(build, (16, 32), step, steps=2)
    assert len(seen) == 4 and [len(each) for each in check.losses] == [2, 2]
    for index, net in enumerate(nets):
        output = net(seen[2 * index + 1]).asnumpy()
        assert check["3"].sizes[index] == pytest.approx(float(np.abs(output).mean()), rel=1e-5)
    slope = np.log(check["3"].sizes[1] / check["3"].sizes[0]) / np.log(2)
    assert check["3"].slope == pytest.approx(slope)
    assert "width 16" in str(check) and f"{slope:+.2f}" in str(check)


def test_a_layer_that_is_silent_has_no_slope():
    def silent(width):
        net = mlp(width)
        ik.initialize(net, mx.init.Zero())
        return net

    check = ik.coordinate_check(silent, (4, 8), task(0), learning_rate=1e-9, steps=1)
    assert check["0"].sizes == (0, 0) and check["0"].slope is None


def test_the_plot_names_layers_with_their_slopes():
    pytest.importorskip("matplotlib").use("agg")
    check = ik.coordinate_check(initialized, (16, 32), task(0), steps=1)
    axes = check.plot()
    names = [text.get_text() for text in axes.get_legend().get_texts()]
    assert [name.split()[0] for name in names] == ["0", "1", "2", "3"] and names[3] == f"3 ({check['3'].slope:+.2f})"
    assert list(axes.get_lines()[3].get_ydata()) == list(check["3"].sizes)
