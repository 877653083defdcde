"""What a reader sees of real networks, on a screen of 80 and of 120 columns: golden files, rendered afresh.

``GLUON_INITKIT_GOLDEN=write pytest tests/display/test_screens.py`` writes them anew; then read them.
"""

import dataclasses
import functools
import os
from pathlib import Path
import re

import gluon_initkit as ik
import mxnet as mx
from mxnet.gluon import nn, rnn
import numpy
import pytest

pytestmark = pytest.mark.mxnet1("names and shapes of MXNet 1's layers")
FOLDER = Path(__file__).parent / "golden"


class Cell(nn.HybridBlock):
    def __init__(self, units):
        super().__init__()
        for name in ("query", "key", "value", "proj"):
            setattr(self, name, nn.Dense(units, flatten=False))
        self.norm = nn.LayerNorm()
        self.ffn = nn.HybridSequential()
        self.ffn.add(nn.Dense(4 * units, flatten=False), nn.Dense(units, flatten=False))

    def hybrid_forward(self, F, x):
        scores = F.softmax(F.batch_dot(self.query(x), self.key(x), transpose_b=True))
        return self.norm(x + self.ffn(self.proj(F.batch_dot(scores, self.value(x)))))


def bert():
    net = nn.HybridSequential()
    net.add(nn.Embedding(1000, 64), *(Cell(64) for _ in range(12)), nn.Dense(64))
    return net


def language_model():
    net = nn.HybridSequential()
    net.add(nn.Embedding(1000, 64), rnn.LSTM(128, num_layers=2), nn.Dense(1000, flatten=False))
    return net


class MyInit(ik.Initializer):
    """Biases at 0.1."""

    def _init_weight(self, desc, arr):
        arr[:] = numpy.linspace(-1, 1, arr.size).reshape(arr.shape)

    def _init_bias(self, desc, arr):
        arr[:] = 0.1


NETWORKS = {"resnet18": (mx.gluon.model_zoo.vision.resnet18_v1, (1, 3, 224, 224), 60), "bert": (bert, (1, 9), 40),
            "lstm": (language_model, (5, 2), 40)}  # fmt: skip


@functools.lru_cache(None)
def reports(name):
    """Each kind of report on a network, whose times are always the same."""
    build, shape, _ = NETWORKS[name]
    net = build()
    made = {"plan": ik.plan(net, MyInit())}
    made["shapes"] = dataclasses.replace(ik.resolve_shapes(net, shape), seconds=0.01)
    with ik.trace(net) as trace:
        made["initialize"] = dataclasses.replace(ik.initialize(net, mx.init.Xavier(), seed=1), seconds=0.01)
        made["explain"] = ik.explain(net, shape)
        net(mx.nd.zeros(shape))
    trace._events[:] = [dataclasses.replace(event, seconds=0.001, line=1) for event in trace.events]
    return {**made, "trace": trace, "inspect": ik.inspect(net, stats=True), "summary": ik.summary(net, shape)}


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("name", NETWORKS)
def test_it_is_printed_as_before_and_fits_a_screen(name, width):
    texts = {kind: report.to_text(width) for kind, report in reports(name).items()}
    for kind, text in texts.items():
        lines = text.splitlines()
        assert len(lines) <= NETWORKS[name][2] and max(map(len, lines)) <= width, kind
        assert not any(re.search(r"\([\d?., ]*$", line) for line in lines), kind  # a shape that is broken
    whole = "\n\n\n".join(texts.values()) + "\n"
    file = FOLDER / f"{name}_{width}.txt"
    if os.environ.get("GLUON_INITKIT_GOLDEN") == "write":
        file.parent.mkdir(exist_ok=True)
        file.write_text(whole, encoding="utf-8")
    assert whole == file.read_text(encoding="utf-8")


@pytest.mark.parametrize("kind", ["plan", "shapes", "initialize", "trace", "inspect"])
def test_all_shows_each_row(kind):
    report = reports("resnet18")[kind]
    text = report.to_text(200, all=True)
    assert " x" not in text.partition("─")[2] and len(text.splitlines()) > len(report)
