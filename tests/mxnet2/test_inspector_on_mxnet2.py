"""The inspector on what MXNet 2 alone has: an RNN of one vector.

All else of the inspector is looked at on MXNet 2 by tests/inspector.
"""

import gluon_initkit as ik
import mxnet as mx
from mxnet.gluon import rnn
import pytest
from vocabulary import nd

pytestmark = pytest.mark.mxnet2("RNN layers of one vector")


def test_an_rnns_one_vector_and_a_trainer():
    layer = rnn.LSTM(3, input_size=2)
    ik.initialize(layer, mx.init.Xavier(), seed=1)
    layer(nd.ones((1, 2, 2)))
    trainer = mx.gluon.Trainer(layer.collect_params(), "sgd")
    (record,) = ik.inspect(layer, stats=True, trainer=trainer)
    assert record.path == "rnn_param" and record.size == 84 and record.trained
