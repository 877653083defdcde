"""The path of a parameter being filled: of the network whose initialize was called, whoever else holds it."""

import gluon_initkit as ik
import mxnet as mx
from mxnet.gluon import nn
import pytest
from vocabulary import nd


class Watching(ik.Initializer):
    def __init__(self, seen):
        super().__init__()
        self.seen = seen

    def _init_weight(self, desc, arr):
        self.seen.append(desc.path)
        arr[:] = 0


def test_a_wrapper_around_the_network_does_not_lengthen_its_paths():
    net, seen = nn.HybridSequential(), []
    net.add(nn.Dense(2, in_units=3), nn.Dense(2))
    wrapper = nn.HybridSequential()
    wrapper.add(net)
    net.initialize(Watching(seen))
    wrapper(nd.ones((1, 3)))
    assert seen == ["0.weight", "1.weight"]


@pytest.mark.mxnet1("initialize method of what collect_params gives")
def test_collect_params_finds_the_block_that_it_was_called_on():
    net, seen = nn.HybridSequential(), []
    net.add(nn.Dense(2, in_units=3))
    wrapper = nn.HybridSequential()
    wrapper.add(net)
    net.collect_params().initialize(Watching(seen))
    wrapper.collect_params().initialize(Watching(seen), force_reinit=True)
    net.collect_params(".*weight").initialize(Watching(seen), force_reinit=True)
    assert seen == ["0.weight", "0.0.weight", "0.weight"]


def test_a_network_all_deferred_is_found_by_the_forward_pass():
    net, seen = nn.HybridSequential(), []
    net.add(nn.Dense(2, use_bias=False), nn.Dense(3, use_bias=False))
    net.initialize(Watching(seen))
    assert seen == []
    net(nd.ones((1, 3)))
    assert seen == ["0.weight", "1.weight"]


def test_a_parameter_in_no_block_has_no_path():
    seen = []
    param = mx.gluon.Parameter("lonely_weight", shape=(2,))
    param.initialize(init=Watching(seen))
    assert seen == [None]


def test_networks_die_though_their_parameters_were_seen():
    import gc
    import weakref

    net = nn.HybridSequential()
    net.add(nn.Dense(2, in_units=3))
    net.initialize(Watching([]))
    gone = weakref.ref(net)
    del net
    gc.collect()
    assert gone() is None


def test_a_parameter_initialized_by_itself_is_found_when_its_path_is_asked_for():
    net, seen = nn.HybridSequential(), []
    net.add(nn.Dense(2, in_units=3))
    net[0].weight.initialize(init=Watching(seen))
    assert seen == ["0.weight"]
