"""A path gets a parameter of its own again: values, gradients, declarations, and nothing else changes."""

import gluon_initkit as ik
import mxnet as mx
from mxnet.gluon import nn
import numpy as np
import pytest
from test_sharing_refusals import dense, run, state
from vocabulary import GLUON_2, collected, contexts, nd, tied


def backward(net, x):
    with mx.autograd.record():
        loss = (net(x) ** 2).sum()
    loss.backward()
    return loss.asnumpy().item()


def by_builder():
    net = dense(4, 4, 4)
    ik.Sharing(net).tie_blocks("0", "1", "2").apply()
    return net


def by_params():
    net = nn.HybridSequential()
    net.add(nn.Dense(4, in_units=4, flatten=False))
    net.add(*(tied(nn.Dense, net[0], 4, in_units=4, flatten=False) for _ in range(2)))
    return net


@pytest.mark.parametrize("path", ["0.weight", "2.weight"])
@pytest.mark.parametrize("make", [by_builder, by_params])
def test_its_own_copy(make, path):
    net = make()
    init = mx.init.Normal(0.5)
    net[0].weight.init, net[0].weight.lr_mult, net[0].weight.wd_mult = init, 0.5, 2
    net.initialize(ctx=[mx.cpu(0), mx.cpu(1)])
    net.hybridize(static_alloc=True)
    x = nd.ones((1, 4))
    loss = backward(net, x)
    layer = net[int(path[0])]
    before, gradient = layer.weight.data(mx.cpu(0)).asnumpy(), layer.weight.grad(mx.cpu(0)).asnumpy()
    ik.untie(net, path)
    others = [each for each in net if each is not layer]
    assert others[0].weight is others[1].weight is not layer.weight and layer.bias is others[0].bias
    assert (layer.weight.data(mx.cpu(0)).asnumpy() == before).all()
    assert (layer.weight.grad(mx.cpu(0)).asnumpy() == gradient).all() and gradient.any()
    assert (layer.weight.init, layer.weight.lr_mult, layer.weight.wd_mult) == (init, 0.5, 2)
    assert contexts(layer.weight) == [mx.cpu(0), mx.cpu(1)] and layer.weight.data()._fresh_grad
    assert len(collected(net)) == 3
    assert GLUON_2 or layer.weight.name.startswith(layer.prefix)
    assert abs(backward(net, x) - loss) < 1e-5  # nothing is computed otherwise, until they learn apart
    halves = layer.weight.grad(mx.cpu(0)) + others[0].weight.grad(mx.cpu(0))
    np.testing.assert_allclose(halves.asnumpy(), gradient, rtol=1e-4, atol=1e-5)
    layer.weight.set_data(nd.zeros((4, 4)))
    assert others[0].weight.data(mx.cpu(0)).asnumpy().any()


@pytest.mark.parametrize("path", ["0.weight", "1.weight", "2.weight"])
def test_a_transposed_tie(path):
    net = nn.HybridSequential()
    net.add(nn.Dense(3, in_units=4), nn.Dense(4, in_units=3), nn.Dense(3, in_units=4))
    net.initialize(mx.init.Uniform(1))
    ik.Sharing(net).tie("1.weight", "0.weight", transpose=True).tie("1.weight", "2.weight", transpose=True).apply()
    net.hybridize()
    x = nd.ones((1, 4))
    backward(net, x)
    gradient, answer = net[0].weight.grad().asnumpy(), net(x).asnumpy()
    ik.untie(net, path)
    layer = net[int(path[0])]
    turned = gradient.T if path == "1.weight" else gradient
    assert type(layer.weight) is mx.gluon.Parameter and (layer.weight.grad().asnumpy() == turned).all()
    (group,) = ik.shared_groups(net)
    assert path not in group.paths and len(group.paths) == 2
    assert (net(x).asnumpy() == answer).all()
    backward(net, x)
    assert sum(param.shape != () for param in collected(net)) == 5


def test_the_last_untransposed_one_leaves_a_plain_parameter_behind():
    net = nn.HybridSequential()
    net.add(nn.Dense(3, in_units=4), nn.Dense(4, in_units=3), nn.Dense(4, in_units=3))
    net.initialize()
    ik.Sharing(net).tie("1.weight", "0.weight", transpose=True).tie("2.weight", "1.weight").apply()
    kept, shown = net[0].weight.data().asnumpy(), net[1].weight.data().asnumpy()
    ik.untie(net, "0.weight")
    assert net[1].weight is net[2].weight and type(net[1].weight) is mx.gluon.Parameter
    assert (net[0].weight.data().asnumpy() == kept).all() and (net[2].weight.data().asnumpy() == shown).all()


@pytest.mark.parametrize("transpose", [False, True])
def test_deferred(transpose):
    net = nn.HybridSequential()
    net.add(nn.Dense(4), nn.Dense(4))
    ik.Sharing(net).tie("1.weight", "0.weight", transpose=transpose).apply()
    net.initialize(mx.init.One())
    ik.untie(net, "1.weight")
    assert net(nd.ones((1, 4))).asnumpy().tolist() == [[16] * 4]
    assert net[0].weight is not net[1].weight


def test_uninitialized_and_subclasses():
    class Doubled(mx.gluon.Parameter):
        def data(self, ctx=None):
            return super().data(ctx) * 2

    net = nn.HybridSequential()
    for _ in range(2):
        net.add(nn.HybridSequential())
    net[0].weight = net[1].weight = Doubled("shared_weight", shape=(2, 2))
    ik.untie(net, "1.weight")
    assert type(net[1].weight) is Doubled and net[1].weight is not net[0].weight
    net[1].weight.initialize(mx.init.One())
    assert net[1].weight.data().asnumpy().tolist() == [[2, 2], [2, 2]]


@pytest.mark.mxnet1("names of parameters that may be taken")
def test_a_name_that_is_taken():
    net = nn.HybridSequential()
    net.add(nn.Dense(4, in_units=4, prefix="same_"))
    net.add(nn.Dense(4, in_units=4, prefix="same_", params=net[0].params))
    ik.untie(net, "1.weight")
    ik.untie(net, "1.bias")
    net.initialize()
    assert len({param.name for param in net.collect_params().values()}) == 4 and not ik.shared_groups(net)
    mx.gluon.Trainer(net.collect_params(), "sgd")


IN_GRAPH = f"1.{'fc_' * GLUON_2}weight"


def symbol_block():
    symbol = mx.sym.FullyConnected(mx.sym.var("data"), num_hidden=4, name="fc")
    net = dense(4)
    net.add(mx.gluon.SymbolBlock(symbol, mx.sym.var("data")))
    ik.Sharing(net).tie("0.weight", to=IN_GRAPH).apply()
    return net if GLUON_2 else run(net)  # MXNet 2 runs no SymbolBlock inside of a hybridized block


def in_a_list():
    net = dense(4)
    net.add(nn.HybridSequential())
    net[1].weight = net[0].weight
    net[1].kept = [net[1].weight]
    return net


def twice():
    net = dense(4)
    net.add(net[0])
    return run(net)


@pytest.mark.parametrize("make, path, text", [
    (by_params, "1.wieght", "no parameter has the path '1.wieght'; did you mean '1.weight'"),
    (lambda: dense(4, 4), "1.weight", "'1.weight' shares its parameter with no other path"),
    (twice, "1.weight", "'1.weight' and '0.weight' are one parameter of one block that stands in the network twice"),
    (in_a_list, "1.weight", "'1.weight' and '0.weight' cannot be parted: 1.kept holds it too"),
    (symbol_block, IN_GRAPH, f"{IN_GRAPH!r} and '0.weight' cannot be parted: the graph of its SymbolBlock"),
])  # fmt: skip
def test_refused(make, path, text):
    net = make()
    before = state(net)
    with pytest.raises(ik.SharingError) as caught:
        ik.untie(net, path)
    assert text in str(caught.value) and state(net) == before


def test_a_trainer_would_not_update_the_copy():
    net = run(by_builder())
    trainer = mx.gluon.Trainer(net.collect_params(), "sgd")
    before = state(net)
    with pytest.raises(ik.SharingError, match="'1.weight' and '0.weight' cannot be parted: a Trainer updates"):
        ik.untie(net, "1.weight")
    assert state(net) == before and trainer.learning_rate
    ik.release(trainer)
    ik.untie(net, "1.weight")


def test_no_network():
    with pytest.raises(TypeError, match="expected a network"):
        ik.untie({}, "weight")


@pytest.mark.mxnet1("names of parameters that are their own in the process")
def test_copies_have_names_of_their_own():
    net = nn.HybridSequential()
    for number in range(3):
        net.add(nn.Dense(4, in_units=4, prefix="mine_", params=net[0].params if number else None))
    ik.untie(net, "1.weight")
    ik.untie(net, "2.weight")
    assert len({layer.weight.name for layer in net}) == 3 == len({id(layer.weight) for layer in net})


@pytest.mark.mxnet1("global names")
def test_untying_in_a_network_whose_global_names_collide():
    """`collect_params` raises there."""
    net = nn.HybridSequential()
    net.add(*(nn.Dense(4, in_units=4, prefix="same_") for _ in range(2)))
    ik.Sharing(net).tie("0.weight", "1.weight").apply()
    ik.untie(net, "1.weight")
    assert net[1].weight is not net[0].weight and net[1].weight.name != net[0].weight.name
