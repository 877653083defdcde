"""Blocks in a list, tuple or dictionary, which Gluon does not register: said wherever one asks what is the matter."""

import gluon_initkit as ik
import mxnet as mx
from mxnet.gluon import nn
import pytest
from vocabulary import HybridBlock, nd

X = nd.ones((2, 5))
SENTENCE = (
    "The list layers of {} holds Blocks (Dense): they are no part of the network, and nothing initializes, saves or "
    "trains their parameters; put them into an nn.Sequential, or call register_child for each."
)


class Stack(mx.gluon.Block):
    def __init__(self, units=()):
        super().__init__()
        self.first = nn.Dense(3, in_units=5)
        self.layers = [[nn.Dense(units or 2)], {"head": nn.Dense(2)}]

    def forward(self, x):
        return self.layers[1]["head"](self.layers[0][0](self.first(x)))


class HybridStack(HybridBlock):
    def __init__(self):
        super().__init__()
        self.first = nn.Dense(3, in_units=5)
        self.layers = [nn.Dense(2)]

    def hybrid_forward(self, F, x):
        return self.layers[0](self.first(x))


def initialized(make, hybrid=False):
    net = make()
    net.hybridize(hybrid)
    with pytest.warns(UserWarning, match=f"{make.__name__}.layers. is an unregistered container with Blocks"):
        net.initialize()
    return net


def fails(net):
    with pytest.raises((RuntimeError, AssertionError)) as caught:
        net(X)
    return caught.value


KINDS = [(Stack, False), (HybridStack, False), (HybridStack, True)]


@pytest.mark.parametrize("make, hybrid", KINDS)
def test_mxnet_9148(make, hybrid):
    """Plain MXNet warns in `initialize`, and its error names a parameter by a number. Our answers all say why."""
    plain = str(fails(initialized(make, hybrid)))
    assert "layers" not in plain
    sentence = SENTENCE.format(make.__name__)

    net = initialized(make, hybrid)
    (found,) = ik.inspect(net).findings
    assert found.code == "unregistered-block" and f"{found.evidence}; {found.hint}." == sentence.replace("The", "the")
    with pytest.warns(UserWarning) as caught:
        ik.initialize(net, force_reinit=True)
    assert str(caught[-1].message) == sentence
    for explanation in (ik.explain(net), ik.explain(net, X)):
        assert " ".join(str(explanation).split()) == f"all 2 parameters hold values {sentence}"
        assert sentence in str(explanation.error) and explanation.rows == ()
    report = ik.materialize(net, X)
    assert report.notes == (sentence,) and sentence in " ".join(str(report).split())


@pytest.mark.parametrize("make, hybrid", KINDS)
def test_mxnet_9264(make, hybrid):
    """MXNet's own sentence, which names the culprit, stands in the error of a trace, and so does the list."""
    net = initialized(make, hybrid)
    error = fails(net)
    culprit = str(error).splitlines()[0]
    net = initialized(make, hybrid)
    with pytest.raises(ik.DeferredInitError) as caught, ik.trace(net):
        net(X)
    first, *middle, said, mend = str(caught.value).splitlines()
    assert first.startswith(SENTENCE.format(make.__name__) + " One was needed, at ") and middle == []
    assert said.startswith(f"MXNet said: {type(error).__name__}: {culprit[:12]}")
    assert mend == "Register them, and initialize the network again." and caught.value.unresolved == ()
    for inputs in ((), (X,)):
        explanation = ik.explain(net, *inputs, error=caught.value.__cause__)
        assert SENTENCE.format(make.__name__) in " ".join(str(explanation).split())
        assert said in " ".join(str(explanation).split()) and said in str(explanation.error)


def test_a_network_of_nothing_but_such_blocks():
    class Only(mx.gluon.Block):
        def __init__(self):
            super().__init__()
            self.layers = [nn.Dense(2)]

    text = " ".join(str(ik.explain(Only())).split())
    assert text == f"the network has no parameters {SENTENCE.format('Only')}"


def test_what_somebody_initialized_beside_the_network_is_a_note_and_no_error():
    net = Stack()
    net.first.initialize()
    for layer in (net.layers[0][0], net.layers[1]["head"]):
        layer.initialize()
    net(X)
    explanation = ik.explain(net)
    assert explanation.error is None and SENTENCE.format("Stack") in " ".join(str(explanation).split())


def test_ten_are_told_and_how_many_more_there_are():
    net = Stack()
    for number in range(12):
        setattr(net, f"more{number}", [nn.Dense(2)])
    lines = str(ik.explain(net)).splitlines()
    assert len([line for line in lines if "no part of the network" in line]) == 10
    assert ik.explain(net).notes[-1] == "3 more containers hold such."


def test_a_parameter_that_no_block_registers_is_not_laid_to_the_network():
    """Another network's failure inside a trace goes on as MXNet raised it."""
    net, other = nn.Dense(2, in_units=5), nn.Dense(2, in_units=5)
    net.initialize()
    with pytest.raises(RuntimeError, match="has not been initialized") as caught, ik.trace(net):
        other(X)
    assert not isinstance(caught.value, ik.DeferredInitError)  # which says of this network what is wrong with it
    explanation = ik.explain(net, error=caught.value)
    text = " ".join(str(explanation).split())
    assert text.startswith("no Block of this network registers the parameter that was needed, at ")
    assert "\nMXNet said: RuntimeError: Parameter " in str(explanation)


def test_whatever_is_the_matter_mxnet_is_quoted():
    net = nn.Sequential()
    net.add(nn.Dense(3))
    net.initialize()
    with pytest.raises(mx.gluon.parameter.DeferredInitializationError) as caught:
        net[0].weight.data()
    said = f"MXNet said: {type(caught.value).__name__}: {caught.value}"
    assert said in str(ik.explain(net, error=caught.value).error)
