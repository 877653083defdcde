"""A child that is exchanged under a hybridized block which has run: what still holds the old one, and who says so."""

import warnings

import gluon_initkit as ik
from gluon_initkit._mxnet.tree import stale_graphs
import mxnet as mx
from mxnet.gluon import nn
import pytest
from vocabulary import HybridBlock, nd

X = nd.ones((2, 5))


class Body(HybridBlock):
    def __init__(self):
        super().__init__()
        self.features = nn.Dense(4, in_units=5)
        self.output = nn.Dense(2, in_units=4)

    def hybrid_forward(self, F, x):
        return self.output(self.features(x))


class Top(HybridBlock):
    def __init__(self):
        super().__init__()
        self.net = Body()

    def hybrid_forward(self, F, x):
        return self.net(x)


def ran(make=Top, **flags):
    top = make()
    top.initialize()
    top.hybridize(**flags)
    top(X)
    return top


def head(deferred=False, hybrid=False):
    new = nn.Dense(3, in_units=0 if deferred else 4)
    new.hybridize(hybrid)
    return new


@pytest.mark.parametrize("deferred", [True, False])
@pytest.mark.parametrize("hybrid", [True, False])
@pytest.mark.parametrize("flags", [{}, {"static_alloc": True, "static_shape": True}])
def test_a_child_that_was_replaced_is_said_and_hybridizing_again_mends_it(deferred, hybrid, flags):
    top = ran(**flags)
    top.net.output = head(deferred, hybrid)
    top.net.output.initialize()
    assert top(X).shape == (2, 2)  # the old head answers
    (found,) = [each for each in ik.inspect(top).findings if each.code == "stale-graph"]
    assert found.severity == "error" and found.paths == ("net.output.weight", "net.output.bias")
    assert "which it has no more and lacks net.output.weight, net.output.bias" in found.evidence
    assert found.hint == "call net.hybridize() again"
    with pytest.warns(UserWarning, match=r"cached graph of this Top holds .*call net\.hybridize\(\) again"):
        report = ik.materialize(top, (2, 5))
    assert any("hybridize() again" in note for note in report.notes)
    with pytest.warns(UserWarning, match=r"cached graph of this Top holds .*call net\.hybridize\(\) again"):
        ik.initialize(top, force_reinit=True)
    assert "hybridize() again" in str(ik.explain(top))
    top.hybridize(**flags)
    assert not stale_graphs(top) and not ik.inspect(top).findings and top(X).shape == (2, 3)


def test_a_child_that_came_in_addition():
    """The graph lacks the parameters of a new child, which is not hybridized as the others are."""
    top = ran(lambda: Sequence(nn.Dense(4, in_units=5), nn.Activation("relu")))
    top.net.add(nn.Dense(3, in_units=4))
    ik.initialize(top.net[2])
    assert top(X).shape == (2, 4)
    (found,) = [each for each in ik.inspect(top).findings if each.code == "stale-graph"]
    assert found.evidence.startswith("the cached graph of this Sequence lacks net.2.weight, net.2.bias")


class Sequence(HybridBlock):
    def __init__(self, *layers):
        super().__init__()
        self.net = nn.HybridSequential()
        self.net.add(*layers)

    def hybrid_forward(self, F, x):
        return self.net(x)


class Unused(HybridBlock):
    """No forward pass uses its second layer."""

    def __init__(self):
        super().__init__()
        self.used = nn.Dense(4, in_units=5)
        self.unused = nn.Dense(4, in_units=5)

    def hybrid_forward(self, F, x):
        return self.used(x)


def test_a_block_inside_a_plain_one_is_named():
    net = nn.Sequential()
    net.add(Top(), Top())
    net.initialize()
    net.hybridize()
    net[0].net(X), net[1](X)
    net[1].net.output = head()
    net[1].net.output.initialize()
    (stale,) = stale_graphs(net)
    assert stale.path == "1" and stale.mend == "call hybridize() again on '1'"


@pytest.mark.parametrize("case", ["as built", "an unused layer", "tied", "transposed", "untied", "loaded", "plain",
                                  "a block of Symbols", "switched off"])  # fmt: skip
def test_sound_networks_are_left_alone(case, tmp_path):
    top = ran(Unused if case == "an unused layer" else Top, **({"active": False} if case == "plain" else {}))
    if case in ("tied", "untied", "transposed"):
        top = ran(lambda: Sequence(*(nn.Dense(5, in_units=5) for _ in range(3))))
        ik.Sharing(top).tie("net.0.weight", "net.1.weight", transpose=case == "transposed").apply()
        top(X)
        if case == "untied":
            ik.untie(top, "net.1.weight")
            top(X)
    if case == "loaded":
        ik.save(top, str(tmp_path / "a.params"))
        ik.load(top, str(tmp_path / "a.params"))
    if case == "a block of Symbols":
        top.export(str(tmp_path / "net"))
        files = str(tmp_path / "net-symbol.json"), ["data"], str(tmp_path / "net-0000.params")
        top = mx.gluon.SymbolBlock.imports(*files)
        top.hybridize()
        top(X)
    if case == "switched off":
        top.net.output = head()
        top.net.output.initialize()
        top.hybridize(active=False)
    assert stale_graphs(top) == []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        ik.initialize(top, mx.init.One(), force_reinit=True)
    assert not any("cached graph" in str(each.message) for each in caught)
