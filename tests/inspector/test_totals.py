"""Totals: everything once, unknown said, and equal to `Block.summary`'s over the whole of MXNet's zoo."""

import re

import gluon_initkit as ik
from gluon_initkit.inspector.totals import counted_elsewhere, totals_of
import mxnet as mx
from mxnet.gluon import nn
from mxnet.gluon.model_zoo import vision
import pytest
from vocabulary import nd, tied

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


def test_what_is_shared_counts_once_whatever_the_kind(tmp_path):
    net = dense(3)
    net.add(tied(nn.Dense, net[0], 3, in_units=3, use_bias=False))
    assert (totals(net).size, totals(net).parameters) == (9, 1)

    net = dense(3, 3)
    net[1].weight._data = [net[0].weight.data()]
    assert (totals(net).size, totals(net).bytes, totals(net).parameters, totals(net).copies) == (9, 36, 2, 0)

    net = dense(3, 3)
    net[1].weight.set_data(net[0].weight.data())
    assert (totals(net).size, totals(net).copies) == (18, 0)  # nobody looked
    assert (totals(net, stats=True).size, totals(net, stats=True).copies, totals(net, stats=True).bytes) == (9, 9, 36)
    assert str(totals(net, stats=True)).endswith("; 9 values more in copies that a broken tie left")
    report = ik.inspect(net, stats=True)
    assert counted_elsewhere(report.records, report.shared) == {"1.weight"}
    path = str(tmp_path / "a.params")
    net.save_parameters(path)  # which writes what is tied once for every path: nothing has to be broken there
    assert str(ik.inspect(path, stats=True).totals).endswith("; 9 values more in copies")


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
