"""Layers that share from birth."""

import threading

import gluon_initkit as ik
import mxnet as mx
from mxnet.gluon import nn
import pytest
from vocabulary import collected, nd, set_all


def encoder_layer():
    layer = nn.HybridSequential()
    layer.add(nn.Dense(8, flatten=False), nn.Dense(4, in_units=8, flatten=False), nn.LayerNorm())
    return layer


@pytest.mark.parametrize("hybridize", [False, True])
def test_albert(hybridize):
    """One set of parameters for all layers; the shapes that the first pass meets are everybody's."""
    net = nn.HybridSequential()
    net.add(*ik.shared_layers(encoder_layer, n=4))
    assert len(collected(net)) == 6
    net.initialize()
    if hybridize:
        net.hybridize()
    x = nd.array([[1, 2, 3, 4]])
    answer = net(x)
    for _ in range(4):
        x = net[2](x)
    assert (answer.asnumpy() == x.asnumpy()).all()
    assert len(ik.shared_groups(net)) == 6 and all(len(group.aliases) == 3 for group in ik.shared_groups(net))


def test_a_part():
    layers = ik.shared_layers(lambda: nn.Dense(4, in_units=4), n=3, only="weight")
    assert len({id(layer.weight) for layer in layers}) == 1 and len({id(layer.bias) for layer in layers}) == 3


@pytest.mark.mxnet1("names of blocks")
def test_names_are_as_ever():
    def names(build):
        with mx.name.NameManager():
            outer = nn.HybridSequential()
            with outer.name_scope():
                build(outer)
                outer.add(nn.Dense(1, in_units=1))
            return [layer.name.split("_", 1)[1] for layer in outer]

    plain = names(lambda outer: outer.add(*(nn.Dense(2) for _ in range(3))))
    shared = names(lambda outer: outer.add(*ik.shared_layers(lambda: nn.Dense(2), 3)))
    assert shared == plain == [f"dense{number}" for number in range(4)]


@pytest.mark.parametrize("factory", [nn.Dense(4), 4])
def test_a_layer_is_no_factory(factory):
    with pytest.raises(TypeError, match=r"factory is .*: expected a function that makes a Block, `lambda: nn\.Dense"):
        ik.shared_layers(factory, n=2)


def test_what_a_factory_may_not_do():
    one = nn.Dense(4, in_units=4)
    with pytest.raises(ik.SharingError, match="one Block more than once"):
        ik.shared_layers(lambda: one, n=2)
    with pytest.raises(TypeError, match="factory returned 'Dense', a str"):
        ik.shared_layers(lambda: "Dense", n=2)
    with pytest.raises(ValueError, match="n=0"):
        ik.shared_layers(lambda: nn.Dense(4), n=0)
    sizes = iter([4, 5])
    with pytest.raises(ik.SharingError, match=r"'1.weight' and '0.weight' differ in shape, \(5, 3\) and \(4, 3\)"):
        ik.shared_layers(lambda: nn.Dense(next(sizes), in_units=3), n=2)
    assert ik.shared_layers(lambda: one, n=1) == [one]


@pytest.mark.parametrize("scoped", [False, pytest.param(True, marks=pytest.mark.mxnet1("name scopes of blocks"))])
def test_a_scope(scoped):
    net = nn.HybridSequential()
    net.add(nn.Dense(4))
    net.initialize(mx.init.One())
    if scoped:
        with net.name_scope(), ik.sharing_scope(net[0]):
            net.add(nn.Dense(4, activation="relu"), nn.Dropout(0.5), nn.Dense(4))
    else:
        with ik.sharing_scope(net[0]):
            net.add(nn.Dense(4, activation="relu"), nn.Dropout(0.5), nn.Dense(4))
    assert net[0].weight is net[1].weight is net[3].weight and net[0].bias is net[3].bias
    assert net(nd.ones((1, 4))).asnumpy().tolist() == [[64] * 4]


@pytest.mark.mxnet1("name scopes of blocks")
def test_a_name_scope_entered_inside():
    """Of a network that stood before; the names are those that it gives."""
    net, around = nn.HybridSequential(prefix="net_"), nn.HybridSequential(prefix="other_")
    with net.name_scope():
        net.add(nn.Dense(4, in_units=4))
    with ik.sharing_scope(net[0]), net.name_scope():
        net.add(nn.Dense(4, in_units=4), nn.Dense(4, in_units=4))
        with around.name_scope():
            other = nn.Dense(4, in_units=4)
    assert net[0].weight is net[1].weight is net[2].weight is other.weight
    assert [layer.name for layer in net] == ["net_dense0", "net_dense1", "net_dense2"]
    assert other.name == "other_dense0" and list(net.collect_params()) == ["net_dense0_weight", "net_dense0_bias"]


def test_nested_blocks_are_matched_as_wholes():
    net = nn.HybridSequential()
    net.add(encoder_layer())
    with ik.sharing_scope(net[0], only="weight"):
        net.add(encoder_layer())
    assert net[1][0].weight is net[0][0].weight and net[1][1].weight is net[0][1].weight
    assert net[1][0].bias is not net[0][0].bias and len(collected(net)) == 10


def test_scopes_in_scopes():
    first, second = nn.Dense(4, in_units=4), nn.Embedding(4, 4)
    with ik.sharing_scope(first):
        one = nn.Dense(4, in_units=4)
        with ik.sharing_scope(one):
            two = nn.Dense(4, in_units=4)
    assert two.weight is one.weight is first.weight
    with ik.sharing_scope(second):
        three = nn.Embedding(4, 4)
    assert three.weight is second.weight


def test_the_newborn_takes_what_the_donor_was_told():
    """A frozen donor stays frozen; only what the new layer was told itself can contradict."""
    donor = nn.Dense(4, in_units=4)
    set_all(donor, "grad_req", "null")
    donor.weight.lr_mult = 0.5
    with ik.sharing_scope(donor):
        taker = nn.Dense(4, in_units=4)
    assert taker.weight is donor.weight and donor.weight.lr_mult == 0.5 and donor.weight.grad_req == "null"
    with pytest.raises(ik.SharingError, match="differ in lr_mult, 2 and 0.5"), ik.sharing_scope(donor):
        taker = nn.Dense(4, in_units=4)
        taker.weight.lr_mult = 2
    assert taker.weight is not donor.weight


def test_what_a_scope_refuses():
    donor = nn.Dense(4, in_units=4)
    for build, text in (
        (lambda: nn.Dense(5, in_units=4), "differ in shape"),
        (lambda: nn.Dense(4, use_bias=False), "no 'bias'"),
        (lambda: nn.Embedding(4, 4), "no 'bias'"),
        (lambda: nn.Dropout(0.5), "no block with parameters"),
    ):
        before = donor.weight, donor.bias, donor.weight.shape
        with pytest.raises(ik.SharingError, match=text), ik.sharing_scope(donor):
            taker = build()
        assert before == (donor.weight, donor.bias, donor.weight.shape)
        assert donor.weight not in taker.collect_params().values()
    with pytest.raises(TypeError, match="expected a Block to share with"), ik.sharing_scope(donor.collect_params()):
        pass


def test_an_error_inside_passes_and_ties_nothing():
    donor = nn.Dense(4, in_units=4)
    with pytest.raises(KeyError, match="mine"), ik.sharing_scope(donor):
        taker = nn.Dense(4, in_units=4)
        raise KeyError("mine")
    assert taker.weight is not donor.weight
    assert nn.Dense(4, in_units=4).weight is not donor.weight


def test_a_scope_is_its_threads_own():
    donor, built = nn.Dense(4, in_units=4), []
    with ik.sharing_scope(donor):
        taker = nn.Dense(4, in_units=4)
        thread = threading.Thread(target=lambda: built.append(nn.Dense(4, in_units=4)))
        thread.start()
        thread.join()
    assert taker.weight is donor.weight and built[0].weight is not donor.weight


@pytest.mark.mxnet2("blocks that are all decorated with use_np")
def test_a_block_whose_methods_mxnet_wrapped():
    """`use_np` copies the inherited `__init__` too: of what stands when it is asked."""

    def made():
        @mx.util.use_np
        class Scaled(nn.Dense):
            pass

        return Scaled

    early, donor = made(), nn.Dense(4, in_units=4)
    with ik.sharing_scope(donor):
        late = made()
        takers = [early(4, in_units=4), late(4, in_units=4)]
    assert all(taker.weight is donor.weight and taker.bias is donor.bias for taker in takers)
    assert late(4, in_units=4).weight is not donor.weight


def test_the_messages_of_a_scope_say_which_block_is_which():
    shared = nn.Dense(4, in_units=4)
    missing = "'the Dense built inside' has no 'bias', which 'the Dense to share with' has"
    with pytest.raises(ik.SharingError, match=missing), ik.sharing_scope(shared):
        nobias = nn.Dense(4, in_units=4, use_bias=False)
    other = "'the Dense built inside, number 2.weight' and 'the Dense to share with.weight' differ in shape"
    with pytest.raises(ik.SharingError, match=other), ik.sharing_scope(shared):
        kept = nobias, nn.Dense(4, in_units=4), nn.Dense(4, in_units=5)
    assert len(kept) == 3


def test_layers_share_what_a_list_selects():
    one, other = ik.shared_layers(lambda: nn.BatchNorm(in_channels=3), n=2, only=["gamma", "beta"])
    assert one.gamma is other.gamma and one.beta is other.beta and one.running_mean is not other.running_mean
    with ik.sharing_scope(one, only=["gamma", "beta"]):
        third = nn.BatchNorm(in_channels=3)
    assert third.gamma is one.gamma and third.running_var is not one.running_var
