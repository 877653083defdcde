"""Ties merge into the same groups in whatever order they were declared."""

import random

import gluon_initkit as ik
from gluon_initkit._mxnet.tree import parameters_by_path
from gluon_initkit.sharing import SharedGroup, SharingError, Tie, merge
from hypothesis import given, settings
from hypothesis import strategies as st
from mxnet.gluon import nn
import pytest

ORDER = "abcdefgh"


def group(canonical, aliases, transposed=""):
    return SharedGroup(canonical, tuple(aliases), tuple(transposed))


def test_ties_that_meet_are_one_group_named_by_the_first_in_traversal():
    assert merge([Tie(("h", "c")), Tie(("f", "g")), Tie(("c", "b"))], ORDER) == (group("b", "ch"), group("f", "g"))


def test_to_names_the_group_of_whichever_tie_it_stands_in():
    ties = [Tie(("a", "b")), Tie(("b", "c"), to="d")]
    assert merge(ties, ORDER) == merge(ties[::-1], ORDER) == (group("d", "abc"),)


def test_one_path_alone_and_one_declared_twice_are_no_group():
    assert merge([Tie(("a",)), Tie(("b", "b"))], ORDER) == ()
    assert merge([Tie(("a", "b")), Tie(("b", "a"))], ORDER) == (group("a", "b"),)


def test_two_transpositions_cancel():
    ties = [Tie(("b", "a"), transposed=True), Tie(("c", "b"), transposed=True), Tie(("d", "a"), transposed=True)]
    assert merge(ties, ORDER) == (group("a", "bcd", "bd"),)


def test_transposed_is_told_from_the_canonical_path():
    ties = [Tie(("b", "a"), to="b", transposed=True), Tie(("a", "c"))]
    assert merge(ties, ORDER) == (group("b", "ac", "ac"),)


@pytest.mark.parametrize("ties", [[Tie(("a", "b"), to="a"), Tie(("b", "c"), to="c")], [
    Tie(("c", "d"), to="c"), Tie(("a", "d"), to="a")]])  # fmt: skip
def test_two_names_for_one_group_are_refused_naming_both(ties):
    for each in (ties, ties[::-1]):
        with pytest.raises(SharingError, match=r"'a' and 'c' are both given as to=.* Leave one of the two out"):
            merge(each, ORDER)


def test_the_same_name_twice_is_no_conflict():
    assert merge([Tie(("a", "b"), to="b"), Tie(("b", "c"), to="b")], ORDER) == (group("b", "ac"),)


def test_a_transpose_of_itself_is_refused_alike_in_every_order():
    ties = [Tie(("a", "b")), Tie(("b", "c")), Tie(("c", "a"), transposed=True), Tie(("d", "e"))]
    messages = set()
    for seed in range(20):
        random.Random(seed).shuffle(ties)
        with pytest.raises(SharingError, match="tied transposed, and by other ties not") as caught:
            merge(ties, ORDER)
        messages.add(str(caught.value))
    assert len(messages) == 1


def test_an_unknown_path_is_named():
    with pytest.raises(SharingError, match=r"'z' is to be shared, and the network has no such path"):
        merge([Tie(("a", "z"))], ORDER)


def tree(draw, depth):
    """A random tree of blocks."""
    block = nn.HybridSequential()
    for _ in range(draw.randint(1, 3)):
        block.add(tree(draw, depth - 1) if depth and draw.random() < 0.6 else nn.Dense(2, in_units=2))
    return block


def components(ties, order):
    """The groups by the definition: whoever reaches whom. Slow and plain."""
    near = {path: {path} for path in order}
    for tie in ties:
        for path in tie.paths:
            near[path] |= set(tie.paths)
            near[tie.paths[0]].add(path)
    found = set()
    for path in order:
        reached, last = near[path], None
        while reached != last:
            last, reached = reached, set().union(*(near[each] for each in reached))
        if len(reached) > 1:
            found.add(tuple(each for each in order if each in reached))
    return found


@settings(max_examples=10, deadline=None, derandomize=True)
@given(st.integers(0, 2**32))
def test_a_thousand_orders_of_declaring_give_the_same_groups(seed):
    draw = random.Random(seed)
    order = list(parameters_by_path(tree(draw, 3)))
    turned = {path: draw.random() < 0.3 for path in order}  # so that no two ties contradict each other
    ties = []
    for _ in range(draw.randint(1, len(order))):
        one, other = draw.choice(order), draw.choice(order)
        ties.append(Tie((one, other), transposed=turned[one] != turned[other]))
    named = {members: draw.choice(members) for members in components(ties, order) if draw.random() < 0.5}
    ties += [Tie((members[0],), to=to, transposed=turned[members[0]] != turned[to]) for members, to in named.items()]
    expected = merge(ties, order)
    assert {tuple(sorted(each.paths, key=order.index)) for each in expected} == components(ties, order)
    for each in expected:
        members = tuple(sorted(each.paths, key=order.index))
        assert each.canonical == named.get(members, members[0])
        assert set(each.transposed) == {path for path in members if turned[path] != turned[each.canonical]}
    for _ in range(1000):
        draw.shuffle(ties)
        assert merge(ties, order) == expected


@settings(max_examples=4, deadline=None, derandomize=True)
@given(st.integers(0, 2**32))
def test_the_builder_gives_the_same_groups_in_a_thousand_orders(seed):
    draw = random.Random(seed)
    net = tree(draw, 2)
    net.add(nn.Dense(2, in_units=2), nn.Dense(2, in_units=2))
    weights = [path for path in parameters_by_path(net) if path.endswith("weight")]
    ties = [Tie(tuple(draw.sample(weights, draw.choice((2, 2, 3)) if len(weights) > 2 else 2))) for _ in weights[::2]]
    named = draw.choice(ties[0].paths)
    ties[0] = Tie(ties[0].paths, to=named)

    def report(**kwargs):
        draw.shuffle(ties)
        sharing = ik.Sharing(net)
        for tie in ties:
            sharing.tie(*draw.sample(tie.paths, len(tie.paths)), to=tie.to)
        return sharing.apply(**kwargs).groups

    expected = report(dry_run=True)
    assert {tuple(sorted(each.paths, key=weights.index)) for each in expected} == components(ties, weights)
    assert named in {each.canonical for each in expected}
    assert all(report(dry_run=True) == expected for _ in range(250))
    assert report() == expected
    ik.check_sharing(net, expected)


@pytest.mark.parametrize("shape", ["star", "chain", "backwards", "shuffled"])
def test_a_long_chain_neither_recurses_nor_grows_quadratic(shape):
    order = [str(number) for number in range(20_000)]
    ties = [Tie(pair) for pair in zip(order, order[1:])]
    if shape == "star":
        ties = [Tie((order[-1], path)) for path in order[:-1]]
    elif shape == "backwards":
        ties.reverse()
    elif shape == "shuffled":
        random.Random(7).shuffle(ties)
    assert merge(ties, order) == (SharedGroup(order[0], tuple(order[1:])),)
