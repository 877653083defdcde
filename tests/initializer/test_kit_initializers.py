"""TruncatedNormal and VarianceScaling: moments, fans and errors, wherever they are called from."""

import math
import pickle

import gluon_initkit as ik
import mxnet as mx
from mxnet.gluon import nn, rnn
import numpy as np
import pytest
from vocabulary import convolution, initialize_all, nd

STD = {"uniform": 1, "normal": 1, "truncated_normal": 1}


def values(net, init, **arguments):
    ik.initialize(net, init, seed=3, **arguments)
    return net.weight.data().asnumpy()


FANS = [  # network, fan-in, fan-out, by hand
    (lambda: nn.Dense(120, in_units=80), 80, 120),
    (lambda: convolution(nn.Conv1D, 64, 5, in_channels=48), 48 * 5, 64 * 5),
    (lambda: convolution(nn.Conv2D, 64, (3, 5), in_channels=16), 16 * 15, 64 * 15),
    (lambda: convolution(nn.Conv2D, 64, (3, 5), in_channels=16, layout="NHWC"), 16 * 15, 64 * 15),
    (lambda: convolution(nn.Conv3D, 32, 3, in_channels=16), 16 * 27, 32 * 27),
    (lambda: convolution(nn.Conv2D, 64, 3, in_channels=32, groups=4), 8 * 9, 64 * 9),
    (lambda: convolution(nn.Conv2DTranspose, 24, 3, in_channels=64), 64 * 9, 24 * 9),
    (lambda: convolution(nn.Conv2DTranspose, 24, 3, in_channels=64, layout="NHWC"), 64 * 9, 24 * 9),
    (lambda: nn.Embedding(300, 40), 300, 40),
]


@pytest.mark.parametrize("mode", ["fan_in", "fan_out", "fan_avg"])
@pytest.mark.parametrize("distribution", ["uniform", "normal", "truncated_normal"])
@pytest.mark.parametrize("make, fan_in, fan_out", FANS)
def test_variance_scaling_by_the_layers_own_fans(make, fan_in, fan_out, distribution, mode):
    found = values(make(), ik.VarianceScaling(2.0, mode, distribution))
    n = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}[mode]
    assert found.std() == pytest.approx(math.sqrt(2 / n), rel=4.5 / math.sqrt(found.size))
    assert abs(found.mean()) < 4.5 * math.sqrt(2 / n / found.size)
    if distribution == "truncated_normal":  # Keras: cut at two deviations of the normal before it is cut
        assert np.abs(found).max() <= 2 * math.sqrt(2 / n) / 0.87962566103423978
    if distribution == "uniform":
        assert np.abs(found).max() <= math.sqrt(6 / n)


def test_recurrent_cells_have_fans():
    cell = rnn.LSTMCell(64, input_size=48)
    ik.initialize(cell, ik.VarianceScaling(1, "fan_out", "normal"), seed=1)
    assert cell.i2h_weight.data().asnumpy().std() == pytest.approx(math.sqrt(1 / 256), rel=0.05)


def test_truncated_normal_defaults_are_keras():
    found = values(nn.Dense(200, in_units=300), ik.TruncatedNormal(1.0, 0.5))
    assert found.min() >= 0 and found.max() <= 2
    assert found.mean() == pytest.approx(1, abs=4.5 * 0.44 / math.sqrt(found.size))
    assert found.std() == pytest.approx(0.5 * 0.87962566103423978, rel=4.5 / math.sqrt(found.size))


@pytest.mark.parametrize("call", [
    lambda net, init: net.initialize(init),
    lambda net, init: net.weight.initialize(init=init),
    lambda net, init: initialize_all(net, init),
    lambda net, init: net.initialize(mx.init.create(init.dumps())),
    lambda net, init: net.initialize(pickle.loads(pickle.dumps(init))),
    lambda net, init: net.initialize(ik.Rules([("weight", init)])),
    lambda net, init: net.initialize("gluon_initkit.truncatednormal"),
])  # fmt: skip
def test_they_work_from_every_door(call):
    net = nn.Dense(200, in_units=300)
    call(net, ik.TruncatedNormal())
    found = net.weight.data().asnumpy()
    assert np.abs(found).max() <= 0.02 and found.std() == pytest.approx(0.0088, rel=0.05)


def test_a_subclass_is_written_under_its_own_name():
    @mx.init.register
    class Narrow(ik.TruncatedNormal):
        def __init__(self, width=1.0):
            super().__init__(stdev=width)

    assert Narrow(0.5).dumps() == '["narrow", {"width": 0.5}]'
    assert ik.TruncatedNormal().dumps().startswith('["gluon_initkit.truncatednormal"')
    net = nn.Dense(2, in_units=3, weight_initializer=Narrow(0.5))
    net.initialize()
    net.hybridize()
    assert net(nd.ones((1, 3))).shape == (1, 2)


def test_outside_initialize_they_follow_mxnets_seed():
    def draw(seed):
        net = nn.Dense(4, in_units=3)
        mx.random.seed(seed)
        net.initialize(ik.TruncatedNormal())
        return net.weight.data().asnumpy()

    assert (draw(1) == draw(1)).all() and not (draw(1) == draw(2)).all()


@pytest.mark.parametrize("wrong, says", [
    (lambda: ik.TruncatedNormal(stdev=0), "stdev is 0: expected a number above 0"),
    (lambda: ik.TruncatedNormal(0, 1, 2, 1), "low is 2 and high is 1: expected low < high"),
    (lambda: ik.TruncatedNormal(0, 1, 50, 60), "next to nothing"),
    (lambda: ik.VarianceScaling(-1), "scale is -1"),
    (lambda: ik.VarianceScaling(mode="in"), "mode is 'in', expected one of fan_in, fan_out, fan_avg"),
    (lambda: ik.VarianceScaling(distribution="gaussian"), "distribution is 'gaussian'"),
])  # fmt: skip
def test_wrong_arguments(wrong, says):
    with pytest.raises(ValueError, match=says):
        wrong()
