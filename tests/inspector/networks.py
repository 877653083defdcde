"""Real reports with known contents, which golden files and tests share: `ik.inspect` of networks and files."""

import dataclasses
import functools
from pathlib import Path
import tempfile

import gluon_initkit as ik
from gluon_initkit.inspector import BlockRecord, ParameterRecord, Statistics
import mxnet as mx
from mxnet.gluon import nn
import numpy
import params_files
from vocabulary import nd, shaped, tied


def ramp(net):
    """Values that no generator decides."""
    for place, param in enumerate(net.collect_params().values()):
        values = numpy.linspace(-1, 1 + place, int(numpy.prod(param.shape)), dtype="float32")
        param.set_data(nd.array(values.reshape(param.shape)))


@functools.lru_cache(None)
def small():
    """Three layers with statistics, two errors and a warning."""
    net = nn.HybridSequential()
    net.add(nn.Dense(4, in_units=3), nn.BatchNorm(in_channels=4), nn.Dense(2, in_units=4))
    net.initialize()
    ramp(net)
    net[1].gamma.grad_req, net[1].gamma.lr_mult = "null", 0.5
    net[2].bias.set_data(nd.array([float("nan"), 1]))
    return kept(net, stats="full")


def kept(net, **options):
    """The report of a network that lives as long as the report: reports hold theirs weakly."""
    _KEPT.append(net)
    return ik.inspect(net, **options)


_KEPT = []


@functools.lru_cache(None)
def resnet50():
    """Of known shapes, since what a forward pass would tell is told."""
    return kept(shaped(mx.gluon.model_zoo.vision.resnet50_v1, (1, 3, 224, 224)))


class Cell(nn.HybridBlock):
    def __init__(self, units, hidden):
        super().__init__()
        for name in ("query", "key", "value", "proj"):
            setattr(self, name, nn.Dense(units, in_units=units, flatten=False))
        self.norm = nn.LayerNorm(in_channels=units)
        self.ffn = nn.HybridSequential()
        self.ffn.add(nn.Dense(hidden, in_units=units), nn.Dense(units, in_units=hidden))


class Bert(nn.HybridBlock):
    def __init__(self, units=768, layers=12):
        super().__init__()
        self.embed = nn.Embedding(30522, units)
        self.layer = nn.HybridSequential()
        for _ in range(layers):
            self.layer.add(Cell(units, 4 * units))
        self.pooler = nn.Dense(units, in_units=units)


@functools.lru_cache(None)
def bert():
    return kept(Bert())


@functools.lru_cache(None)
def deferred():
    net = nn.HybridSequential()
    net.add(nn.Conv2D(8, 3), nn.BatchNorm(), nn.Dense(4, in_units=9), nn.Dense(3))
    net.initialize()
    net[3].weight.cast("float16")
    return kept(net)


class Layer(nn.HybridBlock):
    def __init__(self, units):
        super().__init__()
        with self.name_scope():
            self.norm = nn.LayerNorm(in_channels=units)
            self.up = nn.Dense(4 * units, in_units=units, flatten=False, activation="relu")
            self.down = nn.Dense(units, in_units=4 * units, flatten=False)

    def hybrid_forward(self, F, x):
        return x + self.down(self.up(self.norm(x)))


class LanguageModel(nn.HybridBlock):
    def __init__(self, words=200, units=32):
        super().__init__()
        with self.name_scope():
            self.embedding = nn.Embedding(words, units)
            self.layers = nn.HybridSequential()
            self.layers.add(*(Layer(units) for _ in range(3)))
            self.decoder = nn.Dense(words, in_units=units, flatten=False, params=self.embedding.params)
            self.value = nn.Dense(1, use_bias=False)  # which the training does not reach

    def hybrid_forward(self, F, x):
        return self.decoder(self.layers(self.embedding(x)))


@functools.lru_cache(None)
def pictured():
    """The README's network: trained a little, with a shared parameter, a deferred one, and one value that is NaN."""
    net = LanguageModel()
    ik.initialize(net, mx.init.Xavier(), seed=7)
    words = numpy.random.RandomState(7).zipf(1.5, (32, 16)) % 200
    words[1::2] = (words[::2] * 3 + 1) % 200
    reached = [param for param in net.collect_params().values() if param is not net.value.weight]
    trainer = mx.gluon.Trainer(reached, "adam", {"learning_rate": 0.01})
    criterion = mx.gluon.loss.SoftmaxCrossEntropyLoss()
    for _ in range(60):
        with mx.autograd.record():
            loss = criterion(net(mx.nd.array(words[:-1])), mx.nd.array(words[1:]))
        loss.backward()
        trainer.step(loss.size)
    net.layers[1].down.weight.data()[3, 17] = float("nan")
    return kept(net, stats="full")


class Tied(nn.HybridBlock):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(50, 4)
        self.decode = tied(nn.Dense, self.embed, 50, in_units=4)
        self.copy = nn.Dense(50, in_units=4, use_bias=False)
        self.left = nn.Dense(4, in_units=4, use_bias=False)
        self.right = nn.Dense(4, in_units=4, use_bias=False)


@functools.lru_cache(None)
def shared():
    """One Parameter under two paths, two Parameters over one buffer, and a copy."""
    net = Tied()
    net.initialize()
    ramp(net)
    net.right.weight._data = [net.left.weight.data()]
    net.copy.weight.set_data(net.embed.weight.data())
    return kept(net, stats=True)


@functools.lru_cache(None)
def file():
    """A file as it may come from anywhere: names that no network has, one without a shape, no blocks."""
    shapes = {
        "conv0_weight": (8, 3, 3, 3),
        "a_very_long_name_without_any_dot_that_no_column_of_a_table_can_hold": (8,),
        "features.0.weight": (4, 3),
        "features.1.weight": (4, 3),
        "features.1.|odd|`name`": (),
    }
    arrays = [params_files.dense(3, numpy.zeros(shape, "float32")) for shape in shapes.values()]
    path = Path(_FOLDER.name) / "model.params"
    path.write_bytes(params_files.listed(arrays, list(shapes)))
    return dataclasses.replace(ik.inspect(path), source=path.name)


_FOLDER = tempfile.TemporaryDirectory()


def record(path="0.weight", **facts):
    """A record by hand; what is not said is unimportant."""
    usual = {"name": path, "role": path.split(".")[-1], "shape": (2, 3), "dtype": "float32", "size": 6, "bytes": 24}
    return ParameterRecord(**{"path": path, **usual, **facts})


def stats_of(values):
    """Statistics by NumPy, of finite values at hand."""
    values = numpy.asarray(values, "float64")
    return Statistics(values.size, float(values.mean()), float(values.std()), float(values.min()), float(values.max()),
                      float(numpy.linalg.norm(values)), int((values == 0).sum()), 0, 0, 0)  # fmt: skip


def blocks(*pairs):
    return tuple(BlockRecord(path, block) for path, block in pairs)
