"""Telling reaches whoever listens to that very parameter, and quiet belongs to a thread."""

import threading

from gluon_initkit._mxnet.state import emit, events_suppressed, listeners, suppress_events
from mxnet import gluon


def test_only_the_listener_of_the_parameter_is_told():
    first, second, got = gluon.Parameter("a"), gluon.Parameter("b"), []
    listeners[id(first)] = lambda param, what, **facts: got.append((param is first, what, facts))
    try:
        emit(first, "initialize", hook="_init_weight")
        emit(second, "initialize", hook="_init_weight")
    finally:
        del listeners[id(first)]
    emit(first, "deferred")
    assert got == [(True, "initialize", {"hook": "_init_weight"})]


def test_quiet_is_of_one_thread_and_nests():
    others = []
    with suppress_events():
        with suppress_events():
            pass
        assert events_suppressed()
        thread = threading.Thread(target=lambda: others.append(events_suppressed()))
        thread.start()
        thread.join()
    assert others == [False] and not events_suppressed()
