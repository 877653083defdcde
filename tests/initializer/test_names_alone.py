"""Initializers that are given a name and nothing else: by the Module API, by `FeedForward`, by hand."""

import warnings

import gluon_initkit as ik
import mxnet as mx
from mxnet.gluon import nn
import numpy as np
import pytest
from vocabulary import nd


def symbol():
    x = mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=3, name="fc")
    return mx.sym.SoftmaxOutput(mx.sym.BatchNorm(x, name="bn", fix_gamma=False), name="softmax")


def module(init, labels=("softmax_label",)):
    """The values of a Module, by name."""
    made = mx.mod.Module(symbol(), label_names=labels)
    made.bind([("data", (2, 4))], [(name, (2,)) for name in labels] or None)
    made.init_params(init)
    args, aux = made.get_params()
    return {name: array.asnumpy() for name, array in {**args, **aux}.items()}


@pytest.mark.mxnet1("Module API")
def test_mxnet_8466_and_5894():
    """A label that the Module was not told of is taken for a parameter, whose name tells no role."""
    with pytest.raises(ValueError, match="Unknown initialization pattern for softmax_label"):
        module(mx.init.Normal(), labels=())
    with pytest.raises(ik.InitializationError, match=r"'softmax_label' has no .*Xavier needs a fan-in.*label_names"):
        module(ik.corrected(mx.init.Xavier()), labels=())
    with pytest.warns(UserWarning, match="'softmax_label' is filled as a parameter.*label_names"):
        assert module(ik.corrected(mx.init.Normal()), labels=())["softmax_label"].any()
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        assert "softmax_label" not in module(ik.corrected(mx.init.Normal()))


def feed_forward(init):
    """The values of the oldest API, which gives an initializer plain strings."""
    model = mx.model.FeedForward(symbol(), num_epoch=0, initializer=init)
    data = mx.io.NDArrayIter(np.ones((2, 4)), np.ones(2), batch_size=2)
    model._init_params(data.provide_data + data.provide_label)
    return {name: array.asnumpy() for name, array in {**model.arg_params, **model.aux_params}.items()}


CALLED_BY_NAME = {"Module": module, "FeedForward": feed_forward}


@pytest.mark.mxnet1("Module API")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("api", CALLED_BY_NAME)
def test_mxnet_902_and_1838_and_2598_and_6126(api):
    """One layer's weights of one's own choice: the threads are sent to `Mixed`."""
    rules = ik.Rules([("fc_weight", mx.init.Normal(2)), ("bias", 5.0), ("gamma", 3)], default="xavier")
    values = CALLED_BY_NAME[api](rules)
    assert values["fc_weight"].std() > 0.5 and (values["fc_bias"] == 5).all() and (values["bn_gamma"] == 3).all()
    assert (values["bn_moving_var"] == 1).all() and not values["bn_beta"].any()
    values = CALLED_BY_NAME[api](ik.corrected(mx.init.Xavier()))
    assert 0 < abs(values["fc_weight"]).max() < 1 and (values["bn_moving_var"] == 1).all()
    mixed = mx.init.Mixed([".*weight", ".*"], [ik.VarianceScaling(), mx.init.Zero()])
    assert CALLED_BY_NAME[api](mixed)["fc_weight"].any()
    if api == "FeedForward":  # plain MXNet knows one way of telling biases apart, and warns of the call that it makes
        with pytest.warns(DeprecationWarning, match=r"init\(str, NDArray\) has been deprecated"):
            feed_forward(mx.init.Xavier())
        with warnings.catch_warnings():
            warnings.filterwarnings("error", message="Calling initializer")
            feed_forward(ik.Rules([("bias", 5.0)], default="xavier"))


@pytest.mark.mxnet1("Module API")
@pytest.mark.parametrize("api", CALLED_BY_NAME)
def test_rules_that_can_match_no_name_are_told_in_the_module_api(api):
    with pytest.warns(UserWarning, match="names here") as caught:
        values = CALLED_BY_NAME[api](ik.Rules([("*.bias", 1), (nn.Dense, 2), ("bias", 3)], default="xavier"))
    (warning,) = (each for each in caught if each.category is UserWarning)
    assert str(warning.message).startswith("rule 1 ('*.bias') and rule 2 (Dense) cannot match here")
    assert (values["fc_bias"] == 3).all() and warning.filename == __file__
    with pytest.raises(ik.InitializationError, match=r"for parameter '\w+'.*path, where MXNet gives a name"):
        CALLED_BY_NAME[api](ik.Rules([(lambda info: info.path.endswith("bias"), 1)], default="xavier"))
    with pytest.raises(ik.InitializationError, match="'fc_weight' has no initializer: no rule matches it"):
        CALLED_BY_NAME[api](ik.Rules([("bias", 1)]))


def test_rules_that_are_called_by_hand_with_a_name():
    arr = nd.zeros((3,))
    ik.Rules([("bias", 5.0)], default="xavier")("fc_bias", arr)
    assert (arr.asnumpy() == 5).all()
    rules = ik.Rules([("*.bias", 6), (nn.Dense, 6)], default="xavier")
    with pytest.warns(UserWarning, match=r"rule 1 \('\*\.bias'\) and rule 2 \(Dense\) cannot match here") as caught:
        rules("fc_bias", arr)
        rules(mx.init.InitDesc("other_bias"), arr)
    assert len(caught) == 1 and not arr.asnumpy().any()
    with pytest.raises(ik.InitializationError, match=r"cannot match here.*'\*_bias' is a glob of names"):
        ik.Rules([("*.bias", 6)], default="xavier", strict=True)("fc_bias", arr)
    with pytest.raises(TypeError, match="expected the name of a parameter"):
        rules(5, arr)


def test_names_that_stand_for_an_initializer_in_mxnets_oldest_api_go_on_doing_so():
    shapes = {"bn_moving_inv_var": (3,), "x_moving_avg": (3,), "x_max": (1,), "x_min": (1,)}
    for name, shape in shapes.items():
        plain, ours = nd.ones(shape) / 2, nd.ones(shape) / 2
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            mx.init.Xavier()(name, plain)
        ik.corrected(mx.init.Xavier())(name, ours)
        assert (plain.asnumpy() == ours.asnumpy()).all(), name
