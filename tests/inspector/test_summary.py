"""`ik.summary`: multiply-adds as published and by closed forms, output shapes, parameters; nothing runs or changes."""

import gluon_initkit as ik
from gluon_initkit.display import AtLeast
import mxnet as mx
from mxnet.gluon import nn, rnn  # noqa: F401  (in code that is evaluated)
from mxnet.gluon.model_zoo import vision
import pytest
from vocabulary import VERSION, HybridBlock, exists

# In units of 1e9, for one image of 224 x 224, rounded as published.
PUBLISHED = {"resnet18_v1": 1.814, "resnet50_v1": 3.858, "resnet152_v1": 11.28, "vgg16": 15.47, "vgg19": 19.63,
             "mobilenet1_0": 0.5687, "mobilenet0_5": 0.1495, "mobilenet0_25": 0.0410}  # fmt: skip


class Code(HybridBlock):
    """A network of one line of code."""

    def __init__(self, code):
        super().__init__()
        self.code = code

    def hybrid_forward(self, F, *inputs):
        return self.code(F, *inputs)


def rows(summary):
    return [(row.path, row.output_shapes, row.parameters, row.macs, row.activation_bytes, row.calls)
            for row in summary.rows]  # fmt: skip


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_numbers(name):
    net = getattr(vision, name)()
    plain = ik.summary(net, (1, 3, 224, 224))
    digits = len(str(PUBLISHED[name]).split(".")[1])
    assert round(plain.macs / 1e9, digits) == PUBLISHED[name] and not plain.uncounted
    assert all(param._data is None and not param._deferred_init for param in net.collect_params().values())
    net.hybridize()
    assert rows(ik.summary(net, (1, 3, 224, 224))) == rows(plain)


def test_parameters_are_those_of_the_materialized_network():
    net = vision.resnet18_v1()
    summary = ik.summary(net, (1, 3, 224, 224))
    net.initialize()
    ik.materialize(net, (1, 3, 224, 224))
    totals = ik.inspect(net).totals
    assert (summary.parameters, summary.totals) == (totals.size, totals)
    assert summary["features"].parameters + summary["output"].parameters == summary.parameters == 11_699_112
    assert sum(row.share for row in summary.rows if row.depth == 1) == pytest.approx(1)


def test_the_text_folds_and_breaks_no_shape_where_rows_hold_every_block():
    net = vision.resnet18_v1()
    summary = ik.summary(net, (1, 3, 224, 224))
    blocks = []
    net.apply(blocks.append)
    text = summary.to_text(80)
    assert len(summary.rows) == len(blocks) == 77 and len(text.splitlines()) <= 60
    assert "{0,1} x2" in text and "(1, 64, 112, 112)" in text and "1.814 G" in text and "11,699,112" in text
    assert all(row.path.rpartition(".")[2] in summary.to_text(120, all=True) for row in summary.rows)
    assert "98.6%" not in text and "share" in summary.to_text(120)


LAYERS = {
    "nn.Conv2D(8, 3, groups=2, strides=2, in_channels=4)": ((2, 4, 9, 9), 2 * 8 * 4 * 4 * 2 * 9),
    "nn.Conv1D(8, 3, dilation=2)": ((2, 4, 9), 2 * 8 * 5 * 4 * 3),
    "nn.Conv2DTranspose(6, 3, groups=2, in_channels=4)": ((2, 4, 5, 5), 2 * 4 * 25 * 3 * 9),
    "nn.Dense(7)": ((2, 3, 4), 2 * 7 * 12),
    "nn.Dense(7, flatten=False)": ((2, 3, 4), 2 * 3 * 7 * 4),
    "nn.Embedding(9, 4)": ((2, 3), 0),
    "nn.BatchNorm()": ((2, 3), 0),
    "nn.Flatten()": ((2, 3, 4), 0),
    "nn.GELU()": ((2, 3), 0),
    "rnn.RNN(5)": ((6, 2, 3), 6 * 2 * 5 * (3 + 5)),
    "rnn.GRU(5, 2)": ((6, 2, 3), 6 * 2 * 3 * 5 * (3 + 5 + 5 + 5)),
    "rnn.LSTM(5, 2, bidirectional=True)": ((6, 2, 3), 6 * 2 * 2 * 4 * 5 * (3 + 5 + 10 + 5)),
    "rnn.LSTM(5, 2, layout='NTC')": ((2, 6, 3), 6 * 2 * 4 * 5 * (3 + 5 + 5 + 5)),
    "rnn.LSTM(5, projection_size=4)": ((6, 2, 3), 6 * 2 * (4 * 5 * (3 + 4) + 5 * 4)),
    "rnn.LSTMCell(5)": ((2, 3), 2 * 4 * 5 * (3 + 5)),
}


@pytest.mark.parametrize("hybridize", [False, True])
@pytest.mark.parametrize("code", [code for code in LAYERS if exists(code)])
def test_layers_by_their_closed_forms(code, hybridize):
    net = eval(code)
    net.hybridize(hybridize)
    shape, expected = LAYERS[code]
    inputs = [shape, [(2, 5), (2, 5)]] if "Cell" in code else [shape]
    summary = ik.summary(net, *inputs)
    assert (summary.macs, summary.uncounted) == (expected, {})


PRODUCTS = {
    "batch_dot": (lambda F, a, b: F.batch_dot(a, b, transpose_a=True), [(4, 3, 2), (4, 3, 5)], 4 * 2 * 3 * 5),
    "dot": (lambda F, a, b: F.dot(a, b, transpose_a=True), [(3, 2), (3, 5)], 2 * 3 * 5),
    "linalg_gemm2": (lambda F, a, b: F.linalg.gemm2(a, b, transpose_b=True), [(4, 2, 3), (4, 5, 3)], 4 * 2 * 3 * 5),
    "attention": (lambda F, x: F.contrib.interleaved_matmul_selfatt_qk(x, heads=2), [(5, 3, 24)], 3 * 2 * 5 * 5 * 4),
}
NUMPY = {
    "matmul": (lambda np, a, b: np.matmul(a, b), [(4, 2, 3), (3, 5)], 4 * 2 * 3 * 5),
    "dot": (lambda np, a, b: np.dot(a, b), [(4, 2, 3), (3, 5)], 4 * 2 * 3 * 5),
    "scalar": (lambda np, a: np.dot(a, a.sum()), [(4, 2)], 0),
    "tensordot": (lambda np, a, b: np.tensordot(a, b, axes=([1, 2], [0, 1])), [(4, 2, 3), (2, 3, 5)], 4 * 2 * 3 * 5),
    "einsum": (lambda np, a, b: np.einsum("bij,bkj->bik", a, b), [(4, 2, 3), (4, 5, 3)], 4 * 2 * 3 * 5),
    "einsum of elements": (lambda np, a, b: np.einsum("ij,ij->ij", a, b), [(2, 3), (2, 3)], 0),
}


@pytest.mark.mxnet1("products of classic arrays")
@pytest.mark.parametrize("hybridize", [False, True])
@pytest.mark.parametrize("name", PRODUCTS)
def test_products(name, hybridize):
    code, shapes, expected = PRODUCTS[name]
    net = Code(code)
    net.hybridize(hybridize)
    summary = ik.summary(net, *shapes)
    assert (summary.macs, summary.uncounted) == (expected, {})


@pytest.mark.skipif(VERSION < (1, 7), reason="MXNet 1.6 has few of them")
@pytest.mark.parametrize("name", NUMPY)
def test_products_of_numpy_arrays(name):
    mx.npx.set_np()
    code, shapes, expected = NUMPY[name]
    summary = ik.summary(Code(lambda F, *inputs: code(mx.np, *inputs)), *shapes)
    assert (summary.macs, summary.uncounted) == (expected, {})


@pytest.mark.skipif(VERSION < (1, 7), reason="MXNet 1.6 has few of them")
def test_a_product_that_has_no_rule_is_listed():
    mx.npx.set_np()
    summary = ik.summary(Code(lambda F, x: mx.np.linalg.inv(x) + 1), (3, 3))
    (name,) = summary.uncounted
    assert "inv" in name and isinstance(summary.macs, AtLeast) and name in str(summary)


def test_an_unknown_size_is_not_counted_and_not_hidden():
    net = nn.HybridSequential()
    net.add(nn.Conv2D(4, 3), nn.Flatten(), nn.Dense(2))
    summary = ik.summary(net, (None, 3, 8, 8))
    assert summary["2"].output_shape == (None, 2) and summary.parameters == 402
    assert isinstance(summary.macs, AtLeast) and isinstance(summary.activation_bytes, AtLeast)
    assert summary.uncounted == {"Convolution": 1, "FullyConnected": 1} and "≥0" in str(summary)


@pytest.mark.parametrize("hybridize", [False, True])
def test_a_block_called_twice_has_the_sum_of_its_calls_and_its_parameters_once(hybridize):
    net, layer = nn.HybridSequential(), nn.Dense(4)
    net.add(layer, nn.Activation("relu"), layer)
    net.hybridize(hybridize)
    summary = ik.summary(net, (3, 4))
    row = summary["0"]
    assert (row.calls, row.macs, row.parameters, row.aliases) == (2, 2 * 3 * 4 * 4, 20, ("2",))
    assert summary["2"] is row and [each.path for each in summary.rows] == ["", "0", "1"] and summary.parameters == 20
    assert summary.activation_bytes == 3 * 3 * 4 * 4


@pytest.mark.parametrize("hybridize", [False, True])
def test_a_hybridized_part_called_twice(hybridize):
    class Twice(mx.gluon.Block):
        def __init__(self):
            super().__init__()
            self.part = nn.HybridSequential()
            self.part.add(nn.Dense(4))

        def forward(self, x):
            return self.part(self.part(x))

    net = Twice()
    net.hybridize(hybridize)
    summary = ik.summary(net, (3, 4))
    assert [(row.calls, row.macs) for row in summary.rows] == [(1, 96), (2, 96), (2, 96)]


def test_parameters_of_two_layers_that_share_are_counted_once():
    net = nn.HybridSequential()
    net.add(nn.Dense(4, in_units=4), nn.Dense(4, in_units=4))
    ik.Sharing(net).tie("0.weight", "1.weight").apply()
    summary = ik.summary(net, (3, 4))
    assert [row.parameters for row in summary.rows] == [24, 20, 4] and summary.macs == 96
    net = nn.HybridSequential()
    net.add(nn.Dense(4, in_units=4), nn.Dense(4, in_units=4))
    net.initialize()
    net[1].weight._data = net[0].weight._data  # two parameters over one buffer
    assert [row.parameters for row in ik.summary(net, (3, 4)).rows] == [24, 20, 4]


def test_what_is_not_reached():
    class Half(mx.gluon.Block):
        def __init__(self):
            super().__init__()
            self.held, self.unused = nn.HybridSequential(), nn.Dense(4)
            self.held.add(nn.Dense(4))

        def forward(self, x):
            return self.held[0](x), x

    summary = ik.summary(Half(), (3, 5))
    assert summary.rows[0].output_shapes == ((3, 4), (3, 5)) and summary["unused"].output_shape is None
    assert isinstance(summary.parameters, AtLeast) and summary.parameters == 28
    assert str(summary).count("not reached") == 1 and summary["held"].calls == 0


def test_bytes_follow_the_dtype_of_the_network():
    net = nn.Dense(4, dtype="float16")
    assert ik.summary(net, ((3, 5), "float16")).activation_bytes == 2 * 12


def test_operators_of_a_symbol_block_have_rows():
    data = mx.sym.var("data")
    hidden = mx.sym.FullyConnected(data, num_hidden=5, name="one")
    net = nn.HybridSequential()
    net.add(mx.gluon.SymbolBlock(mx.sym.FullyConnected(hidden, num_hidden=2, name="two"), data), nn.Dense(3))
    for hybridize in (False, True):
        net.hybridize(hybridize)
        summary = ik.summary(net, (4, 7))
        found = [(row.path, row.block, row.parameters, row.macs, row.output_shape) for row in summary.rows[1:]]
        assert found == [("0", "SymbolBlock", 52, 180, (4, 2)), ("0.one", "FullyConnected", 40, 140, (4, 5)),
                         ("0.two", "FullyConnected", 12, 40, (4, 2)), ("1", "Dense", 9, 24, (4, 3))]  # fmt: skip


def alike():
    """Thirty layers of ones."""
    net = nn.HybridSequential()
    net.add(*(nn.Dense(4, in_units=4, use_bias=False, weight_initializer="ones") for _ in range(30)))
    net.initialize()
    return net


def test_columns_of_inspect():
    net = nn.HybridSequential()
    net.add(nn.Dense(4, weight_initializer="ones"), nn.Dense(2))
    net.initialize()
    ik.materialize(net, (3, 5))
    summary = ik.summary(net, (3, 5), columns=["dtype", "max"])
    assert summary["0"].columns == {"dtype": "float32", "max": 1.0} and "max" in str(summary)
    lines = summary.to_text(depth=0, columns=["path", "max"]).split("\n")
    assert ["(network)", "1"] in [line.split() for line in lines]
    lines = ik.summary(alike(), (3, 4), columns=["mean"]).to_text(columns=["path", "mean"]).split("\n")
    assert ["{0..29}", "x30", "1"] in [line.split() for line in lines]  # of blocks that are one row
    with pytest.raises(KeyError, match="did you mean 'dtype'"):
        ik.summary(net, (3, 5), columns=["dtyp"])


def test_what_cannot_be_counted_raises():
    net = nn.HybridSequential()
    net.add(nn.Dense(4, in_units=5))
    with pytest.raises(TypeError, match="needs the network's arguments"):
        ik.summary(net)
    with pytest.raises(TypeError, match="expected a network"):
        ik.summary("net-symbol.json", (3, 5))
    with pytest.raises(ik.DeferredInitError, match=r"do not fit|contradict"):
        ik.summary(net, (3, 6))
    with pytest.raises(ik.DeferredInitError, match="stops, as in a forward pass") as caught:
        ik.summary(Code(lambda F, x: x.no_such_method()), (3, 5))
    assert "0 of 0" not in str(caught.value)
    with pytest.raises(KeyError, match="no block has the path '1'"):
        ik.summary(net, (3, 5))["1"]


@pytest.mark.zoo
@pytest.mark.parametrize("hybridize", [False, True])
def test_a_bert_layer_by_its_closed_form(hybridize):
    import gluonnlp

    units, hidden, length, batch = 16, 32, 12, 3
    net = gluonnlp.model.BERTEncoder(units=units, hidden_size=hidden, num_layers=2, num_heads=2, max_length=length)
    net.hybridize(hybridize)
    summary = ik.summary(net, (length, batch, units))
    dense = batch * length * (4 * units * units + 2 * units * hidden)
    assert (summary.macs, summary.uncounted) == (2 * (dense + 2 * batch * length * length * units), {})
