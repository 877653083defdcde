"""Real networks: the plan says, parameter by parameter, what `net.initialize(ik.corrected(init))` then does."""

import gluon_initkit as ik
from gluon_initkit._mxnet.tree import places
import mxnet as mx
import numpy as np
import pytest
from vocabulary import nd, uniform

HOOKS = {"_init_weight": 11, "_init_bias": 12, "_init_gamma": 13, "_init_beta": 14, "_init_default": 15,
         "_init_running_mean": 16, "_init_running_var": 17}  # fmt: skip


class Marks(mx.init.Initializer):
    """Every hook writes its own number. Not one of ours: `corrected` has to reach them."""


for _hook, _number in HOOKS.items():
    setattr(Marks, _hook, lambda self, desc, arr, number=_number: arr.__setitem__(slice(None), number))


class OnlyWeights(mx.init.Initializer):
    def _init_weight(self, desc, arr):
        arr[:] = HOOKS["_init_weight"]


BASE = {"_init_bias": 0, "_init_gamma": 1, "_init_beta": 0, "_init_running_mean": 0, "_init_running_var": 1}

VISION = ["resnet18_v1", "resnet18_v2", "vgg11_bn", "alexnet", "squeezenet1.1", "mobilenet0.25", "mobilenetv2_0.25",
          "densenet121", "inceptionv3", "resnet34_v2"]  # fmt: skip


def vision(name):
    size = {"inceptionv3": 299, "densenet121": 224, "squeezenet1.1": 224, "alexnet": 64}.get(name, 32)
    return mx.gluon.model_zoo.vision.get_model(name, classes=10), [nd.zeros((1, 3, size, size))]


def detector():
    import gluoncv

    net = gluoncv.model_zoo.get_model("ssd_512_resnet50_v1_coco", pretrained=False, pretrained_base=False)
    return net, [uniform((1, 3, 128, 128))]


def segmenter():
    import gluoncv

    net = gluoncv.model_zoo.get_fcn(
        dataset="pascal_voc", backbone="resnet50", pretrained=False, pretrained_base=False, base_size=64, crop_size=64
    )
    return net, [uniform((1, 3, 64, 64))]


def pose():
    import gluoncv

    net = gluoncv.model_zoo.get_model("simple_pose_resnet18_v1b", pretrained=False, pretrained_base=False)
    return net, [uniform((1, 3, 64, 64))]


def bert():
    import gluonnlp

    encoder = gluonnlp.model.BERTEncoder(units=16, hidden_size=32, num_layers=2, num_heads=2, max_length=12)
    net = gluonnlp.model.BERTModel(encoder, vocab_size=30, token_type_vocab_size=2, units=16, embed_size=16)
    words = nd.ones((2, 6))
    return net, [words, nd.zeros((2, 6)), mx.nd.array([6, 4]), nd.zeros((2, 2))]


def awd_lstm():
    import gluonnlp

    net = gluonnlp.model.train.AWDRNN("lstm", 20, 8, 8, 2, tie_weights=True, dropout=0.4, weight_drop=0.5)
    return net, [nd.ones((5, 2)), net.begin_state(batch_size=2, func=mx.nd.zeros)]


ZOO = [detector, segmenter, pose, bert, awd_lstm]
NETWORKS = [pytest.param(lambda name=name: vision(name), id=name) for name in VISION]
NETWORKS += [pytest.param(build, id=build.__name__, marks=pytest.mark.zoo) for build in ZOO]


@pytest.mark.parametrize("init", [Marks, OnlyWeights])
@pytest.mark.parametrize("build", NETWORKS)
def test_the_plan_agrees_with_what_is_done(build, init):
    net, inputs = build()
    planned = ik.plan(net, init())
    assert not planned.errors
    net.initialize(ik.corrected(init()), force_reinit=True)  # GluonCV's segmenters initialize their heads themselves
    net(*inputs)
    mx.nd.waitall()
    found = {place.paths[0]: param for param, place in places(net).items()}
    assert [row.path for row in planned] == list(found)
    verdicts = {row: agrees(row, found[row.path]) for row in planned}
    assert not [row for row, verdict in verdicts.items() if verdict is False]
    assert sum(verdict is True for verdict in verdicts.values()) > len(planned) / 2
    if init is Marks:  # Gluon would have ignored every hook but the weight's; where a layer has none, the plan says so
        assert any(row.differs for row in planned)
        assert all(row.hook == f"_init_{row.role}" for row in planned if row.why == "hook")


def agrees(row, param):
    """Whether the plan's row tells the parameter's values; None where the winner, a layer's own, draws at random."""
    values = param._data[0].asnumpy()  # not data(): a WeightDropParameter's goes through a Dropout
    low, high = values.min(), values.max()
    if isinstance(param, mx.gluon.Constant):
        return bool((values == param.value.asnumpy()).all())
    if row.role == "gamma" and param.grad_req == "null":
        # BatchNorm(scale=False): its operator may write 1 over what was there, in the forward pass
        return bool(low == high in (1, HOOKS.get(row.hook, 1)))
    if row.why == "hook":
        return bool(low == high == HOOKS[row.hook])
    if row.why == "base":
        return bool(low == high == (HOOKS["_init_weight"] if row.hook == "_init_weight" else BASE[row.hook]))
    if row.initializer in ("Zero()", "One()"):
        return bool(low == high == (row.initializer == "One()"))
    return None if row.why == "layer" and not {low, high} & set(HOOKS.values()) else False


@pytest.mark.zoo
def test_ssd_plain_makes_nan_or_raises_and_corrected_answers():
    """The design's case: SymbolBlock features carry running variances that no initializer speaks for."""
    mx.random.seed(3)
    net, inputs = detector()
    net.initialize(mx.init.Normal())
    net(*inputs)
    variances = [param for param, place in places(net).items() if place.paths[0].endswith("moving_var")]
    assert min(variance.data().asnumpy().min() for variance in variances) < 0
    assert np.isnan(normalized(net, *inputs)).any()  # oneDNN's relu makes 0 of NaN on some CPUs, so look before it

    net, inputs = detector()
    net.initialize(mx.init.Xavier())
    with pytest.raises(ValueError, match="cannot be applied to vector"):
        net(*inputs)

    for init in (mx.init.Xavier(), mx.init.Normal()):
        net, inputs = detector()
        net.initialize(ik.corrected(init))
        assert all(np.isfinite(answer.asnumpy()).all() for answer in net(*inputs))
        assert np.isfinite(normalized(net, *inputs)).all()


def normalized(net, image):
    """What the first batch normalization of the SSD's own features answers."""
    inputs, outputs = net.features._cached_graph
    internals = outputs.get_internals()
    (name,) = (name for name in internals.list_outputs() if name.endswith("expand_trans_bn0_output"))
    return mx.gluon.SymbolBlock(internals[name], inputs, params=net.features.params)(image).asnumpy()
