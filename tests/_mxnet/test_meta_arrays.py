"""Arrays of MXNet 1 without memory: what they answer, what they refuse, and that nothing of a run stays."""

import copy
import pickle
import threading

import gluon_initkit as ik
from gluon_initkit._mxnet.inference import NeedsNumbers, run_without_memory
from gluon_initkit._mxnet.instrument.call_stack import ArrayArgument
import mxnet as mx
from mxnet.gluon import nn
import numpy as np
import pytest

pytestmark = pytest.mark.mxnet1("an imperative operator that can be exchanged")


class Code(mx.gluon.Block):
    """A user's code before a layer."""

    def __init__(self, code):
        super().__init__()
        self.code, self.layer = code, nn.Dense(2)

    def forward(self, x):
        return self.layer(self.code(x))


def run(code, *shapes):
    net = Code(code)
    net.initialize()
    return run_without_memory(net, [ArrayArgument(shape, "float32") for shape in shapes or ((3, 5),)]), net


def door():
    return mx.ndarray.register._imperative_invoke


@pytest.mark.parametrize("code", [
    lambda x: x * float(x.sum()), lambda x: x if x.sum() > 0 else -x, lambda x: x * x.asnumpy().max(),
    lambda x: x * np.array(x).max(), lambda x: x * x[0, 0].asscalar(), lambda x: x * int(x[0, 0]),
    lambda x: pickle.loads(pickle.dumps(x)), lambda x: x.tostype("csr").tostype("default"),
    lambda x: mx.nd.array(x.asnumpy()), lambda x: mx.nd.contrib.boolean_mask(x, x[:, 0]) * len(x[0]) + 1,
])  # fmt: skip
def test_numbers_are_refused_and_never_made_up(code):
    found, net = run(code)
    assert found.shapes[net.layer.weight] == (2, None) and isinstance(found.error, NeedsNumbers)


@pytest.mark.parametrize("code", [
    lambda x: mx.nd.save("/nonexistent/x", x), lambda x: mx.nd.to_dlpack_for_read(x), lambda x: x.backward(),
    lambda x: mx.nd.CachedOp(mx.sym.relu(mx.sym.var("x")))(x), lambda x: x._slice(0, 1), lambda x: x._at(0),
    lambda x: x.asnumpy_view() if hasattr(x, "asnumpy_view") else x._sync_copyfrom(np.ones((3, 5))),
])  # fmt: skip
def test_what_reaches_mxnets_library_by_another_way_is_an_error_of_ours(code):
    found, _ = run(code)
    assert isinstance(found.error, NeedsNumbers) and "reads its memory" in str(found.error)


def test_what_an_array_tells_of_itself():
    def looks(x):
        assert (x.shape, x.ndim, x.size, len(x), x.stype, x.context) == ((3, 5), 2, 15, 3, "default", mx.cpu())
        assert x.dtype is np.float32 and isinstance(x, mx.nd.NDArray) and x.grad is None and "3x5" in repr(x)
        assert copy.deepcopy(x).shape == copy.copy(x).shape == x.copyto(mx.cpu(1)).shape == (3, 5)
        assert x.as_in_context(mx.cpu(1)).context == mx.cpu(1) and x.astype("int32").dtype is np.int32
        return x

    assert run(looks)[0].error is None


def test_the_numbers_of_a_parameter_that_has_some_are_read():
    class Scaled(mx.gluon.HybridBlock):
        def __init__(self):
            super().__init__()
            with self.name_scope():
                self.scale = self.params.get_constant("scale", np.array([3.0]))
                self.layer = nn.Dense(2)

        def hybrid_forward(self, F, x, scale):
            return self.layer(x.reshape((int(scale.asscalar()), -1)))

    net = Scaled()
    net.initialize()
    assert ik.resolve_shapes(net, (2, 6))["layer.weight"].shape == (2, 4)


def test_an_array_with_memory_that_was_written_into_has_its_memory_again():
    table = mx.nd.ones((3, 5))

    def writes(x):
        table[0:1] = x[0:1]
        table[:] = x
        return table

    found, net = run(writes)
    assert found.error is None and found.shapes[net.layer.weight] == (2, 5)
    assert type(table) is mx.nd.NDArray and (table.asnumpy() == 1).all()


def test_no_generator_moves():
    mx.random.seed(3)
    expected = mx.nd.random.uniform(shape=(2,)).asnumpy()
    mx.random.seed(3)
    found, _ = run(lambda x: mx.nd.random.normal(shape=(3, 5)) + mx.nd.shuffle(mx.nd.ones((3, 5))) + x)
    assert found.error is None and (mx.nd.random.uniform(shape=(2,)).asnumpy() == expected).all()


@pytest.mark.parametrize("code", [lambda x: x, lambda x: 1 / 0, lambda x: x.asnumpy()])
def test_mxnets_function_is_exchanged_while_somebody_resolves_and_not_longer(code):
    before, inside = door(), []
    run(lambda x: inside.append(door()) or code(x))
    assert door() is before and inside[0] is not before


def test_whoever_has_exchanged_it_before_is_asked_inside_and_stands_afterwards(monkeypatch):
    calls, plain = [], door()
    other = lambda *args: calls.append(1) or plain(*args)  # noqa: E731
    monkeypatch.setattr(mx.ndarray.register, "_imperative_invoke", other)
    run(lambda x: x + mx.nd.ones((3, 5)))
    assert calls and door() is other


def test_a_run_inside_a_run():
    inner = nn.Dense(3)

    def resolves(x):
        assert ik.resolve_shapes(inner, (2, 7))["weight"].shape == (3, 7)
        return x + 1

    found, net = run(resolves)
    assert found.error is None and found.shapes[net.layer.weight] == (2, 5)


def test_threads_that_compute_and_threads_that_resolve_do_not_mix():
    def elsewhere(x):
        answers = []
        draw = mx.nd.random.uniform
        thread = threading.Thread(target=lambda: answers.append((draw(1, 2, (2, 2)) * 0 + 3).asnumpy().sum()))
        thread.start()
        thread.join()
        assert answers == [12]
        return x

    assert run(elsewhere)[0].error is None
    failures = []

    def resolve(width):
        for _ in range(5):
            found, net = run(lambda x: x.reshape((1, -1)), (width, 5))
            if found.error or found.shapes[net.layer.weight] != (2, 5 * width):
                failures.append(found)

    def compute(value):
        for _ in range(200):
            if (mx.nd.full((3, 3), value) + 1).asnumpy().sum() != 9 * (value + 1):
                failures.append(value)

    threads = [threading.Thread(target=target, args=(number,)) for number in (2, 3, 4) for target in (resolve, compute)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


def test_a_thread_that_runs_the_network_meanwhile_gets_its_answers():
    net = nn.HybridSequential()
    net.add(nn.Dense(4, in_units=5), nn.Dense(2, in_units=4))
    net.initialize(mx.init.One())
    net.hybridize()
    expected, wrong, stop = net(mx.nd.ones((3, 5))).asnumpy(), [], threading.Event()

    def compute():
        while not stop.is_set():
            if (net(mx.nd.ones((3, 5))).asnumpy() != expected).any():
                wrong.append(1)

    thread = threading.Thread(target=compute)
    thread.start()
    for _ in range(20):
        assert not ik.resolve_shapes(net, (3, 5)).unresolved
    stop.set()
    thread.join()
    assert not wrong


def test_operators_are_kept_with_their_shapes_hybridized_or_not():
    for hybridized in (False, True):
        net = nn.HybridSequential()
        net.add(nn.Conv2D(4, 3), nn.BatchNorm(), nn.Dense(2))
        net.initialize()
        if hybridized:
            net.hybridize()
        found = run_without_memory(net, [ArrayArgument((2, 3, 8, 8), "float32")])
        kept = [(each.name, each.block_path, each.inputs[1], each.outputs[0]) for each in found.operators]
        assert kept == [("Convolution", "0", (4, 3, 3, 3), (2, 4, 6, 6)), ("BatchNorm", "1", (4,), (2, 4, 6, 6)),
                        ("FullyConnected", "2", (2, 144), (2, 2))]  # fmt: skip
        assert found.operators[0].attributes["kernel"] == "(3, 3)"
