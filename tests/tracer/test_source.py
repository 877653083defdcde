"""The user's line is the innermost frame outside of MXNet and the kit, and the call is what it called of theirs."""

import gluon_initkit as ik
from gluon_initkit.tracer.source import user_call
import mxnet as mx
from mxnet.gluon import nn


def test_asked_directly_it_is_this_line_and_no_call():
    called, file, line = user_call()
    assert (called, file) == ("", __file__)
    assert line == test_asked_directly_it_is_this_line_and_no_call.__code__.co_firstlineno + 1


def test_a_hook_of_the_users_own_is_the_users_own_code():
    told = []

    class Init(mx.init.Initializer):
        def _init_weight(self, desc, arr):
            told.append(user_call())
            arr[:] = 0

    nn.Dense(2, in_units=2, use_bias=False).initialize(Init())
    assert told == [("", __file__, Init._init_weight.__code__.co_firstlineno + 1)]


def test_the_call_is_the_outermost_of_mxnets_or_the_kits():
    net = nn.HybridSequential()
    net.add(nn.Dense(2, in_units=2))
    with ik.trace(net) as t:
        net.initialize()
        net.collect_params().initialize(force_reinit=True)
        net[0].weight.initialize(force_reinit=True)
        ik.initialize(net, force_reinit=True)
    assert list(dict.fromkeys(e.call for e in t.events)) == [
        "HybridSequential.initialize", "ParameterDict.initialize", "Parameter.initialize", "ik.initialize",
    ]  # fmt: skip
