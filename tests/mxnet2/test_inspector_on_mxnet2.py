"""The inspector on MXNet 2: records, findings, statistics, the recorder, comparing and files."""

import gluon_initkit as ik
import mxnet as mx
from mxnet.gluon import nn, rnn
import numpy as np
import pytest
from vocabulary import nd

pytestmark = pytest.mark.mxnet2("layers that take NumPy arrays alone")


def network(seed=1):
    net = nn.HybridSequential()
    net.add(nn.Dense(4), nn.BatchNorm(), nn.Dense(2))
    ik.initialize(net, mx.init.Xavier(), seed=seed)
    net(nd.ones((3, 5)))
    return net


def test_records_and_statistics():
    net = network()
    report = ik.inspect(net, stats=True)
    row = report["0.weight"]
    assert (row.shape, row.dtype, row.state, row.role) == ((4, 5), "float32", "initialized", "weight")
    assert row.stats.mean == pytest.approx(float(net[0].weight.data().asnumpy().mean()), abs=1e-6)
    assert "0.weight" in str(report) and "<" in report._repr_html_() and report.totals.size == 20 + 4 * 5 + 10


def test_findings_of_a_network_that_holds_nan():
    net = network()
    assert not ik.inspect(net, stats=True).findings
    values = net[0].weight.data().asnumpy()
    values[0, 0] = np.nan
    net[0].weight.set_data(nd.array(values))
    assert [finding.code for finding in ik.inspect(net, stats=True).findings] == ["nan"]


def test_an_rnns_one_vector_and_a_trainer():
    layer = rnn.LSTM(3, input_size=2)
    ik.initialize(layer, mx.init.Xavier(), seed=1)
    layer(nd.ones((1, 2, 2)))
    trainer = mx.gluon.Trainer(layer.collect_params(), "sgd")
    (record,) = ik.inspect(layer, stats=True, trainer=trainer)
    assert record.path == "rnn_param" and record.size == 84


def test_looking_changes_nothing():
    net = network()
    before = ik.fingerprint(net), [id(param.data()) for param in net.collect_params().values()]
    mx.random.seed(5)
    expected = mx.np.random.uniform(size=3).asnumpy()
    mx.random.seed(5)
    ik.inspect(net, stats=True, grads=True)
    assert (mx.np.random.uniform(size=3).asnumpy() == expected).all()
    assert (ik.fingerprint(net), [id(param.data()) for param in net.collect_params().values()]) == before


def test_networks_and_files_are_compared(tmp_path):
    one, two = network(1), network(2)
    changed = {row.path for row in ik.compare(one, two).rows if row.status == "changed"}
    assert changed == {"0.weight", "2.weight"}
    path = str(tmp_path / "one.params")
    ik.save(one, path)
    assert not [row for row in ik.compare(one, path).rows if row.status != "equal"]
    one.save_parameters(str(tmp_path / "zip.params"))
    assert not [row for row in ik.compare(one, str(tmp_path / "zip.params")).rows if row.status != "equal"]
