"""The messages that only a trace can give: both places that disagree, and who asked too early. Compared as a whole."""

import re

import gluon_initkit as ik
import mxnet as mx
from mxnet import gluon
from mxnet.gluon import nn, rnn
import pytest


def ones(*shape):
    return mx.nd.ones(shape)


def stack(*layers, kind=nn.HybridSequential):
    net = kind()
    net.add(*layers)
    return net


def failure(net, call):
    """The error that `call` ends in under a trace, and its text with this file's lines as HERE."""
    with ik.trace(net), pytest.raises(ik.DeferredInitError) as raised:
        call(net)
    mx.nd.waitall()
    error = raised.value
    assert isinstance(error, gluon.parameter.DeferredInitializationError)
    assert isinstance(error, type(error.__cause__)) and error.__cause__ is not None
    return error, re.sub(re.escape(__file__) + r":\d+", "HERE", str(error))


def lines(text, count=None):
    return text.splitlines()[:count]


@pytest.mark.parametrize("hybrid", [False, True])
def test_an_input_that_contradicts_what_was_resolved(hybrid):
    def call(net):
        net.initialize()
        net.hybridize(hybrid)
        net(ones(2, 5))
        net(ones(2, 6))

    _, text = failure(stack(nn.Dense(4), nn.Dense(2)), call)
    given = "0 (Dense), with the network (HybridSequential) on (2, 6)" if hybrid else "0 (Dense) on (2, 6)"
    assert lines(text, 4) == [
        "0.weight: its shape and an input contradict each other.",
        "  it is (4, 5): resolved in 0 (Dense) on (2, 5), HERE",
        f"  to be (4, 6): {given}, HybridSequential.__call__ at HERE",
        "  to mend it: give 0 (Dense) an input of the size that it was made for, or make it for this one",
    ]


KINDS = [(nn.Sequential, False), (nn.HybridSequential, False), (nn.HybridSequential, True)]


@pytest.mark.parametrize(("kind", "hybrid"), KINDS)
def test_an_input_that_contradicts_what_the_layer_was_made_for(kind, hybrid):
    def call(net):
        net.initialize()
        net.hybridize(hybrid)
        net(ones(2, 5))

    error, text = failure(stack(nn.Dense(4), nn.Dense(2, in_units=7), kind=kind), call)
    assert lines(text, 4) == [
        "1.weight: its shape and an input contradict each other.",
        "  it is (2, 7): as 1 (Dense) was made, or was before the trace",
        f"  to be (2, 4): 1 (Dense) on (2, 4), {kind.__name__}.__call__ at HERE",
        "  to mend it: give 1 (Dense) an input of the size that it was made for, or make it for this one",
    ]
    assert "0.weight" in [each.path for each in error.unresolved]


@pytest.mark.parametrize("hybrid", [False, True])
def test_two_branches_that_disagree_about_a_shared_parameter(hybrid):
    def call(net):
        net.initialize()
        net.hybridize(hybrid)
        net(ones(2, 5))

    first = nn.Dense(4)
    error, text = failure(stack(first, nn.Dense(7), nn.Dense(4, params=first.params)), call)
    origin = "0 (Dense) on (2, 5)" if hybrid else "resolved in 0 (Dense) on (2, 5), HERE"
    assert lines(text, 4) == [
        "0.weight: its shape and an input contradict each other.",
        f"  it is (4, 5): {origin}",
        "  to be (4, 7): 2 (Dense) on (2, 7), HybridSequential.__call__ at HERE",
        "  to mend it: 0 (Dense) and 2 (Dense) share it: give both inputs of one size, or untie them",
    ]
    assert {"0.weight", "1.weight"} <= {each.path for each in error.unresolved}


def test_a_fused_layer_whose_operator_sees_one_array():
    def call(net):
        net.initialize()
        net(ones(2, 2, 4))

    _, text = failure(rnn.LSTM(5, input_size=3), call)
    first, has, given, mend = lines(text, 4)
    assert first == "the network (LSTM): its input contradicts its parameters."
    assert "i2h_weight (20, 3)" in has and "h2h_weight (20, 5)" in has
    assert given == "  given the network (LSTM) on (2, 2, 4), (1, 2, 5), (1, 2, 5), LSTM.__call__ at HERE"
    assert mend.startswith("  to mend it: give the network (LSTM) an input of the size that it was made for")


class Scale(gluon.HybridBlock):
    def __init__(self):
        super().__init__()
        self.factor = self.params.get("factor", shape=(1, 0), init="ones", allow_deferred_init=True)

    def hybrid_forward(self, F, x, factor):
        return F.elemwise_mul(x, factor)


@pytest.mark.parametrize("hybrid", [False, True])
def test_a_parameter_of_the_users_own_that_meets_another_size(hybrid):
    def call(net):
        net.initialize()
        net.hybridize(hybrid)
        net(ones(1, 5))
        net(ones(1, 6))

    _, text = failure(Scale(), call)
    assert lines(text, 3) == [
        "factor: its shape and an input contradict each other.",
        "  it is (1, 5): resolved in the network (Scale) on (1, 5), HERE",
        "  to be (1, 6): the network (Scale) on (1, 6), Scale.__call__ at HERE",
    ]


def test_unrolling_on_another_size():
    def call(net):
        net.initialize()
        net.unroll(2, ones(1, 2, 3))
        net.unroll(2, ones(1, 2, 4))

    _, text = failure(rnn.RNNCell(5), call)
    assert lines(text, 3)[1:] == [
        "  it is (5, 3): resolved in the network (RNNCell) on (1, 3), (1, 5), HERE",
        "  to be (5, 4): the network (RNNCell) on (1, 4), (1, 5), RNNCell.unroll at HERE",
    ]


def test_set_data_with_another_shape_while_pending_and_after():
    def pending(net):
        net.initialize()
        net[0].weight.set_data(ones(3, 3))

    error, text = failure(stack(nn.Dense(4)), pending)
    assert lines(text, 4) == [
        "0.weight: set_data with another shape.",
        "  it is (4, ?): as 0 (Dense) was made, or was before the trace",
        "  given (3, 3): Parameter.set_data at HERE",
        "  to mend it: set_data(an array of shape (4, ?)), or make the layer for this one",
    ]
    assert [each.path for each in error.unresolved] == ["0.weight"]

    def after(net):
        net.initialize()
        net(ones(2, 5))
        net[0].weight.set_data(ones(4, 6))

    _, text = failure(stack(nn.Dense(4)), after)
    assert lines(text, 3)[1:] == [
        "  it is (4, 5): resolved in 0 (Dense) on (2, 5), HERE",
        "  given (4, 6): Parameter.set_data at HERE",
    ]


def test_an_input_that_contradicts_what_set_data_gave():
    def call(net):
        net.initialize()
        net.weight.set_data(ones(4, 6))
        net(ones(2, 5))

    _, text = failure(nn.Dense(4), call)
    assert lines(text, 3)[1:] == [
        "  it is (4, 6): set_data, HERE",
        "  to be (4, 5): the network (Dense) on (2, 5), Dense.__call__ at HERE",
    ]


READS = {
    "Parameter.data": lambda net: net[0].weight.data(),
    "Parameter.grad": lambda net: net[0].weight.grad(),
    "HybridSequential.save_parameters": lambda net: net.save_parameters("never written"),
    "Trainer.step": lambda net: gluon.Trainer(net.collect_params(), "sgd").step(1),
}


@pytest.mark.parametrize("name", READS)
def test_reading_too_early_says_who_asked(name):
    def call(net):
        net.initialize()
        READS[name](net)

    error, text = failure(stack(nn.Dense(4)), call)
    assert lines(text, 1) == [f"0.weight: {name} at HERE needs its values, which come in the first forward pass."]
    assert [each.path for each in error.unresolved] == ["0.weight"]


class Unreached(gluon.Block):
    def __init__(self):
        super().__init__()
        self.used, self.auxiliary = nn.Dense(2), nn.Dense(3)

    def forward(self, x):
        return self.used(x)


def test_mxnet_9226():
    """`trainer.step` raises after a forward pass: some layer is never reached (also #8419, dmlc/gluon-cv#406)."""
    def step(net):
        net.initialize()
        trainer = gluon.Trainer(net.collect_params(), "sgd")
        with mx.autograd.record():
            loss = net(ones(2, 5)).sum()
        loss.backward()
        trainer.step(2)

    with pytest.raises(gluon.parameter.DeferredInitializationError, match="Please pass one batch of data") as raised:
        step(Unreached())
    assert "auxiliary" not in str(raised.value)
    error, text = failure(Unreached(), step)
    assert lines(text, 1) == [
        "auxiliary.weight: Trainer.step at HERE needs its values, and the network's forward on (2, 5) did not reach "
        "auxiliary (Dense)."
    ]
    assert [row.path for row in error.unresolved] == ["auxiliary.weight"]


def test_a_shape_that_may_not_be_deferred():
    _, text = failure(stack(nn.PReLU(in_channels=0)), lambda net: net.initialize())
    assert lines(text, 1) == [
        "0.alpha: HybridSequential.initialize at HERE needs its shape, which is (?), and it may not be deferred. "
        "To mend it: give 0 (PReLU) its sizes, or the parameter allow_deferred_init=True."
    ]


def test_the_old_except_clauses_catch_it():
    net = stack(nn.Dense(4), nn.Dense(2, in_units=7))
    net.hybridize()
    with ik.trace(net):
        net.initialize()
        for kind in (gluon.parameter.DeferredInitializationError, mx.MXNetError, RuntimeError, ValueError):
            with pytest.raises(kind):
                net(ones(2, 5))
        with pytest.raises(AssertionError):
            net[0].weight.set_data(ones(3, 3))


def test_other_errors_go_on_as_they_are():
    net = stack(nn.Dense(4), nn.HybridLambda(lambda F, x: F.elemwise_add(x, F.ones((7, 7)))))
    with ik.trace(net):
        with pytest.raises(RuntimeError, match="has not been initialized") as raised:
            net(ones(2, 5))
        assert not isinstance(raised.value, ik.DeferredInitError)
        net.initialize()
        with pytest.raises(mx.MXNetError, match="Incompatible attr") as raised:
            net(ones(2, 5))
        assert not isinstance(raised.value, ik.DeferredInitError)
        assert net[0].weight.shape == (4, 0)
        with pytest.raises(TypeError):
            net(ones(2, 5), ones(2, 5), ones(2, 5))


def test_an_error_that_leaves_the_trace_is_turned_too():
    """When all is resolved, an inner block runs without a wrapper; what leaves the `with` is looked at once more."""
    net = stack(nn.Dense(4))
    with pytest.raises(ik.DeferredInitError, match="its shape and an input contradict"), ik.trace(net):
        net.initialize()
        net(ones(2, 5))
        net[0](ones(2, 6))
