"""Mistakes that are easily made: the answer says what to write instead."""

import gc

import gluon_initkit as ik
import mxnet as mx
from mxnet.gluon import nn
import pytest


def network():
    net = nn.HybridSequential()
    net.add(nn.Dense(3, in_units=2), nn.Dense(3, in_units=2))
    net.initialize()
    return net


@pytest.mark.parametrize("error, call, says", [
    (TypeError, lambda net: ik.initialize(net, verbose=True), r"print\(ik\.initialize\(net, \.\.\.\)\)"),
    (TypeError, lambda net: ik.inspect(net, mx.nd.ones((1, 2))), r"ik\.outputs\(net, x\)"),
    (AttributeError, lambda net: ik.inspect(net, stats=True)["0.weight"].mean, r"\['0\.weight'\]\.stats\.mean$"),
    (AttributeError, lambda net: ik.inspect(net)["0.weight"].norm, r"ik\.inspect\(net, stats=True\) computes"),
    (TypeError, lambda net: ik.inspect(nn.Dense), r"found a class: make one, Dense\(\.\.\.\)"),
    (TypeError, lambda net: ik.initialize(net, mx.init.Xavier), "It is a class: make an instance"),
])  # fmt: skip
def test_the_mend_is_said(error, call, says):
    with pytest.raises(error, match=says):
        call(network())


def test_a_shape_in_single_numbers():
    net = nn.HybridSequential()
    net.add(nn.Dense(2))
    net.initialize()
    assert "did you mean (1, 3)?" in ik.explain(net, 1, 3).summary


def test_a_declared_sharing_that_is_never_applied():
    with pytest.warns(UserWarning, match=r"call \.apply\(\) on it"):
        ik.Sharing(network()).tie("0.weight", "1.weight")
        gc.collect()


def test_a_trace_that_is_never_begun():
    assert "write `with ik.trace(net) as t:`" in str(ik.trace(network()))


def test_tab_completion_shows_public_names_alone():
    assert {"initialize", "inspect", "Report", "inspector"} <= set(dir(ik)) and "Any" not in dir(ik)
    assert ik.inspect(network())._ipython_key_completions_() == ["0.weight", "0.bias", "1.weight", "1.bias"]
