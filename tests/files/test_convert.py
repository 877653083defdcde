"""`gluon-initkit convert`: from one format into another and back, to the bit, without MXNet."""

import os
import subprocess
import sys

import gluon_initkit as ik
from gluon_initkit.cli import main
from gluon_initkit.files import read_headers
import mxnet as mx
from mxnet.gluon import nn
import numpy as np
from params_files import dense, listed
import pytest
from vocabulary import GLUON_2, classic

numpy_safetensors = pytest.importorskip("safetensors.numpy")


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def content(path):
    with open(path, "rb") as file:
        return file.read()


def test_there_and_back_are_the_same_bytes_ties_included(capsys):
    net = nn.HybridSequential()
    net.add(nn.Embedding(5, 4), nn.Dense(5, in_units=4), nn.Dense(4, in_units=5), nn.Dense(1, in_units=4))
    net[3].cast("float16")
    ik.initialize(net, mx.init.Uniform(), seed=1)
    ik.Sharing(net).tie("1.weight", "0.weight").tie("2.weight", "0.weight", transpose=True).apply()
    ik.save(net, "a.params")
    assert main(["convert", "a.params", "b.safetensors"]) == 0
    assert capsys.readouterr().out == "b.safetensors: 5 arrays, 126 B\n"
    assert main(["convert", "b.safetensors", "c.params"]) == 0
    assert ik.compare("a.params", "c.params").same and ik.compare(net, "c.params").same
    if not GLUON_2:  # whose lists of arrays have NumPy's shapes
        assert content("a.params") == content("c.params")
    ik.save(net, "d.safetensors")
    assert content("b.safetensors") == content("d.safetensors")


def test_no_mxnet_is_needed():
    code = """
import sys
from gluon_initkit.cli import main
assert main(["convert", "a.params", "b.safetensors"]) == 0 and main(["convert", "b.safetensors", "c.params"]) == 0
assert "mxnet" not in sys.modules
"""
    with open("a.params", "wb") as file:
        file.write(listed([dense(2, np.ones((2, 3), "float32"))], ["arg:w"]))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True,
                          env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)})  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert content("a.params") == content("c.params")
    assert numpy_safetensors.load_file("b.safetensors")["arg:w"].tolist() == [[1, 1, 1], [1, 1, 1]]


def test_bfloat16_keeps_its_bits():
    values = np.arange(6, dtype="<u2").reshape(2, 3)
    with open("a.params", "wb") as file:
        file.write(listed([dense(2, values, flag=12)], ["w"]))
    assert main(["convert", "a.params", "b.safetensors"]) == 0 and main(["convert", "b.safetensors", "c.params"]) == 0
    assert content("a.params") == content("c.params") and content("b.safetensors").endswith(values.tobytes())
    assert read_headers("b.safetensors")[0].dtype == "bfloat16"


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_zip_files_scalars_and_what_is_empty(save):
    arrays = {"w": np.asfortranarray(np.arange(6.0).reshape(2, 3)), "scalar": np.array(7.0), "empty": np.ones((0, 3))}
    with open("a.npz", "wb") as file:
        save(file, **arrays)
    assert main(["convert", "a.npz", "b.params"]) == 0 and main(["convert", "a.npz", "c.safetensors"]) == 0
    for found in (ik.inspect("b.params").live, numpy_safetensors.load_file("c.safetensors")):
        for name, values in arrays.items():
            one = found[name] if isinstance(found, dict) else found.values(name)
            assert one.shape == values.shape and one.tolist() == values.tolist()
    with mx.util.np_shape(True), mx.util.np_array(True):
        loaded = mx.npx.load("b.params")
        assert loaded["scalar"].shape == () and loaded["w"].asnumpy().tolist() == arrays["w"].tolist()


def test_what_is_sparse_becomes_dense_and_plain_mxnet_reads_it():
    with classic():
        rows = mx.nd.sparse.row_sparse_array((mx.nd.ones((2, 2)), [0, 3]), shape=(4, 2))
        mx.nd.save("a.params", {"w": rows})
        assert main(["convert", "a.params", "b.safetensors"]) == 0 and main(["convert", "a.params", "c.params"]) == 0
        expected = [[1, 1], [0, 0], [0, 0], [1, 1]]
        assert numpy_safetensors.load_file("b.safetensors")["w"].tolist() == expected
        loaded = mx.nd.load("c.params")["w"]
        assert loaded.stype == "default" and loaded.asnumpy().tolist() == expected


def test_what_cannot_be_converted_is_exit_code_2_and_the_target_stays(folder, capsys):
    with classic():
        mx.nd.save("huge.params", {"w": mx.nd.sparse.zeros("row_sparse", (1 << 27, 8))})
    with open("broken.safetensors", "wb") as file:
        file.write(b"\x02\0\0\0\0\0\0\0{]")
    (folder / "old.params").write_bytes(b"old")
    for source, reason in (("none.params", "No such file"), ("huge.params", "too large to be made dense"),
                           ("broken.safetensors", "not a sound safetensors file"),
                           ("old.params", "not a .params file")):  # fmt: skip
        assert main(["convert", source, "old.params"]) == 2
        assert reason in capsys.readouterr().err and content("old.params") == b"old"
    with open("a.params", "wb") as file:
        file.write(listed([dense(2, np.ones(2, "float32"))], ["w"]))
    assert main(["convert", "a.params", "missing/b.safetensors"]) == 2
    assert "in folder" in capsys.readouterr().err and len(os.listdir()) == 4
