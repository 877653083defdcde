"""What MXNet's `Initializer` keeps to itself: its arguments, and `set_verbosity`."""

import logging

from gluon_initkit._mxnet.initializers import base_arguments, is_verbose, print_filled
import mxnet as mx
from vocabulary import nd


def test_arguments_are_those_handed_on():
    assert base_arguments(mx.init.Normal(0.5)) == {"sigma": 0.5} and base_arguments(mx.init.Zero()) == {}


def test_what_is_filled_is_said_where_it_is_asked_for(caplog):
    loud, quiet = mx.init.Normal().set_verbosity(True, lambda arr: "seen"), mx.init.Normal()
    assert [is_verbose(each) for each in (loud, quiet, mx.init.Mixed(["."], [quiet]))] == [True, False, False]
    with caplog.at_level(logging.INFO):
        for each in (loud, quiet):
            print_filled(each, mx.init.InitDesc("a_bias"), "_init_bias", nd.ones((2,)))
    assert [record.getMessage() for record in caplog.records] == ["Initialized a_bias as bias: seen"]


def test_a_class_that_never_calls_super_init():
    class Bare(mx.init.Initializer):
        def __init__(self):
            pass

    assert not is_verbose(Bare())
    print_filled(Bare(), mx.init.InitDesc("a_bias"), "_init_bias", nd.ones((2,)))
