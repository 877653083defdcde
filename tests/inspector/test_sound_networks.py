"""Networks of every kind, soundly initialized and trained for two steps, show no finding, and total the same always."""

import gluon_initkit as ik
from gluon_initkit.testing import assert_no_findings
import mxnet as mx
from mxnet.gluon import nn, rnn
from mxnet.gluon.model_zoo import vision
import numpy as np
import pytest
from vocabulary import nd, uniform

pytestmark = pytest.mark.slow


class Unrolled(mx.gluon.Block):
    def __init__(self, cell):
        super().__init__()
        self.cell, self.head = cell, nn.Dense(3)

    def forward(self, x):
        return self.head(self.cell.unroll(4, x, layout="NTC", merge_outputs=True)[0])


class Tied(nn.HybridSequential):
    def __init__(self):
        super().__init__()
        self.add(*ik.shared_layers(lambda: nn.Dense(4, in_units=4, activation="tanh"), n=3))


def zoo(name, **options):
    def make():
        import gluoncv

        return gluoncv.model_zoo.get_model(name, pretrained=False, **options)

    return make


def bert():
    import gluonnlp

    encoder = gluonnlp.model.BERTEncoder(units=16, hidden_size=32, num_layers=2, num_heads=2, max_length=12)
    return gluonnlp.model.BERTModel(encoder, vocab_size=30, token_type_vocab_size=2, units=16, embed_size=16)


def language_model(mode, tied):
    def make():
        import gluonnlp

        return gluonnlp.model.train.StandardRNN(mode, 20, 8, 8, 2, dropout=0.0, tie_weights=tied)

    return make


def images(*shape):
    return lambda net: (uniform(shape),)


def words(net):
    return nd.array(np.random.RandomState(0).randint(0, 20, (5, 3))), net.begin_state(batch_size=3)


def sentences(net):
    ids = np.random.RandomState(0).randint(0, 30, (2, 12))
    return nd.array(ids), nd.zeros((2, 12)), nd.full((2,), 12), nd.array(ids[:, :3] % 12)


ZOO = {name: (zoo(name), images(*shape)) for name, shape in {
    "resnet18_v1b": (2, 3, 32, 32), "resnest14": (2, 3, 32, 32), "se_resnet18_v1": (2, 3, 32, 32),
    "mobilenetv3_small": (2, 3, 32, 32), "cifar_resnext29_32x4d": (2, 3, 16, 16), "shufflenet_v2": (1, 3, 64, 64),
}.items()}  # fmt: skip
ZOO.update({name: (zoo(name, pretrained_base=False, **options), images(*shape)) for name, shape, options in (
    ("simple_pose_resnet18_v1b", (1, 3, 64, 64), {}),
    ("ssd_512_resnet18_v1_voc", (1, 3, 256, 256), {}),
    ("center_net_mobilenetv3_small_duc_voc", (1, 3, 64, 64), {}),
    ("deeplab_resnet50_ade", (1, 3, 64, 64), {"crop_size": 64}),
)})  # fmt: skip
ZOO["bert"] = (bert, sentences)
ZOO.update({f"{mode} {tied}": (language_model(mode, tied), words)
            for mode, tied in (("lstm", True), ("lstm", False), ("rnn_tanh", True), ("gru", True))})  # fmt: skip
NETWORKS = {
    "resnet18_v1": (lambda: vision.resnet18_v1(classes=4, thumbnail=True), images(2, 3, 16, 16)),
    "resnet18_v2": (lambda: vision.resnet18_v2(classes=4, thumbnail=True), images(2, 3, 16, 16)),
    "mobilenet0_25": (lambda: vision.mobilenet0_25(classes=4), images(2, 3, 32, 32)),
    "mobilenet_v2_0_25": (lambda: vision.mobilenet_v2_0_25(classes=4), images(2, 3, 32, 32)),
    "tied": (Tied, images(3, 4)),
}
RECURRENT = {
    "lstm": (lambda: rnn.LSTM(4, num_layers=2, bidirectional=True), images(3, 2, 5)),
    "gru": (lambda: rnn.GRU(4), images(3, 2, 5)),
    "rnn": (lambda: rnn.RNN(4, num_layers=2), images(3, 2, 5)),
    **{cell.__name__: (lambda cell=cell: Unrolled(cell(4)), images(2, 4, 5))
       for cell in (rnn.LSTMCell, rnn.GRUCell, rnn.RNNCell)},
}  # fmt: skip


def outputs(answer):
    return [leaf for each in answer for leaf in outputs(each)] if isinstance(answer, (list, tuple)) else [answer]


def check(make, inputs):
    net = make()
    ik.initialize(net, mx.init.Xavier(), seed=1)
    assert_no_findings(net)
    given, trainer = inputs(net), None
    for _ in range(2):
        with mx.autograd.record():
            loss = sum([((each - 0.5) ** 2).mean() for each in outputs(net(*given)) if each.dtype == np.float32])
        loss.backward()
        if trainer is None:
            trainer = mx.gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.01, "momentum": 0.9})
        trainer.step(1, ignore_stale_grad=True)
    assert_no_findings(net)
    assert ik.inspect(net).totals == ik.inspect(net, stats=True).totals


@pytest.mark.parametrize("name", NETWORKS)
def test_mxnet_s_own(name):
    check(*NETWORKS[name])


@pytest.mark.mxnet1("parameters for the weights of each gate, nor deferral in recurrent cells")
@pytest.mark.parametrize("name", RECURRENT)
def test_recurrent(name):
    check(*RECURRENT[name])


@pytest.mark.zoo
@pytest.mark.parametrize("name", ZOO)
def test_of_gluoncv_and_gluonnlp(name):
    check(*ZOO[name])
