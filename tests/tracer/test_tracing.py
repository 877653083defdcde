"""The trace: what it records on every kind of network, that it tells it live, and that it leaves nothing behind."""

import copy
import json
import pickle
import re
import sys
import threading

import gluon_initkit as ik
import mxnet as mx
from mxnet import gluon
from mxnet.gluon import nn, rnn
import numpy as np
import pytest
from vocabulary import GLUON_2, HybridBlock, declared, move, nd, tied


def ones(*shape):
    return nd.ones(shape)


def stack(*layers, kind=nn.HybridSequential):
    net = kind()
    net.add(*layers)
    return net


def two_layers():
    return stack(nn.Dense(4), nn.Dense(2))


def resolved(t):
    """What was resolved in a forward pass: the parameter, its shape, where, on what."""
    return [(e.path, e.shape, e.block, e.inputs) for e in t.events if e.kind == "resolved" and e.block is not None]


class MyInit(mx.init.Initializer):
    def _init_weight(self, name, arr):
        print("init weight", arr.shape)
        arr[:] = 1


def test_the_walk_through(capsys):
    """Deferred initialization as the tutorials show it, and the trace telling the same story."""
    net = two_layers()
    with ik.trace(net) as t:
        net.initialize(MyInit())
        assert capsys.readouterr().out == ""
        assert [(info.path, info.shape) for info in t.pending] == [("0.weight", (4, None)), ("1.weight", (2, None))]
        net(ones(3, 5))
        assert capsys.readouterr().out == "init weight (4, 5)\ninit weight (2, 4)\n"
        assert not t.pending
    told = [e for e in t.events if e.kind == "resolved" and e.initializer == "MyInit"]
    assert [f"init weight {e.shape}" for e in told] == ["init weight (4, 5)", "init weight (2, 4)"]
    assert [(e.path, e.hook, e.block, e.inputs) for e in told] == [
        ("0.weight", "_init_weight", "0", ((3, 5),)), ("1.weight", "_init_weight", "1", ((3, 4),)),
    ]  # fmt: skip
    assert [(e.path, e.unknown) for e in t.events if e.kind == "deferred"] == [("0.weight", (1,)), ("1.weight", (1,))]


@pytest.mark.parametrize("hybrid", [False, True])
@pytest.mark.parametrize("kind", [nn.Sequential, nn.HybridSequential])
def test_a_resolution_is_told_by_block_whatever_the_container(kind, hybrid):
    inner = stack(nn.Dense(3, flatten=False), nn.BatchNorm(axis=-1), kind=kind)
    net = stack(nn.Dense(4, flatten=False), inner, kind=kind)
    if hybrid:
        net.hybridize()
    with ik.trace(net) as t:
        net.initialize()
        net(ones(2, 6, 5))
    assert resolved(t) == [
        ("0.weight", (4, 5), "0", ((2, 6, 5),)),
        ("1.0.weight", (3, 4), "1.0", ((2, 6, 4),)),
        *((f"1.1.{name}", (3,), "1.1", ((2, 6, 3),)) for name in ("gamma", "beta", "running_mean", "running_var")),
    ]


@pytest.mark.parametrize("hybrid", [False, True])
def test_a_block_of_the_users_own(hybrid):
    class Own(HybridBlock):
        """A parameter, and a child."""

        def __init__(self):
            super().__init__()
            self.scale = declared(self, "scale", shape=(1, 0), init="ones", allow_deferred_init=True)
            self.layer = nn.Dense(3)

        if GLUON_2:  # which wants to be told

            def infer_shape(self, x):
                self.scale.shape = x.shape

        def hybrid_forward(self, F, x, scale):
            return self.layer(F.elemwise_mul(x, scale))

    net = Own()
    if hybrid:
        net.hybridize()
    with ik.trace(net) as t:
        net.initialize()
        net(ones(1, 5))
    assert sorted(resolved(t)) == [("layer.weight", (3, 5), "layer", ((1, 5),)), ("scale", (1, 5), "", ((1, 5),))]


@pytest.mark.mxnet1("deferral in recurrent cells, which its unrolling never resolves")
@pytest.mark.parametrize("hybrid", [False, True])
def test_a_cell_and_its_unrolling(hybrid):
    net = rnn.HybridSequentialRNNCell()
    net.add(rnn.LSTMCell(3))
    net.add(rnn.GRUCell(2))
    if hybrid:
        net.hybridize()
    with ik.trace(net) as t:
        net.initialize()
        net.unroll(2, ones(1, 2, 5), merge_outputs=True)
    assert resolved(t)[0][:3] == ("0.i2h_weight", (12, 5), "0") and resolved(t)[1][:3] == ("1.i2h_weight", (6, 3), "1")
    assert resolved(t)[0][3][0] == (1, 5) and resolved(t)[1][3][0] == (1, 3)


@pytest.mark.mxnet1("SymbolBlocks inside of other blocks")
def test_a_symbol_block_alone_and_inside_a_graph():
    data = mx.sym.var("data")
    symbol = mx.sym.FullyConnected(data, num_hidden=3, name="inner")
    for net, path, inside in (
        (gluon.SymbolBlock(symbol, data), "", ""),
        (stack(nn.Dense(4), gluon.SymbolBlock(symbol, data)), "1", "1"),
    ):
        net.hybridize()
        with ik.trace(net) as t:
            net.initialize(mx.init.One())
            net(ones(2, 5))
        last = {shape: (block, inputs) for _, shape, block, inputs in resolved(t)}
        assert last[(3, 5 if path == "" else 4)] == (inside, ((2, 5 if path == "" else 4),))
        deferred = [e for e in t.events if e.kind == "deferred" and e.shape is None]
        assert len(deferred) == 2 and deferred[0].unknown == ()


@pytest.mark.mxnet1("files loaded by `collect_params`")
def test_a_symbol_block_that_loads_what_it_knows_no_shape_of(tmp_path):
    data = mx.sym.var("data")
    net = gluon.SymbolBlock(mx.sym.FullyConnected(data, num_hidden=3, name="inner"), data)
    mx.nd.save(str(tmp_path / "net.params"), {"inner_weight": ones(3, 5), "inner_bias": ones(3)})
    with ik.trace(net) as t:
        net.collect_params().load(str(tmp_path / "net.params"))
    assert [(e.kind, e.shape, e.bytes) for e in t.events] == [
        ("load_parameters", (3, 5), 60), ("load_parameters", (3,), 12),
    ]  # fmt: skip
    assert net(ones(1, 5)).shape == (1, 3)


@pytest.mark.parametrize("hybrid", [False, True])
def test_a_shared_parameter_is_told_once_where_it_is_used_first(hybrid):
    first = nn.Dense(5)
    net = stack(first, nn.Dense(5), tied(nn.Dense, first, 5))
    if hybrid:
        net.hybridize()
    with ik.trace(net) as t:
        net.initialize()
        net(ones(2, 5))
    assert resolved(t) == [("0.weight", (5, 5), "0", ((2, 5),)), ("1.weight", (5, 5), "1", ((2, 5),))]


def test_who_filled_it():
    class Mine(ik.Initializer):
        def _init_weight(self, desc, arr):
            arr[:] = 1

        def _init_bias(self, desc, arr):
            arr[:] = 2

    class Called(mx.init.Initializer):
        def __call__(self, desc, arr):
            arr[:] = 3

    def fillers(initialize):
        net = stack(nn.Dense(2), nn.BatchNorm(gamma_initializer=mx.init.Constant(3)))
        with ik.trace(net) as t:
            initialize(net)
            net(ones(2, 3))
        return {e.path: e.filled_by for e in t.events if e.kind == "resolved"}

    plain = fillers(lambda net: net.initialize(mx.init.Xavier()))
    assert plain["0.weight"] == "Xavier._init_weight" and plain["0.bias"] == "Zero._init_weight"
    assert plain["1.gamma"] == "Constant._init_weight"
    for initialize in (lambda net: net.initialize(Mine()), lambda net: ik.initialize(net, Mine())):
        corrected = fillers(initialize)
        assert corrected["0.weight"] == "Mine._init_weight" and corrected["0.bias"] == "Mine._init_bias"
        assert corrected["1.gamma"] == "Constant._init_weight" and corrected["1.beta"] == "Zero._init_weight"
    assert fillers(lambda net: net.initialize(Called()))["0.weight"] == "Called.__call__"
    filled_by = fillers(lambda net: ik.initialize(net, mx.init.Xavier()))
    assert filled_by["0.weight"] == "Xavier._init_weight"


def test_ik_initialize_is_told_call_by_call():
    net = two_layers()
    with ik.trace(net) as t:
        ik.initialize(net, mx.init.Xavier(), seed=7)
        net(ones(3, 5))
        ik.initialize(net, mx.init.Xavier(), seed=8, force_reinit=True)
    kinds = [(e.kind, e.path) for e in t.events]
    assert kinds[:4] == [("initialize", path) for path in ("0.weight", "0.bias", "1.weight", "1.bias")]
    assert {e.call for e in t.events if e.kind != "resolved"} == {"ik.initialize"}
    assert [path for kind, path in kinds if kind == "deferred"] == ["0.weight", "1.weight"]
    assert [path for kind, path in kinds if kind == "force_reinit"] == ["0.weight", "0.bias", "1.weight", "1.bias"]


def test_everything_else_that_changes_a_parameter(tmp_path):
    net = stack(nn.Dense(2))
    with ik.trace(net) as t:
        net.initialize()
        net[0].weight.set_data(ones(2, 3))
        net(ones(1, 3))
        net.save_parameters(str(tmp_path / "net.params"))
        net.load_parameters(str(tmp_path / "net.params"))
        net.cast("float64")
        move(net, [mx.cpu(0), mx.cpu(1)])
        net[0].bias.set_data(ones(2))
        net[0].bias.initialize()
        if GLUON_2:
            net[0].bias.initialize(force_reinit=True)
        else:
            net.collect_params(".*bias").initialize(force_reinit=True)
    moved, again = ("Parameter.reset_device", "Parameter.initialize") if GLUON_2 else (
                    "ParameterDict.reset_ctx", "ParameterDict.initialize")  # fmt: skip
    told = [(e.kind, e.call, e.path, e.detail) for e in t.events]
    if GLUON_2:  # loads in the file's order
        told[6:8] = told[7:5:-1]
    assert told[4:] == [
        ("set_data", "Parameter.set_data", "0.weight", "kept until the first forward pass"),
        ("resolved", "HybridSequential.__call__", "0.weight", ""),
        ("load_parameters", "HybridSequential.load_parameters", "0.weight", ""),
        ("load_parameters", "HybridSequential.load_parameters", "0.bias", ""),
        ("cast", "HybridSequential.cast", "0.weight", "float32 to float64"),
        ("cast", "HybridSequential.cast", "0.bias", "float32 to float64"),
        (moved.partition(".")[2], moved, "0.weight", "to cpu(0), cpu(1)"),
        (moved.partition(".")[2], moved, "0.bias", "to cpu(0), cpu(1)"),
        ("set_data", "Parameter.set_data", "0.bias", ""),
        ("initialize", "Parameter.initialize", "0.bias", "ignored: it is initialized already"),
        ("force_reinit", again, "0.bias", ""),
        ("resolved", again, "0.bias", ""),
    ]
    hooks = [e.hook for e in t.events if e.kind == "resolved" and e.path == "0.weight"]
    assert hooks == ["set_data"]


def test_the_users_own_line_stands_with_each_event():
    net = two_layers()
    with ik.trace(net) as t:
        net.initialize()
        line = test_the_users_own_line_stands_with_each_event.__code__.co_firstlineno
        net(ones(3, 5))
    assert {e.file for e in t.events} == {__file__}
    assert {e.line - line for e in t.events if e.block is None} == {3}
    assert {e.line - line for e in t.events if e.block is not None} == {5}

    class Own(gluon.Block):
        def __init__(self):
            super().__init__()
            self.layer = nn.Dense(1)

        def forward(self, x):
            return self.layer(x)

    net = Own()
    with ik.trace(net) as t:
        net.initialize()
        net(ones(3, 5))
    assert [e.line for e in t.events if e.block is not None] == [Own.forward.__code__.co_firstlineno + 1]


def test_live_prints_each_event_as_it_happens(capsys):
    net = stack(nn.Dense(2, use_bias=False))
    with ik.trace(net, live=True) as t:
        net.initialize()
        assert capsys.readouterr().out.splitlines() == [str(e) for e in t.events] and len(t.events) == 2
        net(ones(1, 3))
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("resolved 0.weight (2, 3) · in 0 on (1, 3) · Uniform._init_weight · 24 B · ")


def test_on_event_gets_each_event_and_may_look_at_the_network():
    net, got = two_layers(), []

    def look(event):
        got.append((event.kind, event.path))
        if event.path == "0.weight" and event.kind == "resolved":
            got.append(net[0].weight.data().shape)

    with ik.trace(net, on_event=look) as t:
        net.initialize()
        net(ones(1, 3))
    assert [each for each in got if each != (4, 3)] == [(e.kind, e.path) for e in t.events] and (4, 3) in got


def test_an_exception_of_on_event_does_not_break_into_the_network():
    net, calls = two_layers(), []

    def fail(event):
        calls.append(event)
        raise ValueError("no")

    with ik.trace(net, on_event=fail) as t, pytest.warns(UserWarning, match="on_event raised ValueError: no") as caught:
        net.initialize()
        net(ones(1, 3))
    assert caught[0].filename == __file__
    assert len(calls) == 1 and len(t.events) > 4 and not t.pending
    assert net[1].weight.data().shape == (2, 4)


def test_records_outlive_the_network_and_go_to_json():
    net = two_layers()
    with ik.trace(net) as t:
        net.initialize()
        net(ones(1, 3))
    events = t.events
    del net
    assert pickle.loads(pickle.dumps(events)) == events and copy.deepcopy(events) == events
    records = json.loads(t.to_json())
    assert records == json.loads(json.dumps(t.to_records())) and records[0]["shape"] == [4, None]
    with pytest.raises(AttributeError):
        events[0].kind = "other"


def attributes(net):
    things = _blocks(net) + list(net.collect_params().values())
    return [(thing, dict(vars(thing))) for thing in things]


def _blocks(net):
    found = []
    net.apply(lambda block: found.append(block))
    return found


def same(before):
    """Whether every attribute of every block and parameter is the same object as before."""
    for thing, held in before:
        now = dict(vars(thing))
        assert now.keys() == held.keys()
        assert all(now[key] is held[key] for key in held)


@pytest.mark.parametrize("hybrid", [False, True])
def test_nothing_is_left_behind(hybrid):
    def network():
        net = stack(nn.Conv2D(3, 3), nn.BatchNorm(), rnn_free(), nn.Dense(2))
        if hybrid:
            net.hybridize()
        return net

    def rnn_free():
        return stack(nn.Activation("relu"), nn.Dense(4))

    net = network()
    before = attributes(net)
    with ik.trace(net):
        pass
    same(before)
    with pytest.raises(KeyError), ik.trace(net):
        raise KeyError("a user's error")
    same(before)
    net.initialize()
    before = attributes(net)
    with pytest.raises(ik.DeferredInitError), ik.trace(net):
        net.save_parameters("never written")
    same(before)
    untraced = network()
    untraced.initialize()
    untraced(ones(1, 3, 6, 6))
    with ik.trace(net):
        net(ones(1, 3, 6, 6))
    for (left, _), (right, _) in zip(attributes(net), attributes(untraced)):
        assert vars(left).keys() == vars(right).keys()


def test_what_comes_after_a_trace_is_as_if_it_was_never_there(tmp_path):
    graphs = []
    for traced in (False, True):
        with mx.name.NameManager():
            net = two_layers()
        net.hybridize()
        if traced:
            with ik.trace(net):
                ik.initialize(net, seed=3)
                net(ones(2, 3))
        else:
            ik.initialize(net, seed=3)
            net(ones(2, 3))
        net.export(str(tmp_path / "net"))
        graphs.append((tmp_path / "net-symbol.json").read_text())
        values = net(ones(2, 3)).asnumpy()
        net.hybridize(False)
        assert np.array_equal(net(ones(2, 3)).asnumpy(), values)
    first, second = (json.loads(each) for each in graphs)
    assert [node["op"] for node in first["nodes"]] == [node["op"] for node in second["nodes"]]
    if GLUON_2:  # numbers the operators of the whole process
        graphs = [re.sub(r"node_\d+|[0-9a-f]{8}(_[0-9a-f]{4}){3}_[0-9a-f]{12}", "name", graph) for graph in graphs]
    assert graphs[0] == graphs[1]


def test_later_passes_run_without_wrappers_but_the_networks_own():
    net = two_layers()
    with ik.trace(net):
        net.initialize()
        assert "forward" in vars(net[0]) and "_check_and_get" in vars(net[0].weight)
        net(ones(1, 3))
        for block in (net[0], net[1]):
            assert "forward" not in vars(block)
            assert not {"_check_and_get", "var"} & vars(block.weight).keys()
        net(ones(1, 3))
        net[0].weight.initialize(force_reinit=True)
        assert "forward" not in vars(net[0])


@pytest.mark.mxnet1("copies of networks: children are weak references")
@pytest.mark.parametrize("copied", [copy.deepcopy, lambda net: pickle.loads(pickle.dumps(net))])
def test_a_copy_made_inside_is_a_network_of_its_own(copied):
    net = stack(nn.Dense(2, in_units=3))
    net.initialize(mx.init.One())
    with ik.trace(net) as t:
        other = copied(net)
        assert not {"forward", "__reduce_ex__"} & vars(other[0]).keys()
        assert "set_data" not in vars(other[0].weight)
        other[0].weight.set_data(ones(2, 3) * 7)
        assert other(ones(1, 3)).asnumpy().tolist() == [[21, 21]] and net(ones(1, 3)).asnumpy().tolist() == [[3, 3]]
    assert not t.events


def test_two_traces_in_two_threads_do_not_mix():
    nets = [stack(*(nn.Dense(3) for _ in range(depth))) for depth in (3, 5)]
    traces, barrier = [None, None], threading.Barrier(2)

    def run(number):
        barrier.wait()
        with ik.trace(nets[number]) as traces[number]:
            nets[number].initialize()
            nets[number](ones(2, 3))

    threads = [threading.Thread(target=run, args=(number,)) for number in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for depth, t in zip((3, 5), traces):
        assert [path for path, *_ in resolved(t)] == [f"{number}.weight" for number in range(depth)]
        assert len({e.thread for e in t.events}) == 1
    assert traces[0].events[0].thread != traces[1].events[0].thread


def test_a_pass_that_outlives_the_trace_ends_well_and_leaves_nothing():
    entered, left = threading.Event(), threading.Event()

    class Waits(gluon.Block):
        def forward(self, x):
            entered.set()
            left.wait(10)
            return x

    net = stack(nn.Dense(2), Waits(), nn.Dense(3), kind=nn.Sequential)
    answers = []
    thread = threading.Thread(target=lambda: answers.append(net(ones(1, 4)).shape))
    with ik.trace(net) as t:
        net.initialize()
        thread.start()
        entered.wait(10)
    left.set()
    thread.join()
    assert answers == [(1, 3)] and resolved(t) == [("0.weight", (2, 4), "0", ((1, 4),))]
    for thing in (net, net[0], net[2], net[2].weight, net[0].weight):
        assert not {"forward", "initialize", "_check_and_get", "_finish_deferred_init"} & vars(thing).keys()


def test_a_trace_inside_a_trace_is_refused():
    inner = nn.Dense(2)
    net, other = stack(inner), stack(inner, nn.Dense(3))
    before = attributes(other)
    with ik.trace(net) as t:
        for again, where in ((net, r"the network \(HybridSequential\)"), (inner, r"the network \(Dense\)"),
                             (other, r"'0' \(Dense\)")):  # fmt: skip
            with pytest.raises(RuntimeError, match=f"^{where} is being traced already.*Leave the first"):
                ik.trace(again).__enter__()
        net.initialize()
    assert len(t.events) == 4
    same([each for each in before if each[0] not in (inner, inner.weight, inner.bias)])
    with ik.trace(other) as again:
        other.initialize()
    assert again.pending
    with pytest.raises(RuntimeError, match="a trace serves once"):
        again.__enter__()


def test_a_trace_wants_a_network():
    with pytest.raises(TypeError, match="expected a network"):
        ik.trace(nn.Dense(2).collect_params())


def test_layers_added_inside_are_traced_too():
    net = nn.HybridSequential()
    with ik.trace(net) as t:
        net.add(nn.Dense(2))
        net.initialize()
        net(ones(1, 3))
    assert resolved(t) == [("0.weight", (2, 3), "0", ((1, 3),))]
    assert "forward" not in vars(net[0]) and "initialize" not in vars(net[0].weight)


def test_no_layers_output_is_kept_alive():
    held, counts = [], []

    class Last(HybridBlock):
        def hybrid_forward(self, F, x):
            counts.append(sys.getrefcount(held[0]))
            return x

    net = two_layers()
    net[0].register_forward_hook(lambda block, inputs, output: held.append(output))
    net.add(Last())
    with ik.trace(net):
        net.initialize()
        net(ones(1, 3))
    assert counts == [2]  # our own list, and the question


@pytest.mark.mxnet1("networks that are called with Symbols")
def test_a_symbolic_call_is_the_users_own_business():
    net = two_layers()
    with ik.trace(net) as t:
        net.initialize()
        symbol = net(mx.sym.var("data"))
        assert symbol.infer_shape(data=(2, 3))[1] == [(2, 2)]
        net(ones(2, 5))
    assert resolved(t) == [("0.weight", (4, 5), "0", ((2, 5),)), ("1.weight", (2, 4), "1", ((2, 4),))]


@pytest.mark.parametrize("hybrid", [False, True])
@pytest.mark.parametrize("name", ["resnet18_v2", "mobilenetv2_0.25"])
def test_a_real_network_gets_the_same_bits_and_each_resolution_is_told_at_its_block(name, hybrid):
    prints = []
    for traced in (False, True):
        net = mx.gluon.model_zoo.vision.get_model(name)
        net.hybridize(hybrid)
        ik.initialize(net, mx.init.Xavier(), seed=3)
        if traced:
            with ik.trace(net) as t:
                net(ones(1, 3, 64, 64))
        else:
            net(ones(1, 3, 64, 64))
        prints.append(ik.fingerprint(net))
    assert prints[0] == prints[1]
    told = resolved(t)
    assert len(told) > 30 and {path.rpartition(".")[0] == block for path, _, block, _ in told} == {True}
    for _, shape, _, (given, *_) in told:
        assert shape[0] == given[1] if len(shape) == 1 else given[1] % shape[1] == 0
