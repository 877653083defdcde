"""What only a trace can add to the one message: where a shape came from, and what an inner block was given."""

import re

import gluon_initkit as ik
import mxnet as mx
from mxnet import gluon
from mxnet.gluon import nn, rnn
import pytest
from vocabulary import GLUON_2, PARAMETER, HybridBlock, declared, exists, nd, tied


def ones(*shape):
    return nd.ones(shape)


def stack(*layers, kind=nn.HybridSequential):
    net = kind()
    net.add(*layers)
    return net


def failure(net, call):
    """The error that `call` ends in under a trace, and its text with this file's lines as HERE, and without the line
    that quotes MXNet.
    """
    with ik.trace(net), pytest.raises(ik.DeferredInitError) as raised:
        call(net)
    mx.nd.waitall()
    error = raised.value
    assert isinstance(error, gluon.parameter.DeferredInitializationError)
    assert isinstance(error, type(error.__cause__)) and error.__cause__ is not None
    text = "\n".join(line for line in str(error).splitlines() if not line.startswith("MXNet said: "))
    return error, re.sub(re.escape(__file__) + r":\d+", "HERE", text)


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
    said = "Shape inconsistent, Provided = [4,5], inferred shape=(4,6)"
    if GLUON_2:
        said = "Expected shape (4, 6) is incompatible with given shape (4, 5) for Parameter weight."
    assert text == (
        "shapes contradict each other in 0, given (2, 6), at HERE (in call): net(ones(2, 6))\n"
        f"  MXNetError: {said}\n"
        "  0.weight (4, 5) of nn.Dense, given (2, 6): it has to be (4, 6) in 0, given (2, 6), and was (4, 5), resolved "
        "in 0, given (2, 5), at HERE\n"
        "      0: nn.Dense(4, in_units=6)\n"
        "Give the block an input of the earlier size, or build it for this one and initialize it again."
    )


KINDS = [(nn.Sequential, False), (nn.HybridSequential, False), (nn.HybridSequential, True)]


@pytest.mark.parametrize(("kind", "hybrid"), KINDS)
def test_an_input_that_contradicts_what_the_layer_was_made_for(kind, hybrid):
    def call(net):
        net.initialize()
        net.hybridize(hybrid)
        net(ones(2, 5))

    error, text = failure(stack(nn.Dense(4), nn.Dense(2, in_units=7), kind=kind), call)
    assert lines(text, 1) == ["shapes contradict each other in 1, given (2, 4), at HERE (in call): net(ones(2, 5))"]
    first, second = error.unresolved
    assert (first.path, first.shape, first.reason) == ("0.weight", (4, None), "deferred")  # pending again
    assert second.reason == "it has to be (2, 4) in 1, given (2, 4), and was (2, 7) before"


@pytest.mark.parametrize("hybrid", [False, True])
def test_two_branches_that_disagree_about_a_shared_parameter(hybrid):
    def call(net):
        net.initialize()
        net.hybridize(hybrid)
        net(ones(2, 5))

    first = nn.Dense(4)
    error, text = failure(stack(first, nn.Dense(7), tied(nn.Dense, first, 4)), call)
    origin = " in 0, given (2, 5)" if hybrid and not GLUON_2 else ", resolved in 0, given (2, 5), at HERE"
    assert f"it has to be (4, 7) in 2, given (2, 7), and was (4, 5){origin}\n" in text
    assert [each.path for each in error.unresolved] == ["0.weight", "1.weight"]
    assert error.unresolved[0].fix == "0 and 2 share it: give them inputs of one size, or parameters of their own"


class Scale(HybridBlock):
    def __init__(self):
        super().__init__()
        self.factor = declared(self, "factor", shape=(1, 0), init="ones", allow_deferred_init=True)

    if GLUON_2:  # which wants to be told

        def infer_shape(self, x):
            self.factor.shape = x.shape

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
    _, said, row, fix, _ = lines(text)
    contradiction = "Incompatible attr at 1-th input: expected [1,6], got [1,5]"
    if GLUON_2:
        contradiction = "Expected shape (1, 6) is incompatible with given shape (1, 5) for Parameter factor."
    assert said == f"  MXNetError: {contradiction}"
    assert row.endswith("and was (1, 5), resolved in the network, given (1, 5), at HERE")
    assert fix.strip() == f"factor, axis 1 is 6: {PARAMETER}('factor', shape=(1, 6))"


@pytest.mark.mxnet1("deferral in recurrent cells, which its unrolling never resolves")
def test_unrolling_on_another_size():
    def call(net):
        net.initialize()
        net.unroll(2, ones(1, 2, 3))
        net.unroll(2, ones(1, 2, 4))

    error, text = failure(rnn.RNNCell(5), call)
    assert "it has to be (5, 4) in the network, given (1, 4), (1, 5), and was (5, 3), resolved in the network" in text
    assert error.unresolved[0].fix == "rnn.RNNCell(5, input_size=4)"


class Branching(gluon.Block):
    """Code that looks at numbers, so that its run on Symbols ends before the layer in question."""

    def __init__(self, *layers):
        super().__init__()
        self.body = stack(*layers)

    def forward(self, x):
        return self.body(x * 2 if x.sum().asnumpy().item() > 1e9 else x)


@pytest.mark.parametrize("hybrid", [False, True])
@pytest.mark.parametrize("ask", [
    lambda net, x: net(x),
    lambda net, x: net.body(x),
    lambda net, x: net.body[1](net.body[0](x)),
], ids=["whole", "inner", "layers"])  # fmt: skip
def test_an_inner_block_is_looked_at_alone_where_the_whole_needs_numbers(ask, hybrid):
    def call(net):
        net.initialize()
        net.hybridize(hybrid)
        ask(net, ones(2, 5))

    error, text = failure(Branching(nn.Dense(4), nn.Dense(2, in_units=9), nn.Dense(3)), call)
    assert text.startswith("shapes contradict each other in body.1, given (2, 4), at HERE (in ")
    rows = {row.path: row for row in error.unresolved}
    assert rows["body.1.weight"].reason == "it has to be (2, 4) in body.1, given (2, 4), and was (2, 9) before"
    assert rows["body.1.weight"].fix == "body.1: nn.Dense(2, in_units=4)" and "body.2.weight" in rows


def test_numbers_among_the_arguments_are_no_shapes():
    class Reshapes(HybridBlock):
        def __init__(self):
            super().__init__()
            self.layer = nn.Dense(2, in_units=9)

        def hybrid_forward(self, F, x, axes, shape, options):
            return self.layer(options["of"] + F.transpose(x, axes).reshape(shape))

    def call(net):
        net.initialize()
        net(ones(2, 5), [0, 1], (2, 5), {"of": ones(2, 5)})

    _, text = failure(Reshapes(), call)
    assert text.startswith("shapes contradict each other in layer, given (2, 5), at HERE (in hybrid_forward): ")


def test_set_data_with_another_shape_while_pending_and_after():
    def pending(net):
        net.initialize()
        net[0].weight.set_data(ones(3, 3))

    error, text = failure(stack(nn.Dense(4)), pending)
    assert lines(text) == [
        "0.weight has the shape (4, ?), and set_data was given (3, 3), at HERE (in pending): "
        "net[0].weight.set_data(ones(3, 3))",
        "  0.weight (4, ?) of nn.Dense: deferred",
        "      0: nn.Dense(4, in_units=?)",
        "Call set_data with an array of that shape, or build the layer for this one.",
    ]
    assert [each.path for each in error.unresolved] == ["0.weight"]

    def after(net):
        net.initialize()
        net(ones(2, 5))
        net[0].weight.set_data(ones(4, 6))

    _, text = failure(stack(nn.Dense(4)), after)
    assert lines(text) == [
        "0.weight has the shape (4, 5), resolved in 0, given (2, 5), at HERE, and set_data was given (4, 6), at HERE "
        "(in after): net[0].weight.set_data(ones(4, 6))",
        "Call set_data with an array of that shape, or build the layer for this one.",
    ]


def test_an_input_that_contradicts_what_set_data_gave():
    def call(net):
        net.initialize()
        net.weight.set_data(ones(4, 6))
        net(ones(2, 5))

    error, text = failure(nn.Dense(4), call)
    assert "it has to be (4, 5) in the network, given (2, 5), and was (4, 6), given by set_data, at HERE\n" in text
    assert [row.path for row in error.unresolved] == ["weight"]


@pytest.mark.mxnet1("errors over parameters that a graph does not use")
def test_a_block_that_a_hybridized_forward_leaves_out():
    class Hybrid(HybridBlock):
        def __init__(self):
            super().__init__()
            self.used, self.auxiliary = nn.Dense(2), nn.Dense(3)

        def hybrid_forward(self, F, x):
            return self.used(x)

    net = Hybrid()
    net.hybridize()
    net.initialize()
    error, text = failure(net, lambda net: net(ones(2, 5)))
    assert lines(text)[0] == "1 of 4 parameters is not resolved by the inputs (2, 5):" and net.name not in text
    assert [(row.path, row.reason) for row in error.unresolved] == [
        ("used.weight", "deferred"), ("auxiliary.weight", "no forward pass reaches auxiliary"),
    ]  # fmt: skip


@pytest.mark.skipif(not exists("nn.PReLU(in_channels"), reason="this MXNet's PReLU has one parameter, for all channels")
def test_a_shape_that_may_not_be_deferred():
    _, text = failure(stack(nn.PReLU(in_channels=0)), lambda net: net.initialize())
    assert lines(text)[0].startswith("0.alpha was to be initialized, and its shape is (?), at HERE (in <lambda>)")
    assert lines(text)[1:] == [
        "  0.alpha (?) of nn.PReLU: its shape is not known, and it may not be deferred",
        "      0: nn.PReLU(in_channels=?)",
        "Write that, or make the parameter with allow_deferred_init=True; then call net.initialize(...).",
    ]


def test_other_errors_go_on_as_they_are():
    def wrong(*args):  # MXNet 1 hands over its operators first
        return mx.nd.elemwise_add(args[-1], mx.nd.ones((7, 7))) if not GLUON_2 else args[-1] + mx.np.ones((7, 7))

    net = stack(nn.Dense(4), nn.HybridLambda(wrong))
    with ik.trace(net):
        net.initialize()
        with pytest.raises(mx.MXNetError, match="Incompatible attr|could not be broadcast") as raised:
            net(ones(2, 5))
        assert not isinstance(raised.value, ik.DeferredInitError)
        assert net[0].weight.shape == (4, -1 if GLUON_2 else 0)
        with pytest.raises(TypeError):
            net(ones(2, 5), ones(2, 5), ones(2, 5))


def test_an_error_that_leaves_the_trace_is_turned_too():
    """When all is resolved, an inner block runs without a wrapper; what leaves the `with` is looked at once more."""
    net = stack(nn.Dense(4))
    with pytest.raises(ik.DeferredInitError, match=r"contradict each other in 0, given \(2, 6\)"), ik.trace(net):
        net.initialize()
        net(ones(2, 5))
        net[0](ones(2, 6))


ROW, STATE, LAYER_STATE = (2, 3), (2, 5), (1, 2, 5)
STATES = {
    "a missing one": (lambda: rnn.LSTMCell(5), ROW, [STATE], "a list of 2 states, and was given [an array (2, 5)]"),
    "a list in a list": (lambda: rnn.LSTM(5), (4, 2, 3), [[LAYER_STATE, LAYER_STATE]],
                         "a list of 2 states, and was given [[an array (1, 2, 5), an array (1, 2, 5)]]"),
    "one of an RNN layer": (lambda: rnn.LSTM(5), (4, 2, 3), [LAYER_STATE], "was given [an array (1, 2, 5)]"),
}  # fmt: skip


def arrays(shapes):
    return nd.ones(shapes) if isinstance(shapes, tuple) else [arrays(each) for each in shapes]


@pytest.mark.parametrize("hybrid", [False, True])
@pytest.mark.parametrize("kind", STATES)
def test_states_of_another_number_or_nesting(kind, hybrid):
    make, inputs, states, said = STATES[kind]
    net = make()
    net.initialize()
    net.hybridize(hybrid)
    with pytest.raises(ik.DeferredInitError) as error, ik.trace(net):
        net(arrays(inputs), arrays(states))
    assert said in str(error.value) and "one flat list" in str(error.value)


def test_an_error_of_a_users_own_cell_goes_on_as_it_is():
    class Own(rnn.GRUCell):
        def forward(self, inputs, states):
            raise ZeroDivisionError

    net = Own(5)
    with pytest.raises(ZeroDivisionError), ik.trace(net):
        net(nd.ones(ROW), nd.ones(STATE))


@pytest.mark.mxnet1("graphs of Symbols")
def test_an_unknown_input_of_a_graph_is_the_one_error():
    class Open(mx.gluon.HybridBlock):
        def __init__(self):
            super().__init__()
            self.layer = nn.Dense(3)

        def hybrid_forward(self, F, x):
            return self.layer(x + F.var("somewhere") if F is mx.sym else x)

    net = Open()
    net.initialize()
    net.hybridize()
    with pytest.raises(AssertionError, match="^Unknown input to HybridBlock: somewhere"):
        net(nd.ones(ROW))
    first = "^the graph of a hybridized block has the input 'somewhere', which is no argument and no parameter"
    with pytest.raises(ik.DeferredInitError, match=first) as error, ik.trace(net):
        net(nd.ones(ROW))
    assert [row.path for row in error.value.unresolved] == ["layer.weight"]


def test_the_last_origin_of_a_shape_is_told():
    net = stack(nn.Dense(2, in_units=3))
    net.initialize()
    with pytest.raises(ik.DeferredInitError) as raised, ik.trace(net) as events:
        net[0].weight.set_data(ones(2, 3))
        net[0].weight.set_data(ones(2, 3))
        net(ones(2, 6))
    first, last = (event.line for event in events if event.kind == "set_data")
    assert first < last
    assert f"was (2, 3), given by set_data, at {__file__}:{last}" in str(raised.value)
