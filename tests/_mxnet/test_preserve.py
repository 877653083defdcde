"""Running a network's code and leaving no trace of it."""

from contextlib import nullcontext
import random

from gluon_initkit._mxnet.forward import observed
from gluon_initkit._mxnet.preserve import fresh_names, preserve
from gluon_initkit._mxnet.tree import blocks_by_path
import mxnet as mx
from mxnet.gluon import nn
import numpy as np
import pytest
from vocabulary import GLUON_2, nd


class Keeps(mx.gluon.Block):
    def __init__(self):
        super().__init__()
        self.seen, self.notes, self.count, self.kinds = [1], {"a": 1}, 0, {1}
        self.dense = nn.Dense(2)

    def forward(self, x):
        self.count += 1
        self.seen.append(x)
        self.notes["b"] = x
        self.kinds.add(2)
        self.new = x
        with nullcontext() if GLUON_2 else self.name_scope():
            nn.Dense(3)
        np.random.rand()
        random.random()
        return x


def test_attributes_their_contents_counters_and_generators():
    net = Keeps()
    before, seen = {**net.__dict__}, net.seen
    counter = None if GLUON_2 else dict(net._scope._counter)
    np.random.seed(1)
    random.seed(1)
    expected = np.random.get_state()[1].copy(), random.getstate()
    with preserve(blocks_by_path(net)):
        net(nd.ones((1, 1)))
        assert net.count == 1 and "new" in net.__dict__
    assert list(net.__dict__) == list(before) and all(net.__dict__[key] is before[key] for key in before)
    assert net.seen is seen and seen == [1] and net.notes == {"a": 1} and net.kinds == {1}
    assert GLUON_2 or net._scope._counter == counter
    assert (np.random.get_state()[1] == expected[0]).all() and random.getstate() == expected[1]


def test_also_after_an_exception():
    net = Keeps()
    with pytest.raises(ZeroDivisionError), preserve(blocks_by_path(net)):
        net.count = 5
        raise ZeroDivisionError
    assert net.count == 0


def test_variables():
    net = nn.Dense(2)
    with observed(net, lambda path, block, arguments, run: run()):
        net.weight.var()
        assert net.weight._var is not None
    assert net.weight._var is None


def number():
    """Which number the next layer gets, in MXNet 2 the next operator of a graph; it uses one up."""
    if GLUON_2:
        return int(mx.sym.BlockGrad(mx.sym.var("data")).name[len("blockgrad") :])
    return int(nn.Dense(1).name[len("dense") :])


def test_names_count_from_zero_and_afterwards_as_if_nothing_had_been():
    before = number()
    with fresh_names():
        assert [number(), number()] == [0, 1]
        with fresh_names():
            assert number() == 0
        assert number() == 2
        assert mx.sym.Activation(mx.sym.var("data"), act_type="relu").name == "activation0"
    assert number() == before + 1


@pytest.mark.mxnet1("name scopes of blocks")
def test_a_scope_around_does_not_count_and_is_there_again():
    net = nn.HybridSequential()
    with net.name_scope():
        inside = nn.Dense(1).name
        with fresh_names():
            assert nn.Dense(1).name == "dense0"
        assert nn.Dense(1).name == inside.replace("dense0", "dense1") != inside


def test_what_is_left_open_or_raises_inside_is_closed():
    before = number()
    with pytest.raises(ZeroDivisionError), fresh_names():
        scope = mx.name.Prefix("left_") if GLUON_2 else nn.HybridSequential(prefix="left_").name_scope()
        scope.__enter__()
        made = mx.sym.BlockGrad(mx.sym.var("data")) if GLUON_2 else nn.Dense(1)
        assert made.name.startswith("left_")
        1 / 0  # noqa: B018
    assert number() == before + 1
