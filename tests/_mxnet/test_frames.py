"""The path of a parameter being filled: of the network whose initialize was called, whoever else holds it."""

import gluon_initkit as ik
import mxnet as mx
from mxnet.gluon import nn
import pytest
from vocabulary import initialize_all, nd


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
def test_collect_params_leads_to_a_network_that_was_seen():
    """It says nothing of the network itself, and the kit searches no memory for it."""
    net, seen = nn.HybridSequential(), []
    net.add(nn.Dense(2, in_units=3))
    net.collect_params().initialize(Watching(seen))
    net.initialize(Watching(seen), force_reinit=True)
    net.collect_params(".*weight").initialize(Watching(seen), force_reinit=True)
    assert seen == [None, "0.weight", "0.weight"]


@pytest.mark.parametrize("hybrid", [False, True])
def test_what_collect_params_left_pending_is_found_in_the_network_that_runs(hybrid):
    net, wrapper, seen = nn.HybridSequential(), nn.HybridSequential(), []
    net.add(nn.Dense(2), nn.Dense(2))
    wrapper.add(net)
    initialize_all(wrapper, Watching(seen))
    wrapper.hybridize(hybrid)
    wrapper(nd.ones((1, 3)))
    assert seen == ["0.0.weight", "0.1.weight"]


def test_and_in_the_network_that_is_materialized():
    net, seen = nn.HybridSequential(), []
    net.add(nn.Dense(2), nn.Dense(2))
    initialize_all(net, Watching(seen))
    ik.materialize(net, (1, 3))
    assert seen == ["0.weight", "1.weight"]


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


def test_a_parameter_initialized_by_itself_is_found_in_a_network_that_was_seen():
    net, seen = nn.HybridSequential(), []
    net.add(nn.Dense(2, in_units=3))
    net[0].weight.initialize(init=Watching(seen))
    net.initialize(ik.corrected("zeros"), force_reinit=True)
    net[0].weight.initialize(init=Watching(seen), force_reinit=True)
    assert seen == [None, "0.weight"]
