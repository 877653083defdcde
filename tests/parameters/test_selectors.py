"""Selectors: five kinds, one meaning each."""

import re

import gluon_initkit as ik
from gluon_initkit.parameters import (
    ParameterInfo,
    list_parameters,
    matcher,
    path_matcher,
    refuse_no_match,
    selector_from_json,
    selector_to_json,
    show_selector,
)
from mxnet.gluon import nn
import pytest
from vocabulary import tied


def infos():
    net = nn.HybridSequential()
    body = nn.HybridSequential()
    body.add(nn.Dense(3, in_units=4), nn.BatchNorm())
    net.add(body, nn.Dense(4, in_units=3, use_bias=False))
    net.add(tied(nn.Dense, net[1], 4, in_units=3, use_bias=False))
    return [info for _, _, info in list_parameters(net)]


def selected(selector):
    test = matcher(selector)
    return [info.path for info in infos() if test(info)]


@pytest.mark.parametrize(
    ("selector", "paths"),
    [
        ("*.bias", ["0.0.bias"]),
        ("0.*", ["0.0.weight", "0.0.bias", "0.1.gamma", "0.1.beta", "0.1.running_mean", "0.1.running_var"]),
        ("0.?.weight", ["0.0.weight"]),
        ("1.weight", ["1.weight"]),
        ("2.weight", ["1.weight"]),  # an alias
        ("weight", ["0.0.weight", "1.weight"]),  # the role
        ("default", []),
        ("WEIGHT", []),
        (re.compile("running"), ["0.1.running_mean", "0.1.running_var"]),
        (re.compile(r"^\d\.weight"), ["1.weight"]),
        (nn.BatchNorm, ["0.1.gamma", "0.1.beta", "0.1.running_mean", "0.1.running_var"]),
        (nn.Dropout, []),
        (lambda info: info.shape == (3, 4), ["0.0.weight"]),
        (lambda info: info.shape == (None,) and info.block is nn.BatchNorm and info.role == "beta", ["0.1.beta"]),
    ],
)
def test_selects(selector, paths):
    assert selected(selector) == paths


def test_those_that_need_a_path_alone():
    for selector in ("*.bias", re.compile("bias$")):
        test = path_matcher(selector)
        assert test("0.0.bias") and not test("0.0.weight")
    for selector in ("bias", nn.Dense, len, re.compile(b"bias")):
        assert path_matcher(selector) is None


def test_a_class_selects_all_inside_it():
    assert len(selected(nn.HybridSequential)) == 7


def holders(*paths, names=None):
    return [ParameterInfo(path, (), name, "default", (1,), "float32") for path, name in zip(paths, names or paths)]


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("0.0.wieght", "no parameter has the path '0.0.wieght'; did you mean '0.0.weight'"),
        ("0.0", r"no parameter has the path '0.0', which is a block's; '0.0.\*' selects all that it holds"),
        ("zzz", "no parameter has the path 'zzz'; there are '0.0.weight', '0.0.bias', '1.weight'."),
    ],
)
def test_a_path_that_is_nobodys_is_a_typo(path, says):
    with pytest.raises(ValueError, match=says):
        refuse_no_match(path, holders("0.0.weight", "0.0.bias", "1.weight"))


@pytest.mark.parametrize("selector", ["*.gamma", "0.?", "[x]", "gamma", re.compile("x"), nn.BatchNorm, bool, None])
def test_what_describes_parameters_may_describe_none(selector):
    assert refuse_no_match(selector, holders("0.0.weight")) is None


@pytest.mark.parametrize(
    ("text", "glob"),
    [(".*bias", "*bias"), ("bias$", "*bias"), ("^0", "0*"), ("^0.*bias$", "0*bias"), ("0.+", "0?*"), ("a|b", None),
     (r"0\.bias$", "*0.bias"), (r"\d+\.bias", None), ("0.*", "0*")],
)  # fmt: skip
def test_a_regular_expression_in_a_str_is_a_mistake(text, glob):
    """``collect_params`` and ``mx.init.Mixed`` taught people these."""
    with pytest.raises(ValueError) as caught:
        refuse_no_match(text, holders("0_bias"))
    like = f", such as {glob!r}" if glob else ""
    assert str(caught.value) == (f"{text!r} selects no parameter: it is read as a glob{like}; write "
                                 f"re.compile({text!r}) for a regular expression.")  # fmt: skip


def test_gluons_names_are_answered_by_paths():
    found = holders("0.weight", "0.bias", names=("dense0_weight", "dense0_bias"))
    for text, says in (
        ("dense0_bias", "no parameter has the path 'dense0_bias'; that is Gluon's name of '0.bias'."),
        ("dense0_b*", "'dense0_b*' selects no parameter; paths are selected, and 'dense0_bias' is Gluon's name of "
                      "'0.bias'."),
        (".*dense0.*", "for a regular expression; paths are selected, and 'dense0_weight' is Gluon's name of "
                       "'0.weight'."),
    ):  # fmt: skip
        with pytest.raises(ValueError) as caught:
            refuse_no_match(text, found)
        assert str(caught.value).endswith(says)
    assert refuse_no_match("head.*", found) is None


@pytest.mark.parametrize("selector", ["*.bias", "bias", re.compile("a", re.I), nn.Dense])
def test_json_round_trip(selector):
    assert selector_from_json(selector_to_json(selector)) == selector


def test_how_they_are_shown():
    assert [show_selector(each) for each in ("*.bias", nn.Dense, re.compile("a"))] == [
        "'*.bias'", "Dense", "re.compile('a')"]  # fmt: skip


def test_no_selector_says_the_kinds():
    with pytest.raises(TypeError, match="3 is no selector. A selector is a glob over paths"):
        matcher(3)


def test_the_record_is_public_and_frozen():
    (first, *_) = infos()
    assert isinstance(first, ik.ParameterInfo)
    with pytest.raises(AttributeError):
        first.path = "other"
