"""What MXNet 2 does otherwise: one vector for all of an RNN, unnamed parameters, threads without its NumPy mode."""

import threading

import gluon_initkit as ik
from gluon_initkit._mxnet import backend
from gluon_initkit._mxnet.tree import places
import mxnet as mx
from mxnet.gluon import nn, rnn
import numpy as np
import pytest
from vocabulary import nd

pytestmark = pytest.mark.mxnet2("parameter without a name of its own, and RNN layers of one vector")


class Marks(ik.Initializer):
    def _init_weight(self, desc, arr):
        arr[:] = 4
        seen.append((str(desc), tuple(arr.shape)))

    def _init_bias(self, desc, arr):
        arr[:] = 2


seen = []


def parts_of(layer):
    """The parts of an RNN layer's vector by name, cut as MXNet's own `RNNFused` cuts it."""
    vector, start, found = layer.rnn_param.data().asnumpy(), 0, {}
    for name, shape in backend.rnn_layout(layer.rnn_param.init, vector.shape).shapes.items():
        size = int(np.prod(shape))
        found[name] = vector[start : start + size].reshape(shape)
        start += size
    assert start == vector.size
    return found


SHAPES = {
    "lstm": (lambda **more: rnn.LSTM(5, 2, input_size=3, **more), 4),
    "gru": (lambda **more: rnn.GRU(5, 2, bidirectional=True, input_size=3, **more), 3),
    "rnn": (lambda **more: rnn.RNN(5, 1, input_size=3, **more), 1),
    "projected": (lambda **more: rnn.LSTM(5, 2, projection_size=2, input_size=3, **more), 4),
}


def complete(layer, kind):
    """Run a deferred layer, but for a projection, whose forward pass crashes plain MXNet 2 on some processors."""
    if kind == "projected":
        ik.materialize(layer, (1, 2, 3))
    else:
        layer(nd.ones((1, 2, 3)))


@pytest.mark.parametrize("kind", SHAPES)
def test_an_rnns_vector_is_filled_part_by_part_each_with_its_own_fans(kind):
    make, gates = SHAPES[kind]
    layer = make(i2h_bias_initializer="ones")
    ik.initialize(layer, mx.init.Xavier(), seed=7)
    complete(layer, kind)
    parts = parts_of(layer)
    assert parts["l0_i2h_weight"].shape == (gates * 5, 3)
    for name, values in parts.items():
        if name.endswith("bias"):
            assert set(values.tolist()) == {float("i2h" in name)}
        else:
            bound = np.sqrt(6 / sum(values.shape))
            assert np.abs(values).max() <= bound and values.std() > bound / 3, name
    again = make(i2h_bias_initializer="ones")
    ik.initialize(again, mx.init.Xavier(), seed=7)
    complete(again, kind)
    assert ik.fingerprint(again) == ik.fingerprint(layer)


@pytest.mark.parametrize("call", ["ik.initialize", "net.initialize"])
def test_a_hook_of_ones_own_sees_the_parts_in_their_shapes(call):
    del seen[:]
    layer = rnn.LSTM(5, input_size=3, i2h_weight_initializer="ones")
    ik.initialize(layer, Marks(), seed=1) if call == "ik.initialize" else layer.initialize(Marks())
    layer(nd.ones((1, 2, 3)))
    parts = parts_of(layer)
    assert ("h2h_weight", (20, 5)) in seen and set(parts["l0_h2h_weight"].ravel().tolist()) == {4}
    if call == "ik.initialize":  # MXNet itself fills them with 'uniform' and 'zero', whatever the layer was told
        assert set(parts["l0_i2h_weight"].ravel().tolist()) == {1} and set(parts["l0_i2h_bias"].tolist()) == {2}


def test_plain_mxnet_fails_on_an_rnn_with_xavier_and_corrected_does_not():
    plain, layer = rnn.LSTM(4, input_size=3), rnn.LSTM(4, input_size=3)
    plain.initialize(mx.init.Xavier())
    with pytest.raises(ValueError, match="cannot be applied to vector"):
        plain(nd.ones((1, 2, 3)))
    layer.initialize(ik.corrected(mx.init.Xavier()))
    assert np.isfinite(layer(nd.ones((1, 2, 3))).asnumpy()).all() and parts_of(layer)["l0_i2h_weight"].std() > 0.1


def test_a_role_is_read_from_the_attribute_where_the_parameter_has_no_name():
    class Unnamed(nn.HybridBlock):
        def __init__(self):
            super().__init__()
            self.bias = mx.gluon.Parameter(shape=(3,))
            self.scale = mx.gluon.Parameter(shape=(3,))

    net = Unnamed()
    assert net.bias.name == net.scale.name == "weight"
    assert [(row.path, row.role) for row in ik.plan(net, Marks())] == [("bias", "bias"), ("scale", "default")]
    ik.initialize(net, ik.Rules([("scale", 3)], default=Marks()), seed=1)
    assert set(net.bias.data().asnumpy()) == {2} and set(net.scale.data().asnumpy()) == {3}


def test_a_thread_makes_the_arrays_that_layers_take():
    def work():
        assert not mx.util.is_np_array()
        ik.initialize(net, mx.init.Xavier(), seed=7)

    net = nn.Dense(2, in_units=3)
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert type(net.weight.data()) is type(net.weight.grad()) is mx.np.ndarray
    assert np.isfinite(net(nd.ones((1, 3))).asnumpy()).all()


def test_tied_parameters_have_one_place_and_one_value():
    net = nn.HybridSequential()
    net.add(nn.Dense(3, in_units=3), nn.Dense(3, in_units=3))
    net[1].share_parameters(net[0].collect_params())
    assert [place.paths for place in places(net).values()] == [("0.weight", "1.weight"), ("0.bias", "1.bias")]
    report = ik.initialize(net, seed=7)
    assert len(report) == 2 and net[0].weight is net[1].weight
