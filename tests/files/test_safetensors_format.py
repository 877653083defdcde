"""safetensors files: what the official library writes is read, and reads what is written; hostile ones are refused."""

import json
import os
import random
import struct
import subprocess
import sys
import tracemalloc

import gluon_initkit as ik
from gluon_initkit.cli import main
from gluon_initkit.files import read_headers
import mxnet as mx
from mxnet.gluon import nn
import numpy as np
import pytest
from refusing import assert_refused, assert_refused_wherever_cut, survives
from vocabulary import GLUON_2, VERSION, declared

numpy_safetensors = pytest.importorskip("safetensors.numpy")


def network(dtype="float32"):
    net = nn.HybridSequential()
    net.add(nn.Dense(4, in_units=4), nn.Dense(4, in_units=4), nn.Dense(3, in_units=4))
    net.cast(dtype)
    ik.initialize(net, mx.init.Xavier(), seed=3)
    return net


def arrays(net):
    return {path: param.data().asnumpy() for path, param in net._collect_params_with_prefix().items()}


def same_bits(files, others):
    assert list(files) == list(others) or sorted(files) == sorted(others)
    for name, values in files.items():
        assert (values.dtype, values.shape, values.tobytes()) == (
            others[name].dtype, others[name].shape, others[name].tobytes())  # fmt: skip


@pytest.fixture
def path(tmp_path):
    return tmp_path / "net.safetensors"


# What is written and read


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_the_official_library_reads_what_is_saved_and_the_reverse(dtype, path):
    net, other = network(dtype), network(dtype)
    ik.save(net, path)
    same_bits(numpy_safetensors.load_file(path), arrays(net))
    for param in other.collect_params().values():
        param.set_data(param.data() * 0)
    numpy_safetensors.save_file(arrays(net), path)
    ik.load(other, path)
    assert ik.fingerprint(other) == ik.fingerprint(net)


def test_the_order_of_names_is_that_of_the_network(path):
    net = nn.HybridSequential()
    net.add(*(nn.Dense(1, in_units=1) for _ in range(11)))
    net.initialize()
    ik.save(net, path)
    report = ik.inspect(path)
    assert [record.path for record in report.records] == list(arrays(net))
    assert {record.dtype for record in report.records} == {"float32"} and report.totals.bytes == 88


def test_every_type_and_shape(path):
    kinds = ["bool", "uint8", "int8", "int16", "uint16", "float16", "int32", "uint32", "float32", "float64", "int64",
             "uint64"]  # fmt: skip
    values = {kind: np.arange(6).reshape(2, 3).astype(kind) for kind in kinds}
    values.update(scalar=np.array(7.0), empty=np.ones((0, 3), "int8"))
    numpy_safetensors.save_file(values, path)
    live = ik.inspect(path, stats=True).live
    same_bits({name: live.values(name) for name in live}, values)


def test_statistics_and_comparisons(path):
    net = network()
    ik.save(net, path)
    assert ik.inspect(path, stats=True)["0.weight"].stats.mean == ik.inspect(net, stats=True)["0.weight"].stats.mean
    net[0].bias.set_data(net[0].bias.data() + 1)
    assert [row.path for row in ik.compare(net, path) if row.status == "changed"] == ["0.bias"]


def test_values_are_aligned_whatever_the_order_of_types(path):
    """PyTorch cannot see bytes as numbers that begin anywhere."""
    net = nn.HybridSequential()
    net.add(nn.Dense(1, in_units=1), nn.Dense(3, in_units=3))
    net[0].cast("float16")
    net[1].cast("float64")
    net.initialize()
    net[0].weight.set_data(net[0].weight.data() + 1)
    ik.save(net, path)
    data = path.read_bytes()
    header = json.loads(data[8 : 8 + struct.unpack("<Q", data[:8])[0]])
    assert (len(data) - header["0.bias"]["data_offsets"][1]) % 8 == 0 and next(iter(header)) == "0.weight"
    assert all(header[f"1.{name}"]["data_offsets"][0] % 8 == 0 for name in ("weight", "bias"))
    same_bits(numpy_safetensors.load_file(path), arrays(net))


# Ties


def test_ties_stand_in_the_metadata_as_the_library_keeps_them(path):
    import safetensors

    net, plain = network(), network()
    ik.Sharing(net).tie("1.weight", "0.weight").apply()
    ik.save(net, path)
    with safetensors.safe_open(path, "numpy") as file:
        assert file.metadata() == {"1.weight": "0.weight"} and "1.weight" not in list(file.keys())
    assert ik.inspect(path)["1.weight"].path == "0.weight"
    with pytest.raises(ik.LoadError, match="tie"):
        ik.load(plain, path)
    ik.load(plain, path, ties="apply")
    assert plain[1].weight is plain[0].weight and ik.fingerprint(plain) == ik.fingerprint(net)


def test_a_transposed_tie_is_not_told_to_others_as_if_it_were_none(path):
    import safetensors

    net = network()
    ik.Sharing(net).tie("1.weight", "0.weight", transpose=True).apply()
    ik.save(net, path)
    with safetensors.safe_open(path, "numpy") as file:
        assert "1.weight" not in file.metadata()
    record = ik.inspect(path)["0.weight"]
    assert (record.aliases, record.transposed) == (("1.weight",), ("1.weight",)) and ik.compare(net, path).same
    again = network()
    ik.load(again, path, ties="apply")
    assert ik.fingerprint(again) == ik.fingerprint(net)


def test_of_the_metadata_of_others_only_ties_are_taken_for_ties(path):
    metadata = {"format": "pt", "b": "a", "c": "nothing", "a": "pt", "note": "any"}
    numpy_safetensors.save_file({"a": np.ones(2), "pt": np.zeros(2)}, path, metadata)
    assert {array.name: array.aliases for array in read_headers(path)} == {"a": ("b",), "pt": ()}


# What a file may not hold, or MXNet not


def bfloat16(values):
    return (np.asarray(values, "<f4").view("<u4") >> 16).astype("<u2")


@pytest.fixture
def halves(path):
    """A file of bfloat16 for a Dense(2, in_units=2)."""
    text = json.dumps({"weight": {"dtype": "BF16", "shape": [2, 2], "data_offsets": [0, 8]},
                       "bias": {"dtype": "BF16", "shape": [2], "data_offsets": [8, 12]}}).encode()  # fmt: skip
    path.write_bytes(struct.pack("<Q", len(text)) + text + bfloat16([1, 2, 3, -4, 0.5, 1.5]).tobytes())
    return path


def test_bfloat16_is_inspected_and_cast_where_it_is_asked(halves):
    report = ik.inspect(halves, stats=True)
    assert report["weight"].dtype == "bfloat16" and report["weight"].stats.min == -4 and report["bias"].bytes == 4
    net = nn.Dense(2, in_units=2)
    with pytest.raises(ik.LoadError, match="'weight' is bfloat16 in the file, expected float32"):
        ik.load(net, halves)
    ik.load(net, halves, cast_dtype=True)
    values = net.weight.data().asnumpy()
    assert values.tolist() == [[1, 2], [3, -4]] and values.dtype == np.float32


def test_a_file_of_bfloat16_is_taken_as_it_is_or_refused(halves, path, tmp_path):
    """MXNet has the type since 1.7, and not for the arrays of NumPy's kind."""
    net = nn.Dense(2, in_units=2)
    if GLUON_2 or VERSION < (1, 7):
        with pytest.raises(ik.LoadError, match="bfloat16 in the file, which this MXNet has not"):
            ik.load(net, halves, cast_dtype=True, dtype_source="saved")
        return
    ik.load(net, halves, cast_dtype=True, dtype_source="saved")
    ik.save(net, tmp_path / "again.safetensors")
    assert ik.compare(halves, tmp_path / "again.safetensors").same
    assert (tmp_path / "again.safetensors").read_bytes()[-12:] == halves.read_bytes()[-12:]


@pytest.mark.mxnet1("sparse parameters")
def test_a_sparse_parameter_is_written_dense(path):
    net = nn.HybridBlock()
    net.w = declared(net, "w", shape=(3, 2), stype="row_sparse", init=mx.init.One())
    net.initialize()
    ik.save(net, path)
    assert numpy_safetensors.load_file(path)["w"].tolist() == [[1, 1]] * 3
    net.w.set_data(mx.nd.sparse.zeros("row_sparse", (3, 2)))
    ik.load(net, path)
    assert (net.w._data[0].asnumpy() == 1).all()


def test_without_the_library_everybody_says_what_to_type_and_nothing_is_lost(path, monkeypatch, capsys):
    net = network()
    ik.save(net, path)
    before = path.read_bytes()
    monkeypatch.setitem(sys.modules, "safetensors", None)
    for act in (ik.inspect, lambda path: ik.load(net, path), lambda path: ik.save(net, path)):
        with pytest.raises(ImportError, match="pip install safetensors"):
            act(path)
    assert main(["inspect", str(path)]) == 2 and "pip install safetensors" in capsys.readouterr().err
    assert path.read_bytes() == before and len(list(path.parent.iterdir())) == 1


def test_a_save_that_fails_leaves_the_old_file(path, monkeypatch):
    net = network()
    ik.save(net, path)
    before = path.read_bytes()
    monkeypatch.setattr(sys.modules["gluon_initkit.sharing.save"], "array_parts", lambda *_: [np.ones(1, "float32")])
    with pytest.raises(OSError, match="could not be written whole: not a sound safetensors file"):
        ik.save(net, path)
    assert path.read_bytes() == before and len(list(path.parent.iterdir())) == 1


def test_no_mxnet_is_needed(path):
    code = """
import sys
from gluon_initkit.cli import main
assert main(["inspect", sys.argv[1], "--stats"]) == 0
assert "mxnet" not in sys.modules
"""
    numpy_safetensors.save_file({"0.weight": np.arange(6.0)}, path)
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True)
    assert done.returncode == 0 and "0.weight" in done.stdout, done.stderr


# Hostile files


def made(header, body=b"", length=None):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + body


def entry(dtype="F32", shape=(2,), begin=0, end=8):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": [begin, end]}


ONE = {"a": entry()}
UNSOUND = "not a sound safetensors file: "
HOSTILE = {
    "cut": (made(ONE, bytes(7)), 8, UNSOUND),
    "too long": (made(ONE, bytes(9)), 8, UNSOUND),
    "a header that is cut": (made(ONE)[:20], 0, "is to take 61 bytes; the file has 12 more"),
    "a header of 3 GB": (made(ONE, bytes(8), 3 << 30), 0, "is to take 3,221,225,472 bytes"),
    "no JSON": (made(b"{" * 40), 8, UNSOUND),
    "nested": (made(b'{"a":' * 50_000), 8, UNSOUND),
    "no UTF-8": (made(b'{"\xff": 1}'), 8, UNSOUND),
    "overlap": (made({**ONE, "b": entry()}, bytes(8)), 8, UNSOUND),
    "a gap": (made({"a": entry(begin=4, end=12)}, bytes(12)), 8, UNSOUND),
    "more than there is": (made({"a": entry(shape=(1 << 40,))}, bytes(8)), 8, UNSOUND),
    "overflow": (made({"a": entry(shape=(1 << 62, 1 << 62))}, bytes(8)), 8, UNSOUND),
    "negative": (made({"a": entry(shape=(-1, -2))}, bytes(8)), 8, UNSOUND),
    "no number": (made({"a": entry(shape=(2.0,))}, bytes(8)), 8, UNSOUND),
    "an unknown type": (made({"a": entry("X9")}, bytes(8)), 8, UNSOUND),
    "a type that MXNet has not": (made({"a": entry("F8_E4M3", (8,))}, bytes(8)), 8, "'a' has the type 'F8_E4M3'"),
    "empty and huge": (made({"a": entry(shape=(0, 1 << 62), end=0)}), 8, "the shape [0, 4611686018427387904]"),
    "dimensions": (made({"a": entry(shape=(1,) * 40 + (2,))}, bytes(8)), 8, "'a' has the shape [1, 1, "),
    "twice the name": (made(json.dumps(ONE).encode()[:-1] + b', "a": ' + json.dumps(entry()).encode() + b"}", bytes(8)),
                       8, "an object has the key 'a' twice"),
    "metadata": (made({"__metadata__": {"a": 3}, **ONE}, bytes(8)), 8, UNSOUND),
    "transposed": (made({"__metadata__": {"gluon_initkit.transposed": "[1]"}, **ONE}, bytes(8)), 8, "transposed [1]"),
    "transposed of nothing": (made({"__metadata__": {"gluon_initkit.transposed": '{"b": "c"}'}, **ONE}, bytes(8)), 8,
                              "no one array fits the group of 'c'"),
    "tied twice": (made({"__metadata__": {"b": "a", "gluon_initkit.transposed": '{"b": "a"}'}, **ONE}, bytes(8)), 8,
                   "the group of 'a' in the tie map has a path twice"),
}  # fmt: skip


@pytest.mark.parametrize("data, offset, reason", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_file_gets_an_error_with_offset_and_reason(data, offset, reason, path):
    path.write_bytes(data)
    assert_refused(path, offset, reason)


def test_a_long_header_is_not_read_and_long_values_are_not(path):
    """Gigabytes, holes on the disk."""
    path.write_bytes(made({}, length=150_000_000))
    os.truncate(path, 1 << 30)
    assert_refused(path, 0, "is to take 150,000,000 bytes")
    path.write_bytes(made({"a": entry(shape=(1 << 28,), end=1 << 30)}))
    os.truncate(path, path.stat().st_size + (1 << 30))
    tracemalloc.start()
    report = ik.inspect(path)
    assert tracemalloc.get_traced_memory()[1] < 1 << 20
    tracemalloc.stop()
    assert report.records[0].bytes == 1 << 30


@pytest.mark.parametrize("length", [0x112, 0x280, 0x4B50])
def test_a_header_whose_length_looks_like_another_format(length, path):
    """MXNet's list, a pickle, a zip file."""
    text = json.dumps(ONE).encode()
    path.write_bytes(struct.pack("<Q", length) + text.ljust(length) + np.array([1, 2], "<f4").tobytes())
    assert ik.inspect(path).live.values("a").tolist() == [1, 2]


REAL = [made({**ONE, "b": entry("BF16", (2, 2), 8, 16)}, np.arange(8, dtype="<u2").tobytes()),
        made({"__metadata__": {"b": "a", "gluon_initkit.transposed": '{"c": "a"}'}, **ONE}, bytes(8))]  # fmt: skip


def test_a_file_cut_anywhere_is_an_error(path):
    for data in REAL:
        path.write_bytes(data)
        assert_refused_wherever_cut(path)


def test_mutations_never_crash(path):
    chance, outcomes = random.Random(5), []
    for data in REAL:
        for position in range(len(data)):
            value = chance.choice([0xFF, 0, data[position] ^ 1 << chance.randrange(8), chance.choice(b'"{}[]:,019')])
            path.write_bytes(data[:position] + bytes([value]) + data[position + 1 :])
            outcomes.append(survives(path))
    assert outcomes.count(False) > 100 and outcomes.count(True) > 20
