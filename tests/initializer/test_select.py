"""`initialize` and `plan` with ``select=``: the bits of a whole initialization, and nothing else is looked at."""

import re
import warnings

import gluon_initkit as ik
import mxnet as mx
from mxnet.gluon import nn
import numpy as np
import pytest
from vocabulary import HybridBlock, declared, nd, tied


class Network(HybridBlock):
    def __init__(self, deferred=False, classes=3):
        super().__init__()
        self.body, self.head = nn.HybridSequential(), nn.Dense(classes, in_units=0 if deferred else 4)
        self.body.add(nn.Dense(4, in_units=0 if deferred else 5), nn.BatchNorm(in_channels=0 if deferred else 4))

    def hybrid_forward(self, F, x):
        return self.head(self.body(x))


def run(net):
    net(nd.ones((2, 5)))
    return net


def bits(net, start=""):
    report = ik.inspect(net, select=f"{start}*")
    return {record.path: np.ascontiguousarray(report.live.values(record.path)).tobytes() for record in report}


def quietly(*arguments, **named):
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        return ik.initialize(*arguments, **named)


XAVIER = mx.init.Xavier()


@pytest.mark.parametrize("deferred", [False, True])
@pytest.mark.parametrize("hybridize", [False, True])
def test_parts_have_the_bits_of_the_whole(deferred, hybridize):
    whole, parts = Network(deferred), Network(deferred)
    for net in (whole, parts):
        net.hybridize(hybridize)
    ik.initialize(whole, XAVIER, seed=7)
    rows = [quietly(parts, XAVIER, seed=7, select=select).rows for select in ("head.*", nn.BatchNorm, "body.0.*")]
    assert [row.path for row in sum(rows, ())] == [
        "head.weight", "head.bias", "body.1.gamma", "body.1.beta", "body.1.running_mean", "body.1.running_var",
        "body.0.weight", "body.0.bias",
    ]  # fmt: skip
    assert bits(run(whole)) == bits(run(parts))
    alone = Network()
    ik.initialize(alone.head, XAVIER, seed=7)
    assert bits(alone.head)["weight"] != bits(whole)["head.weight"]  # as the docstring says


@pytest.mark.parametrize("select", ["weight", "*.bias", re.compile("^head"), nn.Dense, lambda info: info.shape == (4,)])
def test_every_kind_of_selector(select):
    whole, part = Network(), Network()
    ik.initialize(whole, XAVIER, seed=7)
    selected = [record.path for record in ik.inspect(part, select=select)]
    assert [row.path for row in quietly(part, XAVIER, seed=7, select=select)] == selected
    assert {record.path for record in ik.inspect(part) if record.state == "initialized"} == set(selected)
    quietly(part, XAVIER, seed=7, select=lambda info: info.state == "uninitialized")
    assert bits(part) == bits(whole)


def test_the_head_is_drawn_anew_and_the_body_keeps_its_values():
    net = Network()
    ik.initialize(net, XAVIER, seed=1)
    before = bits(net)
    report = quietly(net, XAVIER, seed=2, select="head.*", force_reinit=True)
    assert bits(net, "body.") == {path: value for path, value in before.items() if path.startswith("body.")}
    assert bits(net)["head.weight"] != before["head.weight"] and len(report) == 2 and report.bytes == 60
    with pytest.warns(UserWarning, match="1 of 2 parameters is already initialized, ignoring: head.bias"):
        net.head.weight._data = None
        ik.initialize(net, XAVIER, seed=2, select="head.*")


def test_a_shared_parameter_is_selected_by_any_of_its_paths():
    def network():
        net = nn.HybridSequential()
        net.add(nn.Dense(4, in_units=4))
        net.add(tied(nn.Dense, net[0], 4, in_units=4))
        return net

    whole, part = network(), network()
    ik.initialize(whole, XAVIER, seed=7)
    quietly(part, XAVIER, seed=7, select="1.*")
    assert bits(part) == bits(whole)


class Hooked(ik.Initializer):
    def _init_weight(self, desc, arr):
        arr[:] = 1

    def _init_gamma(self, desc, arr):
        arr[:] = 2


def test_what_is_not_selected_is_neither_checked_nor_warned_of():
    net = Network()
    net.odd = declared(net, "odd", shape=(3,))  # which nothing fills, as Xavier counts fans
    net.closed = declared(net, "closed_weight", shape=(0, 3))  # whose shape may not be unknown
    ik.initialize(net.body, XAVIER, seed=1)
    net.layers = [nn.Dense(2)]  # no part of the network
    with pytest.raises(ik.InitializationError, match=r"odd: Xavier needs a fan-in"):
        ik.initialize(net, XAVIER, seed=7)
    with pytest.raises(ik.InitializationError, match=r"closed: its shape is \(\?, 3\) and it may not be deferred"):
        ik.initialize(net, XAVIER, seed=7, select="[!o]*")
    report = quietly(net, XAVIER, seed=7, select="head.*", key={"body.0.weight": "head.weight"})
    assert [row.path for row in report] == ["head.weight", "head.bias"] and report.seed == 7
    quietly(net, ik.Rules([("body.*", 1.0), ("head.*", 2.0)], strict=True), select="head.*", force_reinit=True)
    quietly(net, Hooked(), select="head.*", force_reinit=True)  # whose other hook serves the body
    with pytest.warns(UserWarning, match=r"rule 1 \('haed\.\*'\) matched none"):
        ik.initialize(net, ik.Rules([("haed.*", 1.0)], default=XAVIER), select="head.*", force_reinit=True)


def test_a_graph_that_goes_on_with_the_old_head_is_warned_of_where_the_new_one_is_initialized():
    net, body = nn.HybridSequential(), nn.HybridSequential()
    body.add(Network())
    net.add(body, nn.Dense(2, in_units=3))
    body.hybridize()
    ik.initialize(net, XAVIER, seed=7)
    run(net)
    body[0].head = nn.Dense(3, in_units=4)
    quietly(net, XAVIER, select="1.*", force_reinit=True)
    with pytest.warns(UserWarning, match="goes on with the children that were there before"):
        ik.initialize(net, XAVIER, select="0.0.head.*")


@pytest.mark.parametrize("verb", [ik.initialize, ik.plan])
@pytest.mark.parametrize(("select", "error", "says"), [
    ("head.wieght", ValueError, "no parameter has the path 'head.wieght'; did you mean 'head.weight'"),
    ("head", ValueError, r"which is a block's; 'head\.\*' selects all"),
    ("haed.*", ValueError, r"'haed.\*' selects no parameter; did you mean 'head\.\*'"),
    (nn.Conv2D, ValueError, "Conv2D selects no parameter"),
    (5, TypeError, "5 is no selector"),
])  # fmt: skip
def test_a_selector_that_selects_nothing_changes_nothing(verb, select, error, says):
    net = Network()
    ik.initialize(net, XAVIER, seed=1)
    before = bits(net)
    with pytest.raises(error, match=says):
        verb(net, mx.init.Normal(), select=select, **({"force_reinit": True} if verb is ik.initialize else {}))
    assert bits(net) == before


def test_a_plan_of_a_part_is_that_part_of_the_plan():
    net = Network()
    net.head.initialize()
    whole, part = ik.plan(net, Hooked()), ik.plan(net, Hooked(), select="body.*")
    assert part.rows == whole.rows[:6] and len(whole) == 8
    assert part.idle_hooks == whole.idle_hooks == ik.plan(net, Hooked(), select="head.*").idle_hooks == ()
    assert any("initialized already" in note for note in whole.notes) and part.notes == ()
