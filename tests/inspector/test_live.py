"""Values and gradients on demand: of the network as it is now, while it lives, and with errors that say what to do."""

import gc
import pickle

import gluon_initkit as ik
import mxnet as mx
from mxnet.gluon import nn
import numpy as np
import pytest
from vocabulary import nd, tied


def network():
    net = nn.HybridSequential()
    net.add(nn.Dense(3, in_units=2), nn.Dense(2))
    net.initialize(mx.init.One())
    return net


def test_values_are_the_present_ones_and_a_copy():
    net = network()
    live = ik.inspect(net).live
    assert live.values("0.weight").tolist() == [[1, 1]] * 3
    net[0].weight.set_data(nd.full((3, 2), 2))
    values = live.values("0.weight")
    assert values.tolist() == [[2, 2]] * 3
    values[:] = 9
    assert net[0].weight.data().asnumpy().max() == 2


def test_gradients():
    net = network()
    with mx.autograd.record():
        loss = net[0](nd.array([[1, 2]])).sum()
    loss.backward()
    assert ik.inspect(net).live.gradient("0.weight").tolist() == [[1, 2]] * 3
    net[0].bias.grad_req = "null"
    with pytest.raises(RuntimeError, match="'0.bias' has no gradient: its grad_req is 'null'. Set grad_req='write'"):
        ik.inspect(net).live.gradient("0.bias")


def test_one_layer_and_aliases():
    net = nn.HybridSequential()
    first = nn.Dense(2, in_units=2)
    net.add(first, tied(nn.Dense, first, 2, in_units=2))
    net.initialize(mx.init.One())
    for part, path in ((net[0], "weight"), (net, "1.weight")):
        assert ik.inspect(part).live.values(path).tolist() == [[1, 1]] * 2


def test_without_values_the_error_says_how_to_get_them():
    net, layer = network(), nn.Dense(2, in_units=2)
    with pytest.raises(RuntimeError, match=r"'1.weight' has no values yet: it is deferred. Its shape is not"):
        ik.inspect(net).live.values("1.weight")
    with pytest.raises(RuntimeError, match="'1.weight' has no gradient: it is deferred. Its shape"):
        ik.inspect(net).live.gradient("1.weight")
    with pytest.raises(RuntimeError, match=r"'weight' has no values yet: it is uninitialized. Initialize the "):
        ik.inspect(layer).live.values("weight")


def test_a_path_that_is_gone():
    net = network()
    with pytest.raises(KeyError, match="the HybridSequential has no parameter '7.weight' any more"):
        ik.inspect(net).live.values("7.weight")


def test_it_keeps_no_network_alive():
    net = network()
    live = ik.inspect(net, stats=True).live
    del net
    gc.collect()
    with pytest.raises(ReferenceError, match="the HybridSequential of which '0.weight' was a parameter is gone"):
        live.values("0.weight")


@pytest.mark.mxnet1("layers of sparse parameters")
def test_sparse():
    net = mx.gluon.contrib.nn.SparseEmbedding(4, 2)
    net.initialize(mx.init.One())
    assert (ik.inspect(net).live.values("weight") == np.ones((4, 2))).all()


def test_numpy_mode():
    mx.npx.set_np()
    net = nn.Dense(2, in_units=2)
    net.initialize(mx.init.One())
    assert type(ik.inspect(net).live.values("weight")) is np.ndarray


def test_records_pickle_without_it():
    report = ik.inspect(network())
    assert pickle.loads(pickle.dumps(report.records)) == report.records
