"""What MXNet's initializers mean: our values against MXNet's own, exactly or by moments."""

import math

import gluon_initkit as ik
from gluon_initkit.initializer.distributions import distribution_of
import mxnet as mx
from mxnet.gluon import nn, rnn
import numpy as np
import pytest
from vocabulary import declared, nd


class Holder(mx.gluon.Block):
    def __init__(self, shape, init=None, dtype="float32"):
        super().__init__()
        self.weight = declared(self, "weight", shape=shape, init=init, dtype=dtype)


def kit(init, shape, **arguments):
    block = Holder(shape)
    ik.initialize(block, init, seed=5, **arguments)
    return block.weight.data().asnumpy()


def plain(init, shape):
    block = Holder(shape)
    mx.random.seed(5)
    block.initialize(init)
    return block.weight.data().asnumpy()


EXACT = [
    (mx.init.Zero(), (3, 4)),
    (mx.init.One(), (3, 4)),
    (mx.init.Constant(0.3), (3, 4)),
    (mx.init.Constant(nd.arange(12).reshape((3, 4))), (3, 4)),
    (mx.init.Constant(np.arange(4.0)), (3, 4)),
    (mx.init.Bilinear(), (2, 3, 4, 4)),
    (mx.init.Bilinear(), (1, 1, 3, 5)),
    (mx.init.LSTMBias(1.5), (12,)),
]


@pytest.mark.parametrize("init, shape", EXACT)
def test_fixed_values_are_mxnets(init, shape):
    assert distribution_of(init, "_init_weight", None, shape) is not None
    assert (kit(init, shape) == plain(init, shape)).all()


RANDOM = [mx.init.Uniform(), mx.init.Uniform(2.0), mx.init.Normal(), mx.init.Normal(3.0)]
RANDOM += [mx.init.Xavier(rnd, factor, 2.34) for rnd in ("uniform", "gaussian") for factor in ("avg", "in", "out")]
RANDOM += [mx.init.MSRAPrelu(), mx.init.MSRAPrelu("in", 0.1)]
SHAPES = [(300, 200), (64, 32, 3, 3), (96, 20, 11)]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("init", RANDOM, ids=lambda init: init.dumps())
def test_random_values_have_mxnets_moments(init, shape):
    ours, theirs = kit(init, shape), plain(init, shape)
    n = ours.size
    stdev = distribution_of(init, "_init_weight", None, shape).moments()[1]
    for values in (ours, theirs):  # the same promise holds for both, and one standard error apart
        assert abs(values.mean()) < 4.5 * stdev / math.sqrt(n)
        assert values.std() == pytest.approx(stdev, rel=4.5 / math.sqrt(n))
    if getattr(init, "rnd_type", "uniform" if isinstance(init, mx.init.Uniform) else "normal") == "uniform":
        assert np.abs(ours).max() <= stdev * math.sqrt(3) * 1.000001 and np.abs(ours).max() > stdev * 1.7
    else:
        assert np.abs(ours).max() > stdev * 3


@pytest.mark.parametrize("rand_type", ["uniform", "normal"])
@pytest.mark.parametrize("shape", [(20, 30), (30, 20), (16, 4, 3, 3), (7, 7)], ids=str)
def test_orthogonal_is_orthogonal_as_mxnets_is(shape, rand_type):
    init = mx.init.Orthogonal(1.5, rand_type)
    for values in (kit(init, shape), plain(init, shape)):
        matrix = values.reshape(shape[0], -1).astype("float64")
        small = matrix @ matrix.T if matrix.shape[0] <= matrix.shape[1] else matrix.T @ matrix
        assert np.abs(small - 2.25 * np.eye(len(small))).max() < 1e-5


def fused_size(hidden, layers, mode, size):
    gates = {"rnn_relu": 1, "rnn_tanh": 1, "lstm": 4, "gru": 3}[mode]
    first = gates * hidden * (size + hidden + 2)
    return first + (layers - 1) * gates * hidden * (2 * hidden + 2)


@pytest.mark.mxnet1("FusedRNN: test_gluon2.py looks at its RNNFused")
@pytest.mark.parametrize("mode", ["lstm", "gru", "rnn_tanh"])
def test_a_fused_rnn_is_filled_part_by_part(mode):
    size = fused_size(5, 2, mode, 3)
    init = mx.init.FusedRNN(mx.init.Constant(0.5), 5, 2, mode, forget_bias=2.0)
    assert (kit(init, (size,)) == kit_parts(init, mode, size, 0.5)).all()
    random = kit(mx.init.FusedRNN(mx.init.Uniform(0.5), 5, 2, mode), (size,))
    cell = mx.rnn.FusedRNNCell(5, 2, mode, prefix="")
    parts = {name: part.asnumpy() for name, part in cell.unpack_weights({"parameters": mx.nd.array(random)}).items()}
    weights = np.concatenate([part.ravel() for name, part in parts.items() if name.endswith("weight")])
    assert len(set(weights.tolist())) > 0.99 * weights.size  # no part repeats another
    assert np.abs(weights).max() <= 0.5 and weights.std() == pytest.approx(0.5 / math.sqrt(3), rel=0.2)
    for name, part in parts.items():
        if name.endswith("bias"):
            assert set(part.ravel().tolist()) == {1.0 if name.endswith("_f_bias") else 0.0}


def kit_parts(init, mode, size, value):
    """Weights `value`, biases 0 by role, forget gates' biases 2."""
    cell = mx.rnn.FusedRNNCell(5, 2, mode, prefix="")
    parts = cell.unpack_weights({"parameters": nd.zeros((size,))})
    for name, part in parts.items():
        part[:] = 2 if name.endswith("_f_bias") else value if name.endswith("weight") else 0
    return cell.pack_weights(parts)["parameters"].asnumpy()


@pytest.mark.mxnet1("FusedRNN: test_gluon2.py looks at its RNNFused")
def test_a_fused_rnn_without_an_initializer_takes_the_networks():
    size = fused_size(4, 1, "lstm", 3)
    block = Holder((size,), init=mx.init.FusedRNN(None, 4, 1, "lstm"))
    ik.initialize(block, mx.init.Constant(0.25), seed=1)
    assert set(block.weight.data().asnumpy().tolist()) == {0.25, 0.0, 1.0}


def test_a_subclass_with_its_own_hook_is_never_taken_for_its_base():
    class Shifted(mx.init.Uniform):
        def _init_weight(self, desc, arr):
            super()._init_weight(desc, arr)
            arr += 10

    class Renamed(mx.init.Uniform):
        pass

    assert distribution_of(Shifted(), "_init_weight", None, (2, 3)) is None
    assert distribution_of(Renamed(), "_init_weight", None, (2, 3)) is not None
    assert kit(Shifted(), (2, 3)).min() > 9
    patched = mx.init.Uniform()
    patched._init_weight = lambda desc, arr: arr.__setitem__(slice(None), 4)
    assert set(kit(patched, (2, 3)).ravel().tolist()) == {4.0}


@pytest.mark.parametrize("init, shape, says", [
    (mx.init.Xavier(), (3,), "needs an array of at least 2 dimensions"),
    (mx.init.Xavier("gauss"), (3, 3), "rnd_type is 'gauss', expected one of uniform, gaussian"),
    (mx.init.Xavier(factor_type="max"), (3, 3), "factor_type is 'max'"),
    (mx.init.Orthogonal(rand_type="x"), (3, 3), "rand_type is 'x'"),
    (mx.init.Bilinear(), (3, 3), "needs an array of 4 dimensions"),
    (mx.init.Constant(np.zeros(5)), (3, 3), "could not be broadcast|operands"),
])  # fmt: skip
def test_what_a_law_cannot_fill_is_an_error_that_names_the_parameter(init, shape, says):
    block = Holder(shape)
    with pytest.raises(ik.InitializationError, match=rf"(?s)'weight' of shape .*({says}).*Give the layer"):
        ik.initialize(block, init)
    assert block.weight._data is None and not block.weight._deferred_init


def test_embedding_and_recurrent_cells_have_mxnets_fans():
    net = nn.HybridSequential()
    net.add(nn.Embedding(50, 200), rnn.LSTMCell(100, input_size=60))
    ik.initialize(net, mx.init.Xavier("gaussian", "in", 1), seed=1)
    assert net[0].weight.data().asnumpy().std() == pytest.approx(math.sqrt(1 / 200), rel=0.05)
    assert net[1].i2h_weight.data().asnumpy().std() == pytest.approx(math.sqrt(1 / 60), rel=0.05)
