"""The front door: what it takes, and what it refuses."""

from pathlib import Path

import gluon_initkit as ik
import mxnet as mx
from mxnet.gluon import nn
import pytest


def test_what_is_no_network_is_refused():
    with pytest.raises(TypeError, match=r"expected a network \(an mxnet.gluon.Block\), found int: 3"):
        ik.inspect(3)
    with pytest.raises(TypeError, match="(?s)found ParameterDict: .*pass the network it came from"):
        ik.inspect(nn.Dense(2).collect_params())


def test_all_but_the_network_by_keyword():
    with pytest.raises(TypeError, match="positional"):
        ik.inspect(nn.Dense(2), "*")


@pytest.mark.parametrize("name, given", [("grads", True), ("trainer", object()), ("init", "xavier")])
@pytest.mark.parametrize("file", ["model.params", Path("model.params")])
def test_what_a_file_cannot_tell(file, name, given):
    with pytest.raises(ValueError, match=f"{name}= is about a network, and 'model.params' is a file"):
        ik.inspect(file, **{name: given})


def test_equal_networks_give_equal_reports():
    def made():
        net = nn.HybridSequential(prefix="same_")
        with net.name_scope():
            net.add(nn.Dense(2, in_units=3), nn.Dense(2))
        ik.initialize(net, seed=4)
        return ik.inspect(net, stats=True)

    assert made() == made()


def test_gradients_and_a_declared_initializer_imply_statistics():
    net = nn.Dense(2, in_units=3)
    net.initialize()
    assert all(record.stats and record.grad_stats for record in ik.inspect(net, grads=True).records)
    assert all(record.stats for record in ik.inspect(net, init="uniform").records)
    assert not any(record.stats or record.grad_stats for record in ik.inspect(net).records)


def test_the_source_is_named():
    assert ik.inspect(nn.Dense(2)).source == "Dense"
    assert ik.inspect(mx.gluon.model_zoo.vision.alexnet()).source == "AlexNet"
