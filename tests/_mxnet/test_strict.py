"""Symbols that refuse to be taken for arrays, inside a run and nowhere else."""

import threading

from gluon_initkit._mxnet import NeedsNumbers
from gluon_initkit._mxnet.strict import strict, strict_symbols
import mxnet as mx
import pytest

USES = [lambda x: x[0], lambda x: x[0:1], lambda x: list(x), lambda x: len(x), lambda x: next(iter(x))]


@pytest.mark.parametrize("use", USES)
def test_a_symbol_of_one_output_is_no_array(use):
    use(mx.sym.var("x"))  # plain MXNet answers something, silently: x[0] is x
    with strict_symbols(), pytest.raises(NeedsNumbers, match="a Symbol has no rows"):
        use(mx.sym.relu(mx.sym.var("x")))


def test_several_outputs_are_a_list_as_ever():
    with strict_symbols():
        parts = mx.sym.split(mx.sym.var("x"), num_outputs=3)
        assert len(parts) == 3 and len(list(parts)) == 3
        with pytest.raises(NeedsNumbers):
            parts[1][0]


def test_a_shape_that_follows_is_answered():
    with strict_symbols():
        x = strict(mx.sym.var("x", shape=(2, 5)))
        assert mx.sym.FullyConnected(x, num_hidden=3).shape == (2, 3)
        with pytest.raises(NeedsNumbers, match="does not follow"):
            _ = mx.sym.relu(mx.sym.var("y")).shape


def test_outside_of_a_run_they_are_plain():
    with strict_symbols():
        kept = mx.sym.relu(mx.sym.var("x"))
    assert kept[0].name == kept.name and len(kept) == 1 and not hasattr(kept, "shape")
    assert type(mx.sym.relu(mx.sym.var("x"))) is mx.sym.Symbol
    assert type(kept.__reduce__()[0](*kept.__reduce__()[1])) is mx.sym.Symbol


def test_another_thread_is_not_concerned():
    found = []

    def other():
        found.append(len(mx.sym.relu(mx.sym.var("x"))))

    with strict_symbols():
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
    assert found == [1]


def test_runs_nest():
    with strict_symbols():
        with strict_symbols():
            pass
        with pytest.raises(NeedsNumbers):
            len(mx.sym.relu(mx.sym.var("x")))
