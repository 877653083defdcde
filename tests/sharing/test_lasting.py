"""A tie lasts: whatever is done to the network afterwards, it computes and learns what one parameter would.

The reference of the plain tie is the seed's way (``params=``); that of the transposed one a block that uses its weight
twice. Neither goes through the builder.
"""

from contextlib import nullcontext
import copy
import gc
import weakref

import gluon_initkit as ik
from gluon_initkit._mxnet.tree import parameters_by_path, places
import mxnet as mx
from mxnet.gluon import nn
import numpy as np
import pytest
from vocabulary import GLUON_2, HybridBlock, collected, contexts, declared, move, nd, tied

FLAGS = [None, {}, {"static_alloc": True}, {"static_alloc": True, "static_shape": True}]
KINDS = ["plain", "transposed"]
STATIC = {"static_alloc": True, "static_shape": True}
ORDERS = pytest.mark.parametrize("when", ["before", "after"])  # the tie, before or after hybridize


class Auto(HybridBlock):
    """What the transposed tie must equal: one weight, used twice."""

    def __init__(self):
        super().__init__()
        self.weight = declared(self, "weight", shape=(3, 4))
        self.inner = declared(self, "inner", shape=(3,))
        self.outer = declared(self, "outer", shape=(4,))

    def hybrid_forward(self, F, x, weight, inner, outer):
        hidden = F.Activation(F.FullyConnected(x, weight, inner, num_hidden=3), act_type="tanh")
        return F.FullyConnected(hidden, F.transpose(weight), outer, num_hidden=4)


def reference(kind):
    if kind == "transposed":
        return Auto()
    net = nn.HybridSequential()
    net.add(nn.Embedding(9, 4), nn.Dense(4, "tanh", in_units=4, flatten=False))
    net.add(tied(nn.Dense, net[1], 4, activation="tanh", in_units=4, flatten=False))
    net.add(tied(nn.Dense, net[0], 9, in_units=4, flatten=False))
    return net


def untied(kind, sequential=nn.HybridSequential):
    net = sequential()
    if kind == "transposed":
        net.add(nn.Dense(3, "tanh", in_units=4), nn.Dense(4, in_units=3))
    else:
        net.add(nn.Embedding(9, 4), *(nn.Dense(4, "tanh", in_units=4, flatten=False) for _ in range(2)))
        net.add(nn.Dense(9, in_units=4, flatten=False))
    return net


def tie(net, kind):
    if kind == "transposed":
        return ik.Sharing(net).tie("1.weight", "0.weight", transpose=True).apply()
    return ik.Sharing(net).tie("3.weight", "0.weight").tie_blocks("2", to="1").apply()


def batch(kind, ctx=None):
    ctx = ctx or mx.cpu()
    if kind == "transposed":
        return nd.array([[1, 2, 3, 4], [-1, 0, 2, 1]], ctx=ctx) / 4
    return nd.array([[1, 2, 3], [8, 0, 1]], ctx=ctx)


def own(net):
    """A network's own parameters in order of traversal, by the path each has in a tied network."""
    return {place.paths[0]: param for param, place in places(net).items()}


def same_values(net, other):
    for mine, others in zip(own(net).values(), own(other).values()):
        mine.set_data(others.data(contexts(others)[0]))
    assert len(own(net)) == len(own(other))


def initialized(net, ctx=None, seed=3):
    mx.random.seed(seed)
    net.initialize(mx.init.Uniform(0.5), ctx=ctx)
    return net


def pair(kind, when="before", flags=None, sequential=nn.HybridSequential):
    """A tied network and its reference, of equal values; hybridized and run before the tie, or after it."""
    net, other = initialized(untied(kind, sequential)), initialized(reference(kind))
    if flags is not None and when == "after":
        net.hybridize(**flags)
        net(batch(kind))
    tie(net, kind)
    if flags is not None and when == "before":
        net.hybridize(**flags)
    same_values(net, other)
    return net, other


def backward(net, x):
    with mx.autograd.record():
        out = net(x)
        loss = (out * out).sum()
    loss.backward()
    return out.asnumpy()


def grads(net):
    return [param.grad().asnumpy() for param in own(net).values()]


def values(net):
    return [param.data(contexts(param)[0]).asnumpy() for param in own(net).values()]


def close(one, other):
    assert len(one) == len(other)
    for left, right in zip(one, other):
        np.testing.assert_allclose(left, right, rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("flags", FLAGS, ids=str)
@ORDERS
@pytest.mark.parametrize("kind", KINDS)
def test_forward_and_gradients(kind, when, flags):
    net, other = pair(kind, when, flags)
    for _ in range(2):  # with static_shape the second pass runs another way
        np.testing.assert_allclose(backward(net, batch(kind)), backward(other, batch(kind)), rtol=2e-5, atol=2e-6)
        close(grads(net), grads(other))


# In MXNet 2 a graph's parameters are the values of `collect_params`, so one that is shown transposed inside a part that
# is hybridized alone, without it, is not found: an AssertionError of MXNet's.
ALONE = pytest.mark.mxnet1("dictionary in which a block hybridized alone finds what stands transposed in it")


@pytest.mark.filterwarnings("ignore:All children")
@pytest.mark.parametrize("kind", ["plain", pytest.param("transposed", marks=ALONE)])
def test_in_blocks_that_are_not_hybrid(kind):
    net, other = pair(kind, "after", {"static_alloc": True}, nn.Sequential)
    np.testing.assert_allclose(backward(net, batch(kind)), backward(other, batch(kind)), rtol=2e-5, atol=2e-6)
    close(grads(net), grads(other))


@pytest.mark.parametrize("on_kvstore", [True, False])
@pytest.mark.parametrize("optimizer", [("sgd", {"learning_rate": 0.1, "momentum": 0.9}), ("adam", {})], ids=str)
@pytest.mark.parametrize("flags, when", [(None, "after"), (STATIC, "before"), (STATIC, "after")], ids=str)
@pytest.mark.parametrize("kind", KINDS)
def test_an_optimizer_moves_it_once(kind, when, flags, optimizer, on_kvstore, tmp_path):
    nets = pair(kind, when, flags)
    before = values(nets[0])
    trainers = [mx.gluon.Trainer(net.collect_params(), optimizer[0], dict(optimizer[1]), kvstore=mx.kv.create("local"),
                                 update_on_kvstore=on_kvstore) for net in nets]  # fmt: skip
    for step in range(4):
        for number, (net, trainer) in enumerate(zip(nets, trainers)):
            backward(net, batch(kind))
            trainer.step(1)
            if step == 1:  # the optimizer's states survive their file
                trainer.save_states(str(tmp_path / f"{number}.states"))
                trainer.load_states(str(tmp_path / f"{number}.states"))
        close(values(nets[0]), values(nets[1]))
    assert all((new != old).any() for new, old in zip(values(nets[0]), before))


def test_a_trainer_takes_the_one_parameter_though_its_transposed_place_comes_first():
    net, _ = pair("transposed")
    ik.untie(net, "1.weight")
    ik.Sharing(net).tie("0.weight", to="1.weight", transpose=True).apply()
    trainer = mx.gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.1})
    before = net[1].weight.data().asnumpy()
    backward(net, batch("transposed"))
    gradient = net[1].weight.grad().asnumpy()
    trainer.step(1)
    np.testing.assert_allclose(net[1].weight.data().asnumpy(), before - 0.1 * gradient, rtol=1e-5, atol=1e-7)
    assert sum(param is net[1].weight for param in trainer._params) == 1 and len(trainer._params) == 3


@pytest.mark.parametrize("on_kvstore", [True, False])
@ORDERS
@pytest.mark.parametrize("kind", KINDS)
def test_a_multiplier_of_zero_stays_put(kind, when, on_kvstore):
    net, _ = pair(kind, when, STATIC)
    shared, bias = own(net)["0.weight"], net[len(net) - 1].bias
    shared.lr_mult = 0
    before, other = shared.data().asnumpy(), bias.data().asnumpy()
    trainer = mx.gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.1}, kvstore=mx.kv.create("local"),
                               update_on_kvstore=on_kvstore)  # fmt: skip
    backward(net, batch(kind))
    trainer.step(1)
    assert (shared.data().asnumpy() == before).all() and (bias.data().asnumpy() != other).any()


@ORDERS
@pytest.mark.parametrize("kind", KINDS)
def test_cast(kind, when):
    nets = pair(kind, when, STATIC)
    for net in nets:
        net.cast("float64")
        backward(net, batch(kind).astype("float64"))
    close(grads(nets[0]), grads(nets[1]))
    assert {str(param.dtype) for param in own(nets[0]).values()} == {"float64"}
    assert parameters_by_path(nets[0])["1.weight"].data().dtype == np.float64


@ORDERS
@pytest.mark.parametrize("flags", [None, STATIC], ids=str)
@pytest.mark.parametrize("kind", KINDS)
def test_reset_ctx_and_two_contexts(kind, flags, when):
    """The second device of the CPU stands for a GPU; each context computes on its own replica."""
    net, other = pair(kind, when, flags)
    net(batch(kind))
    move(net, [mx.cpu(0), mx.cpu(1)])
    trainer = mx.gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.1, "momentum": 0.9})
    alone = mx.gluon.Trainer(other.collect_params(), "sgd", {"learning_rate": 0.1, "momentum": 0.9})
    for _ in range(2):
        for ctx in (mx.cpu(0), mx.cpu(1)):
            backward(net, batch(kind, ctx))
        trainer.step(2)
        backward(other, batch(kind))
        alone.step(1)
    close(values(net), values(other))
    for param in own(net).values():
        assert (param.data(mx.cpu(0)).asnumpy() == param.data(mx.cpu(1)).asnumpy()).all()


@ORDERS
@pytest.mark.parametrize("kind", KINDS)
def test_reinitializing_draws_it_once(kind, when):
    net, _ = pair(kind, when, STATIC)
    for _ in range(2):
        net.initialize(mx.init.Uniform(), force_reinit=True)
        assert len(collected(net)) == len(own(net))
        there = parameters_by_path(net)
        for group in ik.shared_groups(net):
            for path in group.aliases:
                shown = there[path].data().asnumpy()
                shown = shown.T if path in group.transposed else shown
                assert (shown == there[group.canonical].data().asnumpy()).all()
    np.testing.assert_allclose(net(batch(kind)).asnumpy(), copied_reference(net, kind), rtol=2e-5, atol=2e-6)
    ik.initialize(net, mx.init.Uniform(), seed=5, force_reinit=True)
    np.testing.assert_allclose(net(batch(kind)).asnumpy(), copied_reference(net, kind), rtol=2e-5, atol=2e-6)


def copied_reference(net, kind):
    other = initialized(reference(kind))
    same_values(other, net)
    return other(batch(kind)).asnumpy()


@ORDERS
@pytest.mark.parametrize("kind", KINDS)
def test_export_and_import(kind, when, tmp_path):
    net, _ = pair(kind, when, STATIC)
    answer = net(batch(kind)).asnumpy()
    net.export(str(tmp_path / "tied"))
    files = [str(tmp_path / "tied-symbol.json"), str(tmp_path / "tied-0000.params")]
    block = mx.gluon.SymbolBlock.imports(files[0], ["data"], files[1])
    assert (block(batch(kind)).asnumpy() == answer).all()
    if GLUON_2:  # calls them by the last of their paths
        assert len(block.collect_params()) == len(own(net))
    else:
        assert sorted(block.collect_params().keys()) == sorted(net.collect_params().keys())
    assert len(mx.nd.load(files[1])) == len(own(net))


@pytest.mark.parametrize("kind", KINDS)
def test_plain_files_go_both_ways(kind, tmp_path):
    """`save_parameters` writes every name in its own layout, so a file fits a tied network and an untied one."""
    net, _ = pair(kind)
    file = str(tmp_path / "net.params")
    net.save_parameters(file)
    alone, again = untied(kind), initialized(untied(kind), seed=9)
    tie(again, kind)
    alone.load_parameters(file)
    again.load_parameters(file)
    answer = net(batch(kind)).asnumpy()
    assert (alone(batch(kind)).asnumpy() == answer).all() and (again(batch(kind)).asnumpy() == answer).all()
    ik.check_sharing(again, ik.shared_groups(net))


@pytest.mark.mxnet1("deep copies of networks: children are weak references, and a copy has the first one's")
@pytest.mark.parametrize("kind", KINDS)
def test_a_deep_copy_is_tied_inside_itself(kind):
    net, _ = pair(kind)
    other = copy.deepcopy(net)
    ik.check_sharing(other, ik.shared_groups(net))
    assert not set(own(net).values()) & set(own(other).values())
    before = net(batch(kind)).asnumpy()
    own(other)["0.weight"].set_data(own(other)["0.weight"].data() * 2)
    assert (net(batch(kind)).asnumpy() == before).all()
    np.testing.assert_allclose(other(batch(kind)).asnumpy(), copied_reference(other, kind), rtol=2e-5, atol=2e-6)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # of MXNet's half-made copy
@ORDERS
@pytest.mark.parametrize("kind", KINDS)
def test_a_deep_copy_of_a_network_that_ran_hybridized(kind, when):
    """Plain MXNet's refuses, tied or not: its cached operator holds a C handle. Clearing the cache mends it."""
    net, _ = pair(kind, when, STATIC)
    net(batch(kind))
    with pytest.raises(ValueError, match="ctypes"):
        copy.deepcopy(net)
    net.hybridize()
    ik.check_sharing(copy.deepcopy(net), ik.shared_groups(net))


@ORDERS
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_dropped_is_freed(kind, when):
    """No cached graph, dictionary or report holds a dropped parameter, or its memory."""
    net = initialized(untied(kind))
    if when == "after":
        net.hybridize(**STATIC)
        backward(net, batch(kind))
    dropped = weakref.ref(net[len(net) - 1].weight)
    builder = ik.Sharing(net)
    report = builder.tie(net[len(net) - 1].weight, "0.weight", transpose=kind == "transposed").apply()
    gc.collect()
    assert dropped() is None and len(report) == 1
    net.hybridize(**STATIC)
    backward(net, batch(kind))


@pytest.mark.parametrize("flags", FLAGS, ids=str)
def test_blocks_with_running_statistics(flags):
    """Statistics that are no parameter of any gradient are shared as well, and move once a place, as with params=."""

    def layers():
        return nn.Dense(4, in_units=4), nn.BatchNorm(in_channels=4)

    net, other = nn.HybridSequential(), nn.HybridSequential()
    net.add(*layers(), *layers())
    other.add(*layers())
    other.add(tied(nn.Dense, other[0], 4, in_units=4), tied(nn.BatchNorm, other[1], in_channels=4))
    ik.Sharing(net).tie_blocks("2", to="0").tie_blocks("3", to="1").apply()
    for each in (net, other):
        initialized(each)
    same_values(net, other)
    for each in (net, other):
        if flags is not None:
            each.hybridize(**flags)
        trainer = mx.gluon.Trainer(each.collect_params(), "sgd", {"learning_rate": 0.1})
        for _ in range(3):
            backward(each, nd.array(np.random.RandomState(1).randn(5, 4)))
            trainer.step(5)
    close(values(net), values(other))
    assert net[3].running_mean is net[1].running_mean and net[1].running_mean.data().asnumpy().any()


def test_a_network_around_computes_with_the_tie_too_when_it_is_hybridized_again():
    """Ancestors outside the network that was tied hold cached graphs as well."""
    outer = nn.HybridSequential()
    net = untied("plain")
    outer.add(net, nn.Dense(2, in_units=9, flatten=False))
    initialized(outer)
    outer.hybridize(static_alloc=True)
    before = outer(batch("plain")).asnumpy()
    tie(net, "plain")
    net[1].weight.set_data(net[1].weight.data() * 3)
    stale = outer(batch("plain")).asnumpy()
    assert "stale-graph" in [finding.code for finding in ik.inspect(outer).findings]
    outer.hybridize(static_alloc=True)  # the mend, as the docstring of `Sharing` says
    assert (outer(batch("plain")).asnumpy() != stale).any()
    after = outer(batch("plain")).asnumpy()
    outer.hybridize(active=False)
    np.testing.assert_allclose(after, outer(batch("plain")).asnumpy(), rtol=2e-5, atol=2e-6)
    assert (after != before).any()


def test_the_builder_and_the_seeds_way_make_the_same_network(tmp_path):
    """`nn.Dense(4, in_units=4, params=net[-1].params)`: same ties, same gradients, same file, byte for byte."""

    def layers(shared):
        net = nn.HybridSequential(**({} if GLUON_2 else {"prefix": "net_"}))
        with nullcontext() if GLUON_2 else net.name_scope():
            net.add(nn.Dense(4, in_units=4))
            net.add(tied(nn.Dense, net[-1], 4, in_units=4) if shared else nn.Dense(4, in_units=4))
        return initialized(net)

    seeds, builders = layers(True), layers(False)
    report = ik.Sharing(builders).tie_blocks("1", to="0").apply()
    ik.check_sharing(seeds, report)
    assert ik.shared_groups(seeds) == ik.shared_groups(builders) == report.groups
    assert list(seeds.collect_params().keys()) == list(builders.collect_params().keys())
    assert ik.fingerprint(seeds) == ik.fingerprint(builders)
    x = nd.array([[1, 2, 3, 4]])
    assert (backward(seeds, x) == backward(builders, x)).all()
    assert all((one == other).all() for one, other in zip(grads(seeds), grads(builders)))
    for name, net in (("seeds", seeds), ("builders", builders)):
        net.save_parameters(str(tmp_path / name))
        ik.save(net, str(tmp_path / f"{name}.ik"))
    assert (tmp_path / "seeds").read_bytes() == (tmp_path / "builders").read_bytes()
    assert (tmp_path / "seeds.ik").read_bytes() == (tmp_path / "builders.ik").read_bytes()
