"""Reports of files: records, values, statistics; without MXNet in the process, and without trust in the file."""

import os
import pickle
import subprocess
import sys

from gluon_initkit.inspector import CheckpointError, inspect
import mxnet as mx
from mxnet.gluon import nn
import numpy as np
import pytest
from vocabulary import GLUON_2, classic, nd


@pytest.fixture
def saved(tmp_path):
    net = nn.HybridSequential()
    net.add(nn.Dense(3, in_units=4), nn.BatchNorm(in_channels=3))
    net.initialize(mx.init.Xavier())
    net.save_parameters(str(tmp_path / "net.params"))
    return net, tmp_path / "net.params"


def test_a_record_an_array(saved):
    _, path = saved
    report = inspect(path)
    assert report.source == str(path) and len(report.records) == 6
    record = report.records[0]
    assert (record.path, record.name, record.role, record.shape, record.dtype, record.stype, record.state) == (
        "0.weight", "0.weight", "weight", (3, 4), "float32", "default", "stored")  # fmt: skip
    assert (record.size, record.bytes, record.block, record.stats) == (12, 48, "", None)
    assert record.contexts == (() if GLUON_2 else ("cpu(0)",))  # MXNet 2's files do not say
    assert [each.role for each in report.records[2:]] == ["gamma", "beta", "running_mean", "running_var"]
    assert hash(record) and pickle.loads(pickle.dumps(record)) == record


def test_values_are_read_when_asked_into_memory_of_the_users_own(saved):
    net, path = saved
    live = inspect(str(path)).live
    values = live.values("0.weight")
    assert type(values) is np.ndarray and values.flags.writeable and values.flags.aligned
    assert np.array_equal(values, net[0].weight.data().asnumpy())
    assert np.array_equal(pickle.loads(pickle.dumps(live)).values("0.weight"), values)
    assert len(live) == 6 and list(live)[:2] == ["0.weight", "0.bias"]


def test_statistics_are_those_of_the_values(saved):
    net, path = saved
    weight = net[0].weight.data().asnumpy().astype("float64")
    stats = inspect(path, stats=True).records[0].stats
    assert stats.count == 12 and stats.mean == pytest.approx(weight.mean(), rel=1e-12)
    assert stats.max == weight.max() and stats.norm == pytest.approx(np.linalg.norm(weight), rel=1e-12)


def test_a_wrong_name_hears_the_nearest(saved):
    with pytest.raises(KeyError, match="no array is called '0.wieght'.*; did you mean '0.weight'"):
        inspect(saved[1]).live.values("0.wieght")


def test_a_file_that_changed_since_is_refused(saved):
    net, path = saved
    live = inspect(path).live
    net[0].save_parameters(str(path))
    os.utime(path, ns=(1, 1))
    with pytest.raises(CheckpointError, match="was changed since its headers were read"):
        live.values("0.weight")


def test_a_file_that_was_written_over_in_the_same_size(saved):
    _, path = saved
    live = inspect(path).live
    path.write_bytes(path.read_bytes())
    os.utime(path, ns=(1, 1))
    with pytest.raises(CheckpointError, match="was changed since its headers were read"):
        live.values("0.weight")


def test_a_file_that_changes_while_it_is_read_is_refused(saved):
    _, path = saved
    live = inspect(path).live
    with pytest.raises(CheckpointError, match="was changed while it was read: inspect it anew"), live.reading():
        path.write_bytes(path.read_bytes() + b"more")


def test_sparse_beyond_all_measure_has_no_statistics(tmp_path):
    """A few bytes of indices must not become gigabytes of zeros."""
    path = str(tmp_path / "a.params")
    with classic():
        mx.nd.save(path, {"w": mx.nd.sparse.zeros("row_sparse", (1 << 27, 8)), "b": mx.nd.ones((2,))})
    report = inspect(path, stats=True)
    assert [record.stats is None for record in report.records] == [True, False]
    with pytest.raises(CheckpointError, match="'w' is too large to be made dense"):
        report.live.values("w")


@pytest.mark.parametrize("indices", [[0, 4], [-1, 0]])
def test_indices_outside_of_the_array_are_refused(indices, tmp_path):
    path = str(tmp_path / "a.params")
    with classic():
        rows = mx.nd.sparse.row_sparse_array((mx.nd.ones((2, 2)), [0, 3]), shape=(4, 2))
        mx.nd.waitall()
        mx.nd.save(path, {"w": rows})
    with open(path, "r+b") as file:
        data = file.read().replace(np.array([0, 3], "int64").tobytes(), np.array(indices, "int64").tobytes())
        file.seek(0)
        file.write(data)
    with pytest.raises(CheckpointError, match="the indices of 'w' do not fit its shape"):
        inspect(path).live.values("w")


@pytest.mark.parametrize("pointers", [[0, 2, 1, 2], [1, 1, 1, 2], [0, 1, 1, 1], [0, 1, 3, 2]])
def test_row_pointers_that_cannot_be_are_refused(pointers, tmp_path):
    path = tmp_path / "a.params"
    with classic():
        cells = mx.nd.array([[1, 0, 0], [0, 0, 0], [0, 0, 2]]).tostype("csr")
        mx.nd.waitall()
        mx.nd.save(str(path), {"w": cells})
    data = path.read_bytes()
    true, false = (np.array(each, "int64").tobytes() for each in ([0, 1, 1, 2], pointers))
    assert data.count(true) == 1
    assert inspect(path).live.values("w").tolist() == [[1, 0, 0], [0, 0, 0], [0, 0, 2]]
    path.write_bytes(data.replace(true, false))
    with pytest.raises(CheckpointError, match="the indices of 'w' do not fit its shape"):
        inspect(path).live.values("w")


def test_mxnet_14650_1899_6624(tmp_path):
    """What is in a .params file, without MXNet: apache/mxnet#14650, #1899, #6624."""
    net = nn.HybridSequential()
    net.add(nn.Dense(2, in_units=2))
    net.initialize(mx.init.One())
    net.hybridize()
    net(nd.ones((1, 2)))
    net.export(str(tmp_path / "net"))
    code = """
import sys
from gluon_initkit.inspector import inspect
report = inspect(sys.argv[1], stats=True)
for record in report.records:
    print(record.path, record.shape, report.live.values(record.path).tolist(), record.stats.norm)
print(report)
assert "mxnet" not in sys.modules
"""
    command = [sys.executable, "-c", code, str(tmp_path / "net-0000.params")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    weight, bias = ("0.weight", "0.bias") if GLUON_2 else (net[0].weight.name, net[0].bias.name)
    assert f"arg:{weight} (2, 2) [[1.0, 1.0], [1.0, 1.0]] 2.0" in lines
    assert f"arg:{bias} (2,) [0.0, 0.0] 0.0" in lines
