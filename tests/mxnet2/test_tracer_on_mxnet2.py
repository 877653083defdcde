"""The tracer on MXNet 2: what happens is told and undone; shapes follow from those of the inputs."""

import gluon_initkit as ik
import mxnet as mx
from mxnet.gluon import nn
import pytest
from vocabulary import nd

pytestmark = pytest.mark.mxnet2("shapes that are inferred layer by layer")


def network():
    net = nn.HybridSequential()
    net.add(nn.Dense(4), nn.BatchNorm(), nn.Dense(2))
    return net


@pytest.mark.parametrize("hybridize", [False, True])
def test_a_trace_tells_who_resolved_what(hybridize):
    net = network()
    if hybridize:
        net.hybridize()
    with ik.trace(net) as trace:
        net.initialize(mx.init.Xavier())
        net(nd.ones((3, 5)))
    resolved = {event.path: event for event in trace.events if event.kind == "resolved"}
    assert len(resolved) == 8 and resolved["0.weight"].shape == (4, 5) and not trace.pending
    assert resolved["0.weight"].initializer == "Xavier" and resolved["0.weight"].hook == "_init_weight"
    assert "forward" not in vars(net) and "initialize" not in vars(net[0].weight)


def test_a_failed_forward_pass_is_undone_and_explained():
    net = nn.HybridSequential()
    net.add(nn.Dense(4), nn.Dense(2, in_units=3))
    net.initialize()
    with ik.trace(net), pytest.raises((ik.DeferredInitError, mx.MXNetError)):
        net(nd.ones((3, 5))).asnumpy()
    assert [row.reason for row in ik.explain(net) if row.path == "0.weight"] == ["deferred"]
    says = r"0\.weight was read by data\(\) before it holds values"
    with pytest.raises(ik.DeferredInitError, match=says), ik.trace(net):
        net[0].weight.data()


def test_shapes_follow_without_a_forward_pass_from_the_inputs():
    net = network()
    net.initialize()
    assert ik.resolve_shapes(net, (3, 5))["2.weight"].shape == (2, 4)
    assert [row.reason for row in ik.explain(net) if row.path == "0.weight"] == ["deferred"]
    assert ik.resolve_shapes(net, (None, 5))["2.weight"].shape == (2, 4)


def test_materializing_by_a_forward_pass_gives_the_bits_of_a_real_one():
    net, other = network(), network()
    for each in (net, other):
        ik.initialize(each, mx.init.Xavier(), seed=7)
    mx.random.seed(3)
    report = ik.materialize(net, nd.ones((3, 5)), run_forward=True)
    other(nd.ones((3, 5)))
    assert ik.fingerprint(net) == ik.fingerprint(other)
    assert report["0.weight"].shape == (4, 5) and report["0.weight"].state == "materialized"
    assert net[0]._called_infer_shape_already is False  # nothing of that pass stays
