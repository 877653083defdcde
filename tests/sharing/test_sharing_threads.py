"""Public threads about ties: plain MXNet failing as its users saw it, then the kit's answer."""

import gluon_initkit as ik
from gluon_initkit._mxnet.parameter import arrays_of
from gluon_initkit._mxnet.tree import parameters_by_path
import mxnet as mx
from mxnet.gluon import nn
import pytest

pytestmark = pytest.mark.mxnet1("`params=` and prefixes, which these threads are about")


class LanguageModel(mx.gluon.HybridBlock):
    """An embedding, a layer, and a decoder, which ``params=`` ties as GluonNLP did before its 0.9."""

    def __init__(self, tied, **kwargs):
        super().__init__(**kwargs)
        with self.name_scope():
            self.embedding = nn.Embedding(9, 4)
            self.layer = nn.Dense(4, in_units=4, flatten=False)
            shared = {"params": self.embedding.params} if tied else {}
            self.decoder = nn.Dense(9, in_units=4, flatten=False, **shared)

    def hybrid_forward(self, F, x):
        return self.decoder(self.layer(self.embedding(x)))


WORDS = mx.nd.array([[1, 2], [3, 8]])


def uninitialized(net):
    return [path for path, param in parameters_by_path(net).items() if not arrays_of(param)]


def test_mxnet_17184():
    """Tied weights and shared weights together: the second model's decoder has a bias that nobody initializes."""
    model = LanguageModel(tied=True)
    evaluation = LanguageModel(tied=True, params=model.collect_params())
    model.initialize()
    assert not uninitialized(model) and uninitialized(evaluation) == ["decoder.bias"]
    with pytest.raises(RuntimeError, match="has not been initialized"):
        evaluation(WORDS)

    model = LanguageModel(tied=False)
    ik.Sharing(model).tie("decoder.weight", "embedding.weight").apply()
    with ik.sharing_scope(model):
        evaluation = LanguageModel(tied=False)
    model.initialize()
    assert not uninitialized(evaluation) and evaluation.decoder.weight is model.embedding.weight
    assert (evaluation(WORDS).asnumpy() == model(WORDS).asnumpy()).all()


@pytest.mark.zoo
def test_gluonnlp_1087():
    """The same in GluonNLP's models. Its 0.10 has mended them, by hand, in each; the builder's are the same."""
    import gluonnlp

    settings = ("lstm", 20, 8, 8, 2, True, 0.4, 0.5, 0.2, 0.65, 0.1)
    model = gluonnlp.model.train.AWDRNN(*settings)
    with pytest.warns(UserWarning, match="shared parameter dict"):
        theirs = gluonnlp.model.AWDRNN(*settings, params=model.collect_params())
    with ik.sharing_scope(model):
        ours = gluonnlp.model.AWDRNN(*settings)
    model.initialize()
    for net in (theirs, ours):
        assert not uninitialized(net) and ik.shared_groups(net) == ik.shared_groups(model)
        assert list(parameters_by_path(net).values()) == list(parameters_by_path(model).values())


@pytest.mark.zoo
@pytest.mark.parametrize("thread", ["1060", "1086"])
def test_gluonnlp(thread):
    """`apply_weight_drop` after a tie swaps one reference of two; in 1060 of a layer, in 1086 of tied layers."""
    from gluonnlp.model.utils import apply_weight_drop

    def build():
        net = nn.HybridSequential()
        net.add(nn.Dense(9, in_units=4, flatten=False) if thread == "1060" else nn.Embedding(9, 4))
        net.add(nn.Dense(9, in_units=4, flatten=False, params=net[0].params))
        groups = ik.shared_groups(net)
        apply_weight_drop(net[0], "weight", 0.5)
        return net, groups

    net, groups = build()
    assert type(net[0].weight) is not type(net[1].weight)
    with pytest.raises(AssertionError, match="different Parameters with the same name"):
        net.collect_params()

    with pytest.raises(ik.SharingError, match="'1.weight' should share the parameter of '0.weight'"):
        ik.check_sharing(net, groups)
    ik.Sharing(net).tie("1.weight", to="0.weight").apply()
    ik.check_sharing(net, groups)
    net.initialize()
    assert net[0].weight is net[1].weight and not uninitialized(net)


def test_mxnet_18116(tmp_path):
    """Files go by attributes and not by prefixes: what one network saved does not load into another of equal names."""

    class One(mx.gluon.HybridBlock):
        def __init__(self, attribute, **kwargs):
            super().__init__(**kwargs)
            with self.name_scope():
                setattr(self, attribute, nn.Dense(4, in_units=4, prefix="layer_"))

    one, two = One("l1"), One("l2")
    one.initialize()
    file = str(tmp_path / "one.params")
    one.save_parameters(file)
    with pytest.raises(AssertionError, match="'l2.weight' is missing"):
        two.load_parameters(file)

    both = mx.gluon.Block(prefix="")
    both.register_child(one, "one")
    both.register_child(two, "two")
    report = ik.Sharing(both).tie_blocks("one.l1", "two.l2").apply()
    one.l1.weight.set_data(mx.nd.zeros((4, 4)))
    one.load_parameters(file)  # under its own paths, and the other has it
    assert two.l2.weight.data().asnumpy().any() and two.l2.weight is one.l1.weight
    ik.check_sharing(both, report)
    two.save_parameters(str(tmp_path / "two.params"))
    assert (mx.nd.load(str(tmp_path / "two.params"))["l2.weight"] == mx.nd.load(file)["l1.weight"]).asnumpy().all()


class NBeatsBlock(mx.gluon.HybridBlock):
    """Of GluonTS: all but the last of a stack also look back."""

    def __init__(self, backcast, params=None, prefix=None):
        super().__init__(prefix=prefix, params=params)
        with self.name_scope():
            self.hidden = nn.HybridSequential(prefix="")
            for _ in range(2):
                self.hidden.add(nn.Dense(6, in_units=6))
            if backcast:
                self.theta_backcast = nn.Dense(6, in_units=6, use_bias=False)
                self.backcast = nn.Dense(12, in_units=6)
            self.theta_forecast = nn.Dense(6, in_units=6, use_bias=False)
            self.forecast = nn.Dense(3, in_units=6)


def test_gluonts_629():
    """Blocks whose members differ: `params=` goes by the counted names of layers, and takes others' parameters."""
    first = NBeatsBlock(True, prefix="block_")
    with pytest.raises(AssertionError, match="'block_dense3_weight' because desired attribute does not match"):
        NBeatsBlock(False, prefix="block_", params=first.collect_params())

    stack = nn.HybridSequential()
    stack.add(NBeatsBlock(True), NBeatsBlock(True), NBeatsBlock(False))
    whole = "'2' has no 'theta_backcast.weight', which '0' has.*only= ties a part of it"
    with pytest.raises(ik.SharingError, match=whole):
        ik.Sharing(stack).tie_blocks("*").apply()
    report = ik.Sharing(stack).tie_blocks("*", only=["hidden.*", "theta_forecast.*", "forecast.*"]).tie_blocks(
        "0", "1", only=["theta_backcast.*", "backcast.*"]).apply()  # fmt: skip
    assert stack[2].forecast.weight is stack[0].forecast.weight is stack[1].forecast.weight
    assert stack[1].backcast.weight is stack[0].backcast.weight and len(report) == 10
