"""The report: what it says is what happened."""

import pickle

import gluon_initkit as ik
import mxnet as mx
from mxnet.gluon import nn
import pytest


def made():
    net = nn.HybridSequential()
    net.add(nn.Dense(4), nn.Dense(2, in_units=4), nn.Dense(2, in_units=2))
    net[2].initialize()
    with pytest.warns(UserWarning, match="already initialized"):
        return net, ik.initialize(net, mx.init.Normal(0.5), seed=7)


def test_rows():
    _, report = made()
    assert [row.path for row in report] == ["0.weight", "0.bias", "1.weight", "1.bias", "2.weight", "2.bias"]
    assert [row.state for row in report] == ["deferred"] + ["initialized"] * 3 + ["kept"] * 2
    assert report["0.weight"].key is None and len(report["1.weight"].key) == 64
    assert report["1.weight"].initializer == "Normal(sigma=0.5)" and report["1.weight"].hook == "_init_weight"
    assert report["2.weight"].initializer is None
    assert report.seed == 7 and report.bytes == 4 * (4 + 8 + 2) and 0 < report.seconds < 10
    with pytest.raises(KeyError, match="no parameter has the path 'x'"):
        report["x"]


def test_bytes_count_every_context():
    net = nn.Dense(2, in_units=4)
    assert ik.initialize(net, ctx=[mx.cpu(0), mx.cpu(1)]).bytes == 2 * 4 * 10


def test_it_is_plain_data():
    _, report = made()
    assert pickle.loads(pickle.dumps(report)) == report
    assert report.to_records()[2]["path"] == "1.weight"


@pytest.mark.parametrize("width", ["60", "140"])
def test_text_and_html(width, monkeypatch):
    monkeypatch.setenv("COLUMNS", width)
    _, report = made()
    text = str(report)
    for row in report:
        assert row.path in text
    joined = " ".join(text.split())
    assert "Normal(sigma=0.5), seed 7: 1 deferred, 3 initialized, 2 kept (not of this seed); 56 B in" in joined
    assert "(4, ?)" in text and "kept" in text
    html = report._repr_html_()
    assert ">weight<" in html and "deferred" in html


def test_a_network_without_parameters():
    assert "no parameters; 0 B" in str(ik.initialize(mx.gluon.nn.Sequential(), seed=7))
