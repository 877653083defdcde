"""`ik.initialize`: values are a function of seed and path, nothing is left half done, generators as promised."""

import contextlib
import copy
import os
import pickle
import random
import signal
import subprocess
import sys
import threading
import time
import warnings

import gluon_initkit as ik
from gluon_initkit._mxnet.parameter import state_of
import mxnet as mx
from mxnet.gluon import nn
import numpy as np
import pytest
from vocabulary import CONTEXT, GLUON_2, HybridBlock, constant, contexts, convolution, declared, move, nd, tied, uniform

GOLDEN = "c14ae952032589051a5ed63cc02b7ce32d6b7c172aa094fd00bb634db591c3fc"  # of small(), Xavier, seed 7


def small(known=True, flip=False):
    """Two layers and a norm; the sizes known or deferred, the layers made in one order or the other."""
    net = nn.HybridSequential()
    makers = [
        lambda: convolution(nn.Conv2D, 8, 3, in_channels=3 if known else 0),
        lambda: nn.BatchNorm(in_channels=8 if known else 0),
        lambda: nn.Dense(40000, in_units=8 * 4 * 4 if known else 0),
    ]
    order = range(3)[::-1] if flip else range(3)
    made = {number: makers[number]() for number in order}
    net.add(*(made[number] for number in range(3)))
    return net


X = (2, 3, 6, 6)


def fingerprint(net, *, init=None, ctx=None, seed=7, forward=True, **arguments):
    ik.initialize(net, init or mx.init.Xavier(), ctx, seed, **arguments)
    if forward:
        for each in ctx or [mx.cpu()]:
            net(nd.ones(X, ctx=each))
    return ik.fingerprint(net)


def test_golden_fingerprint():
    assert fingerprint(small()) == GOLDEN


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("flip", [True, False])
@pytest.mark.parametrize("hybridize", [None, {}, {"static_alloc": True, "static_shape": True}])
@pytest.mark.parametrize("ctx", [None, [mx.cpu(0), mx.cpu(1)], [mx.cpu(1)]])
@pytest.mark.parametrize("threads", ["1", "2", "8"])
def test_one_fingerprint_however_the_network_is_made(known, flip, hybridize, ctx, threads, monkeypatch):
    monkeypatch.setenv("GLUON_INITKIT_THREADS", threads)
    net = small(known, flip)
    if hybridize is not None:
        net.hybridize(**hybridize)
    assert fingerprint(net, ctx=ctx) == GOLDEN
    for each in ctx or []:
        assert (net[2].weight.data(each).asnumpy() == net[2].weight.data(ctx[0]).asnumpy()).all()


TESTS = os.path.dirname(__file__)
SCRIPT = """
import gluon_initkit as ik, mxnet as mx, sys
sys.path[:0] = {tests!r}
import test_initialize
print(test_initialize.fingerprint(test_initialize.small(known=False)))
"""


@pytest.mark.parametrize("hashseed", ["0", "1"])
def test_another_process_with_another_hash_seed(hashseed):
    code = SCRIPT.format(tests=[TESTS, os.path.dirname(TESTS)])
    environment = {**os.environ, "PYTHONHASHSEED": hashseed}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, timeout=120)
    assert done.stdout.split()[-1:] == [GOLDEN], done.stderr


def weights(net):
    return {path: param.data().asnumpy() for path, param in net._collect_params_with_prefix().items()}


class Named(nn.HybridSequential):
    """Layers by name, as users' own blocks have them."""

    def __init__(self, **layers):
        super().__init__()
        for name, layer in layers.items():
            setattr(self, name, layer)


def test_a_sibling_added_removed_or_renamed_changes_no_other_bits():
    def made(**layers):
        net = Named(**layers)
        ik.initialize(net, seed=7)
        return weights(net)

    def dense():
        return nn.Dense(4, in_units=4)

    base = made(first=dense(), last=dense())
    for other in (made(first=dense(), middle=dense(), last=dense()), made(last=dense()), made(begin=dense(),
                  last=dense())):  # fmt: skip
        assert (other["last.weight"] == base["last.weight"]).all()
    assert not (base["first.weight"] == base["last.weight"]).all()


def test_values_depend_on_seed_path_shape_dtype_and_configuration():
    def draw(seed=7, shape=(4, 4), init=None, name="weight", dtype="float32"):
        block = mx.gluon.Block()
        setattr(block, name, declared(block, name, shape=shape, dtype=dtype))
        ik.initialize(block, init or mx.init.Uniform(1), seed=seed)
        return getattr(block, name).data().asnumpy().ravel()[:4]

    base = draw()
    assert (draw() == base).all()
    others = [draw(seed=8), draw(shape=(4, 5)), draw(init=mx.init.Uniform(2)) / 2, draw(name="a_weight"),
              draw(dtype="float64"), draw(init=mx.init.Xavier(magnitude=4 / 1))]  # fmt: skip
    for other in others:
        assert not (other == base).any()
    assert len({tuple(other) for other in others}) == len(others)


def test_key_keeps_the_values_of_what_was_renamed():
    def dense():
        return nn.Dense(4, in_units=4)

    old, new, other = Named(body=dense()), Named(encoder=dense()), Named(encoder=dense())
    ik.initialize(old, seed=7)
    ik.initialize(new, seed=7, key={"encoder.weight": "body.weight"})
    ik.initialize(other, seed=7, key=lambda path: path.replace("encoder", "body"))
    assert (new.encoder.weight.data() == old.body.weight.data()).asnumpy().all()
    assert (other.encoder.weight.data() == old.body.weight.data()).asnumpy().all()


@pytest.mark.parametrize("key, error, says", [
    ({"1.wieght": "x"}, ValueError, "names '1.wieght'.*did you mean '1.weight'"),
    ({"1.weight": "0.weight"}, ValueError, "gives '0.weight' for both '0.weight' and '1.weight'"),
    ({"1.weight": 3}, TypeError, "gives 3 for '1.weight': expected a str"),
    (3, TypeError, "key is 3"),
])  # fmt: skip
def test_wrong_keys(key, error, says):
    net = nn.HybridSequential()
    net.add(nn.Dense(2, in_units=2), nn.Dense(2, in_units=2))
    with pytest.raises(error, match=says):
        ik.initialize(net, key=key)
    assert net[0].weight._data is None


def test_mxnets_seed_alone_makes_a_script_repeatable():
    def draw(seed):
        mx.random.seed(seed)
        net = nn.Dense(4, in_units=4)
        return ik.initialize(net), ik.fingerprint(net)

    (first, one), (_, two), (_, other) = draw(7), draw(7), draw(8)
    assert one == two != other
    net = nn.Dense(4, in_units=4)
    ik.initialize(net, seed=first.seed)
    assert ik.fingerprint(net) == one


class Own(mx.init.Initializer):
    """A user's hook, not derived from ours, by one of four sources of randomness."""

    def __init__(self, source="rng"):
        super().__init__(source=source)
        self.source = source

    def _init_weight(self, desc, arr):
        if self.source == "rng":
            arr[:] = desc.rng.normal(size=arr.shape)
        elif self.source == "mx":
            mx.nd.random.normal(0, 1, shape=arr.shape, out=arr)
        elif self.source == "np":
            arr[:] = np.random.normal(size=arr.shape)
        else:
            arr[:] = np.array([random.gauss(0, 1) for _ in range(arr.size)]).reshape(arr.shape)


@pytest.mark.parametrize("source", ["rng", "mx", "np", "python"])
def test_a_users_hook_is_keyed_whatever_it_draws_from(source):
    def found(known, flip, disturb):
        mx.random.seed(disturb), np.random.seed(disturb), random.seed(disturb)
        net = nn.HybridSequential()
        layers = [lambda: nn.Dense(8, in_units=6 if known else 0), lambda: nn.Dense(4, in_units=8 if known else 0)]
        made = [layer() for layer in (layers[::-1] if flip else layers)]
        net.add(*(made[::-1] if flip else made))
        ik.initialize(net, Own(source), seed=7)
        mx.nd.random.uniform(shape=(3,))
        net(nd.ones((1, 6)))
        return ik.fingerprint(net)

    assert len({found(known, flip, disturb) for known in (0, 1) for flip in (0, 1) for disturb in (1, 2)}) == 1


@pytest.mark.parametrize("source", ["rng", "mx", "np", "python"])
@pytest.mark.parametrize("known", [True, False])
def test_generators_are_left_as_promised(source, known):
    def after(hook_source):
        np.random.seed(3), random.seed(3), mx.random.seed(3)
        net = nn.Dense(4, in_units=5 if known else 0)
        ik.initialize(net, Own(hook_source), seed=7)
        net(nd.ones((1, 5)))
        return np.random.rand(), random.random(), float(mx.nd.random.uniform().asscalar())

    np.random.seed(3), random.seed(3)
    expected = np.random.rand(), random.random()
    assert after(source)[:2] == expected
    assert after(source)[2] == after("rng")[2]  # MXNet's goes on from a value drawn before, whatever the hook did


def test_known_laws_touch_no_generator():
    mx.random.seed(3), np.random.seed(3), random.seed(3)
    net = small(known=False)
    ik.initialize(net, seed=7)
    net(nd.ones(X))
    after = float(mx.nd.random.uniform().asscalar()), np.random.rand(), random.random()
    mx.random.seed(3), np.random.seed(3), random.seed(3)
    assert after == (float(mx.nd.random.uniform().asscalar()), np.random.rand(), random.random())


def resolve(net, shape, dtype):
    """What the first forward pass does to shapes; MXNet's CPU has no dense layer in half precision."""
    net.infer_shape(mx.np.ones(shape, dtype=dtype) if mx.util.is_np_array() else mx.nd.ones(shape, dtype=dtype))
    for param in net.collect_params().values():
        param._finish_deferred_init()


@pytest.mark.parametrize("dtype", ["float16", "float64"])
def test_other_precisions(dtype):
    for known in (True, False):
        net = nn.Dense(30, in_units=20 if known else 0, dtype=dtype)
        ik.initialize(net, mx.init.Normal(1), seed=7)
        resolve(net, (1, 20), dtype)
        assert net.weight.data().dtype == np.dtype(dtype).type
        single = nn.Dense(30, in_units=20)
        found = net.weight.data().asnumpy()
        assert 0.9 < found.std() < 1.1
        if known:
            first = found
    assert (first == found).all()
    ik.initialize(single, mx.init.Normal(1), seed=7)
    assert not (single.weight.data().asnumpy().astype(dtype) == found).all()  # the dtype is part of the key


def test_a_network_cast_while_it_is_deferred():
    net = nn.Dense(30)
    ik.initialize(net, mx.init.Normal(1), seed=7)
    net.cast("float16")
    resolve(net, (1, 20), "float16")
    eager = nn.Dense(30, in_units=20, dtype="float16")
    ik.initialize(eager, mx.init.Normal(1), seed=7)
    assert ik.fingerprint(net) == ik.fingerprint(eager)


@pytest.mark.mxnet1("sparse parameters beside NumPy arrays")
def test_row_sparse_parameters():
    def sparse():
        block = mx.gluon.Block()
        block.weight = block.params.get("weight", shape=(50, 4), stype="row_sparse", grad_stype="row_sparse")
        return block

    one, two = sparse(), sparse()
    for net in (one, two):
        ik.initialize(net, mx.init.Normal(1), seed=7)
    assert one.weight._data[0].stype == "row_sparse" and one.weight._grad[0].stype == "row_sparse"
    assert ik.fingerprint(one) == ik.fingerprint(two)
    dense = mx.gluon.Block()
    dense.params.get("weight", shape=(50, 4))
    ik.initialize(dense, mx.init.Normal(1), seed=7)
    assert (dense.params.get("weight").data().asnumpy() == one.weight._data[0].asnumpy()).all()
    assert one.weight._data[0].asnumpy().std() > 0.9
    ik.initialize(one, mx.init.Normal(1), seed=8, force_reinit=True)
    assert ik.fingerprint(one) != ik.fingerprint(two)


@pytest.mark.mxnet1("sparse parameters beside NumPy arrays")
def test_sparse_gradients_of_an_embedding_are_cleared():
    net = nn.Embedding(10, 4, sparse_grad=True)
    ik.initialize(net, seed=1)
    with mx.autograd.record():
        loss = net(mx.nd.array([1, 2])).sum()
    loss.backward()
    assert net.weight.grad().asnumpy().any()
    ik.initialize(net, seed=2, force_reinit=True)
    assert not net.weight.grad().asnumpy().any() and net.weight.grad().stype == "row_sparse"


def test_constants_keep_their_value():
    class Scaled(HybridBlock):
        def __init__(self):
            super().__init__()
            self.scale = constant(self, "scale", [[1.5, 2.5]])
            self.dense = nn.Dense(2, in_units=2)

        def hybrid_forward(self, F, x, scale):
            return self.dense(x) * scale

    net = Scaled()
    report = ik.initialize(net, mx.init.Normal(), seed=1)
    assert net.scale.data().asnumpy().tolist() == [[1.5, 2.5]]
    assert report["scale"].state == "initialized"
    ik.initialize(net, mx.init.Normal(), seed=1, force_reinit=True)
    assert net.scale.data().asnumpy().tolist() == [[1.5, 2.5]]


def test_shared_parameters_are_drawn_once_under_the_canonical_path():
    net = nn.HybridSequential()
    net.add(nn.Dense(4, in_units=4))
    net.add(tied(nn.Dense, net[0], 4, in_units=4))
    report = ik.initialize(net, seed=7)
    assert len(report) == 2 and report["1.weight"].path == "0.weight"
    alone = nn.HybridSequential()
    alone.add(nn.Dense(4, in_units=4))
    ik.initialize(alone, seed=7)
    assert (alone[0].weight.data() == net[1].weight.data()).asnumpy().all()


def test_what_is_initialized_already_is_left_alone_with_one_warning():
    net = small()
    fingerprint(net, forward=False)
    before = ik.fingerprint(net)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        report = ik.initialize(net, mx.init.One(), seed=1)
    assert ik.fingerprint(net) == before
    (warning,) = caught
    says = "8 of 8 parameters are already initialized, ignoring: 0.weight, 0.bias, 1.gamma, 1.beta, 1.running_mean, "
    assert says in str(warning.message)
    assert "force_reinit=True" in str(warning.message) and warning.filename == __file__
    assert {row.state for row in report} == {"kept"} and report.bytes == 0


def set_data(layer, ctxs):
    layer.initialize(ctx=ctxs)
    layer.weight.set_data(nd.ones((3, 2)))


FIRST_STEPS = {
    "the kit": lambda layer, ctxs: ik.initialize(layer, mx.init.One(), ctxs),
    "plain Gluon": lambda layer, ctxs: layer.initialize(mx.init.One(), ctx=ctxs),
    "a parameter": lambda layer, ctxs: layer.weight.initialize(mx.init.One(), ctx=ctxs),
    "set_data": set_data,
}


@pytest.mark.parametrize("first", FIRST_STEPS)
@pytest.mark.parametrize("hybridize", [True, False])
@pytest.mark.parametrize("ctxs", [[mx.cpu()], [mx.cpu(0), mx.cpu(1)]])
def test_what_is_pending_counts_as_initialized(first, hybridize, ctxs):
    """Two steps give one network, whether a layer is deferred or not; force_reinit=True replaces what is pending."""
    fingerprints, again = set(), set()
    for units in (2, 0):
        net = nn.HybridSequential()
        net.add(nn.Dense(3, in_units=units), nn.Dense(4, in_units=3))
        if hybridize:
            net.hybridize()
        FIRST_STEPS[first](net[0], ctxs)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            report = ik.initialize(net, mx.init.Xavier(), ctxs, seed=3)
        says = str(caught[-1].message)
        assert len(caught) == 1 and f"0.weight{'' if units else ' (pending)'}" in says and "1.weight" not in says
        kept = 1 if first == "a parameter" else 2
        text = " ".join(repr(report).split())
        assert f"{4 - kept} initialized" in text and f"{kept} kept (not of this seed)" in text
        assert "already, or pending" in ik.plan(net).notes[-1]
        for ctx in ctxs:
            net(nd.ones((1, 2), ctx=ctx))
            assert (net[0].weight.data(ctx).asnumpy() == 1).all()
        fingerprints.add(ik.fingerprint(net))


        net = nn.HybridSequential()
        net.add(nn.Dense(3, in_units=units), nn.Dense(4, in_units=3))
        FIRST_STEPS[first](net[0], ctxs)
        ik.initialize(net, mx.init.Xavier(), ctxs, seed=3, force_reinit=True)
        for ctx in ctxs:
            net(nd.ones((1, 2), ctx=ctx))
        again.add(ik.fingerprint(net))
    assert len(fingerprints) == len(again) == 1 and fingerprints != again


@pytest.mark.parametrize("known", [True, False])
def test_gluoncv_572(known):
    """Backbone and head on different contexts (also gluon-cv#116): plain MXNet is silent until the forward pass."""
    def network():
        net = nn.HybridSequential()
        net.add(nn.Dense(3, in_units=2 if known else 0), nn.Dense(2, in_units=3 if known else 0))
        net[0].initialize(ctx=mx.cpu(1))
        return net

    net = network()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        net.initialize()
    assert not any("different" in str(each.message) for each in caught)
    with pytest.raises(RuntimeError, match="was not initialized on"):
        net(nd.ones((1, 2), ctx=mx.cpu(1)))
    net = network()
    with pytest.warns(UserWarning, match="already initialized") as caught:
        ik.initialize(net, seed=1)
    (says,) = [str(each.message) for each in caught]
    reset = "net.reset_device(device)" if GLUON_2 else "net.collect_params().reset_ctx(ctx)"
    assert says.endswith(f"The parameters are on different contexts: 0.weight, 0.bias on cpu(1); 1.weight, 1.bias on "
                         f"cpu(0). {reset} puts all on the same.")  # fmt: skip
    move(net, mx.cpu(1))
    net(nd.ones((1, 2), ctx=mx.cpu(1)))


def test_all_on_one_context_says_nothing_of_contexts():
    net = nn.Dense(3, in_units=2)
    net.initialize(ctx=mx.cpu(1))
    with pytest.warns(UserWarning, match=r"weight, bias. Set force_reinit=True to re-initialize\.$"):
        ik.initialize(net)
    with pytest.warns(UserWarning, match=r"They stay on cpu\(1\)"):
        ik.initialize(net, ctx=mx.cpu(0))


def test_mxnet_11434():
    """A warning per parameter when initializing only what is missing: MXNet gives many, the kit one."""
    def half():
        net = small()
        net[0].initialize(), net[1].initialize()
        return net

    for call, count in ((lambda net: net.initialize(), 6), (lambda net: ik.initialize(net, seed=1), 1)):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            net = half()
            call(net)
        assert sum("already initialized" in str(each.message) for each in caught) == count
        assert net[2].weight.data().shape == (40000, 128)


@pytest.mark.parametrize("hybridize", [{}, {"static_alloc": True}, {"static_alloc": True, "static_shape": True}])
def test_refilling_in_place_keeps_arrays_and_cached_graphs_right(hybridize):
    net = small()
    ik.initialize(net, seed=1)
    net.hybridize(**hybridize)
    with mx.autograd.record():
        loss = net(nd.ones(X)).sum()
    loss.backward()
    data, grad = net[2].weight.data(), net[2].weight.grad()
    assert grad.asnumpy().any()
    ik.initialize(net, mx.init.Xavier(), seed=2, force_reinit=True)
    assert net[2].weight.data() is data and net[2].weight.grad() is grad
    assert not grad.asnumpy().any() and not data._fresh_grad
    other = small()
    ik.initialize(other, mx.init.Xavier(), seed=2)
    x = uniform(X)
    np.testing.assert_allclose(net(x).asnumpy(), other(x).asnumpy(), rtol=1e-5)
    with mx.autograd.record():
        loss = net(x).sum()
    loss.backward()
    assert net[2].weight.grad().asnumpy().any()


def test_another_context_or_type_makes_new_arrays():
    net = nn.Dense(4, in_units=4)
    ik.initialize(net, seed=1)
    before, old = ik.fingerprint(net), net.weight.data()
    ik.initialize(net, ctx=[mx.cpu(1), mx.cpu(0)], seed=1, force_reinit=True)
    assert contexts(net.weight) == [mx.cpu(1), mx.cpu(0)] and ik.fingerprint(net) == before
    assert net.weight.data(mx.cpu(0)) is not old
    assert [grad.context for grad in net.weight.list_grad()] == [mx.cpu(1), mx.cpu(0)]
    ik.initialize(net, ctx=[mx.cpu(1), mx.cpu(0)], seed=3, force_reinit=True)
    assert (net.weight.data(mx.cpu(0)) == net.weight.data(mx.cpu(1)).as_in_context(mx.cpu(0))).asnumpy().all()
    assert ik.fingerprint(net) != before


def test_all_replicas_are_refilled_and_all_gradients_cleared():
    net, ctxs = nn.Dense(4, in_units=4), [mx.cpu(number) for number in range(3)]
    ik.initialize(net, ctx=ctxs, seed=1)
    held = net.weight.list_data()
    for ctx in ctxs:
        with mx.autograd.record():
            loss = net(nd.ones((1, 4), ctx=ctx)).sum()
        loss.backward()
    ik.initialize(net, mx.init.Xavier(), ctxs, seed=2, force_reinit=True)
    once = nn.Dense(4, in_units=4)
    ik.initialize(once, mx.init.Xavier(), seed=2)
    for number, ctx in enumerate(ctxs):
        assert net.weight.data(ctx) is held[number] and not held[number]._fresh_grad
        assert (held[number].asnumpy() == once.weight.data().asnumpy()).all()
        assert not net.weight.grad(ctx).asnumpy().any()


@pytest.mark.parametrize("grad_req", ["write", "add", "null"])
def test_gradients_are_made_as_asked(grad_req):
    net = nn.Dense(4, in_units=4)
    net.weight.grad_req = grad_req
    ik.initialize(net, seed=1)
    assert net.weight.grad_req == grad_req
    if grad_req == "null":
        assert net.weight._grad is None
        return
    for times in (1, 2):
        with mx.autograd.record():
            loss = net(nd.ones((1, 4))).sum()
        loss.backward()
        assert (net.weight.grad().asnumpy() == (times if grad_req == "add" else 1)).all()


@pytest.mark.parametrize("update_on_kvstore", [True, False])
def test_mxnet_14735(update_on_kvstore):
    """Values set while training come back wrong: the kvstore owns the copy and a step brings it back."""
    def stepped(reinitialize):
        net, ctxs = nn.Dense(3, in_units=3), [mx.cpu(0), mx.cpu(1)]
        net.initialize(mx.init.One(), ctxs)
        trainer = mx.gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.0}, kvstore="device",
                                   update_on_kvstore=update_on_kvstore)  # fmt: skip
        for number in range(2):
            if number:
                reinitialize(net, ctxs)
            with mx.autograd.record():
                losses = [net(nd.ones((1, 3), ctx=ctx)).sum() for ctx in ctxs]
            mx.autograd.backward(losses)
            trainer.step(1)
        return [net.weight.data(ctx).asnumpy() for ctx in ctxs]

    for values in stepped(lambda net, ctxs: ik.initialize(net, mx.init.Constant(5), ctxs, force_reinit=True)):
        assert (values == 5).all()
    for values in stepped(lambda net, ctxs: net.initialize(mx.init.Constant(5), ctxs, force_reinit=True)):
        assert (values == (1 if update_on_kvstore else 5)).all()


def test_a_trainer_on_other_contexts_is_refused():
    net = nn.Dense(3, in_units=3)
    ik.initialize(net, seed=1)
    trainer = mx.gluon.Trainer(net.collect_params(), "sgd")  # MXNet 2 holds it by a weak reference
    before = ik.fingerprint(net)
    with pytest.raises(ik.InitializationError, match=r"weight: a Trainer updates it on \[cpu\(0\)\].*make the Trainer"):
        ik.initialize(net, ctx=[mx.cpu(0), mx.cpu(1)], force_reinit=True)
    assert ik.fingerprint(net) == before and trainer.learning_rate
    ik.release(trainer)
    ik.initialize(net, ctx=[mx.cpu(0), mx.cpu(1)], force_reinit=True)
    assert contexts(net.weight) == contexts(net.bias) == [mx.cpu(0), mx.cpu(1)]


class Fails(mx.init.Initializer):
    """Raises, or misbehaves, at the parameter whose turn it is."""

    def __init__(self, at, how):
        super().__init__(at=at)
        self.at, self.how, self.calls = at, how, 0

    def _init_weight(self, desc, arr):
        self.calls += 1
        arr[:] = 1
        if self.calls == self.at:
            self.how(arr)


def raises(arr):
    raise RuntimeError("no luck")


def exhausts(arr):
    np.empty(1 << 46)


def poisons(arr):
    arr[1:2] = float("nan")


def breaks_the_engine(arr):
    made = mx.nd.dot(mx.nd.array(np.ones((2, 3)))[:, :2].reshape((4,)), mx.nd.ones((4,))).reshape((1,)).broadcast_to(
        arr.shape) * mx.nd.random.normal(0, -1, shape=arr.shape)  # fmt: skip
    arr[:] = made.as_np_ndarray() if GLUON_2 else made


def interrupts(arr):
    raise KeyboardInterrupt


@pytest.mark.parametrize("start", ["uninitialized", "initialized", "deferred"])
@pytest.mark.parametrize("how, says", [
    (raises, "RuntimeError: no luck"),
    (exhausts, "MemoryError"),
    (poisons, "NaN from Fails._init_weight"),
    (breaks_the_engine, "could not be filled"),
    (interrupts, None),
])  # fmt: skip
def test_all_or_nothing(start, how, says):
    net = nn.HybridSequential()
    net.add(*(nn.Dense(3, in_units=3) for _ in range(60)), nn.Dense(3))
    if start == "initialized":
        ik.initialize(net, mx.init.Normal(), seed=1)
        net(nd.ones((1, 3)))
    elif start == "deferred":
        net[60].initialize(mx.init.One())
    params = list(net.collect_params().values())
    before = [(state_of(param), param._data, param._grad, param._deferred_init) for param in params]
    values = ik.fingerprint(net) if start == "initialized" else None
    generators = np.random.get_state()[1].tolist()
    try:
        with pytest.raises(KeyboardInterrupt if says is None else ik.InitializationError) as caught:
            ik.initialize(net, Fails(57, how), seed=2, force_reinit=True)
            mx.nd.waitall()
    finally:
        with contextlib.suppress(mx.MXNetError):
            mx.nd.waitall()
    if says is not None:
        assert "'56.weight' of shape (3, 3)" in str(caught.value)
        assert any(each in str(caught.value) for each in says.split("|"))
    after = [(state_of(param), param._data, param._grad, param._deferred_init) for param in params]
    assert all(one[0] == two[0] and one[1] is two[1] and one[2] is two[2] and one[3] is two[3]
               for one, two in zip(before, after))  # fmt: skip
    if values is not None:
        assert ik.fingerprint(net) == values
    assert np.random.get_state()[1].tolist() == generators
    ik.initialize(net, mx.init.Xavier(), seed=2, force_reinit=True)  # and a second try succeeds


def test_a_hook_that_fails_in_the_forward_pass_leaves_the_parameter_pending():
    net = nn.Dense(3)
    init = Fails(1, raises)
    ik.initialize(net, init, seed=2)
    with pytest.raises(ik.InitializationError, match="'weight' of shape .*no luck"):
        net(nd.ones((1, 4)))
    assert state_of(net.weight) == "deferred"
    net(nd.ones((1, 4)))  # its second call works
    assert (net.weight.data().asnumpy() == 1).all()


def test_a_hook_that_fails_after_reset_ctx_leaves_the_parameter_pending_there():
    net, both = nn.Dense(3), [mx.cpu(0), mx.cpu(1)]
    ik.initialize(net, Fails(1, raises), seed=2)
    move(net, both)
    with pytest.raises(ik.InitializationError, match="no luck"):
        net(nd.ones((1, 4)))
    net(nd.ones((1, 4)))
    assert contexts(net.weight) == contexts(net.bias) == both


@pytest.mark.parametrize("init", [mx.init.Xavier(), Own("mx")], ids=["distribution", "hook"])
@pytest.mark.parametrize("ctx", [[mx.cpu(0)], [mx.cpu(0), mx.cpu(1)]])
def test_inside_record_as_outside(init, ctx):
    net, other = (nn.Dense(3, in_units=2) for _ in range(2))
    for each in (net, other):
        ik.initialize(each, mx.init.One(), ctx)
    ik.initialize(other, init, ctx, seed=7, force_reinit=True)
    with mx.autograd.record():
        ik.initialize(net, init, ctx, seed=7, force_reinit=True)
    assert ik.fingerprint(net) == ik.fingerprint(other)
    assert all((one == two).all() for param in net.collect_params().values()
               for one, two in [[each.asnumpy() for each in (param.list_data() * 2)[:2]]])  # fmt: skip


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int32", "bool"])
def test_integers_are_filled_by_constants_alone(dtype):
    block = mx.gluon.Block()
    block.first_weight = declared(block, "first_weight", shape=(2, 2))
    block.weight = declared(block, "weight", shape=(2, 2), dtype=dtype)
    ik.initialize(block, mx.init.One())
    assert (block.weight.data().asnumpy() == np.ones((2, 2), dtype)).all()
    for init in (mx.init.Uniform(), mx.init.Normal(2), mx.init.Xavier(), ik.TruncatedNormal(1.0)):
        with pytest.raises(ik.InitializationError, match=f"'weight' of shape .*nothing draws numbers of dtype {dtype}"):
            ik.initialize(block, init, force_reinit=True)
        assert (block.first_weight.data().asnumpy() == 1).all() and (block.weight.data().asnumpy() == 1).all()


@pytest.mark.parametrize("copied", [
    copy.deepcopy,
    pytest.param(lambda net: pickle.loads(pickle.dumps(net)), marks=pytest.mark.mxnet1("pickles of blocks")),
], ids=["copy", "pickle"])  # fmt: skip
def test_a_copy_of_a_network_is_initialized_again_and_trains(copied):
    net = nn.HybridSequential()
    net.add(nn.Dense(4, in_units=3), nn.Dense(1, in_units=4))
    ik.initialize(net, mx.init.Xavier(), seed=2)
    again = copied(net)  # by whose arrays MXNet cannot differentiate
    ik.initialize(again, mx.init.Xavier(), seed=2, force_reinit=True)
    assert ik.fingerprint(again) == ik.fingerprint(net)
    for each in (net, again):
        with mx.autograd.record():
            loss = each(nd.ones((1, 3)))
        loss.backward()
    grads = [each[0].weight.grad().asnumpy() for each in (net, again)]
    assert (grads[0] == grads[1]).all() and grads[0].any()


def test_nothing_serves_a_parameter_all_are_listed_and_nothing_is_changed():
    class OnlyBias(ik.Initializer):
        def _init_bias(self, desc, arr):
            arr[:] = 1

    net = small()
    with pytest.raises(ik.InitializationError, match=r"(?s)2 parameters are covered by nothing.*0\.weight.*2\.weight"):
        ik.initialize(net, OnlyBias())
    assert all(param._data is None for param in net.collect_params().values())


def test_a_shape_that_may_not_be_deferred():
    block = mx.gluon.Block()
    block.weight = declared(block, "weight", shape=(3, 0))
    with pytest.raises(ik.InitializationError, match=r"weight: its shape is \(3, \?\) and it may not be deferred"):
        ik.initialize(block)


def test_contexts_are_called_devices_too():
    """As MXNet 2 calls them; a script for it runs here."""
    net = nn.Dense(2, in_units=2)
    ik.initialize(net, device=[mx.cpu(1), mx.cpu(0)])
    assert contexts(net.weight) == [mx.cpu(1), mx.cpu(0)]


@pytest.mark.parametrize("arguments, error, says", [
    ({"net": 3}, TypeError, "expected a network"),
    ({"init": 3}, TypeError, "expected an initializer"),
    ({"init": nn.Dense(3)}, TypeError, r"found the network Dense\. For numbers"),
    ({"init": "nope"}, ValueError, "no initializer is registered"),
    ({"ctx": "cpu"}, TypeError, rf"ctx \(device\) is 'cpu': expected a {CONTEXT} such"),
    ({"ctx": []}, TypeError, f"expected a {CONTEXT} such"),
    ({"device": "cpu"}, TypeError, f"expected a {CONTEXT} such"),
    ({"ctx": mx.cpu(), "device": mx.cpu(1)}, TypeError, r"two names of one argument, expected one"),
    ({"ctx": [mx.cpu(), mx.cpu()]}, ValueError, "names a context twice"),
    ({"seed": "7"}, TypeError, "seed is '7': expected an integer"),
    ({"seed": 1.5}, TypeError, "seed is 1.5"),
    ({"seed": True}, TypeError, "seed is True"),
])  # fmt: skip
def test_wrong_arguments(arguments, error, says):
    net = nn.Dense(2, in_units=2)
    with pytest.raises(error, match=says):
        ik.initialize(**{"net": net, **arguments})
    assert net.weight._data is None


def test_a_context_that_is_not_there_changes_nothing():
    absent = mx.gpu(mx.context.num_gpus())
    net = small()
    net[0].initialize(mx.init.One())
    before = net[0].weight.data()
    with pytest.raises(mx.MXNetError):
        ik.initialize(net, ctx=[mx.cpu(), absent], seed=1, force_reinit=True)
    assert net[0].weight.data() is before and net[2].weight._data is None
    ik.initialize(net, seed=1, force_reinit=True)


@pytest.mark.parametrize("last", [True, False])
def test_what_mxnet_refuses_after_it_took_others_changes_nothing(last):
    block = mx.gluon.Block()
    block.refused = declared(block, "refused", shape=(2, 2, 2), stype="csr")  # which has two dimensions
    net, layers = nn.Sequential(), [nn.Dense(2, in_units=2), nn.Dense(2)]
    net.add(*([*layers, block] if last else [layers[0], block, layers[1]]))
    params = [layers[0].weight, layers[0].bias, layers[1].weight, layers[1].bias, block.refused]
    with pytest.raises(ValueError, match="2 Dimensional"):
        ik.initialize(net, mx.init.One(), seed=1)
    assert [state_of(param) for param in params] == ["uninitialized"] * 5
    for layer in layers:
        ik.initialize(layer, seed=1)


def test_interrupted_while_arrays_are_refilled_all_are_refilled():
    net = small()
    ik.initialize(net, mx.init.Zero(), seed=1)

    class Presses(mx.init.Normal):
        pass


    from gluon_initkit.initializer.initialize import PendingFill

    real = PendingFill.jobs

    def jobs(self, distribution, array):
        os.kill(os.getpid(), signal.SIGINT)  # while the first array is about to be refilled
        return real(self, distribution, array)

    PendingFill.jobs = jobs
    try:
        with pytest.raises(KeyboardInterrupt):
            ik.initialize(net, Presses(), seed=7, force_reinit=True)
            time.sleep(1)
    finally:
        PendingFill.jobs = real
    other = small()
    ik.initialize(other, Presses(), seed=7)
    assert ik.fingerprint(net) == ik.fingerprint(other)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_a_fork_after_threads_existed():
    fingerprint(small())
    assert threading.active_count() >= 1
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(writer, fingerprint(small()).encode())
        finally:
            os._exit(0)
    os.close(writer)
    os.waitpid(child, 0)
    assert os.read(reader, 100).decode() == GOLDEN


def test_in_other_threads():
    found = {}

    def work(number):
        found[number] = fingerprint(small(), forward=False)

    workers = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert set(found.values()) == {GOLDEN} and len(found) == 4


@pytest.mark.parametrize("source", ["mx", "np", "python"])
@pytest.mark.parametrize("known", [True, False])
def test_in_other_threads_hooks_draw_from_the_global_generators_as_alone(source, known):
    class Slow(Own):
        def _init_weight(self, desc, arr):
            time.sleep(0.002)  # in which another thread would seed them for a parameter of its own
            super()._init_weight(desc, arr)

    def work(number):
        net = nn.HybridSequential()
        net.add(*(nn.Dense(4, in_units=4 if known else 0) for _ in range(5)))
        ik.initialize(net, Slow(source), seed=number % 2)
        net(nd.ones((1, 4)))
        found[number] = ik.fingerprint(net)

    found = {}
    work(0), work(1)
    workers = [threading.Thread(target=work, args=(number,)) for number in range(2, 6)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [found[number] for number in range(6)] == [found[0], found[1]] * 3


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("init", [mx.init.Xavier(), Own("rng"), Own("mx")], ids=["distribution", "rng", "mx"])
def test_numpy_mode(known, init):
    """apache/mxnet#19118, #18398: float16 initialization fails in NumPy mode."""
    mx.npx.set_np()
    for dtype in ("float32", "float16"):
        net = nn.Dense(6, in_units=5 if known else 0, dtype=dtype)
        if dtype == "float16" and known and isinstance(init, mx.init.Xavier) and not GLUON_2:
            with pytest.raises((mx.MXNetError, TypeError)):
                nn.Dense(6, in_units=5, dtype=dtype).initialize(init)
                mx.nd.waitall()
        ik.initialize(net, init, seed=7)
        resolve(net, (1, 5), dtype)
        assert type(net.weight.data()) is mx.np.ndarray and type(net.weight.grad()) is mx.np.ndarray
        assert dtype == "float16" or np.isfinite(net(mx.np.ones((1, 5))).asnumpy()).all()
        assert net.weight.data().asnumpy().std() > 0.1
        data = net.weight.data()
        ik.initialize(net, init, seed=8, force_reinit=True)
        assert net.weight.data() is data


@pytest.mark.filterwarnings("ignore:.*zeros")
def test_a_class_that_is_registered_anew_is_obeyed():
    """A network's layer defaults are made once by name; but not of a class that has the name no longer."""

    class Two(mx.init.Initializer):
        def _init_weight(self, desc, arr):
            arr[:] = 2

    net, found = nn.Dense(2, in_units=2), []
    try:
        for cls in (mx.init.Zero, Two, mx.init.Zero):
            mx.init.alias("zeros")(cls)
            ik.initialize(net, mx.init.Normal(), force_reinit=True)
            found.append(float(net.bias.data().asnumpy()[0]))
    finally:
        mx.init.alias("zeros")(mx.init.Zero)
    assert found == [0, 2, 0]


@pytest.mark.mxnet1("deep copies with children of their own")
def test_deepcopy_of_a_pending_network():
    net = small(known=False)
    ik.initialize(net, mx.init.Xavier(), seed=7)
    twin = copy.deepcopy(net)
    twin(nd.ones(X))
    assert ik.fingerprint(twin) == GOLDEN and state_of(net[0].weight) == "deferred"
    net(nd.ones(X))
    assert ik.fingerprint(net) == GOLDEN


def test_what_mxnet_does_with_pending_parameters_goes_on_working(tmp_path):
    net = small(known=False)
    ik.initialize(net, mx.init.Xavier(), seed=7)
    move(net, [mx.cpu(1)])
    net(nd.ones(X, ctx=mx.cpu(1)))
    assert ik.fingerprint(net) == GOLDEN
    net.save_parameters(str(tmp_path / "net.params"))
    other = small(known=False)
    ik.initialize(other, seed=1)
    other.load_parameters(str(tmp_path / "net.params"))
    assert ik.fingerprint(other) == GOLDEN
    third = nn.Dense(2)
    ik.initialize(third, seed=1)
    third.weight.set_data(nd.ones((2, 3)))
    third(nd.ones((1, 3)))
    assert (third.weight.data().asnumpy() == 1).all()


def test_rules_that_match_nothing_warn_and_strict_ones_raise():
    net = nn.Dense(2, in_units=2)
    with pytest.warns(UserWarning, match="rule 1 .*matched none"):
        ik.initialize(net, ik.Rules([("x.*", 1)], default="xavier"))
    with pytest.raises(ik.InitializationError, match="matched none"):
        ik.initialize(net, ik.Rules([("x.*", 1)], default="xavier", strict=True), force_reinit=True)


def test_mxnet_10831():
    """Same seed, other results (also #8658, #7410, dmlc/gluon-nlp#1110): something else was drawn or built before."""
    def plain(disturb):
        mx.random.seed(7)
        if disturb:
            uniform((3,))
        net = nn.Dense(3, in_units=3)
        net.initialize(mx.init.Xavier())
        return ik.fingerprint(net)

    def kit(disturb):
        if disturb:
            uniform((3,))
        net = nn.Dense(3, in_units=3)
        ik.initialize(net, mx.init.Xavier(), seed=7)
        return ik.fingerprint(net)

    assert plain(False) != plain(True)
    assert kit(False) == kit(True)


def test_a_bound_hook_gets_path_role_and_axes():
    seen = []

    class Looks(ik.Initializer):
        def _init_weight(self, desc, arr):
            seen.append((desc.path, desc.role, desc.axes, str(desc) == net[0].weight.name))
            arr[:] = 0

    net = nn.HybridSequential()
    net.add(convolution(nn.Conv2D, 2, 3, in_channels=2, layout="NHWC"))
    ik.initialize(net, Looks())
    assert seen == [("0.weight", "weight", "OHWI", True)]


def test_blocks_in_a_list_are_told_as_gluon_tells_them():
    """Without a word the first forward pass would fail, far from the cause."""
    net = nn.Sequential()
    net.add(nn.Dense(2, in_units=2))
    net.layers = [nn.Dense(2, in_units=2)]
    with pytest.warns(UserWarning, match="layers.* is an unregistered container"):
        net.initialize()
    with pytest.warns(UserWarning, match="^The list layers of Sequential holds Blocks .Dense.: ") as caught:
        ik.initialize(net, seed=1, force_reinit=True)
    assert [each.filename for each in caught] == [__file__]


@pytest.mark.mxnet1("SymbolBlocks whose parameters have values and no shape")
def test_an_imported_symbol_block_is_initialized_again(tmp_path):
    """`SymbolBlock.imports` loads values into parameters whose shape stays unknown to Gluon."""
    net = small()
    net.hybridize()
    fingerprint(net)
    net.export(str(tmp_path / "net"))
    files = str(tmp_path / "net-symbol.json"), ["data"], str(tmp_path / "net-0000.params")
    again = [mx.gluon.SymbolBlock.imports(*files) for _ in range(2)]
    for each, ctx in zip(again, (mx.cpu(), mx.cpu(1))):
        report = ik.initialize(each, mx.init.Xavier(), ctx, seed=7, force_reinit=True)
        assert {row.state for row in report} == {"initialized"}
    assert ik.fingerprint(again[0]) == ik.fingerprint(again[1])
    assert again[0](mx.nd.ones(X)).shape == (2, 40000)


def test_two_parameters_of_one_path_are_refused_before_anything_is_drawn():
    """They would be drawn alike."""
    net, inner = nn.HybridSequential(), nn.HybridSequential()
    setattr(net, "a.b", nn.Dense(2, in_units=2))
    inner.b = nn.Dense(2, in_units=2)
    net.a = inner
    with pytest.raises(ValueError, match="two parameters have the path 'a.b.weight', 'a.b.bias'"):
        ik.initialize(net, seed=1)
    assert {info.state for info in ik.inspect(net)} == {"uninitialized"}
    (found, *_) = ik.inspect(net).findings
    assert (found.code, found.severity, found.paths) == ("colliding-path", "error", ("a.b.weight",))
    assert {row.state for row in ik.initialize(net.a, seed=1)} == {"initialized"}  # a part that has paths of its own
