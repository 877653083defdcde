"""Rules: first match wins, by every kind of selector, wherever Gluon calls them from."""

import re
import warnings

import gluon_initkit as ik
import mxnet as mx
from mxnet.gluon import nn
import numpy as np
import pytest
from vocabulary import HybridBlock, constant, declared, initialize_all, nd, tied


class ByRole(ik.Initializer):
    def _init_weight(self, desc, arr):
        arr[:] = 31

    def _init_bias(self, desc, arr):
        arr[:] = 32


def network(deferred=False):
    net = nn.HybridSequential()
    body = nn.HybridSequential()
    body.add(nn.Dense(3, in_units=0 if deferred else 4), nn.BatchNorm(in_channels=0 if deferred else 3))
    net.add(body, nn.Dense(2, in_units=0 if deferred else 3))
    return net


PATHS = ["0.0.weight", "0.0.bias", "0.1.gamma", "0.1.beta", "0.1.running_mean", "0.1.running_var", "1.weight", "1.bias"]


def values(net):
    blocks = {"0.0": net[0][0], "0.1": net[0][1], "1": net[1]}
    found = {}
    for path in PATHS:
        block, _, name = path.rpartition(".")
        unique = set(getattr(blocks[block], name).data().asnumpy().ravel())
        found[path] = unique.pop() if len(unique) == 1 else "many"
    return found


SELECTORS = {
    "glob": ("0.*.bias", {"0.0.bias"}),
    "path": ("1.bias", {"1.bias"}),
    "role": ("bias", {"0.0.bias", "1.bias"}),
    "gamma": ("gamma", {"0.1.gamma"}),
    "regex": (re.compile(r"^0\..*(bias|beta)$"), {"0.0.bias", "0.1.beta"}),
    "class": (nn.BatchNorm, set(PATHS[2:6])),
    "callable": (lambda info: info.shape == (3,) and info.role == "bias", {"0.0.bias"}),
}


@pytest.mark.parametrize("deferred", [False, True], ids=["eager", "deferred"])
@pytest.mark.parametrize("kind", SELECTORS)
@pytest.mark.parametrize("call", ["net.initialize", "collect_params", "collect_params of a network that was seen"])
def test_each_kind_of_selector_reaches_its_parameters_and_no_others(call, kind, deferred):
    selector, wanted = SELECTORS[kind]
    net = network(deferred and kind != "callable")
    rules = ik.Rules([(selector, 7)], default=ByRole())
    if call == "net.initialize":
        net.initialize(rules)
    elif call == "collect_params" and kind in ("glob", "path", "regex", "class"):
        with pytest.raises(ik.InitializationError, match=r"rule 1 .* cannot be asked of .*\. Call net\.initialize\("):
            initialize_all(net, rules)
            net(nd.ones((2, 4)))
        return
    else:
        if "seen" in call:
            net.initialize(ik.corrected("zeros"))
        initialize_all(net, rules, force_reinit=True)
    net(nd.ones((2, 4)))
    assert {path for path, value in values(net).items() if value == 7} == wanted


def test_first_match_wins():
    net = network()
    net.initialize(ik.Rules([("1.bias", 1), ("bias", 2), ("*", 3)]))
    assert values(net) == {**dict.fromkeys(PATHS, 3), "1.bias": 1, "0.0.bias": 2}


def test_a_rule_for_whole_layers_goes_by_role_and_one_for_a_role_fills_it():
    net = network()
    net.initialize(ik.Rules([("1.bias", mx.init.Normal(1)), ("*", mx.init.Xavier())]))
    found = values(net)
    assert found["1.bias"] == "many" and found["0.0.bias"] == 0  # Xavier on a vector would raise
    assert [found[path] for path in PATHS[2:6]] == [1, 0, 0, 1]
    assert found["0.0.weight"] == found["1.weight"] == "many"


def test_an_array_is_a_constant():
    net = network()
    net.initialize(ik.Rules([("1.weight", np.arange(6).reshape(2, 3)), ("1.bias", mx.nd.array([8, 9]))], "zeros"))
    assert net[1].weight.data().asnumpy().ravel().tolist() == list(range(6))
    assert net[1].bias.data().asnumpy().tolist() == [8, 9]


def test_rules_nest():
    inner = ik.Rules([("*.bias", 5)], default=ByRole())
    net = network()
    net.initialize(ik.Rules([("0.*", inner)], default="ones"))
    found = values(net)
    assert (found["0.0.bias"], found["0.0.weight"], found["1.weight"], found["1.bias"]) == (5, 31, 1, 0)


def test_rules_work_on_one_layer():
    net = nn.HybridSequential()
    net.add(nn.Dense(2, in_units=2, weight_initializer=ik.Rules([("weight", 6)]), bias_initializer=ByRole()))
    net.initialize()
    assert (net[0].weight.data().asnumpy() == 6).all() and (net[0].bias.data().asnumpy() == 32).all()


def test_explicit_layers_win_unless_overridden():
    for override, bias in ((False, 1), (True, 5)):
        net = nn.HybridSequential()
        net.add(nn.Dense(2, in_units=2, bias_initializer="ones", weight_initializer=mx.init.Constant(9)))
        net.initialize(ik.Rules([("*.bias", 5)], default="zeros", override_layers=override))
        assert (net[0].bias.data().asnumpy() == bias).all()
        assert (net[0].weight.data().asnumpy() == 9).all()  # no rule matches it: the layer's word stands


def test_uncovered_parameters_are_listed_before_any_is_filled():
    net = network()
    with pytest.raises(ik.InitializationError) as caught:
        net.initialize(ik.Rules([("bias", 1)]))
    message = str(caught.value)
    assert message.startswith("2 parameters are covered by nothing")
    assert "0.0.weight" in message and "1.weight" in message
    assert all(param._data is None for param in net.collect_params().values())


@pytest.mark.parametrize("rules, found, mend", [
    ({"*.bias": 1}, r"\{'\*.bias': 1\}", r"; of a dict, list\(rules.items\(\)\)"), ("ab", "'ab'", ""), (5, "5", ""),
    (None, "None", ""),
])  # fmt: skip
def test_what_are_no_rules_at_all(rules, found, mend):
    expected = r"expected a list of pairs \(selector, initializer\)"
    with pytest.raises(TypeError, match=rf"rules is {found}: {expected}{mend}$"):
        ik.Rules(rules)


def test_a_complex_number_is_no_initializer():
    with pytest.raises(TypeError, match=r"rule 1 \('bias'\): expected an initializer .* found 1j"):
        ik.Rules([("bias", 1j)])


def test_a_rule_that_matches_nothing_warns_once_and_raises_when_strict():
    net = network()
    with pytest.warns(UserWarning, match=r"rule 2 \('head\.\*'\) matched none of.*\(0\.0\.weight"):
        net.initialize(ik.Rules([("bias", 1), ("head.*", 2)], default=ByRole()))
    with pytest.raises(ik.InitializationError, match=r"rule 1 \('head\.\*'\).*strict"):
        network().initialize(ik.Rules([("head.*", 2)], default=ByRole(), strict=True))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        network().initialize(ik.Rules([("bias", 1)], default=ByRole()))


HIDDEN = {
    "an earlier rule": (lambda: ik.Rules([("*", "xavier"), ("bias", 0.1)]), network,
                        "rule 2 ('bias') decides no parameter: rule 1 ('*') takes 0.0.bias, 1.bias before"),
    "explicit initializers": (lambda: ik.Rules([("bias", 0.1)], default=ByRole()),
                              lambda: nn.Dense(2, in_units=2, bias_initializer=mx.init.One()),
                              "rule 1 ('bias') decides no parameter: explicit initializers of the layers fill bias "
                              "(override_layers=True lets the rule go before them)"),
    "defaults of layers": (lambda: ik.Rules([(nn.BatchNorm, "xavier")], default=ByRole()), network,
                           "rule 1 (BatchNorm) decides no parameter: the layers' own defaults fill 0.1.gamma, "
                           "0.1.beta, 0.1.running_mean and 1 more"),
    "an expression with braces": (lambda: ik.Rules([(re.compile("^.{3,}s$"), 1), ("0.0.bias", 2), ("1.bias", 3)],
                                                   default=ByRole()), network,
                                  "rule 2 ('0.0.bias') decides no parameter: rule 1 (re.compile('^.{3,}s$')) takes "
                                  "0.0.bias before. rule 3 ('1.bias') decides no parameter: rule 1 "),
}  # fmt: skip


@pytest.mark.parametrize("why", HIDDEN)
@pytest.mark.parametrize("call", [lambda net, init: net.initialize(init), lambda net, init: ik.initialize(net, init)])
def test_a_rule_that_decides_nothing_warns_once_and_raises_when_strict(why, call):
    make, build, says = HIDDEN[why]
    with pytest.warns(UserWarning, match="decides no parameter") as caught:
        call(build(), make())
    (said,) = [str(each.message) for each in caught if "decides" in str(each.message)]  # MXNet 2 warns of its own
    assert says in said
    strict = make()
    strict.strict = True
    with pytest.raises(ik.InitializationError, match="decides no parameter.*Mend the rules, or drop strict=True"):
        call(build(), strict)
    assert any(note.startswith(says[:40]) for note in ik.plan(build(), make()).notes)


def test_a_rule_counts_for_what_is_kept_or_pending_too():
    """What keeps its values, keeps no rule from its parameters."""
    net = network(deferred=True)
    rules = ik.Rules([("weight", "xavier"), ("bias", 0.1)], default=ByRole(), strict=True)
    ik.initialize(net, rules, seed=1)
    with pytest.warns(UserWarning, match="already initialized") as caught:
        ik.initialize(net, rules, seed=1)
    assert not any("decides" in str(each.message) for each in caught)


def test_a_rule_for_a_constant():
    class Net(HybridBlock):
        def __init__(self):
            super().__init__()
            self.weight = declared(self, "weight", shape=(2, 2))
            self.fixed = constant(self, "fixed", [[1.0]])

    with pytest.warns(UserWarning, match="decides no parameter: Constants keep their own values: fixed"):
        ik.initialize(Net(), ik.Rules([("fixed", 0.1)], default=ByRole(), override_layers=True))


def test_mxnet_9376_order_of_the_rules():
    """A bias that an earlier rule takes: ``Mixed`` is as silent, and leaves 0."""
    mixed = mx.init.Mixed([".*", ".*bias"], [mx.init.Xavier(), mx.init.Constant(0.1)])
    bias = nd.ones((2,))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        mixed(mx.init.InitDesc("fc_bias"), bias)
    assert (bias.asnumpy() == 0).all()
    net = nn.Dense(2, in_units=2)
    with pytest.warns(UserWarning, match=r"rule 2 \('bias'\) decides no parameter: rule 1 \('\*'\) takes bias before"):
        ik.initialize(net, ik.Rules([("*", "xavier"), ("bias", 0.1)]))
    net = nn.Dense(2, in_units=2)
    ik.initialize(net, ik.Rules([("bias", 0.5), ("*", "xavier")]))
    assert (net.bias.data().asnumpy() == 0.5).all()


@pytest.mark.parametrize(("text", "glob"), [(".*bias", "*bias"), ("bias$", "*bias"), ("^0", "0*")])
def test_a_rule_by_a_regular_expression_in_a_str(text, glob):
    rules = ik.Rules([(text, 0.1)], default=ByRole())
    says = f"{text!r} selects no parameter: it is read as a glob, such as {glob!r}; write re.compile({text!r})"
    with pytest.warns(UserWarning, match="matched none") as caught:
        ik.initialize(network(), rules)
    assert says in str(caught[0].message)
    assert says in ik.plan(network(), rules).notes[0]
    rules.strict = True
    with pytest.raises(ik.InitializationError, match="it is read as a glob"):
        ik.initialize(network(), rules)


@pytest.mark.parametrize(
    "way",
    [
        lambda net, init: ik.initialize(net, init),
        lambda net, init: net.initialize(init),
        lambda net, init: (net.initialize(), net.initialize(init, force_reinit=True)),
    ],
)
def test_the_warning_points_at_the_user_s_own_line(way):
    with pytest.warns(UserWarning, match="matched none") as caught:
        way(network(), ik.Rules([("head.*", 2)], default="ones"))
    caught = [each for each in caught if "matched none" in str(each.message)]  # MXNet 2 warns of its own
    assert [(each.filename, each.lineno) for each in caught] == [(__file__, way.__code__.co_firstlineno)]


@pytest.mark.parametrize("hybrid", [False, True])
def test_the_warning_of_a_forward_pass_points_at_its_call(hybrid):
    net = nn.HybridSequential()
    net.add(nn.Dense(2, use_bias=False), nn.Dense(2, use_bias=False))
    net.initialize(ik.Rules([("head.*", 2)], default="ones"))
    net.hybridize(hybrid)
    call = lambda: net(nd.ones((2, 3)))  # noqa: E731
    with pytest.warns(UserWarning, match="matched none") as caught:
        call()
    assert [(each.filename, each.lineno) for each in caught] == [(__file__, call.__code__.co_firstlineno)]


def test_a_shared_parameter_answers_to_each_of_its_paths():
    net = nn.HybridSequential()
    net.add(nn.Dense(2, in_units=2))
    net.add(tied(nn.Dense, net[0], 2, in_units=2))
    net.initialize(ik.Rules([("1.weight", 4)], default="zeros"))
    assert (net[0].weight.data().asnumpy() == 4).all()


def test_the_json_makes_the_same_rules_again():
    pairs = [("*.bias", 1), (re.compile("w"), "xavier"), (nn.Dense, ik.corrected("normal"))]
    rules = ik.Rules(pairs, "zeros", override_layers=True, strict=True)
    again = mx.init.create(rules.dumps())
    assert again == rules and again.override_layers and again.strict
    assert again.rules[2][0] is nn.Dense and again.rules[1][0].pattern == "w"


def test_a_rule_decides_parameters_whose_names_tell_no_role():
    net = mx.gluon.nn.Dense(2, in_units=2)
    net.scale = declared(net, "scale", shape=(4,))
    plan = ik.plan(net, ik.Rules([("scale", mx.init.Normal()), ("*", mx.init.One())], strict=True))
    assert plan["scale"].why == "rule 1" and plan["weight"].why == "rule 2"
    net = mx.gluon.nn.Sequential()
    net.scale = declared(net, "scale", shape=(4,))
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        report = ik.initialize(net, ik.Rules([("*", mx.init.Normal())], strict=True), seed=1)
    assert report["scale"].state == "initialized" and net.scale.data().asnumpy().any()
