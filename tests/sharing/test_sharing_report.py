"""The report: what it says, as text, HTML and plain data."""

import pickle

import gluon_initkit as ik
import mxnet as mx
from mxnet.gluon import nn
import pytest

TEXT = """\
1 path had other values, which are dropped: 2.weight.
Shared: 2 groups, 108 B saved · float32
parameter                shape   saved  other values
────────────────────────────────────────────────────
0.weight                 (3, 4)   96 B  2.weight
= 1.weight (transposed)
= 2.weight
0.bias                   (3)      12 B
= 2.bias"""


@pytest.fixture
def report():
    net = nn.HybridSequential()
    net.add(nn.Dense(3, in_units=4), nn.Dense(4, in_units=3), nn.Dense(3, in_units=4))
    net[0].initialize(mx.init.One())
    net[2].initialize(mx.init.Constant(2))
    return ik.Sharing(net).tie("1.weight", "0.weight", transpose=True).tie_blocks("2", to="0").apply()


def test_as_text(report, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    assert str(report) == TEXT


def test_as_html(report):
    html = report._repr_html_()
    assert "2 groups" in html and "transposed" in html and "are dropped" in html


def test_as_data(report):
    weight, bias = report
    assert (weight.saved, bias.saved, report.saved, len(report)) == (96, 12, 108, 2)
    assert weight.values_from == "0.weight" and report.dropped == ("2.weight",) and report.applied
    assert report.groups == (weight.group, bias.group)
    assert pickle.loads(pickle.dumps(report)) == report
    assert report.to_records()[1]["group"] == {"canonical": "0.bias", "aliases": ("2.bias",), "transposed": ()}
    with pytest.raises(AttributeError):
        report.values = "average"


def test_every_context_counts():
    net = nn.HybridSequential()
    net.add(nn.Dense(4, in_units=4), nn.Dense(4, in_units=4))
    net.initialize(ctx=[mx.cpu(0), mx.cpu(1)])
    assert ik.Sharing(net).tie("*.weight").apply().saved == 2 * 64
