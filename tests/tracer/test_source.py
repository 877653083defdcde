"""The user's line is the innermost frame outside of MXNet and the kit, and the call is what it called of theirs."""

import gluon_initkit as ik
from mxnet.gluon import nn
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
