"""Selectors: five kinds, one meaning each."""

import re

import gluon_initkit as ik
from gluon_initkit.naming import (
    describe,
    matcher,
    path_matcher,
    refuse_unknown,
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
    return [info for _, _, info in describe(net)]


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
        refuse_unknown(path, ["0.0.weight", "0.0.bias", "1.weight"])


@pytest.mark.parametrize("selector", ["*.gamma", "0.?", "[x]", "gamma", re.compile("x"), nn.BatchNorm, bool, None])
def test_what_describes_parameters_may_describe_none(selector):
    assert refuse_unknown(selector, ["0.0.weight"]) is None


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
