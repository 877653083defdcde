"""Files of other kinds, told by what they are and by what opens them, by all who read files."""

import io
import pickle
import zipfile

import gluon_initkit as ik
from gluon_initkit.cli import main
import mxnet as mx
from mxnet.gluon import nn
import numpy as np
import pytest


def torch_archive():
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, data in (("archive/data.pkl", pickle.dumps({}, 2)), ("archive/data/0", bytes(16)),
                           ("archive/version", b"3\n")):  # fmt: skip
            archive.writestr(name, data)
    return file.getvalue()


def saved_by_numpy():
    file = io.BytesIO()
    np.save(file, np.ones(3))
    return file.getvalue()


KINDS = {
    "nothing": (b"", "it is empty"),
    "torch.save": (torch_archive(), "a file of torch.save: torch.load opens it"),
    "torch.save before 1.6": (pickle.dumps(0x1950A86A20F9469CFC6C, 2) + b"rest", "a file of torch.save: torch.load"),
    "pickle, protocol 2": (pickle.dumps({0: None}, 2), "Trainer.save_states writes such: trainer.load_states"),
    "pickle, protocol 4": (pickle.dumps({0: None}, 4), "a Python pickle"),
    "Git LFS": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "`git lfs pull` gets it"),
    "HTML": (b"\n<!DOCTYPE html>\n<html>", "an HTML page, sent by a server instead"),
    "a bare page": (b"<html><head><title>404 Not Found", "an HTML page"),
    "XML": (b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>", "an XML document"),
    "ONNX": (b"\x08\x07\x12\x07pytorch\x1a\x051.10:\x80\x01", "an ONNX model"),
    "HDF5": (b"\x89HDF\r\n\x1a\n" + bytes(99), "an HDF5 file"),
    "npy": (saved_by_numpy(), "an array of NumPy's: numpy.load opens it"),
    "gzip": (b"\x1f\x8b\x08" + bytes(99), "unpack it first"),
    "a symbol": (b'{\n  "nodes": []\n}', "mx.sym.load opens a symbol"),
    "anything": (b"no parameters", "it begins with b'no param'"),
}


@pytest.mark.parametrize("data, told", KINDS.values(), ids=KINDS)
def test_a_file_of_another_kind_is_told_by_all_who_read_files(data, told, tmp_path, capsys):
    path = tmp_path / "net.params"
    path.write_bytes(data)
    net = nn.Dense(2, in_units=2)
    for act in (ik.inspect, lambda path: ik.load(net, path), lambda path: ik.compare(net, path)):
        with pytest.raises(ik.CheckpointError) as caught:
            act(path)
        assert f"{path}: at byte 0: not a .params file of MXNet: " in str(caught.value) and told in str(caught.value)
    assert main(["inspect", str(path)]) == 2 and told in capsys.readouterr().err


def test_the_states_of_a_trainer(tmp_path):
    net = nn.Dense(2, in_units=2)
    net.initialize()
    trainer = mx.gluon.Trainer(net.collect_params(), "adam")
    trainer.save_states(str(tmp_path / "trainer.states"))
    with pytest.raises(ik.CheckpointError, match="trainer.load_states opens it"):
        ik.load(net, tmp_path / "trainer.states")
