"""The user's line is the innermost frame outside of MXNet and the kit, and the call is what it called of theirs."""

import sys

import gluon_initkit as ik
from gluon_initkit.tracer.source import frames_of, last_lines
import mxnet as mx
from mxnet.gluon import nn
import pytest
from vocabulary import GLUON_2


def test_the_call_is_the_outermost_of_mxnets_or_the_kits():
    net = nn.HybridSequential()
    net.add(nn.Dense(2, in_units=2))
    with ik.trace(net) as t:
        net.initialize()
        if not GLUON_2:
            net.collect_params().initialize(force_reinit=True)
        net[0].weight.initialize(force_reinit=True)
        ik.initialize(net, force_reinit=True)
    assert list(dict.fromkeys(e.call for e in t.events)) == [
        "HybridSequential.initialize", *(() if GLUON_2 else ("ParameterDict.initialize",)), "Parameter.initialize",
        "ik.initialize",
    ]  # fmt: skip


def test_code_that_is_in_no_file_is_the_users_too():
    """As of ``python -c``; MXNet's generated operators have the same file name, and are MXNet's."""
    code = compile("net = nn.Dense(2, in_units=2)\nwith trace(net) as t:\n    net.initialize()", "<string>", "exec")
    names = {"nn": nn, "trace": ik.trace, "__name__": "__main__"}
    exec(code, names)
    assert {(e.call, e.file, e.line) for e in names["t"].events} == {("Dense.initialize", "<string>", 3)}


def test_the_last_lines_of_an_exception():
    def asks(operator):
        operator(3)

    for operator, inside in ((mx.sym.dot, ""), (nn.Dense(2).forward, "(in forward)")):  # a generated one has no source
        with pytest.raises((AssertionError, AttributeError, ValueError)) as caught:
            asks(operator)
        theirs, mxnets = last_lines(frames_of(caught.value))
        assert theirs == f"{__file__}:{asks.__code__.co_firstlineno + 1} (in asks): operator(3)"
        assert inside in mxnets and bool(mxnets) is bool(inside)


def test_of_a_call_under_way_the_frames_around_count():
    def caught():
        try:
            nn.Dense(2).weight.data(3, 4)
        except TypeError as error:
            return frames_of(error), frames_of(error, sys._getframe())

    alone, around = caught()
    assert last_lines(alone) == last_lines(around) and len(alone) == (2 if GLUON_2 else 1)  # a decorator of MXNet 2's
    names = [frame.f_code.co_name for frame, _ in around if frame.f_globals["__name__"] != "mxnet.util"]
    assert names[-3:] == ["test_of_a_call_under_way_the_frames_around_count", "caught", "caught"]
