"""A watch puts back what a failed call has resolved, where plain MXNet forgets it; a corrected second try succeeds."""

import threading

import gluon_initkit as ik
from gluon_initkit._mxnet.parameter import shape_of
from gluon_initkit._mxnet.state import suppress_events
import mxnet as mx
from mxnet import gluon
from mxnet.gluon import nn
import numpy as np
import pytest
from vocabulary import CONTRADICTION, GLUON_2, HybridBlock, declared, nd


class Scale(HybridBlock):
    """Multiplies by a parameter of the input's size, which is deferred."""

    def __init__(self):
        super().__init__()
        unknown = -1 if GLUON_2 else 0
        self.factor = declared(self, "factor", shape=(1, unknown), init="ones", allow_deferred_init=True)

    if GLUON_2:

        def infer_shape(self, x):
            self.factor.shape = x.shape

    def hybrid_forward(self, F, x, factor):
        return F.elemwise_mul(x, factor)


def network(kind, hybrid):
    """Resolves the scale, and refuses any input but one of size 6."""
    net = kind()
    net.add(Scale(), nn.Dense(2, in_units=6), nn.Dense(3))
    if hybrid:
        net.hybridize()
    return net


def states(net):
    held = {}
    for path, param in net._collect_params_with_prefix().items():
        held[path] = (param.shape, param._deferred_init, param._data)
    return held


KINDS = [(nn.Sequential, False), (nn.HybridSequential, False), (nn.HybridSequential, True)]


@pytest.mark.parametrize(("kind", "hybrid"), KINDS[:2])
def test_plain_mxnet_keeps_what_a_failed_pass_resolved(kind, hybrid):
    net = network(kind, hybrid)
    net.initialize()
    with pytest.raises(CONTRADICTION):
        net(nd.ones((1, 5)))
    assert net[0].factor.shape == (1, 5)
    with pytest.raises(mx.MXNetError):
        net(nd.ones((1, 6)))


def test_a_watched_parameter_stays_pending():
    net = nn.Dense(2)
    with ik.trace(net):
        net.initialize()
        with pytest.raises(ik.DeferredInitError):
            net.weight._finish_deferred_init()
        net.weight.shape = (2, 3)
        net.weight._finish_deferred_init()
        assert net.weight.data().shape == (2, 3)


@pytest.mark.parametrize(("kind", "hybrid"), KINDS)
def test_a_failed_pass_leaves_everything_pending_and_a_second_try_succeeds(kind, hybrid):
    net = network(kind, hybrid)
    with ik.trace(net) as t:
        net.initialize()
        before = states(net)
        with pytest.raises(ik.DeferredInitError):
            net(nd.ones((1, 5)))
        assert states(net) == before
        net(nd.ones((1, 6)))
    assert net[0].factor.data().shape == (1, 6) and net[2].weight.data().shape == (3, 2)
    assert [e.kind for e in t.events].count("failed") == 1


@pytest.mark.parametrize(("kind", "hybrid"), KINDS)
def test_after_a_second_try_the_values_are_those_of_a_network_that_never_failed(kind, hybrid):
    prints = []
    for fails in (False, True):
        net = network(kind, hybrid)
        with ik.trace(net):
            ik.initialize(net, mx.init.Normal(), seed=5)
            if fails:
                with pytest.raises(ik.DeferredInitError):
                    net(nd.ones((1, 5)))
            net(nd.ones((1, 6)))
        prints.append(ik.fingerprint(net))
    assert prints[0] == prints[1]


def test_another_structure_of_the_inputs_may_be_tried():
    class Joins(HybridBlock):
        def __init__(self):
            super().__init__()
            self.layer = nn.Dense(2)
            self.last = nn.Dense(2, in_units=9)

        def hybrid_forward(self, F, x, y=None):
            x = self.layer(x)
            return self.last(x if y is None else F.concat(x, y))

    net = Joins()
    net.hybridize()
    with ik.trace(net):
        net.initialize()
        with pytest.raises(ik.DeferredInitError):
            net(nd.ones((1, 3)))
        assert net(nd.ones((1, 3)), nd.ones((1, 7))).shape == (1, 2)


class Once(mx.init.Initializer):
    """Raises at its second weight, the first time."""

    def __init__(self, error):
        super().__init__()
        self.error, self.calls = error, 0

    def _init_weight(self, name, arr):
        self.calls += 1
        if self.calls == 2:
            raise self.error
        arr[:] = self.calls


@pytest.mark.parametrize("error", [ValueError("a user's own"), KeyboardInterrupt()])
@pytest.mark.parametrize("hybrid", [False, True])
def test_an_initializers_own_error_goes_on_as_it_is_and_nothing_is_lost(error, hybrid):
    net = nn.HybridSequential()
    net.add(nn.Dense(2), nn.Dense(3))
    if hybrid:
        net.hybridize()
    with ik.trace(net) as t:
        net.initialize(Once(error))
        before = states(net)
        with pytest.raises(type(error)) as raised:
            net(nd.ones((1, 4)))
        assert raised.value is error and states(net) == before
        net(nd.ones((1, 4)))
    assert net[0].weight.data().asnumpy().max() == 3
    (failed,) = (e for e in t.events if e.kind == "failed")
    assert failed.detail.startswith(type(error).__name__) and failed.detail.endswith("1 parameter is pending again")


@pytest.mark.parametrize("whole", [True, False])
def test_a_failed_initialize_leaves_the_values(whole):
    net = nn.HybridSequential()
    net.add(nn.Dense(2, in_units=2), nn.Dense(2, in_units=2))
    net.initialize(mx.init.One())
    init = Once(ValueError("a user's own"))
    init.calls = 0 if whole else 1
    with ik.trace(net):
        before = states(net)
        with pytest.raises(ValueError, match="a user's own"):
            (net if whole else net[1].weight).initialize(init, force_reinit=True)
        assert states(net) == before
    assert np.array_equal(net[1].weight.data().asnumpy(), np.ones((2, 2)))


def test_a_failed_load_leaves_pending_what_was_pending(tmp_path):
    file = str(tmp_path / "other.params")
    other = nn.HybridSequential()
    other.add(nn.Dense(2, in_units=3), nn.Dense(4, in_units=2))
    other.initialize()
    other.save_parameters(file)
    net = nn.HybridSequential()
    net.add(nn.Dense(2), nn.Dense(5))
    with ik.trace(net):
        net.initialize()
        before = states(net)
        with pytest.raises(AssertionError, match="shape incompatible"):
            net.load_parameters(file)
        after = states(net)
    assert after["0.weight"] == before["0.weight"] and after["1.weight"] == before["1.weight"]


def test_what_another_thread_resolved_meanwhile_stays():
    resolved, may_fail = threading.Event(), threading.Event()

    class Fails(gluon.Block):
        def __init__(self):
            super().__init__()
            self.layer = nn.Dense(2)

        def forward(self, x):
            self.layer(x)
            resolved.set()
            may_fail.wait(10)
            raise KeyError("a user's own")

    net = nn.Sequential()
    net.add(Fails(), nn.Dense(3))

    def run():
        with pytest.raises(KeyError):
            net[0](nd.ones((1, 4)))

    with ik.trace(net):
        net.initialize()
        thread = threading.Thread(target=run)
        thread.start()
        resolved.wait(10)
        net[1](nd.ones((1, 5)))
        may_fail.set()
        thread.join()
        assert net[1].weight.data().shape == (3, 5) and shape_of(net[0].layer.weight) == (2, None)
        assert "_check_and_get" in vars(net[0].layer.weight)


def test_an_error_that_the_users_code_catches_goes_no_further():
    class Tries(gluon.Block):
        def __init__(self):
            super().__init__()
            self.first, self.second = nn.Dense(2, in_units=9), nn.Dense(2)

        def forward(self, x):
            try:
                return self.first(x)
            except CONTRADICTION:
                return self.second(x)

    net = Tries()
    with ik.trace(net) as t:
        net.initialize()
        assert net(nd.ones((1, 4))).shape == (1, 2)
    assert not [e for e in t.events if e.kind == "failed"]


def test_quietly_done_is_not_told():
    net = nn.Dense(2, in_units=2)
    with ik.trace(net) as t:
        with suppress_events():
            with suppress_events():
                pass
            net.initialize()
        assert not t.events
        net.cast("float64")
    assert {e.kind for e in t.events} == {"cast"}
