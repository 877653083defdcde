"""What a record says of each kind of parameter, and that nothing at all is changed by looking."""

import gc
import pickle
import random
import tempfile
import tracemalloc

import gluon_initkit as ik
from gluon_initkit._mxnet.tree import places
import mxnet as mx
from mxnet.gluon import nn
import numpy as np
import pytest
from vocabulary import GLUON_2, HybridBlock, declared, nd, tied, uniform
from vocabulary import constant as constant_of


def layers(*more):
    net = nn.HybridSequential()
    net.add(nn.Dense(4, in_units=3, activation="relu"), nn.BatchNorm(in_channels=4), nn.Dense(2, in_units=4), *more)
    return net


def uninitialized():
    return layers()


def deferred():
    net = nn.HybridSequential()
    net.add(nn.Dense(4), nn.BatchNorm(), nn.Dense(2))
    net.initialize(mx.init.Xavier())
    return net


def deferred_by_us():
    net = nn.HybridSequential()
    net.add(nn.Dense(4), nn.Dense(2))
    ik.initialize(net, mx.init.Xavier(), seed=1)
    return net


def pending_data():
    net = deferred()
    net[0].bias.initialize(force_reinit=True)
    net[0].weight.set_data(nd.ones((4, 3)))
    return net


def partly():
    net = layers(nn.Dense(5))
    net[0].initialize()
    net[3].initialize()
    return net


def initialized():
    net = layers()
    net.initialize(mx.init.Xavier())
    return net


def hybridized():
    net = initialized()
    net.hybridize()
    return net


def hybridized_and_run():
    net = hybridized()
    net(nd.ones((2, 3)))
    return net


def trained():
    net = hybridized()
    trainer = mx.gluon.Trainer(net.collect_params(), "sgd")
    for _ in range(2):
        with mx.autograd.record():
            loss = net(uniform((2, 3))).sum()
        loss.backward()
        trainer.step(2)
    with mx.autograd.record():
        loss = net(uniform((2, 3))).sum()
    loss.backward()
    return net


def several_contexts():
    net = layers()
    net.initialize(ctx=[mx.cpu(0), mx.cpu(1)])
    return net


def row_sparse():
    net = nn.Sequential()
    net.add(mx.gluon.contrib.nn.SparseEmbedding(6, 3))
    net.initialize(mx.init.Normal(1))
    with pytest.raises(RuntimeError, match="row_sparse_data"):
        net[0].weight.data()  # which MXNet does not show without a Trainer
    return net


class WithConstant(HybridBlock):
    def __init__(self):
        super().__init__()
        self.table = constant_of(self, "table", [[1.0, 2.0], [3.0, 4.0]])

    def hybrid_forward(self, F, x, table):
        return F.dot(x, table)


def constant():
    net = nn.HybridSequential()
    net.add(WithConstant(), nn.Dense(2, in_units=2))
    net.initialize()
    return net


def symbol_block():
    data = mx.sym.var("data")
    symbol = mx.sym.FullyConnected(mx.sym.BatchNorm(data, name="norm"), num_hidden=3, name="fc")
    net = mx.gluon.SymbolBlock(symbol, data)
    net.initialize()
    net(nd.ones((2, 4)))
    return net


def symbol_block_not_run():
    weight = mx.sym.Variable("fc_weight", init=mx.init.Constant(7))
    symbol = mx.sym.FullyConnected(mx.sym.var("data"), weight=weight, num_hidden=3, name="fc")
    return mx.gluon.SymbolBlock(symbol, mx.sym.var("data"))


def symbol_block_imported():
    net = initialized()
    net.hybridize()
    net(nd.ones((1, 3)))
    with tempfile.TemporaryDirectory() as folder:
        net.export(f"{folder}/net")
        return mx.gluon.SymbolBlock.imports(f"{folder}/net-symbol.json", ["data"], f"{folder}/net-0000.params")


def float16():
    net = initialized()
    net.cast("float16")
    return net


def shared():
    net = nn.HybridSequential()
    first = nn.Dense(3, in_units=3)
    net.add(first, tied(nn.Dense, first, 3, in_units=3))
    net.initialize()
    return net


class Plain(mx.gluon.Block):
    def __init__(self):
        super().__init__()
        self.body = nn.Dense(3, in_units=2)
        self.scale = declared(self, "scale", shape=(3,), init=mx.init.One(), lr_mult=2.0, wd_mult=0.0)
        if not GLUON_2:  # where every parameter is an attribute
            self.params.get("orphan", shape=(2,), init="zeros")


def plain_block():
    net = Plain()
    net.initialize()
    return net


def numpy_mode():
    mx.npx.set_np()
    net = nn.HybridSequential()
    net.add(nn.Dense(4, in_units=3), nn.Dense(2))
    net.initialize()
    return net


def rnn():
    net = mx.gluon.rnn.LSTM(3, 2, input_size=2)
    net.initialize()
    net(nd.ones((1, 2, 2)))
    return net


def convolution():
    """After inference, oneDNN keeps weights in an order of its own."""
    net = nn.HybridSequential()
    net.add(nn.Conv2D(32, 3, in_channels=16), nn.Conv2D(16, 3, in_channels=32))
    net.initialize(mx.init.Normal(1))
    net.hybridize(static_alloc=True, static_shape=True)
    for _ in range(3):
        net(uniform((2, 16, 12, 12))).wait_to_read()
    return net


def weight_drop():
    import gluonnlp

    cell = mx.gluon.rnn.LSTMCell(3, input_size=2)
    gluonnlp.model.utils.apply_weight_drop(cell, ".*h2h_weight", 0.5)
    cell.initialize()
    return cell


SPARSE = pytest.mark.mxnet1("layers of sparse parameters")
NETWORKS = [uninitialized, deferred, deferred_by_us, pending_data, partly, initialized, hybridized, hybridized_and_run,
            trained, several_contexts, pytest.param(row_sparse, marks=SPARSE), constant, symbol_block,
            symbol_block_not_run, symbol_block_imported, float16, shared, plain_block, numpy_mode, rnn, convolution,
            pytest.param(weight_drop, marks=pytest.mark.zoo)]  # fmt: skip
HOWS = [{}, {"stats": True}, {"grads": True, "init": mx.init.Xavier(), "select": "*"}]


def blocks(net):
    yield net
    for child in net._children.values():
        yield from blocks(child() if GLUON_2 else child)


def bits(arrays):
    return [(id(each), each.stype, each.dtype, each.shape, each.asnumpy().tobytes(), bool(each._fresh_grad))
            for each in arrays or ()]  # fmt: skip


NAMES = mx.name.current if GLUON_2 else lambda: mx.name.NameManager._current.value


def state(net):
    """All that could be changed: of parameters, of blocks, and of the process."""
    params = {id(param): param for block in blocks(net) for param in block.params.values()}
    parameters = []
    for param in params.values():
        slots = {key: value for key, value in vars(param).items() if key not in ("_data", "_grad", "_deferred_init")}
        pending = [(id(each), repr(each)) for each in param._deferred_init]
        parameters.append((id(param), repr(slots), bits(param._data), bits(param._grad), pending))
    graphs = [(repr(sorted(vars(block))), id(block.__dict__.get("_cached_op")), repr(vars(block).get("_cached_graph")),
               vars(block).get("_active"), list(block._children), len(block._forward_hooks), repr(block.params))
              for block in blocks(net)]  # fmt: skip
    process = (
        repr(np.random.get_state()), random.getstate(), mx.autograd.is_recording(), mx.autograd.is_training(),
        mx.util.is_np_array(), mx.util.is_np_shape(), str(mx.current_context()), gc.isenabled(),
        repr(NAMES()._counter), sorted(mx.registry.get_registry(mx.init.Initializer)),
    )  # fmt: skip
    return parameters, graphs, process


def drawn():
    return uniform((3,)).asnumpy().tolist()


@pytest.mark.parametrize("how", HOWS, ids=["plain", "stats", "grads"])
@pytest.mark.parametrize("make", NETWORKS)
def test_looking_changes_nothing(make, how):
    assert ik.inspect and ik.initialize  # the first use in a process imports them, which registers initializers
    mx.random.seed(11)
    net = make()
    for record in (False, True):
        with mx.autograd.record(train_mode=record) if record else mx.autograd.pause():
            before = state(net)
            mx.random.seed(12)
            expected = drawn()
            mx.random.seed(12)
            report = ik.inspect(net, **how)
            assert drawn() == expected
            assert state(net) == before
    assert len(report.records) == len({id(param) for block in blocks(net) for param in block.params.values()})
    assert pickle.loads(pickle.dumps(report.records)) == report.records


@pytest.mark.parametrize("make", NETWORKS)
def test_the_fingerprint_is_the_same_afterwards(make):
    net = make()
    before = fingerprint(net)
    ik.inspect(net, stats=True, grads=True)
    assert fingerprint(net) == before


def fingerprint(net):
    """Of the whole network, or why it has none."""
    try:
        return ik.fingerprint(net)
    except Exception as error:
        return repr(error)


def test_values_are_read_where_they_lie():
    """Neither they nor gradients are copied, but for blocks that fit the cache."""
    net = nn.Dense(4096, in_units=2048, use_bias=False)
    ik.initialize(net, mx.init.Uniform(), seed=1)
    with mx.autograd.record():
        loss = net(uniform((1, 2048))).sum()
    loss.backward()
    tracemalloc.start()
    try:
        report = ik.inspect(net, grads=True)
        assert tracemalloc.get_traced_memory()[1] < report.totals.bytes
    finally:
        tracemalloc.stop()
    assert report["weight"].stats.count == report["weight"].grad_stats.count == 1 << 23


@pytest.mark.parametrize("make, shape", [(hybridized_and_run, (2, 3)), (convolution, (2, 16, 12, 12))])
def test_the_same_bits_come_out_afterwards(make, shape):
    net, data = make(), uniform(shape)
    before = net(data).asnumpy()
    ik.inspect(net, stats=True, grads=True)
    assert (net(data).asnumpy() == before).all()


def test_looking_ends_as_it_began_when_it_fails():
    net = initialized()
    assert gc.isenabled()
    with pytest.raises(ZeroDivisionError):
        ik.inspect(net, select=lambda info: 1 / 0)
    assert gc.isenabled()
    gc.disable()
    try:
        ik.inspect(net)
        assert not gc.isenabled()
    finally:
        gc.enable()


def record(net, path, **how):
    (found,) = [each for each in ik.inspect(net, **how).records if path in (each.path, *each.aliases)]
    return found


def test_a_record_says_everything():
    weight = record(initialized(), "0.weight")
    assert (weight.path, weight.aliases, weight.role) == ("0.weight", (), "weight")
    assert (weight.block, weight.block_path) == ("Dense", "0") and weight.name.endswith("weight")
    assert (weight.shape, weight.dtype, weight.stype) == ((4, 3), "float32", "default")
    assert (weight.size, weight.bytes) == (12, 48)
    assert (weight.state, weight.contexts, weight.pending) == ("initialized", ("cpu(0)",), None)
    assert (weight.grad_req, weight.lr_mult, weight.wd_mult, weight.trained) == ("write", 1.0, 1.0, None)
    assert (weight.stats, weight.grad_stats, weight.replicas_agree, weight.constant) == (None, None, None, False)
    assert weight.initializer is None and record(initialized(), "0.bias").initializer == "zeros"
    mean = record(initialized(), "1.running_mean")
    assert (mean.role, mean.grad_req) == ("running_mean", "null")


def test_in_order_of_traversal_with_blocks_and_buffers():
    report = ik.inspect(plain_block())
    records = report.records
    assert [each.path for each in records] == ["scale", "body.weight", "body.bias"] + ["orphan"] * (not GLUON_2)
    assert [(each.path, each.block) for each in report.blocks] == [("", "Plain"), ("body", "Dense")]
    assert [each.buffer for each in records] == list(range(3 if GLUON_2 else 4)) and report.shared == ()
    assert (records[0].lr_mult, records[0].wd_mult, records[0].initializer) == (2.0, 0.0, "One()")


@pytest.mark.parametrize("make, path, expected", [
    (uninitialized, "0.weight", {"state": "uninitialized", "contexts": (), "buffer": None, "size": 12}),
    (deferred, "0.weight", {"state": "deferred", "shape": (4, None), "size": None, "bytes": None,
                            "contexts": ("cpu(0)",), "inferable": True}),
    (deferred_by_us, "0.weight", {"state": "deferred", "shape": (4, None), "inferable": True}),
    (pending_data, "0.weight", {"state": "deferred", "pending": "set_data", "shape": (4, 3)}),
    (partly, "3.weight", {"state": "deferred"}),
    (partly, "2.weight", {"state": "uninitialized"}),
    (several_contexts, "0.weight", {"contexts": ("cpu(0)", "cpu(1)"), "size": 12, "bytes": 48}),
    pytest.param(row_sparse, "0.weight", {"stype": "row_sparse", "state": "initialized", "shape": (6, 3), "buffer": 0},
                 marks=SPARSE),
    (constant, "0.table", {"constant": True, "initializer": "Constant", "grad_req": "null"}),
    (symbol_block, "norm_moving_var", {"role": "running_var", "block": "SymbolBlock"}),
    (symbol_block_not_run, "fc_weight" if GLUON_2 else "weight", {"shape": None, "size": None,
                                                                  "initializer": "Constant(value=7)"}),
    (float16, "0.weight", {"dtype": "float16", "bytes": 24}),
    (float16, "1.gamma", {"dtype": "float32"}),
    (shared, "0.weight", {"aliases": ("1.weight",)}),
    (numpy_mode, "0.weight", {"shape": (4, 3), "state": "initialized"}),
    (numpy_mode, "1.weight", {"shape": (2, None), "state": "deferred"}),
    pytest.param(weight_drop, "h2h_weight", {"shape": (12, 3), "state": "initialized"}, marks=pytest.mark.zoo),
])  # fmt: skip
def test_every_kind_of_parameter(make, path, expected):
    found = record(make(), path)
    assert {key: getattr(found, key) for key in expected} == expected


@pytest.mark.parametrize("make, text", [(deferred, "Xavier"), (deferred_by_us, "Xavier")])
def test_what_a_deferred_parameter_waits_for(make, text):
    assert record(make(), "0.weight").pending.startswith(text)
    assert record(make(), "0.bias").pending is None


def test_an_imported_symbol_blocks_shapes_are_those_of_its_arrays():
    """MXNet 1 never tells its parameters: their `shape` is None."""
    before, after = (ik.inspect(make()).records for make in (initialized, symbol_block_imported))
    assert {(each.role, each.shape, each.size, each.bytes) for each in after} == {
        (each.role, each.shape, each.size, each.bytes) for each in before
    }
    assert all(each.state == "initialized" and each.inferable is None for each in after)


def test_an_initializer_that_cannot_be_written_is_still_named():
    class Odd(mx.init.Initializer):
        def dumps(self):
            raise OSError("no")

    assert record(nn.Dense(2, in_units=2, weight_initializer=Odd()), "weight").initializer == "Odd(…)"


@pytest.mark.parametrize("make", [initialized, float16, shared, constant, rnn, numpy_mode, plain_block, convolution,
                                  pytest.param(row_sparse, marks=SPARSE),
                                  pytest.param(weight_drop, marks=pytest.mark.zoo)])  # fmt: skip
def test_statistics_are_of_the_very_values(make):
    net = make()
    with mx.autograd.train_mode():  # in which a WeightDropParameter's data() drops
        report = ik.inspect(net, stats=True)
    params = {place.paths[0]: param for param, place in places(net).items()}
    seen = 0
    for each in report.records:
        if each.state == "initialized":
            exact = params[each.path]._data[0].asnumpy().astype(np.float64)
            assert each.stats.count == exact.size == each.size
            assert (each.stats.min, each.stats.max) == (exact.min(), exact.max())
            assert each.stats.mean == pytest.approx(exact.mean(), abs=1e-12)
            seen += 1
        else:
            assert each.stats is None
    assert seen


def test_gradients():
    net = layers()
    net.initialize(mx.init.Xavier())
    net[2].bias.grad_req = "null"
    with mx.autograd.record():
        loss = net(uniform((5, 3))).sum()
    loss.backward()
    for each in ik.inspect(net, grads=True).records:
        if each.grad_req == "null":
            assert (each.grad_stats, each.grad_ratio, each.grad_fresh, each.stale) == (None, None, None, ())
        else:
            assert each.grad_fresh is True and each.stale == () and each.grad_stats.count == each.size
    weight = record(net, "2.weight", grads=True)
    arrays = net[2].weight.grad(), net[2].weight.data()
    grad, values = (np.linalg.norm(array.asnumpy().astype(float)) for array in arrays)
    assert weight.grad_stats.norm == pytest.approx(grad) and weight.grad_ratio == pytest.approx(grad / values)
    bias = record(net, "0.bias", grads=True)
    assert bias.stats.norm == 0 and bias.grad_ratio is None  # over nothing
    assert record(net, "0.weight", stats=True).grad_stats is None


@pytest.mark.mxnet1("sparse gradients in Gluon")
def test_sparse_gradients():
    net = nn.Embedding(6, 3, sparse_grad=True)
    net.initialize(mx.init.One())
    with mx.autograd.record():
        loss = net(nd.array([1, 4])).sum()
    loss.backward()
    found = record(net, "weight", grads=True)
    assert (found.grad_stats.count, found.grad_stats.zeros, found.grad_fresh) == (18, 12, True)


def test_which_parameters_a_trainer_updates():
    net = layers()
    net.initialize()
    net[2].bias.grad_req = "null"
    trainer = mx.gluon.Trainer(net[2].collect_params(), "sgd")
    trained_ = {each.path for each in ik.inspect(net, trainer=trainer).records if each.trained}
    assert trained_ == {"2.weight"}
    with pytest.raises(TypeError, match="trainer is 'sgd': expected an mxnet.gluon.Trainer"):
        ik.inspect(net, trainer="sgd")


def test_selecting():
    net = layers()
    norm = ["1.gamma", "1.beta", "1.running_mean", "1.running_var"]
    for select, paths in (("bias", ["0.bias", "2.bias"]), ("1.*", norm), (nn.BatchNorm, norm),
                          (lambda info: info.shape == (2, 4), ["2.weight"]), ("nothing*", [])):  # fmt: skip
        report = ik.inspect(net, select=select)
        assert [each.path for each in report.records] == paths
        assert report.blocks[:1] == ik.inspect(net).blocks[:1] or not paths
    assert [block.path for block in ik.inspect(net, select="1.gamma").blocks] == ["", "1"]
    with pytest.raises(TypeError, match="3 is no selector"):
        ik.inspect(net, select=3)


def test_whether_replicas_agree_is_told_where_there_are_several_and_statistics_are_asked_for():
    assert record(several_contexts(), "0.weight", stats=True).replicas_agree is True
    assert record(several_contexts(), "0.weight").replicas_agree is None
    assert record(initialized(), "0.weight", stats=True).replicas_agree is None


def test_a_third_replica_that_differs_and_a_gradient_that_is_fresh_on_one_context():
    net, ctxs = nn.Dense(2, in_units=2), [mx.cpu(number) for number in range(3)]
    net.initialize(ctx=ctxs)
    assert record(net, "weight", stats=True).replicas_agree is True
    net.weight.data(ctxs[2])[0, 0] = 7
    with mx.autograd.record():
        loss = net(nd.ones((1, 2), ctx=ctxs[0])).sum()
    loss.backward()
    found = record(net, "weight", grads=True)
    assert found.replicas_agree is False
    assert found.grad_fresh is False and found.stale == ("cpu(1)", "cpu(2)")


def test_one_layer_of_a_network():
    net = initialized()
    assert [each.path for each in ik.inspect(net[0]).records] == ["weight", "bias"]


def test_an_error_of_the_engine_surfaces_where_its_own_array_is_waited_for():
    net = initialized()
    before = ik.fingerprint(net)
    bad = mx.nd.linalg.potrf(mx.nd.array([[-1.0, 0.0], [0.0, -1.0]]))
    assert len(ik.inspect(net, stats=True).records) == 8
    with pytest.raises(mx.MXNetError, match="potrf"):
        bad.wait_to_read()
    assert len(ik.inspect(net).records) == 8 and ik.fingerprint(net) == before


@pytest.mark.mxnet1("SymbolBlocks whose parameters have values and no shape")
def test_an_imported_symbol_block_has_the_shapes_of_its_values(tmp_path):
    net = nn.HybridSequential()
    net.add(nn.Dense(4, in_units=3), nn.BatchNorm(in_channels=4))
    net.initialize(mx.init.Xavier())
    net.hybridize()
    net(mx.nd.ones((2, 3)))
    net.export(str(tmp_path / "net"))
    block = mx.gluon.SymbolBlock.imports(
        str(tmp_path / "net-symbol.json"), ["data"], str(tmp_path / "net-0000.params")
    )
    report = ik.inspect(block)
    assert [record.shape for record in report.records] == [(4, 3), (4,), (4,), (4,), (4,), (4,)]
    assert report.totals.size == 32 and report.totals.unknown == 0
    assert {row.status for row in ik.compare(net, block)} == {"renamed"}
