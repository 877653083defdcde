"""Slots, and exchanging what stands in them: every place that holds a parameter is kept in step, or all is undone."""

import gluon_initkit as ik
from gluon_initkit._mxnet import Transposed, exchange, held_in_container, slots, source_of, walk
import mxnet as mx
from mxnet.gluon import nn
import pytest


def pair():
    net = nn.HybridSequential()
    net.add(nn.Dense(4, in_units=4), nn.Dense(4, in_units=4))
    return net


def test_slots_and_blocks_stand_in_order_of_traversal():
    net = pair()
    net.add(mx.gluon.rnn.LSTM(4, input_size=4))
    found = slots(net)
    assert [slot.path for slot in found] == list(ik._mxnet.traversed(net))
    assert all(slot.block._reg_params[slot.key] is slot.param for slot in found)
    assert found[-1].path == "2._unfused.0.h2h_bias" and found[-1].key == "l0_h2h_bias"
    assert [path for path, _ in walk(net)] == ["", "0", "1", "2"]


def test_an_exchange_reaches_every_place():
    net = pair()
    one, other = slots(net)[0], slots(net)[2]
    with exchange(net, [(other, one.param)]):
        assert net[1].weight is other.param  # the body comes first
    assert net[1].weight is net[1]._reg_params["weight"] is one.param
    assert list(net[1].params.keys()) == [one.param.name, net[1].bias.name]
    assert list(net.collect_params().values()) == [one.param, net[0].bias, net[1].bias]


def test_a_dictionary_that_knows_the_parameter_without_a_slot_follows():
    net = pair()
    net.params.update(net[1].params)
    with exchange(net, [(slots(net)[2], net[0].weight)]):
        pass
    assert list(net.params.values()) == [net[0].weight, net[1].bias]


def test_a_failing_body_changes_nothing():
    net = pair()
    before = slots(net)
    with pytest.raises(KeyError), exchange(net, [(before[2], net[0].weight)]):
        raise KeyError
    assert slots(net) == before and net[1].weight is before[2].param


def test_caches_outside_are_cleared_and_strangers_are_not():
    net, stranger, outer = pair(), pair(), nn.HybridSequential()
    outer.add(net)
    for each in (outer, stranger):
        each.initialize()
        each.hybridize()
        each(mx.nd.ones((1, 4)))
    kept = stranger._cached_op
    with exchange(net, [(slots(net)[2], net[0].weight)]):
        pass
    assert outer._cached_op is None and stranger._cached_op is kept is not None


def test_containers():
    block = nn.HybridSequential()
    block.weight = block.params.get("weight", shape=(2,))
    assert held_in_container(block, block.weight) is None
    block.kept = {"here": block.weight}
    assert held_in_container(block, block.weight) == "kept"


def test_the_source_of_a_view():
    param = mx.gluon.Parameter("weight", shape=(2, 3))
    assert source_of(Transposed(param)) is source_of(param) is param
