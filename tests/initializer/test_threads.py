"""Public threads about initializers: plain MXNet failing as its users saw it, then the kit's answer."""

import gluon_initkit as ik
import mxnet as mx
from mxnet.gluon import nn
import numpy as np
import pytest
from vocabulary import nd


def layers():
    net = nn.HybridSequential()
    net.add(nn.Dense(3, in_units=2), nn.BatchNorm(in_channels=3), nn.Dense(2, in_units=3))
    return net


def numbers(param):
    return set(param.data().asnumpy().ravel().tolist())


def hooks(base):
    class Tenth(base):
        def _init_weight(self, desc, arr):
            arr[:] = 3

        def _init_bias(self, desc, arr):
            arr[:] = 0.5

        def _init_gamma(self, desc, arr):
            arr[:] = 5

    return Tenth


def test_mxnet_14490():
    """A registered initializer: only weights follow it, bias and gamma keep the layers' defaults."""
    for base, name, bias, gamma in (
        (mx.init.Initializer, "plain_14490", 0, 1),
        (ik.Initializer, "corrected_14490", 0.5, 5),
    ):
        mx.init.alias(name)(hooks(base))
        net = layers()
        net.initialize(mx.init.create(name))
        assert (numbers(net[0].weight), numbers(net[0].bias), numbers(net[1].gamma)) == ({3}, {bias}, {gamma})


def test_mxnet_9376():
    """"The bias to 0.1 in every layer": Mixed is refused by Gluon."""
    net = layers()
    with pytest.raises(AssertionError, match="initializer must be of string type"):
        net.initialize(mx.init.Mixed([".*bias", ".*"], [mx.init.Constant(0.5), mx.init.Xavier()]))
    net = layers()
    net.initialize(ik.Rules([("*.bias", 0.5), ("*", mx.init.Xavier())]))
    assert numbers(net[0].bias) == numbers(net[2].bias) == {0.5} and len(numbers(net[0].weight)) == 6


def test_mxnet_9387():
    """The same by a custom `_init_bias`, which leaves 0."""
    for base, bias in ((mx.init.Initializer, 0), (ik.Initializer, 0.5)):
        net = layers()
        net.initialize(hooks(base)())
        assert numbers(net[0].bias) == numbers(net[2].bias) == {bias}


def test_mxnet_5677():
    """Constant reaches weights only."""
    net = layers()
    net.initialize(mx.init.Constant(3))
    assert (numbers(net[0].weight), numbers(net[0].bias)) == ({3}, {0})
    said = ik.plan(net, mx.init.Constant(3))["0.bias"]
    assert (said.initializer, said.why) == ("Zero()", "layer default")
    net.initialize(ik.Rules([(nn.Dense, 3)]), force_reinit=True)
    assert numbers(net[0].weight) == numbers(net[0].bias) == {3} and numbers(net[1].gamma) == {1}


def test_mxnet_11334():
    """A SymbolBlock's biases are given to Xavier, which raises on vectors."""
    symbol = mx.sym.FullyConnected(mx.sym.var("data"), num_hidden=3, name="fc")
    plain, net = (mx.gluon.SymbolBlock(symbol, mx.sym.var("data")) for _ in range(2))
    plain.initialize(mx.init.Xavier())
    with pytest.raises(ValueError, match="Xavier initializer cannot be applied to vector fc_bias"):
        plain(nd.ones((1, 2)))
    net.initialize(ik.corrected(mx.init.Xavier()))
    assert np.isfinite(net(nd.ones((1, 2))).asnumpy()).all()
    assert numbers(net.params["fc_bias"]) == {0} and len(numbers(net.params["fc_weight"])) == 6


def test_mxnet_15824():
    """A SymbolBlock: the `init=` of a `sym.Variable` is ignored by Gluon."""
    weight = mx.sym.Variable("fc_weight", init=mx.init.Constant(7))
    symbol = mx.sym.FullyConnected(mx.sym.var("data"), weight=weight, num_hidden=3, name="fc")
    plain, net = (mx.gluon.SymbolBlock(symbol, mx.sym.var("data")) for _ in range(2))
    plain.initialize(mx.init.One())
    plain(nd.ones((1, 2)))
    assert numbers(plain.params["fc_weight"]) == {1}
    assert next(iter(ik.plan(net, mx.init.One()))).why == "layer"
    net.initialize(ik.corrected(mx.init.One()))
    net(nd.ones((1, 2)))
    assert numbers(net.params["fc_weight"]) == {7}


def table(base):
    class Table(base):
        def __init__(self, value):
            super().__init__(value=value)
            self.value = value

        def _init_weight(self, desc, arr):
            arr[:] = self.value

    return Table


@pytest.mark.parametrize("value", [np.ones((3, 2)) * 4, nd.ones((3, 2)) * 4], ids=["numpy", "mxnet"])
def test_mxnet_8438(value):
    """Also #12404, #16301, #15927: an initializer with an array is "not JSON serializable" after hybridize."""
    for base in (mx.init.Initializer, ik.Initializer):
        net = nn.Dense(3, in_units=2, weight_initializer=table(base)(value))
        net.initialize()
        net.hybridize()
        if base is mx.init.Initializer:
            with pytest.raises(TypeError, match="not JSON serializable"):
                net(nd.ones((1, 2)))
        else:
            assert (net(nd.ones((1, 2))).asnumpy() == 8).all()


def test_mxnet_14792():
    """Load is no Initializer either: "initializer must be of string type"."""
    values = {"0.weight": nd.ones((3, 2)) * 4, "2.bias": np.array([1.0, 2.0])}
    net = layers()
    with pytest.raises(AssertionError, match="initializer must be of string type"):
        net.initialize(mx.init.Load(dict(values), mx.init.Xavier()))
    net = layers()
    net.initialize(ik.Rules(list(values.items()), default=mx.init.Xavier()))
    assert numbers(net[0].weight) == {4} and net[2].bias.data().asnumpy().tolist() == [1, 2]


def test_mxnet_1356():
    """Mixed with patterns for weights, by names that Gluon never tells; here by path."""
    net = layers()
    with pytest.raises(AssertionError):
        net.initialize(mx.init.Mixed(["dense0.*", ".*"], [mx.init.One(), mx.init.Zero()]))
    net = layers()
    net.initialize(ik.Rules([("0.weight", mx.init.One()), ("*.weight", mx.init.Zero())]))
    assert numbers(net[0].weight) == {1} and numbers(net[2].weight) == {0} and numbers(net[1].gamma) == {1}
