"""Listening for blocks that are built: all of this thread's, and no name is another for it."""

from gluon_initkit._mxnet.instrument.patches import new_blocks
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
                with new_blocks() as built:
                    names, made = build()
                assert [block for block in built if block in made] == made[:3]
                return names

    assert named(True) == named(False)


class Patch:
    """Another library's patch of `Block.__init__`, which counts the blocks that are built."""

    def __init__(self):
        self.calls, self.original = 0, mx.gluon.Block.__init__

        def patched(block, *args, **kwargs):
            self.calls += 1
            self.original(block, *args, **kwargs)

        mx.gluon.Block.__init__ = self.patched = patched

    def take_off(self):
        mx.gluon.Block.__init__ = self.original


@pytest.fixture
def _initial_constructor():
    plain = mx.gluon.Block.__init__
    yield
    mx.gluon.Block.__init__ = plain


@pytest.mark.usefixtures("_initial_constructor")
def test_a_patch_that_stands_already_is_called_inside_and_stands_afterwards():
    patch = Patch()
    with new_blocks() as built:
        layer = nn.Dense(2)
    assert list(built) == [layer] and patch.calls == 1 and mx.gluon.Block.__init__ is patch.patched
    nn.Dense(2)
    assert patch.calls == 2


@pytest.mark.usefixtures("_initial_constructor")
def test_a_patch_made_inside_stays_and_ours_tells_nobody_any_more():
    with new_blocks() as built:
        nn.Dense(2)
        patch = Patch()
        layer = nn.Dense(2)
    assert layer in built and patch.calls == 1 and mx.gluon.Block.__init__ is patch.patched
    other = nn.Dense(2)
    assert other not in built and patch.calls == 2
    with new_blocks() as again:
        last = nn.Dense(2)
    assert list(again) == [last] and last not in built and patch.calls == 3


@pytest.mark.usefixtures("_initial_constructor")
def test_a_patch_taken_off_inside_does_not_come_back():
    plain, patch = mx.gluon.Block.__init__, Patch()
    with new_blocks():
        patch.take_off()
    assert mx.gluon.Block.__init__ is plain


@pytest.mark.usefixtures("_initial_constructor")
def test_scopes_that_overlap_leave_what_was_there():
    plain = mx.gluon.Block.__init__
    one, other = new_blocks(), new_blocks()
    one.__enter__()
    other.__enter__()
    one.__exit__(None, None, None)
    nn.Dense(2)
    other.__exit__(None, None, None)
    assert mx.gluon.Block.__init__ is plain
