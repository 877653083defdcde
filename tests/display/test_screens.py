"""What a reader sees of real networks, on a screen of 80 and of 120 columns: golden files, rendered afresh.

``GLUON_INITKIT_GOLDEN=write pytest tests/display/test_screens.py`` writes them anew; then read them.
"""

import dataclasses
import functools
import os
from pathlib import Path
import re
import tempfile

import gluon_initkit as ik
from gluon_initkit.inspector import History
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


TIES = {"resnet18": lambda sharing: sharing.tie_blocks("features.4.1.body", to="features.4.0.body"),
        "bert": lambda sharing: sharing.tie_blocks(*map(str, range(2, 13)), to="1"),
        "lstm": lambda sharing: sharing.tie("1.*1.h2h_weight", "1.*0.h2h_weight")}  # fmt: skip


def history(net):
    """Of 6 steps: norms that grow, gradients that shrink, and one NaN."""
    paths = [row.path for row in ik.inspect(net) if row.grad_req != "null"]
    made, place = History(paths, ["norm", "nan"]), numpy.arange(len(paths))
    for step in range(6):
        norms = 1 + step * (place % 7) / 8, 0.9**step * numpy.ones(len(paths))
        made.counts()
        made.keep(numpy.stack([[norms[0], (step == 4) & (place == 5)], [norms[1], 0 * place]]).transpose(2, 0, 1))
    return made


def rounded(report):
    """Outputs whose numbers are the same on every machine."""
    rows = []
    for row in report:
        numbers = {name: round(getattr(row.stats, name), 3) + 0.0 for name in ("mean", "std", "min", "max")}
        rows.append(dataclasses.replace(row, stats=dataclasses.replace(row.stats, histogram=None, **numbers)))
    return dataclasses.replace(report, rows=tuple(rows))


@functools.lru_cache(None)
def trained(name):
    """Each kind of report on a network that has values, and another of its kind in a file."""
    build, shape, _ = NETWORKS[name]
    net, other = build(), build()
    for seed, each in enumerate((net, other)):
        ik.initialize(each, mx.init.Xavier(), seed=seed)
        ik.materialize(each, shape)
    made = {"compare": ik.compare(net, other), "outputs": rounded(ik.outputs(net, mx.nd.ones(shape)))}
    with tempfile.TemporaryDirectory() as folder:
        file = os.path.join(folder, "net.params")
        ik.save(other, file)
        made["load"] = dataclasses.replace(ik.load(net, file), source="net.params")
    made["freeze"] = ik.freeze(net, "*weight")
    made["history"] = history(other)
    return {**made, "sharing": TIES[name](ik.Sharing(net)).apply()}


@functools.lru_cache(None)
def reports(name):
    """Each kind of report on a network that is filled, whose times are always the same."""
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
@pytest.mark.parametrize("made, ending", [(reports, ""), (trained, "_trained")])
def test_it_is_printed_as_before_and_fits_a_screen(name, width, made, ending):
    texts = {kind: report.to_text(width) for kind, report in made(name).items()}
    for kind, text in texts.items():
        lines = text.splitlines()
        assert len(lines) <= (60 if ending else NETWORKS[name][2]) and max(map(len, lines)) <= width, kind
        assert not any(re.search(r"\([\d?., ]*$", line) for line in lines), kind  # a shape that is broken
    whole = "\n\n\n".join(texts.values()) + "\n"
    file = FOLDER / f"{name}{ending}_{width}.txt"
    if os.environ.get("GLUON_INITKIT_GOLDEN") == "write":
        file.parent.mkdir(exist_ok=True)
        file.write_text(whole, encoding="utf-8")
    assert whole == file.read_text(encoding="utf-8")


@pytest.mark.zoo
def test_gluonnlp_s_bert_fits_a_screen_too():
    """Its attention cells hold parameters under names with dots, and its paths are long."""
    import gluonnlp

    encoder = gluonnlp.model.BERTEncoder(num_layers=12, units=768, hidden_size=3072, num_heads=12)
    net = gluonnlp.model.BERTModel(encoder, 30522, 2, 768, 768, use_decoder=False, use_classifier=False)
    shapes = (1, 9), (1, 9), (1,)
    plan, resolved = ik.plan(net, MyInit()), ik.resolve_shapes(net, *shapes)
    with ik.trace(net) as trace:
        filled = ik.initialize(net, mx.init.Xavier(), seed=1)
        explained = ik.explain(net, *shapes)
        net(*map(mx.nd.ones, shapes))
    for report in (plan, resolved, filled, explained, trace, ik.summary(net, *shapes)):
        assert len(report.to_text(80).splitlines()) <= 40
    assert "encoder.transformer_cells.{0..11}.proj: nn.Dense(768," in explained.to_text(80)
    assert "proj_{query,key,value}.bias x36" in ik.inspect(net).to_text(120)


@pytest.mark.parametrize("kind", ["plan", "shapes", "initialize", "trace", "inspect"])
def test_all_shows_each_row(kind):
    report = reports("resnet18")[kind]
    text = report.to_text(200, all=True)
    assert " x" not in text.partition("─")[2] and len(text.splitlines()) > len(report)
