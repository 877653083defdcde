"""Threads that have nothing to do with the kit: `gc.get_objects` would hand out the tuples that they are building."""

import sys
import threading

import gluon_initkit as ik
from mxnet.gluon import nn
import pytest
from vocabulary import collected, initialize_all, nd


def network(deferred=False):
    net = nn.HybridSequential()
    net.add(*(nn.Dense(4, in_units=0 if deferred else 4) for _ in range(3)))
    return net


def run(net):
    net.initialize()
    net(nd.ones((1, 4)))


def tie(net, path):
    run(net)
    ik.Sharing(net).tie("*.weight").apply()


def untie(net, path):
    tie(net, path)
    ik.untie(net, "1.weight")


def load(net, path):
    tie(net, path)
    ik.save(net, path)
    ik.load(network(), path, ties="apply")


def scope(net, path):
    with ik.sharing_scope(net[0]):
        net.add(nn.Dense(4, in_units=4))


def trace(net, path):
    with ik.trace(net) as t:
        run(net)
    str(t)


VERBS = {
    "initialize": lambda net, path: ik.initialize(net, "xavier"),
    "collect_params": lambda net, path: initialize_all(net, ik.corrected("xavier")),
    "a parameter by itself": lambda net, path: net[0].weight.initialize(init=ik.corrected("xavier")),
    "Rules": lambda net, path: net.initialize(ik.Rules([("*.bias", 1)], default="xavier")),
    "pending": lambda net, path: (initialize_all(network(True), ik.corrected("xavier")), run(network(True))),
    "plan": lambda net, path: ik.plan(net, "xavier"),
    "materialize": lambda net, path: (net.initialize(), ik.materialize(net, (1, 4))),
    "explain": lambda net, path: ik.explain(net, (1, 4)),
    "trace": trace,
    "inspect": lambda net, path: (run(net), ik.inspect(net, stats=True)),
    "compare": lambda net, path: (run(net), ik.compare(net, net)),
    "Recorder": lambda net, path: (run(net), ik.Recorder(net).step()),
    "fingerprint": lambda net, path: (run(net), ik.fingerprint(net)),
    "shared_groups": lambda net, path: ik.shared_groups(net),
    "tie": tie,
    "untie": untie,
    "load": load,
    "shared_layers": lambda net, path: ik.shared_layers(lambda: nn.Dense(4), n=3),
    "sharing_scope": scope,
}


@pytest.mark.parametrize("verb", VERBS.values(), ids=VERBS)
def test_a_thread_that_builds_tuples_meets_no_error(verb, tmp_path):
    """A tuple of unknown length is built by resizing it, which fails where anybody else holds it."""
    begun, over, errors = threading.Event(), threading.Event(), []

    def build():
        while not over.is_set():
            try:
                tuple(each for each in range(300))
            except SystemError as error:
                errors.append(error)
            begun.set()

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    builder = threading.Thread(target=build)
    builder.start()
    begun.wait()
    try:
        for _ in range(3):
            net = network()
            verb(net, str(tmp_path / "some.params"))
            assert collected(net)
    finally:
        over.set()
        builder.join()
        sys.setswitchinterval(interval)
    assert not errors
