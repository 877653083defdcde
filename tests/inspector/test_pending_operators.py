"""A network whose parameters the engine is still writing: a report of it waits, since it asks where the memory is.

MXNet allocates an array's memory for whoever asks first, without a lock. Where `inspect` asked while the engine did,
the array had two memories, and its values were lost: in one of some thousand networks that were inspected at once.
"""

import threading

import gluon_initkit as ik
import mxnet as mx
from mxnet.gluon import nn
import numpy as np
import pytest
from vocabulary import GLUON_2, nd, rounds, tied

go_on = threading.Event()


class Held(mx.operator.CustomOp):
    def forward(self, is_train, req, in_data, out_data, aux):
        go_on.wait(60)
        self.assign(out_data[0], req[0], in_data[0])


@mx.operator.register("held_until_told")
class HeldProp(mx.operator.CustomOpProp):
    def create_operator(self, ctx, shapes, dtypes):
        return Held()


def plain(**how):
    net = nn.HybridSequential()
    net.add(nn.Dense(2, in_units=3))
    net.initialize(mx.init.One(), **how)
    return net


def hybridized():
    net = plain()
    net.hybridize()
    net(nd.ones((1, 3)))
    return net


def half():
    net = plain()
    net.cast("float16")
    return net


def shared():
    net = plain()
    net.add(tied(nn.Dense, net[0], 2, in_units=3))
    return net


KINDS = {"plain": plain, "hybridized": hybridized, "float16": half, "shared": shared,
         "two contexts": lambda: plain(ctx=[mx.cpu(0), mx.cpu(1)])}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("stats", [False, True])
def test_it_waits_for_what_is_being_written(stats, kind):
    net = KINDS[kind]()
    go_on.clear()
    value = mx.nd.Custom(mx.nd.full((2, 3), 5), op_type="held_until_told")
    net[0].weight.set_data(value.as_np_ndarray() if GLUON_2 else value)
    found = []
    inspecting = threading.Thread(target=lambda: found.append(ik.inspect(net, stats=stats)))
    inspecting.start()
    inspecting.join(0.5)
    waits = inspecting.is_alive()
    go_on.set()
    inspecting.join(60)
    assert waits and not inspecting.is_alive() and found[0]["0.weight"].state == "initialized"
    assert not stats or found[0]["0.weight"].stats.mean == 5


@pytest.mark.slow
def test_networks_that_are_inspected_at_once_keep_their_values():
    """On two cores with four threads at work, before it waited, one in two thousand did not."""
    stop = threading.Event()
    busy = [threading.Thread(target=lambda: [np.sort(np.random.rand(1 << 16)) for _ in iter(stop.is_set, True)])
            for _ in range(4)]  # fmt: skip
    for each in busy:
        each.start()
    try:
        for _ in range(rounds(2000, 50_000)):
            net = nn.Dense(40, in_units=30)
            net.initialize(mx.init.Constant(0.5))
            ik.inspect(net)
            assert (net.weight.data() == nd.full((40, 30), 0.5)).asnumpy().all()
    finally:
        stop.set()
        for each in busy:
            each.join()
