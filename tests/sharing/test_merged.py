"""Declarations become groups, the same in any order."""

import itertools
import random

import gluon_initkit as ik
from gluon_initkit._mxnet.tree import parameters_by_path
import mxnet as mx
from mxnet.gluon import nn
import pytest
from test_targets import encoder, groups
from vocabulary import nd


def test_the_order_of_declaring_never_matters():
    calls = [("tie", ("0.ffn.0.weight", "1.ffn.0.weight"), {}), ("tie", ("2.ffn.0.weight",), {"to": "1.ffn.0.weight"}),
             ("tie_blocks", ("1.attention", "0.attention"), {"only": "weight"}), ("tie", ("*.attention.weight",), {}),
             ("tie", ("1.ffn.1.weight", "0.ffn.0.weight"), {"transpose": True})]  # fmt: skip
    net, expected = encoder(), None
    for order in itertools.permutations(calls):
        found = groups(net, *order, dry_run=True)
        expected = expected or found
        assert found == expected
    assert groups(net, *calls) == expected and net[1].ffn[1].weight.transposed_of is net[1].ffn[0].weight
    ik.check_sharing(net, expected)
    assert [group.canonical for group in expected] == ["0.attention.weight", "1.ffn.0.weight"]


def random_tree(rng, depth=0):
    block = nn.HybridSequential()
    for _ in range(rng.randint(1, 3)):
        if depth < 2 and rng.random() < 0.4:
            block.add(random_tree(rng, depth + 1))
        else:
            block.add(nn.Dense(2, in_units=2))
    return block


@pytest.mark.parametrize("seed", range(6))
def test_random_trees_end_up_as_declared(seed):
    """Whatever is declared on whatever tree: the network's own groups are the report's, in any order of declaring."""
    shapes = []
    for order in range(3):
        rng = random.Random(seed)
        net = random_tree(rng)
        names = [path for path in parameters_by_path(net) if path.endswith("weight")]
        calls = [rng.sample(names, min(len(names), 2)) for _ in range(4)]
        random.Random(order).shuffle(calls)
        sharing = ik.Sharing(net)
        for call in calls:
            if len(call) == 2:
                sharing.tie(*call)
        report = sharing.apply()
        assert report.groups == ik.shared_groups(net)
        shapes.append(report.groups)
    assert shapes[0] == shapes[1] == shapes[2]


@pytest.mark.parametrize("values, expected", [("keep", 3), ("average", 2)])
def test_a_member_is_told_by_the_parameter_and_not_by_what_its_first_path_shows(values, expected):
    net = nn.HybridSequential()
    net.add(nn.Dense(3, in_units=4), nn.Dense(4, in_units=3), nn.Dense(3, in_units=4))
    net.initialize(mx.init.One())
    net[2].weight.set_data(3 * nd.ones((3, 4)))
    ik.Sharing(net).tie("0.weight", to="1.weight", transpose=True).apply()  # 0 shows the parameter of 1
    ik.Sharing(net).tie("0.weight", to="2.weight").apply(values=values)
    assert [layer.weight.shape for layer in net] == [(3, 4), (4, 3), (3, 4)]
    assert all((layer.weight.data() == expected).asnumpy().all() for layer in net)
    assert ik.shared_groups(net) == (ik.SharedGroup("0.weight", ("1.weight", "2.weight"), ("1.weight",)),)
