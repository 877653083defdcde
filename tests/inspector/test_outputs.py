"""ik.outputs: every block's outputs are measured, the first that breaks is named, and nothing stays of the pass."""

import gluon_initkit as ik
import mxnet as mx
from mxnet.gluon import nn, rnn
from mxnet.gluon.model_zoo import vision
import numpy as np
import pytest
from vocabulary import GLUON_2, nd, uniform


def sequential(*layers, init=None):
    net = nn.HybridSequential()
    net.add(*layers)
    ik.initialize(net, init or mx.init.Xavier(), seed=1)
    return net


def small():
    return sequential(nn.Dense(6, in_units=3, activation="relu"), nn.BatchNorm(in_channels=6), nn.Dropout(0.5),
                      nn.Dense(2, in_units=6))  # fmt: skip


class Sum(nn.HybridSequential):
    """The sum of what its children answer, added by an operator of its own."""

    if GLUON_2:

        def forward(self, x):
            return self[0](x) + self[1](x)

    else:

        def hybrid_forward(self, F, x):
            return self[0](x) + self[1](x)


def state(net):
    """All that stands in the blocks and parameters of a network, and all values and gradients."""
    blocks, waiting = [], [net]
    while waiting:
        blocks.append(waiting.pop())
        children = vars(blocks[-1])["_children"].values()
        waiting += [child() if GLUON_2 else child for child in children]
    arrays = [array for param in net.collect_params().values()
              for array in (param.list_data() + (param.list_grad() if param.grad_req != "null" else []))]  # fmt: skip
    held = [{key: id(value) for key, value in vars(thing).items()}
            for thing in (*blocks, *net.collect_params().values())]  # fmt: skip
    return held, [id(array) for array in arrays], [array.asnumpy().tobytes() for array in arrays]


def test_every_block_has_a_row_of_its_moments_in_the_order_in_which_they_ran():
    net, x = small(), uniform((5, 3))
    report = ik.outputs(net, x)
    assert [row.path for row in report] == ["", "0", "0.act", "1", "2", "3"]
    first, last = net[0](x).asnumpy(), net(x).asnumpy()
    stats = report["0"].stats
    assert (report["0"].shapes, stats.count, stats.zeros) == (((5, 6),), 30, (first == 0).sum())
    assert [stats.mean, stats.std, stats.max] == pytest.approx([first.mean(), first.std(), first.max()], rel=1e-5)
    assert report[""].stats.mean == report["3"].stats.mean == pytest.approx(last.mean(), rel=1e-5)
    assert (report.first_bad, report.reason, report.unused) == (None, "", ())
    with pytest.raises(KeyError, match="no block that ran has the path '9'; there are '0'"):
        report["9"]


@pytest.mark.parametrize("train_mode", [False, True])
@pytest.mark.parametrize("hybridized", [False, True])
def test_nothing_stays(train_mode, hybridized):
    net, x, called = small(), uniform((5, 3)), []
    net[1].register_forward_hook(lambda *call: called.append(1))
    if hybridized:
        net.hybridize()
    with mx.autograd.record():
        loss = net(x).sum()
    loss.backward()
    answer, before, calls = net(x).asnumpy(), state(net), len(called)
    report = ik.outputs(net, x, grads=True, train_mode=train_mode)
    assert state(net) == before
    assert len(called) == calls and (net(x).asnumpy() == answer).all()
    trained = abs(report["1"].stats.mean) < 1e-6  # by the batch's own mean
    assert trained == train_mode


def test_no_generator_moves():
    net, x = small(), uniform((5, 3))

    def numbers():
        return [uniform((2,)).asnumpy().tolist(), np.random.uniform()]

    mx.random.seed(3)
    np.random.seed(3)
    before = numbers()
    mx.random.seed(3)
    np.random.seed(3)
    ik.outputs(net, x, grads=True)
    assert numbers() == before


def test_an_overflow_in_the_middle_of_a_resnet_is_found():
    net = vision.resnet18_v1(classes=10)
    x = 100 * uniform((1, 3, 32, 32))
    ik.initialize(net, mx.init.Xavier(), seed=1)
    ik.materialize(net, x)
    assert ik.outputs(net, x).first_bad is None
    net.hybridize()
    weight = net.features[5][0].body[3].weight
    values = weight.data().asnumpy()
    values[0, 0, 0, :2] = 3e38
    weight.set_data(nd.array(values))
    report = ik.outputs(net, x)
    assert report.first_bad == "features.5.0.body.3"
    assert "parameters (up to 3e+38) are finite, so an operator of its own overflowed" in report.reason
    assert "first not finite: features.5.0.body.3: its inputs" in str(report)


def test_a_parameter_that_is_not_finite_is_named():
    net = small()
    net[3].weight.set_data(nd.array([[float("nan")] * 6, [1] * 6]))
    report = ik.outputs(net, uniform((5, 3)))
    assert (report.first_bad, report.reason) == ("3", "its parameter 3.weight holds 6 NaN")


def test_a_bad_input_is_told():
    report = ik.outputs(small(), nd.array([[1, float("inf"), 0]]))
    assert (report.first_bad, report.reason) == ("0.act", "the network's input holds 1 +inf")


@pytest.mark.parametrize("behind", [[], [nn.Dense(2, in_units=2)], [nn.Activation("sigmoid")]])
def test_where_a_block_adds_beyond_all_numbers_itself_it_is_named(behind):
    adding = Sum()
    adding.add(*[nn.Dense(2, in_units=1, use_bias=False) for _ in range(2)])
    net = sequential(nn.Dense(1, in_units=1), adding, *behind, init=mx.init.Constant(1.0))
    assert ik.outputs(net, nd.ones((1, 1))).first_bad is None
    report = ik.outputs(net, nd.ones((1, 1)) * 3e38)
    assert report.first_bad == "1" and report.reason.startswith("its inputs (up to 3e+38) are finite")


def test_an_operator_between_two_children_is_the_parents_own():
    class Squared(nn.HybridSequential):
        if GLUON_2:

            def forward(self, x):
                return self[1](self[0](x) ** 2)

        else:

            def hybrid_forward(self, F, x):
                return self[1](self[0](x) ** 2)

    inner = Squared()
    inner.add(nn.Dense(2, in_units=1), nn.Dense(2, in_units=2))
    net = sequential(inner, init=mx.init.Constant(1.0))
    assert ik.outputs(net, nd.ones((1, 1)) * 1e30).first_bad == "0"


def test_gradients_are_those_by_each_output():
    net = sequential(nn.Dense(1, in_units=1, use_bias=False), nn.Dense(1, in_units=1, use_bias=False),
                     init=mx.init.Constant(3.0))  # fmt: skip
    report = ik.outputs(net, nd.ones((4, 1)), grads=True)
    assert [(row.path, row.grad_stats.mean, row.stats.mean) for row in report] == [("", 1, 9), ("0", 3, 3), ("1", 1, 9)]
    squared = ik.outputs(net, nd.ones((4, 1)), grads=True, loss=lambda y: (y**2).mean())
    assert [row.grad_stats.mean for row in squared] == pytest.approx([4.5, 13.5, 4.5])
    assert net[0].weight.grad().asnumpy().tolist() == [[0]]


def test_an_output_that_no_loss_depends_on_has_gradient_zero():
    report = ik.outputs(small(), uniform((2, 3)), grads=True, loss=lambda y: nd.ones((1,)) + 0 * y[:, 0])
    assert report["0"].grad_stats.norm == 0


def test_layers_of_recurrent_networks():
    lstm = rnn.LSTM(5, num_layers=2, input_size=3)
    ik.initialize(lstm, mx.init.Xavier(), seed=1)
    x = uniform((4, 2, 3))
    states = lstm.begin_state(batch_size=2) if not GLUON_2 else lstm.begin_state(2)
    ik.materialize(lstm, x, states)
    report = ik.outputs(lstm, x, states, grads=True)
    row = report[""]
    assert row.shapes == ((4, 2, 5), (2, 2, 5), (2, 2, 5)) and row.stats.count == 80
    assert row.stats.histogram is not None and row.grad_stats.nan == 0


def test_a_cell_that_runs_several_times_has_one_row():
    class Unrolled(nn.HybridSequential):
        def forward(self, x):
            return self[0].unroll(4, x, layout="NTC", merge_outputs=True)[0]

    net = Unrolled()
    net.add(rnn.LSTMCell(5, input_size=3))
    ik.initialize(net, mx.init.Xavier(), seed=1)
    x = uniform((2, 4, 3))
    report = ik.outputs(net, x)
    assert (report["0"].calls, report["0"].shapes) == (4, ((2, 5), (2, 5), (2, 5)))
    assert report["0"].stats.count == 4 * 30 and report[""].stats.count == 40
    lines = report.to_text(columns=["path", "calls"]).splitlines()
    assert [line.split() for line in lines[3:]] == [["(network)", "1"], ["0", "4"]]


def test_several_inputs_and_contexts():
    class Two(nn.Block):
        def __init__(self):
            super().__init__()
            self.left, self.right = nn.Dense(2, in_units=1), nn.Dense(2, in_units=1)

        def forward(self, x, y):
            return {"left": self.left(x), "right": [self.right(y)]}

    net = Two()
    ik.initialize(net, mx.init.One(), ctx=[mx.cpu(0), mx.cpu(1)])
    x = nd.ones((1, 1), ctx=mx.cpu(1))
    report = ik.outputs(net, x, 2 * x, grads=True)
    assert report[""].shapes == ((1, 2), (1, 2)) and report[""].stats.mean == 1.5
    assert report["right"].grad_stats.mean == 1


def test_float16_overflows_where_float16_does():
    net = nn.HybridSequential()
    net.add(nn.Activation("relu"), nn.HybridLambda("square"), nn.HybridLambda("square"))
    report = ik.outputs(net, nd.full((2, 3), 200, dtype="float16"))
    assert report.first_bad == "2" and report["1"].stats.max == 40000


@pytest.mark.mxnet1("sparse arrays as the outputs of blocks")
def test_sparse_outputs_are_measured_as_dense_ones():
    net = nn.HybridSequential()
    net.add(nn.HybridLambda(lambda F, x: F.cast_storage(x, "row_sparse")))
    row = ik.outputs(net, mx.nd.array([[0, 0], [1, 3]]))["0"]
    assert (row.shapes, row.stats.mean, row.stats.zeros) == (((2, 2),), 1, 2)


def test_what_did_not_run_is_told():
    class Idle(nn.HybridSequential):
        def forward(self, x):
            return self[0](x)

    net = Idle()
    net.add(nn.Dense(2, in_units=2), nn.Dense(2, in_units=2))
    ik.initialize(net, mx.init.One())
    report = ik.outputs(net, nd.ones((1, 2)))
    assert report.unused == ("1",) and "1 block did not run: 1" in str(report)


def test_a_network_without_values_is_refused():
    net = nn.HybridSequential()
    net.add(nn.Dense(2))
    with pytest.raises(ik.InitializationError, match=r"2 parameters have no values.*0.weight is uninitialized"):
        ik.outputs(net, nd.ones((1, 2)))
    ik.initialize(net, mx.init.One())
    with pytest.raises(ik.InitializationError, match=r"1 parameter has no values.*0.weight is deferred"):
        ik.outputs(net, nd.ones((1, 2)))
    with pytest.raises(TypeError, match="expected a network"):
        ik.outputs(nd.ones((1, 2)))


def test_where_the_network_raises_nothing_stays_either():
    net = small()
    net(uniform((5, 3)))
    before = state(net)
    with pytest.raises((mx.MXNetError, AssertionError)):
        ik.outputs(net, nd.ones((1, 5)), train_mode=True)
    assert state(net) == before


def test_jupyter_shows_a_tree_with_histograms():
    net = sequential(nn.Dense(6, in_units=3, activation="relu"), sequential(nn.Dense(2, in_units=6)))
    html = ik.outputs(net, uniform((5, 3)), grads=True)._repr_html_()
    assert html.count("<details") == 3 and html.count("<svg") == 2 * 5
    assert html.index(">(network)") < html.index(">0 ") < html.index(">act ") < html.index(">1 ")
    assert "grad" in html


def test_rows_are_plain_data():
    records = ik.outputs(small(), uniform((5, 3))).to_records()
    assert records[1]["path"] == "0" and records[1]["stats"]["count"] == 30 and records[1]["block"] == "Dense"


def test_a_recorder_watches_outputs_and_says_where_they_break():
    net, x, told = small(), uniform((5, 3)), []
    recorder = ik.Recorder(net, stats=["mean", "nan"], every=2, capacity=4, outputs=x,
                           on_nan=lambda *call: told.append(call))  # fmt: skip
    for step in range(13):
        if step == 9:
            net[1].beta.set_data(net[1].beta.data() + float("nan"))
        recorder.step()
    assert recorder.outputs.steps == recorder.history.steps == (0, 4, 8, 12) and told == [("1", 12)]
    assert recorder.outputs.series("3", "mean")[0] == pytest.approx(float(net_mean(x)), rel=1e-5)


def net_mean(x):
    return small()(x).asnumpy().mean()


def test_without_outputs_the_parameter_is_named():
    net, told = small(), []
    recorder = ik.Recorder(net, on_nan=lambda *call: told.append(call))
    recorder.step()
    net[3].bias.set_data(net[3].bias.data() + float("inf"))
    recorder.step()
    assert told == [("3.bias", 1)] and recorder.outputs is None
