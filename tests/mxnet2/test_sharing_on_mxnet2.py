"""Sharing on MXNet 2: layers are tied after they are built; files carry ties; what cannot be done says so."""

import gluon_initkit as ik
import mxnet as mx
from mxnet.gluon import nn
import numpy as np
import pytest
from vocabulary import nd

pytestmark = pytest.mark.mxnet2("blocks that are tied by assignment")
X = (3, 4)


def network(known=True):
    net = nn.HybridSequential()
    net.add(*(nn.Dense(4, in_units=4 if known else 0) for _ in range(3)))
    return net


def tied(hybridize=False, **arguments):
    net = network()
    net.initialize(mx.init.Xavier())
    if hybridize:
        net.hybridize()
        net(nd.ones(X))
    report = ik.Sharing(net).tie("0.weight", "2.weight").apply(**arguments)
    return net, report


@pytest.mark.parametrize("hybridize", [False, True])
def test_a_tie_holds_in_every_cached_graph_and_in_training(hybridize):
    net, report = tied(hybridize)
    assert net[0].weight is net[2].weight and report.rows[0].group.paths == ("0.weight", "2.weight")
    trainer = mx.gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.1})
    with mx.autograd.record():
        loss = (net(nd.ones(X)) ** 2).sum()
    loss.backward()
    trainer.step(1)
    layers = [each.collect_params() for each in net]
    expected = np.ones(X)
    for each in layers:
        expected = expected @ each["weight"].data().asnumpy().T + each["bias"].data().asnumpy()
    assert np.allclose(net(nd.ones(X)).asnumpy(), expected, rtol=1e-4)


def test_what_is_deferred_is_tied_and_gets_its_shape_from_any_place():
    net = network(known=False)
    ik.Sharing(net).tie("0.weight", "2.weight").apply()
    ik.initialize(net, mx.init.Xavier(), seed=7)
    net(nd.ones(X))
    assert net[2].weight.shape == (4, 4) and net[0].weight is net[2].weight
    assert [group.paths for group in ik.shared_groups(net)] == [("0.weight", "2.weight")]


def test_a_transposed_tie_answers_alike_hybridized_or_not():
    net = nn.HybridSequential()
    net.add(nn.Dense(4, in_units=3), nn.Dense(3, in_units=4, use_bias=False))
    net.initialize(mx.init.Xavier())
    ik.Sharing(net).tie("0.weight", "1.weight", transpose=True).apply()
    weight = net[0].weight.data().asnumpy()
    expected = (np.ones((1, 3)) @ weight.T + net[0].bias.data().asnumpy()) @ weight
    assert np.allclose(net(nd.ones((1, 3))).asnumpy(), expected, rtol=1e-5)
    net.hybridize()
    assert np.allclose(net(nd.ones((1, 3))).asnumpy(), expected, rtol=1e-5)


def test_untying_gives_a_parameter_of_its_own():
    net, _ = tied()
    before = net[0].weight.data().asnumpy()
    ik.untie(net, "2.weight")
    net[2].weight.set_data(nd.zeros((4, 4)))
    assert net[0].weight is not net[2].weight and (net[0].weight.data().asnumpy() == before).all()
    assert not ik.shared_groups(net)
    net(nd.ones(X))


def test_a_contradiction_is_refused_and_nothing_is_changed():
    net = nn.HybridSequential()
    net.add(nn.Dense(4, in_units=3), nn.Dense(5, in_units=4))
    first, second = net[0].weight, net[1].weight
    with pytest.raises(ik.SharingError, match=r"'1\.weight' and '0\.weight' differ in shape, \(5, 4\) and \(4, 3\)"):
        ik.Sharing(net).tie("0.weight", "1.weight").apply()
    assert net[0].weight is first and net[1].weight is second


def test_files_carry_the_ties_and_mxnet_reads_them(tmp_path):
    path = str(tmp_path / "tied.params")
    net, _ = tied()
    ik.save(net, path)
    other = network()
    with pytest.raises(ik.SharingError, match=r"'2\.weight' should share the parameter of '0\.weight'"):
        ik.load(other, path)
    ik.load(other, path, ties="apply")
    assert other[0].weight is other[2].weight and ik.fingerprint(other) == ik.fingerprint(net)
    twin, _ = tied()
    twin.load_parameters(path)
    assert ik.fingerprint(twin) == ik.fingerprint(net)


def test_tying_while_building_says_what_to_do_instead():
    net = network()
    says = r"Build the network, then call gluon_initkit\.Sharing"
    with pytest.raises(NotImplementedError, match=says), ik.sharing_scope(net[0]):
        nn.Dense(4)
    made = ik.shared_layers(lambda: nn.Dense(4, in_units=4), n=3, only="weight")
    assert made[0].weight is made[2].weight and made[0].bias is not made[2].bias
