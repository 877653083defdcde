"""Real networks: tied by the builder they equal those that their makers tied."""

import gluon_initkit as ik
from gluon_initkit._mxnet.parameter import arrays_of
from gluon_initkit._mxnet.tree import parameters_by_path
import mxnet as mx
from mxnet.gluon import nn
import numpy as np
import pytest

pytestmark = pytest.mark.zoo
WORDS = mx.nd.array([[1, 2], [3, 4], [5, 0]])


def awd(tied):
    import gluonnlp

    return gluonnlp.model.train.AWDRNN("lstm", 20, 8, 8, 2, tied, 0.4, 0.5, 0.2, 0.65, 0.1)


def standard(tied):
    import gluonnlp

    return gluonnlp.model.train.StandardRNN("lstm", 20, 8, 8, 2, 0.3, tied)


def copy_values(net, other):
    there = parameters_by_path(other)
    for path, param in parameters_by_path(net).items():
        param.set_data(arrays_of(there[path])[0])


def step(net, seed=5):
    """Output and gradients, by path, of a training pass; the seed makes the dropout's masks the same."""
    mx.random.seed(seed)
    with mx.autograd.record():
        out = net(WORDS, net.begin_state(batch_size=2, func=mx.nd.zeros))
        out = out[0] if isinstance(out, (tuple, list)) else out
        loss = (out * out).sum()
    loss.backward()
    return out.asnumpy(), {path: param.grad().asnumpy() for path, param in parameters_by_path(net).items()}


@pytest.mark.parametrize("flags", [None, {}, {"static_alloc": True}], ids=str)
@pytest.mark.parametrize("build", [awd, standard])
def test_language_models_equal_their_own_tie_weights(build, flags):
    theirs, ours = build(True), build(False)
    assert type(ours.embedding[0].weight) is type(theirs.embedding[0].weight)
    report = ik.Sharing(ours).tie("decoder.0.weight", "embedding.0.weight").apply()
    assert report.groups == ik.shared_groups(theirs)
    assert ours.decoder[0].weight is ours.embedding[0].weight
    assert type(ours.decoder[0].weight) is type(theirs.decoder[0].weight)  # a WeightDropParameter stays one
    for net in (theirs, ours):
        net.initialize(mx.init.Xavier())
        if flags is not None:
            net.hybridize(**flags)
        step(net)
    copy_values(ours, theirs)
    (one, ones), (other, others) = step(ours), step(theirs)
    assert (one == other).all() and ones.keys() == others.keys()
    assert all((ones[path] == others[path]).all() for path in ones)
    trainers = [mx.gluon.Trainer(net.collect_params(), "adam") for net in (ours, theirs)]
    for net, trainer in zip((ours, theirs), trainers):
        trainer.step(1)
        net.collect_params().zero_grad()
    assert (step(ours)[0] == step(theirs)[0]).all()


def bert(tied=True):
    import gluonnlp

    encoder = gluonnlp.model.BERTEncoder(units=16, hidden_size=32, num_layers=2, num_heads=2, max_length=12, dropout=0)
    net = gluonnlp.model.BERTModel(encoder, vocab_size=30, token_type_vocab_size=2, units=16, embed_size=16,
                                   use_decoder=True)  # fmt: skip
    if not tied:
        ik.untie(net, "decoder.3.weight")
        assert not ik.shared_groups(net)
    return net


@pytest.mark.parametrize("hybridize", [False, True])
def test_berts_decoder_to_its_embedding(hybridize):
    theirs, ours = bert(), bert(tied=False)
    assert ik.Sharing(ours).tie("decoder.3.weight", "word_embed.0.weight").apply().groups == ik.shared_groups(theirs)
    inputs = [mx.nd.ones((2, 6)), mx.nd.zeros((2, 6)), mx.nd.array([6, 4]), mx.nd.array([[0, 1], [2, 3]])]
    losses = []
    for net in (theirs, ours):
        net.initialize(mx.init.Normal(0.1))
        if hybridize:
            net.hybridize()
        net(*inputs)
    copy_values(ours, theirs)
    for net in (theirs, ours):
        with mx.autograd.record():
            loss = (net(*inputs)[-1] ** 2).sum()
        loss.backward()
        losses.append(loss.asscalar())
    there = parameters_by_path(theirs)
    assert losses[0] == losses[1]
    for path, param in parameters_by_path(ours).items():
        if path.startswith(("word", "decoder", "encoder")):
            np.testing.assert_allclose(param.grad().asnumpy(), there[path].grad().asnumpy(), rtol=1e-5, atol=1e-6)
    assert ours.word_embed[0].weight.grad().asnumpy().any()


def yolo():
    """YOLO3 with features of one width on every scale, so that its heads can be one."""
    from gluoncv.model_zoo.yolo.yolo3 import YOLOV3

    def stage(strides):
        features = nn.HybridSequential()
        features.add(nn.Conv2D(8, 3, strides, 1), nn.BatchNorm(), nn.LeakyReLU(0.1))
        return features

    anchors = [[10, 13, 16, 30, 33, 23], [30, 61, 62, 45, 59, 119], [116, 90, 156, 198, 373, 326]]
    return YOLOV3([stage(8), stage(2), stage(2)], [8, 8, 8], anchors, [8, 16, 32], classes=["cat", "dog"])
