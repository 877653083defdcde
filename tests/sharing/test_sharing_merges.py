"""Declarations become groups, the same in any order."""

import itertools
import random

import gluon_initkit as ik
import mxnet as mx
from mxnet.gluon import nn
import pytest
from vocabulary import HybridBlock, declared, nd


class Letters(HybridBlock):
    """A block of one parameter for each letter."""

    def __init__(self, letters="abcdefgh"):
        super().__init__()
        for letter in letters:
            setattr(self, letter, declared(self, letter, shape=(2, 2)))


def merged(*ties):
    """The groups that these ties make of letters, each as its canonical path, the aliases, and what is transposed."""
    sharing = ik.Sharing(Letters())
    for paths, options in ties:
        sharing.tie(*paths, **options)
    found = sharing.apply(dry_run=True).groups
    return [(group.canonical, "".join(group.aliases), "".join(group.transposed)) for group in found]


T = {"transpose": True}


def test_ties_that_meet_are_one_group_named_by_the_first_in_traversal():
    assert merged(("hc", {}), ("fg", {}), ("cb", {})) == [("b", "ch", ""), ("f", "g", "")]


def test_to_names_the_group_of_whichever_tie_it_stands_in():
    ties = [("ab", {}), ("bc", {"to": "d"})]
    assert merged(*ties) == merged(*ties[::-1]) == [("d", "abc", "")]


def test_what_is_declared_twice_is_one_group():
    assert merged(("ab", {}), ("ba", {})) == [("a", "b", "")]
    assert merged(("ab", {"to": "b"}), ("bc", {"to": "b"})) == [("b", "ac", "")]


def test_two_transpositions_cancel():
    assert merged(("ba", T), ("cb", T), ("da", T)) == [("a", "bcd", "bd")]


def test_two_groups_that_meet_keep_what_is_transposed_in_each():
    assert merged(("fa", T), ("eb", T), ("ef", {})) == [("a", "bef", "ef")]
    assert merged(("fa", T), ("eb", T), ("ef", T)) == [("a", "bef", "bf")]


def test_transposed_is_told_from_the_canonical_path():
    assert merged(("ba", {"to": "b", **T}), ("ac", {})) == [("b", "ac", "ac")]


@pytest.mark.parametrize("ties", [[("ab", {"to": "a"}), ("bc", {"to": "c"})],
                                  [("cd", {"to": "c"}), ("ad", {"to": "a"}), ("ac", {})]])  # fmt: skip
def test_two_names_for_one_group_are_refused_naming_both(ties):
    for order in (ties, ties[::-1]):
        with pytest.raises(ik.SharingError, match=r"'a' and 'c' are both given as to=.* Leave one of the two out"):
            merged(*order)


def test_a_transpose_of_itself_is_refused_alike_in_every_order():
    ties = [("ab", {}), ("bd", {}), ("ac", {}), ("cd", T)]
    messages = set()
    for order in itertools.permutations(ties):
        with pytest.raises(ik.SharingError, match="tied transposed, and by other ties not") as caught:
            merged(*order)
        messages.add(str(caught.value))
    assert len(messages) == 1


def components(ties, order):
    """The groups by the definition: whoever reaches whom. Slow and plain."""
    near = {path: {path} for path in order}
    for tie in ties:
        for path in tie:
            near[path] |= set(tie)
    found = set()
    for path in order:
        reached, last = near[path], None
        while reached != last:
            last, reached = reached, set().union(*(near[each] for each in reached))
        if len(reached) > 1:
            found.add(tuple(each for each in order if each in reached))
    return found


@pytest.mark.parametrize("seed", range(4))
def test_hundreds_of_orders_of_declaring_give_the_same_groups(seed):
    draw = random.Random(seed)
    net = random_tree(draw)
    net.add(nn.Dense(2, in_units=2), nn.Dense(2, in_units=2))
    weights = [path for path in paths(net) if path.endswith("weight")]
    turned = {path: draw.random() < 0.3 for path in weights}  # so that no two ties contradict each other
    ties = [tuple(draw.sample(weights, 2)) for _ in weights]
    first, named = ties[0], draw.choice(ties[0])

    def report(**kwargs):
        draw.shuffle(ties)
        sharing = ik.Sharing(net)
        for one, other in ties:
            to = named if (one, other) == first else None
            sharing.tie(one, other, to=to, transpose=turned[one] != turned[other])
        return sharing.apply(**kwargs).groups

    expected = report(dry_run=True)
    assert {tuple(sorted(group.paths, key=weights.index)) for group in expected} == components(ties, weights)
    for group in expected:
        assert set(group.transposed) == {path for path in group.paths if turned[path] != turned[group.canonical]}
    assert named in {group.canonical for group in expected}
    assert all(report(dry_run=True) == expected for _ in range(100))
    assert report() == expected
    ik.check_sharing(net, expected)


@pytest.mark.parametrize("shape", ["star", "chain", "backwards", "shuffled"])
def test_a_long_chain_neither_recurses_nor_grows_quadratic(shape):
    order = [f"p{number}" for number in range(2000)]
    ties = list(zip(order, order[1:]))
    if shape == "star":
        ties = [(order[-1], path) for path in order[:-1]]
    elif shape == "backwards":
        ties.reverse()
    elif shape == "shuffled":
        random.Random(7).shuffle(ties)
    sharing = ik.Sharing(Letters(order))
    for tie in ties:
        sharing.tie(*tie)
    assert sharing.apply(dry_run=True).groups == (ik.SharedGroup(order[0], tuple(order[1:])),)


def paths(net):
    return [path for record in ik.inspect(net) for path in record.paths]


def random_tree(rng, depth=0):
    block = nn.HybridSequential()
    for _ in range(rng.randint(1, 3)):
        if depth < 2 and rng.random() < 0.4:
            block.add(random_tree(rng, depth + 1))
        else:
            block.add(nn.Dense(2, in_units=2))
    return block


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
