"""`explain`: what to write, for every layer; pasted, it is true."""

import pickle
import re

import gluon_initkit as ik
import mxnet as mx
from mxnet.gluon import contrib, nn, rnn
import pytest
from vocabulary import GLUON_2, PARAMETER, HybridBlock, declared, exists, nd

SYNC, LSTMP = (nn, rnn) if GLUON_2 else (contrib.nn, contrib.rnn)
CONTRIB = "" if GLUON_2 else "contrib."
IMAGE, ROWS, STEPS = (2, 6, 8, 8), (2, 5), (3, 2, 5)
LAYERS = [
    (nn.Dense(4, activation="relu"), [ROWS], "nn.Dense(4, activation='relu', in_units=5)"),
    (nn.Dense(4, flatten=False), [(2, 3, 7)], "nn.Dense(4, flatten=False, in_units=7)"),
    (nn.Conv1D(4, 3), [(2, 6, 8)], "nn.Conv1D(4, 3, in_channels=6)"),
    (nn.Conv2D(4, 3, groups=2), [IMAGE], "nn.Conv2D(4, 3, groups=2, in_channels=6)"),
    (nn.Conv2D(4, 3, layout="NHWC"), [(2, 8, 8, 6)], "nn.Conv2D(4, 3, layout='NHWC', in_channels=6)"),
    (nn.Conv3D(4, 3), [(2, 6, 8, 8, 8)], "nn.Conv3D(4, 3, in_channels=6)"),
    (nn.Conv1DTranspose(4, 3), [(2, 6, 8)], "nn.Conv1DTranspose(4, 3, in_channels=6)"),
    (nn.Conv2DTranspose(4, 3), [IMAGE], "nn.Conv2DTranspose(4, 3, in_channels=6)"),
    (nn.BatchNorm(), [IMAGE], "nn.BatchNorm(in_channels=6)"),
    (nn.BatchNorm(axis=-1), [IMAGE], "nn.BatchNorm(axis=-1, in_channels=8)"),
    (nn.LayerNorm(), [IMAGE], "nn.LayerNorm(in_channels=8)"),
    (nn.InstanceNorm(), [IMAGE], "nn.InstanceNorm(in_channels=6)"),
    (SYNC.SyncBatchNorm(num_devices=1), [IMAGE], f"{CONTRIB}nn.SyncBatchNorm(num_devices=1, in_channels=6)"),
    (rnn.LSTM(4), [STEPS], "rnn.LSTM(4, input_size=5)"),
    (rnn.GRU(4, 2, bidirectional=True), [STEPS], "rnn.GRU(4, num_layers=2, bidirectional=True, input_size=5)"),
    (rnn.RNN(4, use_sequence_length=True), [STEPS, None, (2,)], "rnn.RNN(4, use_sequence_length=True, input_size=5)"),
    (rnn.LSTMCell(4), [ROWS, [(2, 4), (2, 4)]], "rnn.LSTMCell(4, input_size=5)"),
    (rnn.GRUCell(4), [ROWS, [(2, 4)]], "rnn.GRUCell(4, input_size=5)"),
    (rnn.RNNCell(4), [ROWS, [(2, 4)]], "rnn.RNNCell(4, input_size=5)"),
    (LSTMP.LSTMPCell(4, 3), [ROWS, [(2, 3), (2, 4)]], f"{CONTRIB}rnn.LSTMPCell(4, 3, input_size=5)"),
    (rnn.RNNCell(4, activation="relu"), [ROWS, [(2, 4)]], "rnn.RNNCell(4, activation='relu', input_size=5)"),
    (rnn.LSTM(4, layout="NTC", dropout=0.5), [STEPS], "rnn.LSTM(4, layout='NTC', dropout=0.5, input_size=5)"),
    (rnn.LSTM(4, projection_size=2), [STEPS], "rnn.LSTM(4, projection_size=2, input_size=5)"),
    (nn.LayerNorm(axis=1), [IMAGE], "nn.LayerNorm(axis=1, in_channels=6)"),
    (nn.InstanceNorm(axis=2), [IMAGE], "nn.InstanceNorm(axis=2, in_channels=8)"),
    (nn.BatchNorm(scale=False, momentum=0.5), [IMAGE], "nn.BatchNorm(momentum=0.5, scale=False, in_channels=6)"),
    (nn.Conv2D(4, (3, 2), strides=(1, 2), dilation=2, use_bias=False), [IMAGE],
     "nn.Conv2D(4, (3, 2), strides=(1, 2), dilation=2, use_bias=False, in_channels=6)"),
    (nn.Conv2DTranspose(4, 3, strides=2, output_padding=1), [IMAGE],
     "nn.Conv2DTranspose(4, 3, strides=2, output_padding=1, in_channels=6)"),
    (nn.Dense(4, dtype="float16", weight_initializer="ones", bias_initializer=mx.init.Constant(3)), [(ROWS, "float16")],
     "nn.Dense(4, dtype='float16', weight_initializer='ones', bias_initializer=mx.init.Constant(value=3), in_units=5)"),
]  # fmt: skip
if exists("nn.Conv3DTranspose"):
    LAYERS.append((nn.Conv3DTranspose(4, 3), [(2, 6, 8, 8, 8)], "nn.Conv3DTranspose(4, 3, in_channels=6)"))


def built(code):
    return eval(code, {"nn": nn, "rnn": rnn, "contrib": contrib, "mx": mx})


TOLD = pytest.mark.mxnet1("instance normalizations over another axis than 1")
ASKED = [pytest.param(*row, id=row[2], marks=TOLD if "InstanceNorm(axis" in row[2] else ()) for row in LAYERS]


@pytest.mark.parametrize("layer, inputs, code", ASKED)
def test_every_layer_and_what_is_pasted_is_not_deferred(layer, inputs, code):
    layer.initialize()
    if GLUON_2 and re.search(r"Conv|rnn\.", code) and "Cell" not in code:  # deferred whatever they are told
        kind = code.partition("(")[0]
        advice = f"gluon_initkit.materialize(net, ...), as MXNet 2 always defers {kind}"
        assert set(ik.explain(layer, *inputs).fixes) == {advice}
        pasted = built(code)
        pasted.initialize()
        assert ik.explain(pasted)
        return
    assert set(ik.explain(layer, *inputs).fixes) == {code}
    assert all(fix.endswith("=?)") for fix in ik.explain(layer).fixes)
    pasted = built(code)
    pasted.initialize()
    assert not ik.explain(pasted)
    assert {row.path: row.shape for row in ik.resolve_shapes(layer, *inputs)} == {
        row.path: row.shape for row in ik.resolve_shapes(pasted)}  # fmt: skip


@pytest.mark.parametrize("wrapper", [rnn.ResidualCell, rnn.ZoneoutCell, LSTMP.VariationalDropoutCell])
def test_a_cell_inside_another(wrapper):
    net = wrapper(rnn.LSTMCell(5))
    net.initialize()
    (fix,) = ik.explain(net, ROWS, [(2, 5), (2, 5)]).fixes
    assert fix == "base_cell: rnn.LSTMCell(5, input_size=5)"
    pasted = wrapper(built(fix.partition(": ")[2]))
    pasted.initialize()
    assert not ik.explain(pasted)


# MXNet 2 defers a GroupNorm.
@pytest.mark.parametrize("layer", [*([] if GLUON_2 else [nn.GroupNorm(num_groups=3)]), nn.Embedding(10, 4), nn.PReLU()])
def test_layers_that_mxnet_never_defers(layer):
    layer.initialize()
    assert not ik.explain(layer, IMAGE[:1] if isinstance(layer, nn.Embedding) else IMAGE)


@pytest.mark.mxnet1("shapes that follow from an operator")
@pytest.mark.skipif(not exists("nn.PReLU(in_channels"), reason="this MXNet's PReLU has one parameter, for all channels")
def test_a_prelu_that_cannot_be_deferred():
    net = nn.PReLU(in_channels=0)
    assert ik.explain(net, IMAGE).fixes == ("nn.PReLU(in_channels=6)",)
    assert ik.explain(net).rows[0].reason == "its shape is not known, and it may not be deferred"


class Own(HybridBlock):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.table = declared(self, "table", shape=(3, 0), allow_deferred_init=True)

    if GLUON_2:  # which wants to be told

        def infer_shape(self, x):
            self.table.shape = (3, x.shape[1])

    def hybrid_forward(self, F, x, table):
        return F.FullyConnected(x, table, no_bias=True, num_hidden=3)


def test_a_block_of_ones_own_is_named_by_parameter_and_axis():
    net = nn.HybridSequential()
    net.add(Own())
    net.initialize()
    (row,) = ik.explain(net, ROWS)
    fix = f"0: table, axis 1 is 5: {PARAMETER}('table', shape=(3, 5))"
    assert row == ik.Unresolved("0.table", (3, None), "Own", "0", ((2, 5),), fix, "deferred")
    assert ik.explain(net).fixes == (f"0: table, axis 1 is ?: {PARAMETER}('table', shape=(3, ?))",)


class Scaling:
    """What no forward pass tells the shape of its own parameter."""

    def __init__(self):
        super().__init__()
        self.scale = declared(self, "scale", shape=(-1,) if GLUON_2 else (0,), init="ones", allow_deferred_init=True)

    def forward(self, x):
        return x * self.scale.data()


class Scale(Scaling, mx.gluon.Block):
    pass


class HybridScale(Scaling, mx.gluon.HybridBlock):
    pass


WRITTEN = pytest.mark.mxnet2("infer_shape methods that must be written")


@pytest.mark.parametrize("kind", [Scale, pytest.param(HybridScale, marks=WRITTEN)])
def test_a_shape_that_nothing_tells(kind):
    """One is told so before and after, and not to try a forward pass."""
    net = nn.Sequential()
    net.add(nn.Dense(3), kind(), nn.Dense(2))
    net.initialize()
    why = {Scale: "Scale is no HybridBlock", HybridScale: "HybridScale has no infer_shape"}[kind]
    or_else = "" if kind is Scale else ", or an infer_shape(self, ...) that sets self.scale.shape"
    says = [f"1.scale (?) of {kind.__name__}", f": no forward pass infers its shape: {why}\n",
            f"1: scale, axis 0 is ?: {PARAMETER}('scale', shape=(?)){or_else}\n"]  # fmt: skip
    told = [ik.explain(net).message, ik.explain(net, ROWS).message]
    for run_forward in (False, True):
        with pytest.raises(ik.DeferredInitError) as caught:
            ik.materialize(net, ROWS, run_forward=run_forward)
        told.append(str(caught.value))
    with ik.trace(net), pytest.raises(ik.DeferredInitError) as caught:
        net(nd.ones(ROWS))
    for text in [*told, str(caught.value)]:
        assert all(each in text for each in says), text
        assert text.endswith("Write that for 1.scale: no input gives it.") and "run_forward" not in text
    for text in told[1:3]:
        reads = f"1 ({kind.__name__}) reads a parameter whose shape no forward pass infers"
        assert text.startswith(f"{reads}, at {__file__}:")


def test_a_shape_that_another_holder_tells():
    """A Block that reads a layer's own parameter."""
    net = nn.HybridSequential()
    net.add(nn.Dense(3))
    around = mx.gluon.Block()
    around.weight, around.net = net[0].weight, net
    around.initialize()
    (row,) = ik.explain(around)
    assert row.reason == "deferred"


def test_a_parameter_without_any_shape():
    net = Own()
    net.table._shape = None
    net.initialize()
    assert ik.explain(net).fixes == (f"table, of no known number of axes: {PARAMETER}('table', shape=?)",)


def test_a_symbol_block():
    data = mx.sym.var("data")
    net = mx.gluon.SymbolBlock(mx.sym.FullyConnected(data, num_hidden=3, name="fc"), data)
    net.initialize()
    fixes = ik.explain(net, ROWS).fixes
    says = "weight, axis 0 is 3, axis 1 is 5; a SymbolBlock's shapes come from its inputs"
    assert any(fix.endswith(says) for fix in fixes)


def test_records_table_and_error():
    net = nn.Dense(4)
    net.initialize()
    found = ik.explain(net, ROWS)
    assert pickle.loads(pickle.dumps(found)) == found and len(found) == len(found.to_records()) == 1
    assert found.error.unresolved == found.rows and str(found.error) == found.message
    assert "nn.Dense(4, in_units=5)" in str(found) and "nn.Dense(4, in_units=5)" in found._repr_html_()
    net(nd.ones(ROWS))
    done = ik.explain(net, ROWS)
    assert not done and done.error is None and str(done) == "all 2 parameters hold values"


def test_an_error_of_ours_is_shown_as_it_is():
    net = nn.Dense(4)
    net.initialize()
    with pytest.raises(ik.DeferredInitError) as caught:
        ik.materialize(net)
    assert ik.explain(net, error=caught.value).message == str(caught.value)


def test_contradictions_of_several_parameters_at_once():
    net = nn.HybridSequential()
    net.add(nn.LayerNorm(in_channels=3), nn.Dense(2))
    net.initialize()
    found = ik.explain(net, IMAGE)
    assert [row.path for row in found] == ["0.gamma", "0.beta", "1.weight"]
    assert found.fixes[0] == "0: nn.LayerNorm(in_channels=8)" and found.rows[0].reason == (
        "it has to be (8) in 0, given (2, 6, 8, 8), and was (3) before")  # fmt: skip


@pytest.mark.mxnet1("batch normalizations that do not check their sizes")
def test_a_batch_normalization_that_mxnet_does_not_check():
    net = nn.HybridSequential()
    net.add(nn.BatchNorm(in_channels=3), nn.Dense(2, in_units=384))
    net.initialize()
    assert net(nd.ones(IMAGE)).shape == (2, 2)  # six channels, of statistics of three
    found = ik.explain(net, IMAGE)
    assert [row.path for row in found] == ["0.gamma", "0.beta", "0.running_mean", "0.running_var"]
    assert found.fixes == ("0: nn.BatchNorm(in_channels=6)",)
    with pytest.raises(ik.DeferredInitError, match="does not check its sizes"):
        ik.materialize(net, IMAGE)


@pytest.mark.mxnet1("InstanceNorm whose size is contradicted in the engine only")
def test_an_instance_normalization_that_fails_in_the_engine_only():
    net = nn.HybridSequential()
    net.add(nn.InstanceNorm(in_channels=3), nn.Dense(2, in_units=384))
    net.initialize()
    with pytest.raises((mx.MXNetError, ValueError), match="Size"):
        net(nd.ones(IMAGE)).asnumpy()
    found = ik.explain(net, IMAGE)
    assert [row.path for row in found] == ["0.gamma", "0.beta"]
    assert found.fixes == ("0: nn.InstanceNorm(in_channels=6)",)


def test_one_block_called_with_two_sizes():
    class Twice(HybridBlock):
        def __init__(self):
            super().__init__()
            self.dense = nn.Dense(2)

        def hybrid_forward(self, F, x, y):
            return self.dense(x) + self.dense(y)

    net = Twice()
    net.initialize()
    (row,) = ik.explain(net, (1, 5), (1, 7))
    assert row.fix == "dense: call it with inputs of one size" and row.reason == (
        "it has to be (2, 7) in dense, given (1, 7), and was (2, 5) in dense, given (1, 5)")  # fmt: skip


@pytest.mark.mxnet1("shapes that MXNet infers for a block of one's own")
def test_an_operator_that_cannot_infer_is_no_contradiction():
    class Dots(mx.gluon.HybridBlock):
        def __init__(self):
            super().__init__()
            self.table = self.params.get("table", shape=(0, 3), allow_deferred_init=True)

        def hybrid_forward(self, F, x, table):
            return F.dot(x, table)  # MXNet's own deferral fails at it as well

    net = Dots()
    net.initialize()
    found = ik.explain(net, ROWS)
    assert found.summary.startswith("shapes do not fit in the network, given (2, 5): MXNetError: ")
    assert "declare the shapes of its parameters" in found.message


def test_what_is_to_be_written_stands_apart_and_whole(monkeypatch):
    from rich.console import Console

    net = nn.HybridSequential()
    net.add(nn.Conv2DTranspose(4, 2, strides=2, padding=1, output_padding=1, use_bias=False))
    explanation = ik.explain(net)
    monkeypatch.setenv("COLUMNS", "40")
    console = Console(width=40, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(explanation)
    for text in (str(explanation), console.export_text()):
        head, fix = text.split("To avoid it, write")
        assert head.endswith("\n\n") and "".join(fix.split()) == "".join(explanation.fixes[0].split())


@pytest.mark.parametrize("axis, size", [(1, 6), (2, 5), (-1, 3)])
def test_a_batch_normalization_of_another_size_along_its_own_axis(axis, size):
    net = nn.BatchNorm(axis=axis, in_channels=4)
    net.initialize()
    rows = list(ik.explain(net, (2, 6, 5, 3)))
    assert [row.path for row in rows] == ["gamma", "beta", "running_mean", "running_var"]
    assert all(f"it has to be ({size}) in the network, given (2, 6, 5, 3)" in row.reason for row in rows)


def test_an_error_that_is_none():
    with pytest.raises(TypeError, match="error is 'deferred': expected the exception that was caught"):
        ik.explain(nn.Dense(2), error="deferred")


class Refuses(mx.init.Initializer):
    """Fails whenever it is asked."""

    def _init_weight(self, name, array):
        raise ZeroDivisionError("refused")


@pytest.mark.parametrize("hybrid", [False, True])
def test_a_fill_that_failed_leaves_no_mark_and_is_not_called_one_that_never_was(hybrid):
    net = nn.HybridSequential()
    net.add(nn.Dense(4), nn.Dense(3, weight_initializer=Refuses()), nn.Dense(2))
    net.initialize()
    net.hybridize(hybrid)
    with pytest.raises(ZeroDivisionError) as caught:
        net(nd.ones((2, 5)))
    for error in (None, caught.value):
        reasons = {row.path: row.reason for row in ik.explain(net, error=error).rows}
        assert reasons["1.weight"] == "initialize was never called on it, or filling it failed"
        assert reasons["2.weight"] == "deferred"
    assert "refused" in ik.explain(net, error=caught.value).summary


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("hybridize", [True, False])
def test_parameters_on_different_contexts(known, hybridize):
    """The head was initialized elsewhere than its backbone, and the forward pass failed (dmlc/gluon-cv#572)."""
    net = nn.HybridSequential()
    net.add(nn.Dense(3, in_units=2 if known else 0), nn.Dense(2, in_units=3 if known else 0))
    net[0].initialize(ctx=mx.cpu(1))
    net[1].initialize(ctx=mx.cpu(0))
    if hybridize:
        net.hybridize()
    reset = "net.reset_device(device)" if GLUON_2 else "net.collect_params().reset_ctx(ctx)"
    with pytest.raises(Exception, match="context|device") as caught:
        net(nd.ones((1, 2), ctx=mx.cpu(0)))
        mx.nd.waitall()
    said = ik.explain(net, error=caught.value)
    assert "before it holds values" not in said.summary and "cpu(0)" in said.summary and "cpu(1)" in said.summary
    for text in (str(said), said.message):
        assert f"0.bias on cpu(1); 1.weight, 1.bias on cpu(0). {reset} puts all on the same." in " ".join(text.split())
    report = ik.materialize(net, (1, 2))
    assert [note.partition(":")[0] for note in report.notes] == ["The parameters are on different contexts"]
    assert str(ik.explain(net)).startswith("all 4 parameters hold values\nThe parameters are on different contexts: ")


def test_a_network_that_was_given_an_input_from_elsewhere():
    net = nn.Dense(3, in_units=2)
    net.initialize(ctx=[mx.cpu(0), mx.cpu(1)])
    with pytest.raises(RuntimeError) as caught:
        net(nd.ones((1, 2), ctx=mx.cpu(2)))
    said = ik.explain(net, error=caught.value).summary
    assert "is on cpu(0), cpu(1), and was read on cpu(2), at " in said and "Give inputs that are there" in said


def test_a_gradient_that_there_is_not():
    net = nn.Dense(3, in_units=2)
    net.initialize()
    net.weight.grad_req = "null"
    with pytest.raises(RuntimeError) as caught:
        net.weight.grad()
    said = str(ik.explain(net, error=caught.value))
    assert "grad_req='null'" in said and "before it holds values" not in said and "materialize" not in said


def large(layers=30):
    net = nn.HybridSequential()
    net.add(*(nn.Dense(4) for _ in range(layers)))
    return net


@pytest.mark.parametrize("inputs", [(), ((1, 5),)])
def test_a_forgotten_initialize_is_the_first_line_and_what_to_write_the_second(inputs):
    explanation = ik.explain(large(), *inputs)
    for text, end in ((str(explanation), "shows all 60."), (explanation.message, "`unresolved` lists")):
        first, second, *rest = text.splitlines()
        assert first == "initialize was never called on this network"
        assert second == "Call net.initialize(...) or gluon_initkit.initialize(net, ...) first."
        assert len(rest) < 45 and rest[-1].endswith(end)
    assert len(explanation) == len(explanation.error.unresolved) == 60
    assert "29: net.initialize(...)<" in explanation._repr_html_()
    assert len(explanation.fixes) == 60 and "  and 50 more" in explanation.message


def test_a_message_shows_ten_parameters_of_many():
    net = large()
    net.initialize()
    text = str(ik.explain(net).error)
    assert "  and 20 more, which the error's `unresolved` lists" in text and len(text.splitlines()) == 23
    names = [name for line in text.splitlines() for name in line.split() if name.endswith(".weight")]
    assert names == [f"{number}.weight" for number in range(10)]
