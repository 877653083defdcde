"""Declared against observed: what is knowable, and z-scores that are normal where the values are sound."""

import math

import gluon_initkit as ik
import mxnet as mx
from mxnet.gluon import nn
import numpy as np
import pytest
from vocabulary import nd, uniform

DISTRIBUTIONS = {
    "uniform": (mx.init.Uniform(0.3), 0.0, 0.3 / math.sqrt(3)),
    "normal": (mx.init.Normal(0.2), 0.0, 0.2),
    "xavier": (mx.init.Xavier(magnitude=3), 0.0, math.sqrt(3 / ((40 + 30) / 2)) / math.sqrt(3)),
    "xavier in gaussian": (mx.init.Xavier("gaussian", "in", 2), 0.0, math.sqrt(2 / 30)),
    "prelu": (mx.init.MSRAPrelu("out", 0), 0.0, math.sqrt(2 / 40)),
    "scaling": (ik.VarianceScaling(1.0, "fan_in", "normal"), 0.0, math.sqrt(1 / 30)),
    "constant": (mx.init.Constant(0.5), 0.5, 0.0),
}


def declared(net, path, **how):
    (found,) = [each.declared for each in ik.inspect(net, stats=True, **how).records if each.path == path]
    return found


@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
@pytest.mark.parametrize("kit", [False, True], ids=["mxnet", "kit"])
def test_what_is_promised_at_this_shape(distribution, kit):
    init, mean, std = DISTRIBUTIONS[distribution]
    mx.random.seed(5)
    net = nn.Dense(40, in_units=30)
    if kit:
        ik.initialize(net, init, seed=1)
    else:
        net.initialize(init)
    found = declared(net, "weight", init=init)
    assert found.mean == pytest.approx(mean) and found.std == pytest.approx(std) and found.untouched
    if std:
        assert abs(found.z_mean) < 4 and abs(found.z_std) < 4
    assert not ik.inspect(net, stats=True, init=init).findings or distribution == "constant"


def test_the_numbers_are_those_of_the_definition():
    net = nn.Dense(40, in_units=30, weight_initializer=mx.init.Normal(0.2))
    net.initialize()
    values = net.weight.data().asnumpy().astype(float)
    found = declared(net, "weight")
    assert found.initializer == "Normal(sigma=0.2)"
    assert found.z_mean == pytest.approx(values.mean() / (0.2 / math.sqrt(1200)))
    # Near the middle Wilson and Hilferty's is the plain score of a variance.
    plain = (values.var() / 0.04 - 1) / math.sqrt(2 / 1200)
    assert found.z_std == pytest.approx(plain, abs=0.05)


def test_what_only_the_network_was_told_is_not_known_until_it_is_told_again():
    net = nn.Dense(40, in_units=30)
    net.initialize(mx.init.Normal(0.2))
    assert declared(net, "weight") is None
    bias = declared(net, "bias")
    assert (bias.mean, bias.std, bias.z_mean, bias.z_std) == (0, 0, None, None)
    assert abs(declared(net, "weight", init=mx.init.Normal(0.2)).z_std) < 4
    assert declared(net, "weight", init=mx.init.Normal(0.3)).z_std < -6
    assert declared(net, "weight", init=ik.Rules([("*", mx.init.Normal(0.3))])).z_std < -6


def test_a_layers_own_goes_before_the_networks():
    net = nn.Dense(40, in_units=30, weight_initializer=mx.init.Normal(0.2))
    net.initialize(mx.init.Uniform())
    assert declared(net, "weight", init=mx.init.Uniform()).initializer == "Normal(sigma=0.2)"


@pytest.mark.parametrize("init", [mx.init.Orthogonal(), mx.init.Constant(np.ones((6, 5))), "no such thing"])
def test_what_promises_no_moments(init):
    net = nn.Dense(6, in_units=5, weight_initializer=init)
    net.weight.initialize("ones")
    net.bias.initialize()
    assert declared(net, "weight") is None


def test_a_users_own_code_promises_nothing():
    class Mine(mx.init.Normal):
        def _init_weight(self, desc, arr):
            arr[:] = 3

    net = nn.Dense(40, in_units=30, weight_initializer=Mine())
    net.initialize()
    assert declared(net, "weight") is None


def test_few_values_tell_no_deviation():
    net = nn.Dense(3, in_units=5, weight_initializer=mx.init.Normal(0.2))
    net.initialize()
    assert declared(net, "weight").z_mean is None


def trained(net, trainer):
    with mx.autograd.record():
        loss = (net(uniform((4, 30))) ** 2).sum()
    loss.backward()
    trainer.step(1)


def test_a_trained_network_is_not_as_declared_and_that_is_no_finding():
    net = nn.Dense(40, in_units=30, weight_initializer=mx.init.Normal(0.2))
    net.initialize()
    trainer = mx.gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 1.0})
    assert declared(net, "weight").untouched
    trained(net, trainer)
    report = ik.inspect(net, stats=True)
    assert not report.records[0].declared.untouched and report.findings == ()
    told = ik.inspect(net, stats=True, init=mx.init.Uniform()).findings  # who says so wants to know
    assert {each.code for each in told} == {"not-as-declared"}


def test_a_loaded_network_shows_in_its_layers_defaults(tmp_path):
    source, net = (nn.Dense(40, in_units=30, weight_initializer=mx.init.Normal(0.2)) for _ in range(2))
    source.initialize()
    source.weight.set_data(source.weight.data() * 5)
    source.bias.set_data(nd.ones(40))
    source.save_parameters(str(tmp_path / "file"))
    net.load_parameters(str(tmp_path / "file"))
    assert ik.inspect(net, stats=True).findings == ()
    net.bias.set_data(nd.zeros(40))
    assert [each.code for each in ik.inspect(net, stats=True).findings] == ["not-as-declared"]


def test_float16_keeps_what_was_promised():
    net = nn.Dense(400, in_units=300, weight_initializer=mx.init.Normal(0.02))
    net.initialize()
    net.cast("float16")
    assert ik.inspect(net, stats=True).findings == ()


@pytest.mark.parametrize("size", [16, 50])
@pytest.mark.parametrize("init", [mx.init.Normal(1), mx.init.Uniform(1)], ids=["normal", "uniform"])
def test_scores_of_sound_values_are_normal_numbers(size, init):
    net = nn.HybridSequential()
    net.add(*(nn.Dense(1, in_units=size, use_bias=False) for _ in range(2000)))
    ik.initialize(net, init, seed=1)
    records = ik.inspect(net, init=init).records
    for scores in (np.array([record.declared.z_mean for record in records]),
                   np.array([record.declared.z_std for record in records])):  # fmt: skip
        # The mean of 2,000 normal numbers passes 0.1 once in 100,000 times; 0.1 of them pass 4, and the limit is 6.
        assert abs(scores.mean()) < 0.1 and 0.92 < scores.std() < 1.08 and np.abs(scores).max() < 5


@pytest.mark.parametrize("name", ["resnet18_v1", "mobilenetv2_0.25", "squeezenet1.1"])
def test_mxnets_own_samplers_on_its_own_networks_trip_nothing(name):
    net = mx.gluon.model_zoo.vision.get_model(name, classes=10)
    net.infer_shape(nd.zeros((1, 3, 32, 32) if name != "squeezenet1.1" else (1, 3, 224, 224)))
    mx.random.seed(2)
    net.initialize(mx.init.Xavier())
    assert ik.inspect(net, stats=True).findings == ik.inspect(net, stats=True, init=mx.init.Xavier()).findings == ()


def test_a_sound_network_of_a_thousand_parameters_trips_nothing():
    net = nn.HybridSequential()
    kinds = (mx.init.Normal(0.1), mx.init.Uniform(0.1), mx.init.Xavier(), ik.TruncatedNormal(0.1), mx.init.MSRAPrelu())
    for number in range(500):
        net.add(nn.Dense(2 + number % 30, in_units=1 + number % 17, weight_initializer=kinds[number % 5]))
    for seed in range(2):
        ik.initialize(net, seed=seed, force_reinit=True)
        report = ik.inspect(net, stats=True)
        assert len(report.records) == 1000 and report.findings == ()
        assert sum(record.declared is not None and record.declared.z_std is not None for record in report.records) > 400
