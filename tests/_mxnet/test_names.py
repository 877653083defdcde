"""Fresh names: the one place where Gluon's global names are tested, since they are what it is about."""

from gluon_initkit._mxnet.preserve import fresh_names
import mxnet as mx
from mxnet.gluon import nn
import pytest
from vocabulary import GLUON_2


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
