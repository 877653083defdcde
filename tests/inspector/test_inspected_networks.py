"""Networks of GluonCV and GluonNLP: a sound one has no findings, and the known fault of one shows."""

import gluon_initkit as ik
import mxnet as mx
import pytest
from vocabulary import nd

pytestmark = pytest.mark.zoo


def bert():
    import gluonnlp

    encoder = gluonnlp.model.BERTEncoder(units=64, hidden_size=128, num_layers=2, num_heads=4, max_length=32)
    net = gluonnlp.model.BERTModel(encoder, vocab_size=200, token_type_vocab_size=2, units=64, embed_size=64)
    return net, (nd.ones((1, 8)), nd.zeros((1, 8)), nd.full((1,), 8), nd.array([[1, 2]]))


def language_model():
    import gluonnlp

    return gluonnlp.model.train.AWDRNN("lstm", 100, 32, 32, 2, tie_weights=True), ()


def detector():
    import gluoncv

    return gluoncv.model_zoo.get_model("ssd_512_mobilenet1.0_voc", pretrained=False, pretrained_base=False), ()


@pytest.mark.parametrize("make, init", [
    (bert, mx.init.Normal(0.02)), (language_model, mx.init.Xavier()), (detector, mx.init.Xavier()),
])  # fmt: skip
def test_a_sound_network_has_no_findings(make, init):
    net, inputs = make()
    net.initialize(ik.corrected(init))
    if inputs:
        net(*inputs)
    for how in ({}, {"stats": True}, {"init": init}):
        assert ik.inspect(net, **how).findings == ()
    report = ik.inspect(net, init=init)
    assert sum(record.declared is not None for record in report.records) > 5


def test_ties_of_real_networks_are_seen():
    net, _ = bert()
    net.initialize()
    (tie,) = ik.inspect(net).shared
    assert tie.kind == "parameter" and "word_embed.0.weight" in tie.paths and len(tie.paths) == 2


def test_plain_normal_draws_variances_and_it_shows():
    """The layers with which GluonCV's SSD extends its backbone are a symbol's: their variances have no initializer."""
    net, _ = detector()
    mx.random.seed(1)
    net.initialize(mx.init.Normal())
    net.features(nd.zeros((1, 3, 64, 64)))
    found = [each for each in ik.inspect(net, stats=True).findings if each.code == "bad-variance"]
    assert len(found) == 8 and all("expand" in each.paths[0] and "moving_var" in each.paths[0] for each in found)
