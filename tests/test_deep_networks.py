"""Networks that are nested as deep as plain Gluon can run them; and blocks in a cycle, which it cannot."""

import sys
import threading

import gluon_initkit as ik
from mxnet.gluon import nn
import pytest
from vocabulary import GLUON_2, nd

# Of blocks inside each other; one forward call takes four frames of Python a block, or eight in MXNet 2. Plain Gluon
# reaches 244 on Python 3.11. Python 3.12 has a limit for calls from C which nobody can raise: plain Gluon reaches 211
# there, `materialize` 164.
PYTHON_312 = sys.version_info[:2] == (3, 12)
DEPTH = 100 if GLUON_2 else 130 if PYTHON_312 else 230


def nested(kind=nn.HybridSequential, depth=DEPTH):
    net = nn.Dense(4)
    for _ in range(depth):
        outer = kind() if GLUON_2 else kind(prefix="")
        outer.add(net)
        net = outer
    return net


def in_a_fresh_stack(work):
    """The result of a function that is called by nobody: pytest's own frames would count."""
    answers, errors = [], []

    def call():
        try:
            answers.append(work())
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=call)
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return answers[0]


def run(net):
    net.initialize()
    net(nd.ones((2, 4)))


def trace(net):
    with ik.trace(net) as t:
        run(net)
    return str(t), t.to_json()


def trace_a_failure(net):
    with pytest.raises(ik.DeferredInitError), ik.trace(net):
        net(nd.ones((2, 4)))


def materialize_in_a_trace(net):
    with ik.trace(net):
        net.initialize()
        ik.materialize(net, (2, 4))
        net(nd.ones((2, 4)))


def materialize(net, **arguments):
    net.initialize()
    assert not ik.materialize(net, (2, 4), **arguments).unresolved


def materialize_by_a_forward_pass(net):
    net.initialize()
    ik.materialize(net, nd.ones((2, 4)), run_forward=True)


def inspect(net):
    report = ik.inspect(net)
    return str(report), report._repr_html_(), report.to_json()


def tie_and_untie(net):
    around = nn.Sequential()
    around.add(nn.Dense(4, in_units=4), net)
    (group,) = ik.Sharing(around).tie("*.weight").apply().groups
    ik.untie(around, group.aliases[0])


VERBS = {
    "run": run,
    "initialize": lambda net: str(ik.initialize(net, "xavier")),
    "plan": lambda net: str(ik.plan(net, "xavier")),
    "corrected": lambda net: net.initialize(ik.corrected("xavier")),
    "resolve_shapes": lambda net: str(ik.resolve_shapes(net, (2, 4))),
    "materialize": materialize,
    "materialize by a forward pass": materialize_by_a_forward_pass,
    "explain": lambda net: str(ik.explain(net, (2, 4))),
    "trace": trace,
    "trace a failure": trace_a_failure,
    "materialize in a trace": materialize_in_a_trace,
    "inspect": inspect,
    "tie": tie_and_untie,
    "shared_groups": ik.shared_groups,
    "Recorder": lambda net: (run(net), ik.Recorder(net).step()),
    "fingerprint": lambda net: (run(net), ik.fingerprint(net)),
}


@pytest.mark.parametrize("hybrid", [False, True], ids=["", "hybridized"])
@pytest.mark.parametrize("verb", VERBS.values(), ids=VERBS)
def test_the_kit_goes_as_deep_as_plain_gluon(verb, hybrid):
    net = nested()
    net.hybridize(hybrid)
    in_a_fresh_stack(lambda: verb(net))


def test_a_deep_network_goes_through_files(tmp_path):
    net, path = nested(), str(tmp_path / "deep.params")
    in_a_fresh_stack(lambda: (run(net), ik.save(net, path), ik.load(net, path), str(ik.compare(net, path))))


@pytest.mark.skipif(GLUON_2, reason="a block of MXNet 2 takes eight frames of Python, of whatever kind")
def test_blocks_of_two_frames_each_leave_least_room_for_wrappers():
    in_a_fresh_stack(lambda: materialize_in_a_trace(nested(nn.Sequential, DEPTH if PYTHON_312 else 310)))


def test_the_recursion_limit_is_as_before():
    before = sys.getrecursionlimit()
    outer, inner = nested(depth=2), nested(depth=2)
    with ik.trace(outer):
        with pytest.raises(ik.DeferredInitError):
            ik.materialize(inner, (2, 4))
        assert sys.getrecursionlimit() > before
    assert sys.getrecursionlimit() == before
    with ik.trace(outer):
        sys.setrecursionlimit(before + 1)  # somebody else's limit stays
    assert sys.getrecursionlimit() == before + 1
    sys.setrecursionlimit(before)


class Child(nn.HybridSequential):
    """A block with a reference to the one around it, which Gluon takes for a child."""


class Renaming(Child):
    """It names its parameters itself, as MXNet 1's RNN layers and all blocks of MXNet 2 do."""

    def _collect_params_with_prefix(self, *prefix, **select):
        return super()._collect_params_with_prefix(*prefix, **select)


def cyclic(kind=Child):
    net, child = nn.HybridSequential(), kind()
    net.add(child)
    child.add(nn.Dense(4))
    child.parent = net
    return net


CYCLE = {
    "initialize": ik.initialize,
    "plan": ik.plan,
    "inspect": ik.inspect,
    "shared_groups": ik.shared_groups,
    "explain": ik.explain,
    "materialize": lambda net: ik.materialize(net, (2, 4)),
    "resolve_shapes": lambda net: ik.resolve_shapes(net, (2, 4)),
    "trace": lambda net: ik.trace(net).__enter__(),
    "save": lambda net: ik.save(net, "never.params"),
    "tie": lambda net: ik.Sharing(net).tie("0.0.weight", "0.0.bias").apply(),
    "Recorder": ik.Recorder,
    "fingerprint": ik.fingerprint,
}


@pytest.mark.parametrize("kind", [Child, Renaming])
@pytest.mark.parametrize("verb", CYCLE.values(), ids=CYCLE)
def test_blocks_in_a_cycle_are_one_clear_error(verb, kind):
    before = sys.getrecursionlimit()
    with pytest.raises(RecursionError):
        cyclic(kind).collect_params()
    with pytest.raises(ValueError, match=r"the block '0.parent' \(HybridSequential\) is the network itself, so"):
        verb(cyclic(kind))
    assert sys.getrecursionlimit() == before


def test_a_block_that_stands_twice_is_no_cycle():
    net, layer = nn.HybridSequential(), nn.Dense(4)
    net.add(layer, layer)
    assert ik.shared_groups(net)[0].paths == ("0.weight", "1.weight")
