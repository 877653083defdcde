"""Bad input: each a clear error that names the path, what was found and what mends it."""

import gluon_initkit as ik
import mxnet as mx
from mxnet.gluon import nn
import pytest
from vocabulary import declared, nd


class Only(ik.Initializer):
    def _init_bias(self, desc, arr):
        arr[:] = 2


class Weight(ik.Initializer):
    def _init_weight(self, desc, arr):
        arr[:] = 1


def one_dense():
    net = nn.HybridSequential()
    net.add(nn.Dense(2, in_units=3))
    return net


def test_a_hook_that_writes_the_wrong_shape():
    class Wrong(ik.Initializer):
        def _init_weight(self, desc, arr):
            arr[:] = nd.ones((7, 7))

    with pytest.raises(ik.InitializationError) as caught:
        one_dense().initialize(Wrong())
    message = str(caught.value)
    assert "'0.weight' of shape (2, 3)" in message and "Wrong._init_weight raised" in message
    assert caught.value.__cause__ is not None


def test_errors_are_caught_by_the_clauses_that_plain_mxnet_needs():
    for kind in (ValueError, mx.MXNetError):
        with pytest.raises(kind):
            one_dense().initialize(Only())


def test_a_class_without_a_weight_hook():
    with pytest.raises(ik.InitializationError, match=r"'0\.weight' has no initializer: Only defines no _init_weight"):
        one_dense().initialize(Only())


def test_an_unknown_role_says_what_to_define():
    for shape in ((4,), (4, 1)):
        net = nn.HybridBlock()
        net.scale = declared(net, "scale", shape=shape)
        with pytest.raises(ik.InitializationError, match=r"'scale'.*no role and Only defines no _init_weight.*_scale"):
            net.initialize(Only())


def test_a_failing_deferred_hook_names_its_path_too():
    net = nn.HybridSequential()
    net.add(nn.Dense(2), nn.Dense(2))
    net.initialize(Only())
    with pytest.raises(ik.InitializationError, match=r"'0\.weight'"):
        net(nd.ones((1, 3)))


@pytest.mark.parametrize("selector", [3, None, int, b"*", ["*.bias"], mx.init.Zero])
def test_a_selector_that_is_none(selector):
    with pytest.raises(TypeError, match=r"rule 1: .* is no selector.*glob over paths"):
        ik.Rules([(selector, 0)])


def test_a_rule_that_is_no_pair():
    with pytest.raises(TypeError, match="rule 2 is '\\*': expected a pair"):
        ik.Rules([("*", 0), "*"])


def test_a_rule_with_an_unknown_initializer():
    with pytest.raises(ValueError, match=r"rule 1 \('\*\.bias'\): no initializer is registered.*'xavire'"):
        ik.Rules([("*.bias", "xavire")])
    with pytest.raises(TypeError, match=r"default: expected an initializer.*It is a class"):
        ik.Rules([], default=mx.init.Xavier)


@pytest.mark.parametrize("refused", [mx.init.Mixed([".*"], [mx.init.Zero()]), mx.init.Load({})])
def test_mixed_and_load_point_to_rules(refused):
    with pytest.raises(TypeError, match="Rules"):
        ik.corrected(refused)


@pytest.mark.parametrize("thing", [None, "net", 3, nn.Dense])
def test_a_net_that_is_no_block(thing):
    with pytest.raises(TypeError, match=r"expected a network \(an mxnet\.gluon\.Block\)"):
        ik.plan(thing, mx.init.Zero())


def test_a_parameter_dict_points_to_its_network():
    with pytest.raises(TypeError, match="pass the network it came from"):
        ik.plan(one_dense().collect_params(), mx.init.Zero())


def test_a_layer_that_asks_for_an_unregistered_name():
    net = nn.HybridSequential()
    net.add(nn.Dense(2, in_units=3, bias_initializer="nowhere"))
    with pytest.raises(ik.InitializationError, match=r"'0\.bias' asks for the initializer 'nowhere'.*register"):
        net.initialize(Weight())
    assert "nowhere" in ik.plan(net, Weight())["0.bias"].error


def test_a_selector_that_raises_names_the_parameter():
    rules = ik.Rules([(lambda info: info.shape[5] > 1, 0)], default="zeros")
    with pytest.raises(ik.InitializationError, match=r"raised IndexError.*'0\.weight'"):
        one_dense().initialize(rules)
