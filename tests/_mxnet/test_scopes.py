"""Listening for blocks that are built: all of this thread's, and no name is another for it."""

from gluon_initkit._mxnet import blocks_built
import mxnet as mx
from mxnet.gluon import nn
import pytest


def build():
    """Names of blocks made in every kind of scope."""
    made = [nn.Dense(2), nn.Dense(2, prefix="mine_"), nn.Dropout(0.1)]
    outer = nn.HybridSequential()
    with outer.name_scope():
        made += [nn.Dense(2), nn.Conv2D(2, 1)]
    shared = nn.Dense(2, params=made[0].params)
    names = [(block.name, list(block.params.keys())) for block in [*made, outer, shared, nn.Dense(2)]]
    return names, made


@pytest.mark.mxnet1("names of blocks")
@pytest.mark.parametrize("around", [None, "prefix", "block"])
def test_names_are_as_without_listening(around):
    def named(listening):
        with mx.name.Prefix("my_") if around == "prefix" else mx.name.NameManager():
            scope = nn.HybridSequential(prefix="net_").name_scope() if around == "block" else mx.name.NameManager()
            with scope if around != "prefix" else mx.name.Prefix("my_"):
                if not listening:
                    return build()[0]
                with blocks_built() as built:
                    names, made = build()
                assert [block for block in built if block in made] == made[:3]
                return names

    assert named(True) == named(False)


def test_it_ends_with_its_scope():
    with pytest.raises(KeyError), blocks_built() as built:
        kept = nn.Dense(2)
        raise KeyError
    other = nn.Dense(2)
    assert list(built) == [kept] and other is not kept


def test_it_keeps_no_block_alive():
    with blocks_built() as built:
        nn.Dense(2)
    import gc

    gc.collect()
    assert not built
