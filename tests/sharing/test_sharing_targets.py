"""What targets name, and which parameters of blocks correspond."""

import re

import gluon_initkit as ik
from mxnet.gluon import nn
import pytest
from test_sharing_refusals import dense, refused, run
from vocabulary import HybridBlock, collected, nd


class Layer(HybridBlock):
    def __init__(self):
        super().__init__()
        self.attention = nn.Dense(4, in_units=4)
        self.ffn = nn.HybridSequential()
        self.ffn.add(nn.Dense(8, in_units=4), nn.Dense(4, in_units=8))

    def hybrid_forward(self, F, x):
        return self.ffn(self.attention(x))


def encoder(count=3):
    net = nn.HybridSequential()
    net.add(*(Layer() for _ in range(count)))
    return net


def groups(net, *calls, **settings):
    sharing = ik.Sharing(net)
    for method, targets, keywords in calls:
        getattr(sharing, method)(*targets, **keywords)
    return sharing.apply(**settings).groups


def paths(found):
    return [(group.canonical, *group.aliases) for group in found]


NET = dense(4, 4, 4)


@pytest.mark.parametrize("targets, to, expected", [
    (("2.weight", "0.weight"), None, ["0.weight", "2.weight"]),
    (("2.weight", "0.weight"), "2.weight", ["2.weight", "0.weight"]),
    (("0.weight",), "2.weight", ["2.weight", "0.weight"]),
    (("*.weight",), None, ["0.weight", "1.weight", "2.weight"]),
    (("weight",), "1.*t", ["1.weight", "0.weight", "2.weight"]),
    ((re.compile(r"^[02]\.weight$"),), None, ["0.weight", "2.weight"]),
    ((lambda info: info.role == "weight" and info.path != "1.weight",), None, ["0.weight", "2.weight"]),
    ((NET[1].weight, "2.weight"), None, ["1.weight", "2.weight"]),
    ((NET[1].weight,), NET[2].weight, ["2.weight", "1.weight"]),
])  # fmt: skip
def test_targets(targets, to, expected):
    found = groups(NET, ("tie", targets, {"to": to}), dry_run=True)
    assert paths(found) == [tuple(expected)]


def test_roles_and_block_classes_select_parameters():
    net = nn.HybridSequential()
    net.add(nn.LayerNorm(in_channels=4), nn.LayerNorm(in_channels=4), nn.BatchNorm(in_channels=4))
    assert paths(groups(net, ("tie", ("gamma",), {}), dry_run=True)) == [("0.gamma", "1.gamma", "2.gamma")]
    net = nn.HybridSequential()
    net.add(nn.Embedding(4, 4), nn.Dense(4, in_units=4), nn.Embedding(4, 4))
    assert paths(groups(net, ("tie", (nn.Embedding,), {}), dry_run=True)) == [("0.weight", "2.weight")]


def test_a_block_stands_for_its_only_parameter():
    net = nn.HybridSequential()
    net.add(nn.Embedding(4, 4), nn.Embedding(4, 4), nn.Dense(4, in_units=4))
    assert paths(groups(net, ("tie", (net[0], net[1]), {}), dry_run=True)) == [("0.weight", "1.weight")]
    refused(net, ik.Sharing(net).tie(net[0], net[2]), "the block '2' holds 2 parameters", "tie_blocks")


def test_a_path_goes_before_a_role():
    """A parameter of the network itself may be called as a role is."""
    net, inner = nn.Dense(4, in_units=4), nn.Dense(4, in_units=4)
    net.register_child(inner, "inner")
    assert paths(groups(net, ("tie", ("weight", "inner.weight"), {}), dry_run=True)) == [("weight", "inner.weight")]


def test_targets_that_name_nothing_or_too_little():
    net = encoder(2)
    sharing = ik.Sharing(net)
    sharing.tie("0.attention", "1.attention").tie("0.attention.weight").tie("0.attention.weight", to="*.bias")
    sharing.tie_blocks("0.atention", "1.attention").tie_blocks("0.ffn").tie_blocks("0.ffn", to="*").tie("lstm*", "0.*")
    refused(net, sharing, "7 problems",
            "'0.attention' matches no parameter: it is a block; name one of its parameters, or use tie_blocks",
            "tie('0.attention.weight') names '0.attention.weight' alone", "to='*.bias' names '0.attention.bias'",
            "'0.atention' matches no block; did you mean '0.attention'", "tie_blocks('0.ffn') names '0.ffn' alone",
            "to='*' names 2 blocks: it must name one", "'lstm*' matches no parameter")  # fmt: skip


@pytest.mark.parametrize("call", [lambda net: ik.Sharing(net).tie(3), lambda net: ik.Sharing(net).tie("0.weight", to=3),
                                  lambda net: ik.Sharing(net).tie(nn)])  # fmt: skip
def test_no_selector(call):
    with pytest.raises(TypeError, match="is no selector"):
        call(dense(4, 4))


def test_no_block_selector():
    for target in (3, lambda info: True, NET[0].weight):
        with pytest.raises(TypeError, match="names no blocks"):
            ik.Sharing(NET).tie_blocks(target)
    with pytest.raises(TypeError, match="is no selector"):
        ik.Sharing(NET).tie_blocks("0", "1", only=3)
    with pytest.raises(TypeError, match="expected a network"):
        ik.Sharing(NET.collect_params())


@pytest.mark.parametrize("targets, to", [(("1", "2"), "0"), (("*",), None), (("0", "1", "2"), None), ((Layer,), None),
                                         ((re.compile(r"^\d$"),), None), ((Layer, "0"), "0")])  # fmt: skip
def test_tie_blocks(targets, to):
    net = encoder()
    found = groups(net, ("tie_blocks", targets, {"to": to}))
    names = ("attention.weight", "attention.bias", "ffn.0.weight", "ffn.0.bias", "ffn.1.weight", "ffn.1.bias")
    assert paths(found) == [tuple(f"{number}.{name}" for number in range(3)) for name in names]
    assert len(collected(net)) == 6
    assert run(net)(nd.ones((1, 4))).shape == (1, 4)


@pytest.mark.parametrize("only, count", [("weight", 3), ("*.bias", 3), ("ffn.*", 4), ("ffn.0.weight", 1),
                                         ("2.ffn.0.weight", 0), (nn.HybridSequential, 6),
                                         (lambda info: info.shape == (8, 4), 1)])  # fmt: skip
def test_a_part_of_blocks(only, count):
    net = encoder()
    sharing = ik.Sharing(net).tie_blocks(Layer, only=only)
    if not count:  # of two blocks it selects nothing, of the third something
        refused(net, sharing, "'0' has no 'ffn.0.weight', which '2' has")
        return
    assert len(sharing.apply().groups) == count


def test_blocks_of_another_structure():
    net = encoder(2)
    net[1].ffn.add(nn.Dense(4, in_units=4))
    refused(net, ik.Sharing(net).tie_blocks("0", "1"), "'0' has no 'ffn.2.weight', which '1' has", "only=")
    refused(net, ik.Sharing(net).tie_blocks("0", "1", only="gamma"), "'gamma' selects no parameter of '0', '1'")
    refused(net, ik.Sharing(net).tie_blocks("0", "1", only=".*weight"), "'.*weight' selects no parameter of '0', '1': ",
            "it is read as a glob, such as '*weight'; write re.compile('.*weight')")  # fmt: skip
    assert ik.Sharing(net).tie_blocks("0", "1", only="ffn.[01].*").apply().saved == 4 * (8 * 4 + 8 + 4 * 8 + 4)


def test_a_pattern_over_blocks_tells_10_from_what_is_inside_1():
    net = encoder(12)
    (found,) = groups(net, ("tie_blocks", ("1*",), {"only": "*attention.bias"}), dry_run=True)
    assert (found.canonical, *found.aliases) == ("1.attention.bias", "10.attention.bias", "11.attention.bias")


def test_only_takes_a_list_of_selectors():
    def net():
        made = nn.HybridSequential()
        made.add(*(nn.HybridSequential() for _ in range(2)))
        for each in made:
            each.add(nn.Dense(3, in_units=3), nn.BatchNorm(in_channels=3))
        return made

    both = net()
    ik.Sharing(both).tie_blocks("0", "1", only=["0.weight", "gamma", re.compile("beta$")]).apply()
    assert [group.canonical for group in ik.shared_groups(both)] == [
        "0.0.weight", "0.1.gamma", "0.1.beta",
    ]  # fmt: skip
    sharing = ik.Sharing(net()).tie_blocks("0", "1", only=("weight", "gama"))
    with pytest.raises(ik.SharingError, match=r"'gama' selects no parameter of '0', '1'"):
        sharing.apply()
    with pytest.raises(ik.SharingError, match="hold no parameter to share"):
        ik.Sharing(net()).tie_blocks("0", "1", only=[]).apply()
    with pytest.raises(TypeError, match="3 is no selector"):
        ik.Sharing(net()).tie_blocks("0", "1", only=["weight", 3])
