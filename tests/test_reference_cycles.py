"""A network is freed with its last reference, without the garbage collector, whatever the kit has done with it."""

import gc
import weakref

import gluon_initkit as ik
import mxnet as mx
from mxnet.gluon import nn
import pytest
from vocabulary import GLUON_2, nd


def network(known):
    net = nn.HybridSequential()
    sizes = {"in_units": 4} if known else {}
    net.add(nn.Dense(4, **sizes), nn.Dense(4, **sizes), nn.BatchNorm(in_channels=4 if known else 0))
    return net


def run(net):
    net.initialize()
    net(nd.ones((2, 4)))


def train(net):
    net.initialize()
    trainer = mx.gluon.Trainer(net.collect_params(), "sgd", kvstore=None)
    with mx.autograd.record():
        loss = net(nd.ones((2, 4))).sum()
    loss.backward()
    trainer.step(2)


def hybridized(net):
    net.initialize()
    net.hybridize()
    net(nd.ones((2, 4)))


def save(net, path):
    run(net)
    ik.save(net, path)


def load(net, path):
    twin = network(True)
    save(twin, path)
    ik.load(net, path)
    str(ik.compare(net, path))


def load_and_tie(net, path):
    twin = network(True)
    tie(twin)
    save(twin, path)
    ik.load(net, path, ties="apply")


def materialize(net, **arguments):
    net.initialize()
    ik.materialize(net, (2, 4), **arguments)


def refused_by_materialize(net):
    with pytest.raises(ik.DeferredInitError):
        ik.materialize(net, (2, 4), (2, 4))


def contradiction(net):
    net[0].weight.shape = (4, 4)
    with pytest.raises(ik.DeferredInitError):
        ik.resolve_shapes(net, (2, 5))


class Reading(mx.gluon.Block):
    def forward(self, x):
        return x[float(x.sum().asnumpy()) - 7]


def code_that_stops(net):
    net.initialize()
    whole = nn.Sequential()
    whole.add(Reading(), net)
    str(ik.explain(whole, (2, 4)))
    without_name_scopes(whole)


def forward_pass_that_stops(net):
    net.initialize()
    whole = nn.Sequential()
    whole.add(Reading(), net, nn.Dense(3))
    with pytest.raises(ik.DeferredInitError):
        ik.materialize(whole, (2, 4), run_forward=True)
    without_name_scopes(whole)


def explain(net):
    str(ik.explain(net))
    str(ik.explain(net, (2, 4)))


def tie(net, **arguments):
    ik.Sharing(net).tie("0.weight", "1.weight", **arguments).apply()


def untie(net):
    tie(net)
    ik.untie(net, "1.weight")


def refused_by_tie(net):
    with pytest.raises(ik.SharingError):
        ik.Sharing(net).tie("0.weight", "2.gamma").apply()


def sharing_scope(net):
    with ik.sharing_scope(net[0]):
        net.add(nn.Dense(4))


def record(net):
    run(net)
    ik.Recorder(net).step()


def trace(net):
    with ik.trace(net) as t:
        run(net)
    str(t)


def trace_hybridized(net):
    with ik.trace(net) as t:
        hybridized(net)
    str(t)


def error_inside_a_trace(net):
    with pytest.raises(RuntimeError), ik.trace(net):
        net(nd.ones((2, 4)))  # `initialize` was forgotten


def error_that_ends_a_trace(net):
    with pytest.raises(RuntimeError), ik.trace(net):
        net[0].weight.data()


def inspect(net):
    run(net)
    report = ik.inspect(net, stats=True)
    str(report), report._repr_html_()


VERBS = {
    "shared_groups": ik.shared_groups,
    "check_sharing": lambda net: ik.check_sharing(net, ik.shared_groups(net)),
    "fingerprint": lambda net: (run(net), ik.fingerprint(net)),
    "initialize": lambda net: ik.initialize(net, "xavier", seed=1),
    "initialize and run": lambda net: (ik.initialize(net, "xavier", seed=1), run(net)),
    "corrected": lambda net: net.initialize(ik.corrected("xavier")),
    "Rules": lambda net: net.initialize(ik.Rules([("*weight", "xavier")])),
    "plan": lambda net: str(ik.plan(net, "xavier")),
    "resolve_shapes": lambda net: str(ik.resolve_shapes(net, (2, 4))),
    "materialize": materialize,
    "materialize by a forward pass": lambda net: materialize(net, run_forward=True),
    "materialize, refused": refused_by_materialize,
    "a contradiction": contradiction,
    "code that stops": code_that_stops,
    "a forward pass that stops": forward_pass_that_stops,
    "explain": explain,
    "tie": tie,
    "tie, transposed": lambda net: tie(net, transpose=True),
    "tie, refused": refused_by_tie,
    "untie": untie,
    "shared_layers": lambda net: net.add(*ik.shared_layers(lambda: nn.Dense(4), n=2)),
    "sharing_scope": sharing_scope,
    "Recorder": record,
    "trace": trace,
    "trace, hybridized": trace_hybridized,
    "trace, an error inside": error_inside_a_trace,
    "trace, an error that ends it": error_that_ends_a_trace,
    "inspect": inspect,
    "compare": lambda net: (run(net), str(ik.compare(net, net))),
}
PLAIN = {"run": run, "hybridized": hybridized, "train": train}
FILES = {"save": save, "load": load, "load and tie": load_and_tie}


def without_name_scopes(net):
    """MXNet 1's own cycle, taken out: a block and its name scope hold each other."""
    if not GLUON_2:
        waiting = [net]
        while waiting:
            block = waiting.pop()
            block._scope = None
            waiting += block._children.values()


def is_freed(verb, known):
    verb(network(known))  # what is made once and kept, such as the names of initializers
    mx.nd.waitall()
    gc.disable()  # what garbage there is stays: it holds nothing of the next network
    try:
        net = network(known)
        gone = weakref.ref(net)
        params = [weakref.ref(param) for param in net.collect_params().values()]
        verb(net)
        mx.nd.waitall()
        without_name_scopes(net)
        del net
        # In MXNet 1 a Parameter and the ParameterDict of its block hold each other.
        return gone() is None and not (GLUON_2 and any(param() is not None for param in params))
    finally:
        gc.enable()


@pytest.mark.parametrize("known", [True, False], ids=["eager", "deferred"])
@pytest.mark.parametrize("verb", PLAIN.values(), ids=PLAIN)
def test_mxnet_itself_makes_no_cycle_but_a_blocks_name_scope(verb, known):
    assert is_freed(verb, known)


@pytest.mark.parametrize("known", [True, False], ids=["eager", "deferred"])
@pytest.mark.parametrize("verb", VERBS.values(), ids=VERBS)
def test_nothing_that_the_kit_does_keeps_a_network_alive(verb, known):
    assert is_freed(verb, known)


@pytest.mark.parametrize("known", [True, False], ids=["eager", "deferred"])
@pytest.mark.parametrize("verb", FILES.values(), ids=FILES)
def test_nor_do_files(verb, known, tmp_path):
    assert is_freed(lambda net: verb(net, str(tmp_path / "some.params")), known)
