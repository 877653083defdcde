"""Shapes by deferred compute: nothing is computed, nothing stays, and what it cannot know it does not tell."""

import threading

import gluon_initkit as ik
from gluon_initkit._mxnet import mx
from gluon_initkit._mxnet.inference import NeedsNumbers, run_without_memory
from gluon_initkit._mxnet.instrument.call_stack import ArrayArgument
from mxnet.gluon import nn
import numpy as np
import pytest

pytestmark = pytest.mark.mxnet2("deferred compute")


def run(net, *shapes):
    return run_without_memory(net, [ArrayArgument(shape, "float32") for shape in shapes])


def network(*layers):
    net = nn.Sequential()
    net.add(*layers)
    net.initialize()
    return net


class Code(mx.gluon.Block):
    """A user's code before a layer."""

    def __init__(self, code):
        super().__init__()
        self.code, self.layer = code, nn.Dense(2)

    def forward(self, x):
        return self.layer(self.code(x))


@pytest.mark.parametrize("code", [
    lambda x: x * float(x.sum()), lambda x: x if x.sum() > 0 else -x, lambda x: x * x.asnumpy().max(),
    lambda x: x * np.array(x).max(), lambda x: x * x[0, 0].item(), lambda x: x * x.tolist()[0][0],
])  # fmt: skip
def test_numbers_are_refused_and_never_made_up(code):
    net = Code(code)
    net.initialize()
    found = run(net, (3, 5))
    assert isinstance(found.error, NeedsNumbers) and "asked for" in str(found.error)
    assert found.shapes[net.layer.weight] == (2, None)


@pytest.mark.parametrize("code", [
    lambda x: mx.np.unique(x).reshape((1, -1)), lambda x: x[x > 0].reshape((1, -1)), lambda x: x[x[:, 0] > 0] * x,
    lambda x: mx.np.nonzero(x)[0].reshape((1, -1)), lambda x: mx.np.delete(x, x[:, 0].astype("int32"), axis=0),
])  # fmt: skip
def test_a_shape_that_depends_on_numbers_is_refused_before_anything_runs(code):
    net = Code(code)
    net.initialize()
    found = run(net, (1 << 20, 1 << 20))  # four TiB, which a kernel would read
    assert isinstance(found.error, NeedsNumbers) and "its shape, which depends on numbers" in str(found.error)
    assert found.shapes[net.layer.weight] == (2, None)


def test_what_depends_on_a_size_that_is_not_known_is_not_known():
    net = Code(lambda x: x.reshape((1, -1)))
    net.initialize()
    assert run(net, (None, 5)).shapes[net.layer.weight] == (2, None)
    assert run(net, (4, 5)).shapes[net.layer.weight] == (2, 20)
    assert run(network(nn.Dense(2)), (None, 5)).shapes.popitem()[1] in [(2, 5), (2,)]
    seven = Code(lambda x: x.reshape((7, -1)))
    seven.initialize()
    found = run(seven, (None, 5))
    assert found.error is None and found.shapes[seven.layer.weight] == (2, None)
    small = Code(lambda x: x if len(x) < 300 else 1 / 0)
    small.initialize()
    assert run(small, (None, 5)).error is None
    odd = Code(lambda x: x if len(x) == 229 else 1 / 0)
    odd.initialize()
    assert isinstance(run(odd, (None, 5)).error, ZeroDivisionError)


def test_a_thread_where_numpys_shapes_are_off():
    """A sum's is (), which MXNet 1 takes for one that is not known."""
    net = Code(lambda x: x * x.sum())
    net.initialize()
    answers = []
    thread = threading.Thread(target=lambda: answers.append((mx.util.is_np_shape(), run(net, (3, 5)))))
    thread.start()
    thread.join()
    ((mode, found),) = answers
    assert not mode and found.error is None and found.shapes[net.layer.weight] == (2, 5)


def test_neither_memory_nor_kernels():
    net = network(nn.Dense(1 << 20), nn.Dense(1 << 20))  # four TiB, and weeks
    found = run(net, (1 << 20, 1 << 10))
    assert found.shapes[net[1].weight] == (1 << 20, 1 << 20)
    assert net[0].weight._data is None and net[1].weight.shape == (1 << 20, -1)


def test_what_is_initialized_keeps_its_values_and_what_it_is():
    net = network(nn.Dense(4, in_units=5), nn.BatchNorm(in_channels=4))
    before = [dict(vars(param)) for param in net.collect_params().values()]
    held = ik.fingerprint(net)
    run(net, (3, 5))
    now = [dict(vars(param)) for param in net.collect_params().values()]
    assert all(one.keys() == other.keys() and all(one[key] is other[key] for key in one)
               for one, other in zip(before, now)) and ik.fingerprint(net) == held  # fmt: skip
    assert not mx._deferred_compute.is_deferred_compute()


def test_a_parameter_that_the_code_would_set_is_refused():
    net = Code(lambda x: net.layer.bias.set_data(mx.np.zeros(2)) or x)
    net.initialize()
    assert "a parameter was to be set" in str(run(net, (3, 5)).error)


def test_the_innermost_call_that_contradicts_is_named():
    net = network(nn.Dense(4), nn.Dense(2, in_units=7), nn.Dense(3))
    found = run(net, (3, 5))
    call = found.unfinished()
    assert str(found.conflict).startswith("Expected shape")
    assert call.path == "1" and call.given == ((3, 4),) and found.shapes[net[0].weight] == (4, 5)


def test_other_threads_compute_meanwhile():
    answers = []

    def elsewhere(x):
        thread = threading.Thread(target=lambda: answers.append((mx.np.ones(3) * 2).asnumpy().tolist()))
        thread.start()
        thread.join()
        return x

    net = Code(elsewhere)
    net.initialize()
    assert run(net, (3, 5)).error is None and answers == [[2, 2, 2]]
    assert type(mx.np.ones(3) * 2) is mx.np.ndarray


def test_a_transposed_tie_is_seen_through():
    net = network(nn.Dense(3), nn.Dense(4))
    ik.Sharing(net).tie("1.weight", "0.weight", transpose=True).apply()
    assert run(net, (2, 4)).shapes[net[0].weight] == (3, 4)


def exported(tmp_path, net):
    net.initialize()
    net.hybridize()
    net(mx.np.ones((2, 3, 8, 8)))
    symbol, values = net.export(str(tmp_path / "net"))
    return mx.gluon.SymbolBlock.imports(symbol, ["data"]), mx.gluon.SymbolBlock.imports(symbol, ["data"], values)


def test_a_symbol_block_is_resolved_from_its_own_graph(tmp_path):
    layers = nn.HybridSequential()
    layers.add(nn.Conv2D(4, 3), nn.BatchNorm(), nn.Dense(3))
    plain, loaded = exported(tmp_path, layers)
    net = network(plain, nn.Dense(2))
    found = run(net, (None, 3, 8, 8))
    assert found.shapes[plain.params["0.weight"]] == (4, 3, 3, 3) and found.shapes[net[1].weight] == (2, 3)
    assert found.shapes[plain.params["1.running_var"]] == (4,)
    assert plain.params["0.weight"].shape is None and plain.params["0.weight"]._deferred_init
    ik.initialize(net, mx.init.One(), seed=1)
    assert not ik.materialize(net, (2, 3, 8, 8)).forward
    assert net(mx.np.ones((2, 3, 8, 8))).shape == (2, 2)
    assert run(loaded, (2, 3, 8, 8)).error is None and loaded.params["0.weight"].shape is None  # as imports leaves it
    assert "inconsistent" in str(run(loaded, (2, 4, 8, 8)).conflict)


def test_a_symbol_block_whose_shapes_contradict_or_do_not_follow():
    data = mx.sym.var("data")
    block = mx.gluon.SymbolBlock(mx.sym.FullyConnected(data, num_hidden=3, name="fc"), data)
    block.initialize()
    ik.materialize(block, (2, 5))
    with pytest.raises(ik.DeferredInitError, match=r"fc_weight \(3, 5\).*: it has to be \(3, 6\)"):
        ik.materialize(block, (2, 6))
    data = data.as_np_ndarray()
    loose = mx.gluon.SymbolBlock(mx.sym.np.dot(data, mx.sym.var("w").as_np_ndarray()), data)
    loose.initialize()
    found = run(loose, (2, 5))
    assert isinstance(found.error, NeedsNumbers) and loose.params["w"] not in found.shapes
