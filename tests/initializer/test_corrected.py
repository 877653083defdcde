"""`corrected`: the same dispatch for classes that one cannot edit."""

import gluon_initkit as ik
import mxnet as mx
from mxnet.gluon import nn
import numpy as np
import pytest
from vocabulary import nd


def symbol_network():
    """A SymbolBlock whose batch normalization has no initializer anywhere but in the symbol, as GluonCV makes them."""
    x = mx.sym.Convolution(mx.sym.Variable("data"), num_filter=4, kernel=(3, 3), name="expand_conv0")
    x = mx.sym.BatchNorm(x, name="expand_bn0", fix_gamma=False)
    return mx.gluon.SymbolBlock(x, mx.sym.Variable("data"))


def test_ours_stay_themselves():
    init = ik.Rules([("*", 1)])
    assert ik.corrected(init) is init


FORMS = {"instance": mx.init.Xavier(), "name": "xavier", "json": mx.init.Xavier().dumps()}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_a_symbol_blocks_statistics_keep_their_values(form):
    net = symbol_network()
    net.initialize(ik.corrected(form))
    answer = net(nd.ones((1, 3, 8, 8)))
    values = {path: param.data().asnumpy() for path, param in net._collect_params_with_prefix().items()}
    for ending, value in (("conv0_bias", 0), ("gamma", 1), ("beta", 0), ("moving_mean", 0), ("moving_var", 1)):
        (found,) = (array for path, array in values.items() if path.endswith(ending))
        assert (found == value).all(), ending
    assert np.isfinite(answer.asnumpy()).all()


def test_plain_mxnet_draws_negative_variances_there():
    net = symbol_network()
    net.initialize(mx.init.Normal(1))
    net(nd.ones((1, 3, 8, 8)))
    (variance,) = (p.data().asnumpy() for n, p in net._collect_params_with_prefix().items() if n.endswith("moving_var"))
    assert (variance != 1).any()


@pytest.mark.mxnet1("FusedRNN: test_gluon2.py looks at its RNNFused")
def test_a_fused_rnn_initializer_reaches_the_network_level_one_inside():
    class Marks(ik.Initializer):
        def _init_weight(self, desc, arr):
            arr[:] = 4

        def _init_bias(self, desc, arr):
            arr[:] = 2

    fused = mx.init.FusedRNN(None, num_hidden=3, num_layers=1, mode="lstm")
    parameters = nd.zeros(4 * 3 * (5 + 3 + 2))
    Marks()(mx.init.InitDesc("rnn_parameters", {"__init__": fused.dumps()}), parameters)
    values, counts = np.unique(parameters.asnumpy(), return_counts=True)
    # 12 x 5 and 12 x 3 weights, 24 biases, of which the 2 x 3 of the forget gates keep FusedRNN's own 1
    assert dict(zip(values, counts)) == {1: 6, 2: 18, 4: 96}


def test_equality_and_json():
    assert ik.corrected(mx.init.Normal(2)) == ik.corrected(mx.init.Normal(2)) != ik.corrected(mx.init.Normal(3))
    assert mx.init.create(ik.corrected(mx.init.Normal(2)).dumps()) == ik.corrected(mx.init.Normal(2))
    assert repr(ik.corrected(mx.init.Normal(2))) == "corrected(Normal(sigma=2))"


def test_it_hybridizes_on_a_layer():
    net = nn.Dense(2, in_units=3, weight_initializer=ik.corrected(mx.init.One()))
    net.initialize()
    net.hybridize()
    assert (net(nd.ones((1, 3))).asnumpy() == 3).all()
