"""Slots, and exchanging what stands in them: every place that holds a parameter is kept in step, or all is undone."""

import copy

import gluon_initkit as ik
from gluon_initkit._mxnet.ties import exchange, independent_copy, slots
from gluon_initkit._mxnet.tree import parameters_by_path, walk
import mxnet as mx
from mxnet.gluon import nn
import pytest
from vocabulary import GLUON_2, collected, nd


def pair():
    net = nn.HybridSequential()
    net.add(nn.Dense(4, in_units=4), nn.Dense(4, in_units=4))
    return net


def test_slots_and_blocks_stand_in_order_of_traversal():
    net = pair()
    net.add(mx.gluon.rnn.LSTM(4, input_size=4))
    found = slots(net)
    assert [slot.path for slot in found] == list(parameters_by_path(net))
    assert all(slot.block._reg_params[slot.key] is slot.param for slot in found)
    last = ("2.rnn_param", "rnn_param") if GLUON_2 else ("2._unfused.0.h2h_bias", "l0_h2h_bias")
    assert (found[-1].path, found[-1].key) == last
    assert [path for path, _ in walk(net)] == ["", "0", "1", "2"]


def test_an_exchange_reaches_every_place():
    net = pair()
    one, other = slots(net)[0], slots(net)[2]
    with exchange(net, [(other, one.param)]):
        assert net[1].weight is other.param  # the body comes first
    assert net[1].weight is net[1]._reg_params["weight"] is one.param
    assert list(net[1].params.values()) == [one.param, net[1].bias]
    assert GLUON_2 or list(net[1].params.keys()) == [one.param.name, net[1].bias.name]
    assert collected(net) == [one.param, net[0].bias, net[1].bias]


@pytest.mark.mxnet1("parameters that no attribute holds")
def test_a_dictionary_that_knows_the_parameter_without_a_slot_follows():
    net = pair()
    net.params.update(net[1].params)
    with exchange(net, [(slots(net)[2], net[0].weight)]):
        pass
    assert list(net.params.values()) == [net[0].weight, net[1].bias]


@pytest.mark.mxnet1("parameters that are found by name")
def test_a_replaced_parameter_is_found_and_listed_by_its_successors_name():
    net = pair()
    own = net[1].weight
    ik.Sharing(net).tie("*.weight").apply()
    assert net[1].params[net[0].weight.name] is net[0].weight and own.name not in net[1].params
    assert len(list(net.collect_params().keys())) == len(list(net[1].params.keys())) + 1 == 3
    again = copy.deepcopy(net)
    assert nn.Dense(4, in_units=4, params=again[1].params).bias is again[1].bias
    ik.untie(net, "1.weight")
    assert nn.Dense(4, in_units=4, params=net[1].params).weight is net[1].weight is not net[0].weight


@pytest.mark.mxnet1("params= of a layer")
def test_one_that_is_seen_transposed_is_not_found_by_name():
    net = nn.HybridSequential()
    net.add(nn.Dense(3, in_units=4), nn.Dense(4, in_units=3))
    ik.Sharing(net).tie("1.weight", "0.weight", transpose=True).apply()
    assert nn.Dense(4, in_units=3, params=net[1].params).weight is not net[0].weight


def test_a_failing_body_changes_nothing():
    net = pair()
    before = slots(net)
    with pytest.raises(KeyError), exchange(net, [(before[2], net[0].weight)]):
        raise KeyError
    assert slots(net) == before and net[1].weight is before[2].param


@pytest.mark.mxnet1("sparse gradients beside NumPy arrays")
def test_own_copy_of_a_row_sparse_gradient():
    net = nn.Embedding(4, 2, sparse_grad=True)
    net.initialize()
    with mx.autograd.record():
        loss = net(nd.array([1])).sum()
    loss.backward()
    copied = independent_copy(net.weight, "copied", transposed=False)
    assert copied.grad().stype == "row_sparse" and copied.name == "copied"
    assert (copied.grad().asnumpy() == net.weight.grad().asnumpy()).all() and copied.grad().asnumpy()[1].all()
