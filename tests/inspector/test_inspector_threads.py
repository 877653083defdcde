"""Public threads about looking at parameters: plain MXNet as its users met it, then the kit's answer."""

import re

import gluon_initkit as ik
from gluon_initkit.inspector import totals_of
import mxnet as mx
from mxnet.gluon import nn
import pytest
from vocabulary import GLUON_2, HybridBlock, nd, set_all, tied


def totals(net):
    report = ik.inspect(net)
    return totals_of(report.records, report.shared)


def test_gluon_nlp_334():
    """Count parameters without an input: MXNet's summary wants a batch, values and no hybridization."""
    net = nn.HybridSequential()
    net.add(nn.Dense(16, in_units=8), nn.Dense(4, in_units=16))
    with pytest.raises(TypeError):
        net.summary()
    with pytest.raises(RuntimeError, match="has not been initialized"):
        net.summary(nd.ones((1, 8)))
    net.hybridize()
    with pytest.raises(AssertionError, match="must not be hybridized to print summary"):
        net.summary(nd.ones((1, 8)))
    assert totals(net).size == 8 * 16 + 16 + 16 * 4 + 4
    net.add(nn.Dense(3))
    assert str(totals(net)).startswith("at least 215 values (1 unknown) in 6 parameters")


def test_mxnet_12077(capsys):
    """Summary counts what is shared twice."""
    net = nn.HybridSequential()
    first = nn.Dense(8, in_units=8)
    net.add(first, tied(nn.Dense, first, 8, in_units=8), first)
    with pytest.raises(RuntimeError, match="has not been initialized"):
        net.summary(nd.ones((1, 8)))
    assert totals(net).size == 72
    net.initialize()
    net.summary(nd.ones((1, 8)))
    printed = capsys.readouterr().out
    assert int(re.search(r"Total params: (\d+)", printed).group(1)) > 72
    assert int(re.search(r"Trainable params: (\d+)", printed).group(1)) > 72
    found = totals(net)
    assert (found.size, found.trainable, found.parameters) == (72, 72, 2)
    assert [group.paths for group in ik.inspect(net).shared] == [
        ("0.weight", "1.weight", "2.weight"),
        ("0.bias", "1.bias", "2.bias"),
    ]


class TwoHeads(HybridBlock):
    """The second head is built and never called."""

    def __init__(self):
        super().__init__()
        self.body, self.head, self.other = nn.Dense(4, in_units=3), nn.Dense(2, in_units=4), nn.Dense(2, in_units=4)

    def hybrid_forward(self, F, x):
        return self.head(self.body(x))


def test_the_straight_dope_348():
    """"Gradient of Parameter has not been updated by backward since last step": which parameters, and why?"""
    net = TwoHeads()
    net.initialize()
    trainer = mx.gluon.Trainer(net.collect_params(), "sgd")
    with mx.autograd.record():
        loss = net(nd.ones((2, 3))).sum()
    loss.backward()
    with pytest.raises(UserWarning, match="has not been updated by backward since last `step`") as caught:
        trainer.step(2)
    names = [param.name for param in (net.other.weight, net.other.bias)]
    assert sum(f"`{name}`" in str(caught.value) for name in names) == 1  # the first of them, by its global name

    with mx.autograd.record():
        loss = net(nd.ones((2, 3))).sum()
    loss.backward()
    found = ik.inspect(net, grads=True, trainer=trainer).findings
    assert [(each.code, each.paths) for each in found] == [
        ("stale-gradient", ("other.weight",)),
        ("stale-gradient", ("other.bias",)),
    ]
    for each in found:
        assert each.evidence == "no backward pass wrote it since the last update, as one wrote those of 4 others"
        assert each.hint.startswith("Dense at other took no part in the loss: call it in forward, freeze it")
    set_all(net.other, "grad_req", "null")
    assert ik.inspect(net, grads=True, trainer=trainer).findings == ()
    mx.gluon.Trainer(net.collect_params(), "sgd").step(2)


def test_the_straight_dope_348_by_a_batch_too_small_to_split():
    """The same message where the last batch leaves nothing for the second context."""
    net = nn.Dense(2, in_units=3)
    net.initialize(ctx=[mx.cpu(0), mx.cpu(1)])
    trainer = mx.gluon.Trainer(net.collect_params(), "sgd")
    with mx.autograd.record():
        loss = net(nd.ones((1, 3), ctx=mx.cpu(0))).sum()
    loss.backward()
    called = "device" if GLUON_2 else "context"
    with pytest.raises(UserWarning, match=rf"on {called} cpu\(1\) has not been updated by backward"):
        trainer.step(1)
    (weight, _) = ik.inspect(net, grads=True).findings
    assert weight.evidence == "no backward pass wrote it on cpu(1), on cpu(0) one did" and "batch" in weight.hint
