"""The inspector on what MXNet 2 alone has: an RNN of one vector, and shapes that a block's own method infers.

All else of the inspector is looked at on both MXNets by the other files here.
"""

import gluon_initkit as ik
import mxnet as mx
from mxnet.gluon import nn, rnn
import pytest
from vocabulary import nd

pytestmark = pytest.mark.mxnet2("RNN layers of one vector, nor infer_shape methods that must be written")


def test_an_rnns_one_vector_and_a_trainer():
    layer = rnn.LSTM(3, input_size=2)
    ik.initialize(layer, mx.init.Xavier(), seed=1)
    layer(nd.ones((1, 2, 2)))
    trainer = mx.gluon.Trainer(layer.collect_params(), "sgd")
    (record,) = ik.inspect(layer, stats=True, trainer=trainer)
    assert record.path == "rnn_param" and record.size == 84 and record.trained


def test_without_a_method_that_infers_them_shapes_stay_unknown():
    class Scale(nn.HybridBlock):
        def __init__(self):
            super().__init__()
            self.scale = mx.gluon.Parameter("scale", shape=(-1,), init="ones", allow_deferred_init=True)

        def forward(self, x):
            return x * self.scale.data()

    class Inferring(Scale):
        def infer_shape(self, x):
            self.scale.shape = x.shape[-1:]

    good, bad = Inferring(), Scale()
    for net in (good, bad):
        net.initialize()
    assert ik.inspect(good).findings == () and good(nd.ones((2, 3))).shape == (2, 3)
    (found,) = ik.inspect(bad).findings
    assert found.code == "unresolvable" and "no forward pass of Scale can tell it" in found.evidence
    assert "on MXNet 2 an infer_shape method that sets it" in found.hint
    with pytest.raises(RuntimeError):
        bad(nd.ones((2, 3)))


def test_a_role_is_that_of_the_attribute_as_everywhere():
    """A parameter without a name of its own is called ``weight``."""
    net = nn.HybridBlock()
    net.shift_bias, net.table = mx.gluon.Parameter(shape=(2,)), mx.gluon.Parameter(shape=(2,))
    roles = {record.path: record.role for record in ik.inspect(net)}
    assert roles == {row.path: row.role for row in ik.plan(net)} == {"shift_bias": "bias", "table": "default"}
