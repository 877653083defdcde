"""Telling reaches whoever listens to that very parameter, and quiet belongs to a thread."""

import threading

from gluon_initkit._mxnet.telling import is_quiet, listeners, quietly, tell
from mxnet import gluon


def test_only_the_listener_of_the_parameter_is_told():
    first, second, got = gluon.Parameter("a"), gluon.Parameter("b"), []
    listeners[id(first)] = lambda param, what, **facts: got.append((param is first, what, facts))
    try:
        tell(first, "initialize", hook="_init_weight")
        tell(second, "initialize", hook="_init_weight")
    finally:
        del listeners[id(first)]
    tell(first, "deferred")
    assert got == [(True, "initialize", {"hook": "_init_weight"})]


def test_quiet_is_of_one_thread_and_nests():
    others = []
    with quietly():
        with quietly():
            pass
        assert is_quiet()
        thread = threading.Thread(target=lambda: others.append(is_quiet()))
        thread.start()
        thread.join()
    assert others == [False] and not is_quiet()
