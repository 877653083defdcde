"""The builder on blocks that keep or name their parameters in ways of their own."""

import gluon_initkit as ik
import mxnet as mx
from mxnet.gluon import nn
import pytest
from test_sharing_targets import groups
from vocabulary import collected, declared, nd


@pytest.mark.mxnet1("parameters for each layer and gate of an RNN")
def test_rnn_layers_by_the_names_they_give_themselves():
    net = nn.HybridSequential()
    net.add(mx.gluon.rnn.LSTM(4, input_size=4), mx.gluon.rnn.LSTM(4, input_size=4))
    net.initialize()
    before = net(nd.ones((3, 2, 4)))
    assert before.shape == (3, 2, 4)
    ik.Sharing(net).tie("1._unfused.0.h2h_weight", "0._unfused.0.h2h_weight").tie_blocks("*", only="bias").apply()
    assert net[0].l0_h2h_weight is net[1].l0_h2h_weight and net[0].l0_i2h_bias is net[1].l0_i2h_bias
    with mx.autograd.record():
        loss = net(nd.ones((3, 2, 4))).sum()
    loss.backward()
    net.hybridize()
    with mx.autograd.record():
        again = net(nd.ones((3, 2, 4))).sum()
    again.backward()
    assert abs(loss - again).asscalar() < 1e-5


@pytest.mark.mxnet1("parameters for each layer and gate of an RNN")
def test_a_deep_rnn_layer_whose_own_naming_fails():
    net = nn.HybridSequential()
    net.add(*(mx.gluon.rnn.GRU(2, num_layers=12, input_size=2) for _ in range(2)))
    found = groups(net, ("tie_blocks", ("*",), {"only": "weight"}))
    assert len(found) == 24 and net[0].l11_h2h_weight is net[1].l11_h2h_weight
    net.initialize()
    assert net(nd.ones((3, 2, 2))).shape == (3, 2, 2)


@pytest.mark.mxnet2("one vector of all that an RNN layer has")
def test_rnn_layers_by_their_one_vector():
    net = nn.HybridSequential()
    net.add(mx.gluon.rnn.LSTM(4, input_size=4), mx.gluon.rnn.LSTM(4, input_size=4))
    net.initialize()
    net.hybridize()
    net(nd.ones((3, 2, 4)))
    ik.Sharing(net).tie_blocks("0", "1").apply()
    assert net[0].rnn_param is net[1].rnn_param and len(collected(net)) == 1
    hybridized = net(nd.ones((3, 2, 4))).asnumpy()
    net.hybridize(False)
    assert abs(net(nd.ones((3, 2, 4))).asnumpy() - hybridized).max() < 1e-6


def test_one_block_that_holds_a_parameter_twice():
    block = mx.gluon.nn.HybridSequential()
    block.first = declared(block, "first", shape=(2,))
    block.second = block.first
    net = nn.HybridSequential()
    net.add(block, nn.Dense(2, in_units=2))
    ik.Sharing(net).tie("0.first", "1.bias", to="1.bias").apply()
    assert block.first is block.second is net[1].bias
    ik.untie(net, "0.second")
    assert block.first is net[1].bias is not block.second
    assert sorted(param.shape for param in collected(net)) == [(2,), (2,), (2, 2)]
