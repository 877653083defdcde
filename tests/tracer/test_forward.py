"""``materialize(run_forward=True)``: a real forward pass that leaves nothing behind but shapes."""

import random

import gluon_initkit as ik
import mxnet as mx
from mxnet.gluon import nn
import numpy as np
import pytest
from vocabulary import GLUON_2, HybridBlock, declared, nd, uniform

UNKNOWN = -1 if GLUON_2 else 0


class Needs(mx.gluon.Block):
    """Code that asks for numbers between two layers, and keeps what it saw."""

    def __init__(self, **sizes):
        super().__init__()
        self.calls, self.seen = 0, []
        self.first = nn.HybridSequential()
        self.first.add(nn.Dense(4), nn.BatchNorm(in_channels=4), nn.Dropout(0.5))
        self.norm = nn.BatchNorm(scale=False, gamma_initializer=mx.init.Constant(5), in_channels=4)
        self.second = nn.Dense(2)

    def forward(self, x):
        self.calls += 1
        self.seen.append(x)
        x = self.norm(self.first(x))
        return self.second(x if x.sum().asnumpy().item() > 1e9 else x.reshape((-1, 2)))


def test_without_consent_the_error_names_the_line():
    net = Needs()
    net.initialize()
    with pytest.raises(ik.DeferredInitError) as caught:
        ik.materialize(net, (3, 5))
    said = str(caught.value)
    assert "test_forward.py:" in said and "(in forward): return self.second(x if x.sum" in said
    assert "run_forward=True" in said
    assert [row.path for row in caught.value.unresolved] == ["second.weight"]
    assert caught.value.unresolved[0].reason == "not reached before the code stopped"


@pytest.mark.parametrize("given", [(3, 5), nd.ones((3, 5))])
@pytest.mark.parametrize("hybridize", [False, True])
def test_with_consent_values_are_those_of_a_forward_pass(given, hybridize):
    net, other = Needs(), Needs()
    for each in (net, other):
        if hybridize:
            each.hybridize()
        ik.initialize(each, mx.init.Xavier(), seed=7)
    report = ik.materialize(net, given, run_forward=True)
    assert report.forward and "one forward pass" in str(report)
    other(nd.ones((3, 5)))
    mine, theirs = ({row: param.data().asnumpy() for row, param in each._collect_params_with_prefix().items()}
                    for each in (net, other))  # fmt: skip
    # The operator of BatchNorm(scale=False) writes 1 over gamma where it is not hybridized; ours is undone.
    assert (mine.pop("norm.gamma") == 5).all() and (theirs.pop("norm.gamma") == (5 if hybridize else 1)).all()
    assert all((mine[path] == theirs[path]).all() for path in mine)


def test_nothing_else_is_touched():
    net = Needs()
    net.initialize()
    net.hybridize()
    statistics = {name: param.data() for name, param in net.collect_params().items() if "running" in name}
    values = {name: array.asnumpy() for name, array in statistics.items()}
    attributes = [dict(block.__dict__) for block in (net, net.first, *net.first, net.norm, net.second)]
    called = []
    net.first.register_forward_hook(lambda *_: called.append(1))
    attributes[1] = dict(net.first.__dict__)
    mx.random.seed(1)
    np.random.seed(1)
    random.seed(1)
    with mx.autograd.record():
        ik.materialize(net, (3, 5), run_forward=True, select="second.weight")
        assert mx.autograd.is_recording() and mx.autograd.is_training()
    drawn = float(np.random.rand()), random.random(), uniform((2,)).asnumpy().tolist()
    assert [dict(block.__dict__) for block in (net, net.first, *net.first, net.norm, net.second)] == attributes
    assert not called and net.calls == 0 and net.seen == []
    for name, array in statistics.items():
        assert net.collect_params()[name].data() is array and (array.asnumpy() == values[name]).all()
    np.random.seed(1)
    random.seed(1)
    assert drawn[:2] == (float(np.random.rand()), random.random())
    # The generator was drawn from for the weight that was materialized, and for nothing else.
    mx.random.seed(1)
    (mx.np.random.uniform if GLUON_2 else mx.nd.random.uniform)(-0.07, 0.07, net.second.weight.shape)
    assert drawn[2] == uniform((2,)).asnumpy().tolist()
    assert net.first[0].weight._deferred_init and net.first[0].weight.shape == (4, UNKNOWN)


def test_a_forward_pass_that_fails_leaves_all_as_it_was():
    class Fails(Needs):
        def forward(self, x):
            super().forward(x)
            raise ZeroDivisionError("by design")

    net = Fails()
    net.initialize()
    before = [(param._deferred_init, param._shape, param._data) for param in net.collect_params().values()]
    with pytest.raises(ik.DeferredInitError, match="a forward pass raised ZeroDivisionError: by design"):
        ik.materialize(net, (3, 5), run_forward=True)
    assert [(param._deferred_init, param._shape, param._data) for param in net.collect_params().values()] == before


def test_shapes_that_depend_on_numbers():
    class Unique(HybridBlock):
        def __init__(self):
            super().__init__()
            self.dense = nn.Dense(2, flatten=False)

        def hybrid_forward(self, F, x):
            if GLUON_2:
                return self.dense(x[x[:, 0] > -1])
            first = F.slice_axis(x, axis=1, begin=0, end=1)
            return self.dense(F.contrib.boolean_mask(x, F.ones_like(first).reshape(-1)))

    net = Unique()
    net.initialize()
    says = "its shape, which depends on numbers" if GLUON_2 else "its size does not follow from"
    with pytest.raises(ik.DeferredInitError, match=says):
        ik.materialize(net, (3, 5))
    assert ik.materialize(net, (3, 5), run_forward=True)["dense.weight"].shape == (2, 5)


def test_numpy_mode_and_another_context():
    mx.npx.set_np()

    class Numbers(mx.gluon.Block):
        def __init__(self):
            super().__init__()
            self.dense = nn.Dense(2)

        def forward(self, x):
            assert x.ctx == mx.cpu(1) and isinstance(x, mx.np.ndarray)
            return self.dense(x * float(x.sum()))

    net = Numbers()
    net.initialize(ctx=mx.cpu(1))
    assert ik.materialize(net, (3, 5), run_forward=True)["dense.weight"].shape == (2, 5)


def test_what_comes_before_the_line_needs_no_consent():
    net = Needs()
    net.initialize()
    report = ik.materialize(net, (3, 5), select="first.*")
    assert not report.forward and net.first[0].weight.shape == (4, 5) and net.second.weight.shape == (2, UNKNOWN)


def test_what_is_not_trained_may_be_written_by_the_code():
    class Writes(Needs):
        def forward(self, x):
            self.first[0].bias.set_data(nd.full((4,), 9))
            self.table.set_data(nd.full((1, 4), 9))
            return super().forward(x)

    net = Writes()
    net.table = declared(net, "table", shape=(1, 4), grad_req="null")
    net.initialize(mx.init.One())
    ik.materialize(net, (3, 5), run_forward=True)
    assert not net.first[0].bias.data().asnumpy().any() and (net.table.data().asnumpy() == 1).all()


class Shares(HybridBlock):
    """Broadcasts, as arrays do; of Symbols, `/` is elementwise in MXNet 1."""

    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Dense(3), nn.Dense(2)

    def hybrid_forward(self, F, x):
        hidden = self.first(x)
        return self.last(hidden / hidden.sum(axis=1, keepdims=True))


@pytest.mark.mxnet1("Symbols, which do not broadcast")
def test_where_a_graph_contradicts_itself_arrays_are_tried():
    net, other = Shares(), Shares()
    for each in (net, other):
        ik.initialize(each, "xavier", seed=3)
    assert ik.resolve_shapes(net, (2, 5))["last.weight"].shape == (2, 3)
    net.hybridize()
    offered = r"^shapes do not fit in .*(?s:.*)\(net, \(2, 5\), run_forward=True\)"
    with pytest.raises(ik.DeferredInitError, match=offered):
        ik.materialize(net, (2, 5))
    report = ik.materialize(net, (2, 5), run_forward=True)
    assert report.forward and report["last.weight"].shape == (2, 3)
    other(nd.ones((2, 5)))
    assert (net.last.weight.data().asnumpy() == other.last.weight.data().asnumpy()).all()


def test_what_mxnet_does_not_check_is_not_tried():
    net = nn.HybridSequential()
    net.add(nn.Dense(4), nn.BatchNorm(in_channels=7), nn.Dense(3))
    net.initialize()
    with pytest.raises(ik.DeferredInitError, match="shapes contradict each other in 1, given "):
        ik.materialize(net, (2, 5), run_forward=True)
