"""What happened becomes events when somebody asks, once and in order; nothing holds the network afterwards."""

import time

import gluon_initkit as ik
from mxnet.gluon import nn
from vocabulary import nd


def test_events_are_made_once():
    net = nn.Dense(2)
    with ik.trace(net) as t:
        net.initialize()
        first = t.events
        net(nd.ones((1, 3)))
        assert t.events[: len(first)] == first and all(a is b for a, b in zip(t.events, first))
    assert [e.time for e in t.events] == sorted(e.time for e in t.events) and t.events[0].time > 0


def test_what_a_graph_was_given_is_known_when_the_graph_is_gone():
    net = nn.HybridSequential()
    net.add(nn.Dense(4), nn.Dense(2))
    net.initialize()
    net.hybridize()
    with ik.trace(net) as t:
        net(nd.ones((3, 5)))
        net.hybridize()  # which drops the graph
        inputs = {event.path: event.inputs for event in t.events}
    assert inputs["0.weight"] == ((3, 5),) and inputs["1.weight"] == ((3, 4),)


def test_an_event_begins_before_it_is_told():
    class Slow(ik.Initializer):
        def _init_weight(self, desc, arr):
            time.sleep(0.1)
            arr[:] = 1

    net, told = nn.Dense(2, in_units=3, use_bias=False), []
    start = time.perf_counter()
    with ik.trace(net, on_event=lambda event: told.append((event, time.perf_counter() - start))) as t:
        net.initialize(Slow())
    event, seconds = told[-1]
    assert event is t.events[-1] and event.kind == "resolved" and event.seconds >= 0.1
    assert event.time <= seconds - 0.1
