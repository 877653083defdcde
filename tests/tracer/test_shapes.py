"""`resolve_shapes`: records, of networks in any state, that stay as they are."""

import json
from pathlib import Path
import pickle
import subprocess
import sys

import gluon_initkit as ik
import mxnet as mx
from mxnet.gluon import nn, rnn
import numpy as np
import pytest
from vocabulary import GLUON_2, HybridBlock, exists, nd, tied, uniform

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"


def net_of(*layers, kind=nn.HybridSequential):
    net = kind()
    net.add(*layers)
    return net


def shapes(net, *inputs):
    return {row.path: row.shape for row in ik.resolve_shapes(net, *inputs)}


@pytest.mark.mxnet1("layers whose shapes an operator fills in")
@pytest.mark.skipif(not exists("nn.PReLU(in_channels"), reason="this MXNet's PReLU has one parameter, for all channels")
def test_an_operator_that_fills_in_a_shape_of_no_rank_alone_is_asked_again():
    assert shapes(net_of(nn.Conv2D(4, 3), nn.PReLU(in_channels=0)), (2, 3, 8, 8))["1.alpha"] == (4,)


@pytest.mark.parametrize("hybridized", [False, True])
def test_what_follows_from_a_size_that_is_not_known_is_not_known(hybridized):
    net = net_of(nn.Dense(4), nn.Dense(2))
    net.hybridize(hybridized)
    found = ik.resolve_shapes(net, (3, None))
    assert found["0.weight"].shape == (4, None) and found["1.weight"].shape == (2, 4)
    assert ik.resolve_shapes(net, (None, 5))["1.weight"].inputs == ((None, 4),)


@pytest.mark.parametrize("hybridized", [False, True])
def test_the_innermost_block_that_contradicts_is_named(hybridized):
    net = net_of(*(nn.Dense(4) for _ in range(3)), nn.Dense(4, in_units=9), *(nn.Dense(4) for _ in range(3)))
    net.hybridize(hybridized)
    with pytest.raises(ik.DeferredInitError, match=r"contradict each other in 3, given \(3, 4\)"):
        ik.resolve_shapes(net, (3, 5))


@pytest.mark.parametrize("given", [(2, 5), (None, 5), nd.ones((2, 5)), np.ones((2, 5)), ((2, 5), "float16")])
@pytest.mark.parametrize("kind", [nn.HybridSequential, nn.Sequential])
def test_arrays_and_shapes(given, kind):
    found = shapes(net_of(nn.Dense(4), nn.Dense(2), kind=kind), given)
    assert found == {"0.weight": (4, 5), "0.bias": (4,), "1.weight": (2, 4), "1.bias": (2,)}


def test_states_nested_as_the_layer_takes_them():
    (first, *_) = shapes(rnn.LSTM(4), (3, 2, 5), [(1, 2, 4), (1, 2, 4)]).values()
    assert first == ((4 * 4 * (5 + 4 + 2),) if GLUON_2 else (16, 5))
    if not GLUON_2:  # whose cells have to be told their input's size
        assert shapes(rnn.LSTMCell(4), (2, 5), [(2, 4), (2, 4)])["i2h_weight"] == (16, 5)


class Builds(HybridBlock):
    """A forward that samples, names an operator, and keeps a note."""

    def __init__(self):
        super().__init__()
        self.notes = []

    def hybrid_forward(self, F, x):
        self.notes.append(x)
        noise = F.np.random.normal(size=(1, 1)) if GLUON_2 else F.random.normal(shape=(1, 1))
        return F.broadcast_add(x, noise * np.random.rand())


def untouched():
    return net_of(nn.Dense(4), nn.BatchNorm(), Builds(), nn.Dropout(0.5), nn.Dense(3))


def deferred():
    net = untouched()
    net.initialize()
    net[0].register_forward_hook(print)
    return net


def hybridized():
    net = untouched()
    net.initialize()
    net.hybridize()
    net(nd.ones((2, 5)))
    return net


@pytest.mark.parametrize("look", [ik.resolve_shapes, ik.explain])
@pytest.mark.parametrize("given", [(), ((2, 5),), ((2, 7),)])
@pytest.mark.parametrize("build", [untouched, deferred, hybridized])
def test_looking_changes_nothing(build, given, look, capsys):
    net = build()

    def held():
        things = [net, *net, *net.collect_params().values()]
        counters = [] if GLUON_2 else [
            *(dict(block._scope._counter) for block in (net, *net)), dict(mx.name.NameManager._current.value._counter)
        ]  # fmt: skip
        return [dict(vars(thing)) for thing in things], counters, list(net[2].notes)

    mx.random.seed(3)
    np.random.seed(3)
    before = held()
    for _ in range(2):
        try:
            look(net, *given)
        except ik.DeferredInitError:
            assert build is hybridized and given == ((2, 7),)
    (attributes, *rest), (expected, *others) = held(), before
    assert rest == others and not capsys.readouterr().out
    for now, then in zip(attributes, expected):
        assert list(now) == list(then) and all(now[key] is then[key] for key in then)
    drawn = np.random.rand(), uniform((2,)).asnumpy().tolist()
    mx.random.seed(3)
    np.random.seed(3)
    assert drawn == (np.random.rand(), uniform((2,)).asnumpy().tolist())


def test_an_uninitialized_network():
    rows = ik.resolve_shapes(net_of(nn.Dense(4)), (2, 5))
    assert {row.state for row in rows} == {"uninitialized"} and rows["0.weight"].shape == (4, 5)


def test_records_table_and_lookups():
    shared = nn.Dense(4)
    rows = ik.resolve_shapes(net_of(shared, tied(nn.Dense, shared, 4)), (2, 4))
    assert rows["1.weight"] is rows["0.weight"] and rows["0.weight"].declared == (4, None)
    assert rows["0.weight"].inputs == ((2, 4),) and rows["0.weight"].block == "nn.Dense"
    assert pickle.loads(pickle.dumps(rows)) == rows and len(rows) == len(rows.to_records()) == 2
    assert rows.bytes == 4 * (16 + 4) and not rows.unresolved
    assert "(4, 4)" in str(rows) and "(4, 4)" in rows._repr_html_()
    with pytest.raises(KeyError, match="no parameter has the path 'nothing'; there are '0.weight'"):
        rows["nothing"]


def test_a_block_that_is_not_reached_keeps_an_unknown_shape():
    class Left(HybridBlock):
        def __init__(self):
            super().__init__()
            self.used, self.left = nn.Dense(4), nn.Dense(2)

        def hybrid_forward(self, F, x):
            return self.used(x)

    rows = ik.resolve_shapes(Left(), (2, 5))
    assert [row.path for row in rows.unresolved] == ["left.weight"] and rows["left.weight"].inputs is None
    assert "not reached" in str(rows)


def test_contradictions_and_code_that_needs_numbers_raise():
    with pytest.raises(ik.DeferredInitError, match="shapes contradict each other in 0, given \\(2, 5\\)"):
        ik.resolve_shapes(net_of(nn.Dense(4, in_units=3)), (2, 5))

    def asks(x):
        return x * x[0, 0].asnumpy().item()

    with pytest.raises(ik.DeferredInitError, match="needs numbers"):
        ik.resolve_shapes(net_of(nn.Lambda(asks), nn.Dense(2), kind=nn.Sequential), (2, 5))
    known = net_of(nn.Lambda(asks), nn.Dense(2, in_units=5), kind=nn.Sequential)
    known.initialize()
    assert not ik.resolve_shapes(known, (2, 5)).unresolved and not ik.explain(known, (2, 5))


def test_an_input_that_is_no_shape_is_refused_before_anything_is_run():
    with pytest.raises(TypeError, match="is no shape"):
        ik.resolve_shapes(net_of(nn.Dense(4)), [2, 5])


def test_no_network():
    with pytest.raises(TypeError, match="expected a network"):
        ik.resolve_shapes(net_of(nn.Dense(4)).collect_params(), (2, 5))


def test_a_billion_parameters_without_their_memory():
    code = f"import sys; sys.path.insert(0, {str(BENCHMARKS)!r}); import deferred; deferred.grown()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    measured = json.loads(done.stdout)
    assert measured["parameters"] > 1e9 and measured["megabytes"] < 50


def test_a_network_without_parameters():
    assert str(ik.resolve_shapes(net_of(), (2, 5))).startswith("Shapes: no parameters; 0 B")
