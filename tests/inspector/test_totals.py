"""Totals: everything once, unknown said, and equal to `Block.summary`'s over the whole of MXNet's zoo."""

import re

import gluon_initkit as ik
from gluon_initkit.inspector import totals_of
import mxnet as mx
from mxnet.gluon import nn
from mxnet.gluon.model_zoo import vision
import pytest
from vocabulary import nd, tied, uniform

ZOO = sorted({name for name, make in vars(vision).items() if callable(make) and re.fullmatch(
    r"(alexnet|densenet\d+|inception_v3|mobilenet.*\d|resnet\d+_v\d|squeezenet\d_\d|vgg\d+(_bn)?)", name)})  # fmt: skip
SIZES = {"alexnet": 64, "inception_v3": 299, "densenet": 224, "squeezenet": 224}  # whose last pooling has a fixed size


def totals(net, **how):
    report = ik.inspect(net, **how)
    return totals_of(report.records, report.shared)


def summary(net, shape, capsys):
    """What `Block.summary` prints: unique and trainable parameters."""
    capsys.readouterr()
    net.summary(nd.zeros(shape))
    printed = capsys.readouterr().out
    return tuple(int(re.search(rf"{name}: (\d+)", printed).group(1)) for name in ("Unique parameters in model",
                                                                                  "   Trainable params"))  # fmt: skip


def test_the_zoo_is_all_of_it():
    assert len(ZOO) == 34


@pytest.mark.slow
@pytest.mark.parametrize("name", ZOO)
def test_totals_are_those_of_summary(name, capsys):
    net = getattr(vision, name)(classes=10)
    assert totals(net).unknown or "vgg" not in name  # counted without an input, as far as shapes are known
    for param in net.collect_params().values():
        param.initialize(mx.init.Zero())  # also where the layer would draw at random, which takes long
    size = next((size for start, size in SIZES.items() if name.startswith(start)), 32)
    unique, trainable = summary(net, (1, 3, size, size), capsys)
    found = totals(net)
    assert (found.size, found.trainable, found.unknown) == (unique, trainable, 0)
    assert found.size == found.trainable + found.frozen + found.auxiliary
    assert found.bytes == 4 * unique and found.parameters == len(list(net.collect_params()))


def dense(*sizes):
    net = nn.HybridSequential()
    net.add(*(nn.Dense(size, in_units=size, use_bias=False) for size in sizes))
    ik.initialize(net, mx.init.Xavier(), seed=1)
    return net


def test_what_is_shared_counts_once_whatever_the_kind():
    net = dense(3)
    net.add(tied(nn.Dense, net[0], 3, in_units=3, use_bias=False))
    assert (totals(net).size, totals(net).parameters) == (9, 1)

    net = dense(3, 3)
    net[1].weight._data = [net[0].weight.data()]
    assert (totals(net).size, totals(net).bytes, totals(net).parameters) == (9, 36, 2)


class Agent(nn.HybridBlock):
    """A network and its copy, as of deep Q-learning."""

    def __init__(self):
        super().__init__()
        self.online, self.target = dense(3), dense(3)
        self.target[0].weight.set_data(self.online[0].weight.data())

    def forward(self, x):
        return self.online(x)


def test_a_copy_of_equal_values_counts_as_well():
    net = Agent()
    assert totals(net, stats=True) == totals(net) and totals(net).size == 18
    assert [group.kind for group in ik.inspect(net, stats=True).shared] == ["values"]


def step(net, *inputs):
    """A step of training."""
    with mx.autograd.record():
        loss = (net(*inputs) ** 2).sum()
    loss.backward()
    mx.gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.1}).step(1, ignore_stale_grad=True)


@pytest.mark.parametrize("make, shape, size", [
    (lambda: mx.gluon.rnn.LSTM(4, input_size=3), (2, 1, 3), 16 * 3 + 16 * 4 + 16 + 16),
    (lambda: mx.gluon.rnn.RNN(4, input_size=3), (2, 1, 3), 4 * 3 + 4 * 4 + 4 + 4),
    (lambda: vision.resnet18_v1(classes=2, thumbnail=True), (2, 3, 8, 8), None),
    (Agent, (1, 3), 18),
], ids=["LSTM", "RNN", "ResNet", "a copy"])  # fmt: skip
def test_totals_are_the_same_whether_or_not_values_are_read(make, shape, size, tmp_path):
    net = make()
    net.initialize()
    step(net, uniform(shape))
    without, path = totals(net), str(tmp_path / "a.params")
    assert size in (None, without.size) and totals(net, stats=True) == without
    net.save_parameters(path)
    assert totals(path) == totals(path, stats=True) and totals(path).size == without.size


@pytest.mark.mxnet1("parameters of each gate: an RNN has one vector")
def test_mxnet_12844():
    """The parameters of an LSTM layer, counted: MXNet's own summary of its Symbol fails, here and there."""
    net = mx.gluon.rnn.LSTM(4, input_size=4)
    with pytest.raises(IndexError, match="tuple index out of range"):
        mx.viz.print_summary(net(mx.sym.var("data")), shape={"data": (2, 1, 4)})
    assert ik.inspect(net).totals.size == 160
    net.initialize()
    step(net, nd.ones((2, 1, 4)))
    assert (net.l0_i2h_bias.data() == net.l0_h2h_bias.data()).asnumpy().all()  # for ever: they feed one sum
    report = ik.inspect(net, stats=True)
    assert [record.size for record in report.records] == [64, 64, 16, 16]
    assert report.totals.size == 160 and report.shared == () and report.findings == ()


def test_what_is_unknown_is_said():
    net = nn.HybridSequential()
    net.add(nn.Dense(1000, in_units=2), nn.Dense(3), nn.Dense(2))
    found = totals(net)
    assert (found.size, found.unknown, found.parameters) == (3005, 2, 6)
    assert str(found) == (
        "at least 3,005 values (2 unknown) in 6 parameters, at least 3,005 trainable; at least 12,020 bytes (11.7 KiB)"
    )


def test_how_values_divide():
    net = nn.HybridSequential()
    net.add(nn.Dense(2, in_units=2), nn.BatchNorm(in_channels=2), nn.BatchNorm(in_channels=2, scale=False))
    net[0].weight.grad_req = "null"
    found = totals(net)
    assert (found.trainable, found.frozen, found.auxiliary) == (2 + 4 + 2, 4 + 2, 8)
    assert found.size == found.trainable + found.frozen + found.auxiliary


def test_bytes_go_by_the_dtype():
    net = dense(4)
    net.cast("float16")
    assert (totals(net).size, totals(net).bytes) == (16, 32)


def test_one_of_everything():
    net = nn.Dense(1, in_units=1, use_bias=False, dtype="int8")
    assert str(totals(net)) == "1 value in 1 parameter, 1 trainable; 1 byte (1 B)"


def test_nothing_at_all():
    assert str(totals(nn.HybridSequential())) == "0 values in 0 parameters; 0 bytes (0 B)"
