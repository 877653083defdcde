"""MXNet 2's zip files, and NumPy's: the same arrays as NumPy reads; hostile ones: an error with an offset."""

import io
import random
import struct
import subprocess
import sys
import tracemalloc
import zipfile
import zlib

import gluon_initkit as ik
from gluon_initkit.files import read_headers
from gluon_initkit.inspector import CheckpointError, inspect
from hypothesis import given, settings
from hypothesis import strategies as st
import mxnet as mx
from mxnet.gluon import nn
import numpy as np
import pytest
from refusing import assert_refused, assert_refused_wherever_cut, survives
from vocabulary import nd

MATRIX, VECTOR = np.arange(6, dtype="float32").reshape(2, 3), np.array([1, 2], "int64")


@pytest.fixture
def write(tmp_path):
    def written(data):
        path = tmp_path / "file.params"
        path.unlink(missing_ok=True)  # some file systems flush what is truncated and written anew
        path.write_bytes(data)
        return path

    return written


def npy(values, **facts):
    """An array as numpy.save writes it, with other facts in its header."""
    told = {"descr": values.dtype.str, "fortran_order": False, "shape": values.shape, **facts}
    return headed(repr(told).encode()) + values.tobytes()


def headed(text, version=1):
    text += b" " * (-(len(text) + 11) % 64) + b"\n"
    return b"\x93NUMPY" + bytes([version, 0]) + struct.pack("<H" if version == 1 else "<I", len(text)) + text


def zipped(members, method=zipfile.ZIP_STORED):
    """A zip file; `members` are pairs of name and bytes."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", method) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return made.getvalue()


def saved(save=np.savez, **arrays):
    made = io.BytesIO()
    save(made, **arrays)
    return made.getvalue()


# What is read


@pytest.mark.mxnet2("zip files of parameters")
def test_what_mxnet_saves_and_exports(tmp_path):
    net = nn.HybridSequential()
    net.add(nn.Dense(3, in_units=4), nn.BatchNorm(in_channels=3))
    net.initialize(mx.init.Xavier())
    path = str(tmp_path / "net.params")
    net.save_parameters(path)
    report = ik.inspect(path, stats=True)
    assert [record.path for record in report.records] == list(net.collect_params())
    record = report.records[0]
    assert (record.role, record.shape, record.dtype, record.stype, record.contexts, record.bytes, record.state) == (
        "weight", (3, 4), "float32", "default", (), 48, "stored")  # fmt: skip
    for name, param in net.collect_params().items():
        assert report.live.values(name).tobytes() == param.data().asnumpy().tobytes()
    assert ik.compare(net, path).same and ik.compare(net, path).load.loads
    net.hybridize()
    net(nd.ones((1, 4)))
    net.export(str(tmp_path / "exported"))
    exported = str(tmp_path / "exported-0000.params")
    assert ik.inspect(exported).records[0].path == "arg:0.weight"
    assert ik.compare(net, exported).same and ik.compare(net, exported).load.loads


@pytest.mark.mxnet1("ignorance of zip files")
def test_mxnet_1_does_not_load_them_and_the_kit_does(write):
    net = nn.Dense(3, in_units=2)
    net.initialize()
    path = str(write(saved(weight=MATRIX.T, bias=np.ones(3, "float32"))))
    with pytest.raises(mx.MXNetError):
        net.load_parameters(path)
    ik.load(net, path)
    assert (net.weight.data().asnumpy() == MATRIX.T).all()


@pytest.mark.mxnet2("zip files of parameters")
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "bool", "int8", "uint8", "int32", "int64"])
def test_every_type_that_mxnet_writes(dtype, tmp_path):
    path = str(tmp_path / "a.params")
    values = mx.np.array([[0, 1, 2], [3, 4, 5]]).astype(dtype)
    mx.npx.savez(path, w=values, scalar=mx.np.array(7.0), empty=mx.np.ones((0, 3)))
    facts = {array.name: (array.shape, array.dtype) for array in read_headers(path)}
    assert facts == {"w": ((2, 3), dtype), "scalar": ((), "float32"), "empty": ((0, 3), "float32")}
    live = inspect(path).live
    assert np.array_equal(live.values("w"), values.asnumpy()) and live.values("scalar") == 7


@pytest.mark.mxnet2("zip files of parameters")
def test_a_sparse_array_that_nobody_can_read_back(tmp_path):
    path = str(tmp_path / "a.params")
    with mx.util.np_array(False):
        rows = mx.nd.sparse.row_sparse_array((mx.nd.ones((2, 2)), [0, 3]), shape=(4, 2))
    mx.npx.savez(path, w=rows)
    with pytest.raises(mx.MXNetError):
        mx.npx.load(path)["w"].asnumpy()
    with pytest.raises(CheckpointError, match="'w' is sparse, and what MXNet 2 writes.*gluon_initkit.save"):
        read_headers(path)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_what_numpy_saves(save, write):
    arrays = {"0.weight": MATRIX, "слой.bias": VECTOR, "turned": np.asfortranarray(MATRIX), "scalar": np.float64(7),
              "empty": np.ones((0, 3), "int8"), "zeros": np.zeros(3000, "float16")}  # fmt: skip
    path = write(saved(save, **arrays))
    report = inspect(path, stats=True)
    assert [record.path for record in report.records] == list(arrays)
    for name, values in arrays.items():
        found = report.live.values(name)
        assert found.dtype == values.dtype and np.array_equal(found, values) and found.flags.writeable
    assert report["0.weight"].stats.mean == 2.5 and report["turned"].stats.mean == 2.5


def test_what_is_stored_and_what_is_deflated_is_read_into_memory_of_the_users_own(write):
    for save in (np.savez, np.savez_compressed):
        values = inspect(write(saved(save, w=MATRIX))).live.values("w")
        assert type(values) is np.ndarray and values.flags.writeable


def test_later_versions_of_numpys_header(write):
    text = repr({"shape": (2, 3), "fortran_order": False, "descr": "<f4"}).encode()
    path = write(zipped([(f"{each}.npy", headed(text, each) + MATRIX.tobytes()) for each in (1, 2, 3)]))
    assert [array.shape for array in read_headers(path)] == [(2, 3)] * 3


def test_no_array_at_all(write):
    assert read_headers(write(zipped([]))) == []


def test_two_files_are_compared(tmp_path):
    for name, change in (("a", 0), ("b", 1)):
        (tmp_path / name).write_bytes(saved(**{"0.weight": MATRIX + change, "0.bias": VECTOR}))
    comparison = ik.compare(tmp_path / "a", tmp_path / "b")
    assert {row.path: row.status for row in comparison} == {"0.weight": "changed", "0.bias": "equal"}


def test_no_mxnet_is_needed(write):
    code = """
import sys
from gluon_initkit.cli import main
status = main(["inspect", sys.argv[1], "--stats"])
assert "mxnet" not in sys.modules
sys.exit(status)
"""
    path = write(saved(**{"0.weight": MATRIX}))
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True)
    assert done.returncode == 0 and "0.weight" in done.stdout and "(2, 3)" in done.stdout, done.stderr


def test_zeros_deflated_beyond_measure_have_no_statistics(write):
    """A kilobyte must not become a gigabyte."""
    path = write(saved(np.savez_compressed, w=np.zeros(1 << 23, "float32"), b=VECTOR))
    report = inspect(path, stats=True)
    assert [record.stats is None for record in report.records] == [True, False]
    with pytest.raises(CheckpointError, match="'w' is too large to be unpacked"):
        report.live.values("w")


def test_a_damaged_deflated_array_is_refused_when_it_is_read(write):
    data = saved(np.savez_compressed, w=np.random.default_rng(1).integers(0, 9, 3000))
    at = len(data) // 2
    live = inspect(write(data[:at] + bytes(80) + data[at + 80 :])).live
    with pytest.raises(CheckpointError, match="what is deflated here is damaged"):
        live.values("w")


# Hostile files


def patched(data, at, layout, *numbers):
    """The data with other numbers at a place in the directory's first entry (at < 0: in the last record)."""
    at += data.index(b"PK\1\2") if at >= 0 else len(data)
    new = struct.pack(layout, *numbers)
    return data[:at] + new + data[at + len(new) :]


def overlapping():
    """Two names for one array."""
    one = zipped([("a.npy", npy(MATRIX))])
    start = one.index(b"PK\1\2")
    entry = one[start : one.index(b"PK\5\6")]
    other = entry.replace(b"a.npy", b"b.npy")
    end = struct.pack("<4s4HIIH", b"PK\5\6", 0, 0, 2, 2, len(entry + other), start, 0)
    return one[:start] + entry + other + end


def bomb():
    """A deflated header that claims 10 GB behind it."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    data = packer.compress(npy(MATRIX, shape=(50_000, 50_000))) + packer.flush()
    one = zipped([("a.npy", data)])
    return patched(patched(one, 10, "<H", 8), 24, "<I", (1 << 32) - 2)


def facts(**told):
    return zipped([("a.npy", npy(MATRIX, **told))])


PLAIN = zipped([("a.npy", npy(MATRIX))])
HOSTILE = [
    ("no directory", PLAIN[:100], 100, "ends without a zip file's directory"),
    ("a start alone", b"PK\3\4" + bytes(60), 64, "ends without a zip file's directory"),
    ("a directory before the file", patched(PLAIN, -10, "<I", 1 << 30), len(PLAIN), "without a zip file's directory"),
    ("no UTF-8", patched(patched(PLAIN, 8, "<H", 0x800), 46, "B", 0xFF), len(PLAIN), "utf-8"),
    ("no array", zipped([("a.txt", b"hello")]), 0, "'a.txt' is no .npy array"),
    ("a program", zipped([("a.npy", b"MZ" * 99)]), 35, "'a' has no header that MXNet writes: it begins with b'MZMZ"),
    ("elsewhere", patched(PLAIN, 42, "<I", 7), 7, "'a' does not begin where the directory"),
    ("beyond the file", patched(PLAIN, 42, "<I", 1 << 20), len(PLAIN), "to begin at byte 1048576"),
    ("encrypted", patched(PLAIN, 8, "<H", 1), 0, "'a' is encrypted, or compressed by method 0"),
    ("encrypted by AES", patched(PLAIN, 8, "<HH", 1, 99), 0, "'a' is encrypted, or compressed by method 99"),
    ("encrypted with its directory", patched(PLAIN, 8, "<H", 0x2041), 0, "'a' is encrypted, or compressed by"),
    ("method", patched(PLAIN, 10, "<H", 12), 0, "compressed by method 12"),
    ("longer than the file", patched(PLAIN, 20, "<II", 1 << 30, 1 << 30), 35, "takes 1,073,741,824 bytes, and the"),
    ("more than is stored", patched(PLAIN, 24, "<I", 1 << 30), 35, "to hold 1073741824 bytes in 152"),
    ("a bomb", bomb(), 35, "'a' is to hold 4294967294 bytes in"),
    ("no deflate", patched(PLAIN, 10, "<H", 8), 35, "has no header that MXNet writes"),
    ("over each other", overlapping(), 0, "'b' begins within another array"),
    ("twice the name", PLAIN, 187, "a second array is called 'a'"),
    ("10 GB in 1 kB", facts(shape=(50_000, 50_000)), 35, "takes 10,000,000,000 bytes, and 24 are there"),
    ("overflow", facts(shape=(1 << 62,) * 4), 35, f"takes {4 << 248:,} bytes"),
    ("empty and huge", facts(shape=(0, 1 << 62)), 35, "the shape (0, 4611686018427387904)"),
    ("negative", facts(shape=(-2, -3)), 35, "the shape (-2, -3)"),
    ("no tuple", facts(shape=[2, 3]), 35, "the shape [2, 3]"),
    ("no numbers", facts(shape=(True, 6)), 35, "the shape (True, 6)"),
    ("dimensions", facts(shape=(1,) * 40 + (6,)), 35, "the shape (1, 1, "),
    ("objects", facts(descr="|O"), 35, "the type '|O' is none of MXNet's"),
    ("fields", facts(descr=[("a", "<f4")]), 35, "the type [('a', '<f4')] is none of MXNet's"),
    ("the other byte order", facts(descr=">f4"), 35, "the type '>f4'"),
    ("order", facts(fortran_order=None), 35, "fortran_order None"),
    ("one fact more", facts(more=1), 35, "{'descr'"),
    ("no dictionary", zipped([("a.npy", headed(b"[1, 2]"))]), 35, "has no header that MXNet writes: [1, 2]"),
    ("a call", zipped([("a.npy", headed(b"exit(3)"))]), 35, "malformed node"),
    ("no Python", zipped([("a.npy", headed(b"{'descr': "))]), 35, "has no header that MXNet writes"),
    ("nested", zipped([("a.npy", headed(b"(" * 900))]), 35, "has no header that MXNet writes"),
    ("signs", zipped([("a.npy", headed(b"-" * 900 + b"1"))]), 35, "has no header that MXNet writes"),
    ("a long header", zipped([("a.npy", b"\x93NUMPY\2\0\xff\xff\xff\x7f" + bytes(3000))]), 35, "2147483659 bytes"),
    ("half a header", zipped([("a.npy", b"\x93NUMPY\1\0")]), 35, "has no header"),
    ("a version", zipped([("a.npy", b"\x93NUMPY\4\0" + bytes(90))]), 35, "it begins with b'\\x93NUMPY\\x04\\x00'"),
]  # fmt: skip
with pytest.warns(UserWarning, match="Duplicate name"):
    _TWICE = zipped([("a.npy", npy(MATRIX)), ("a.npy", npy(MATRIX))])
HOSTILE = [each if each[0] != "twice the name" else (each[0], _TWICE, *each[2:]) for each in HOSTILE]


@pytest.mark.parametrize("data, offset, reason", [each[1:] for each in HOSTILE], ids=[each[0] for each in HOSTILE])
def test_a_hostile_file_gets_an_error_with_offset_and_reason(data, offset, reason, write):
    assert_refused(write(data), offset, reason)


def test_a_long_file_is_not_loaded(tmp_path):
    """A gigabyte, a hole on the disk, is read in the memory of its header."""
    path, size = tmp_path / "hole.params", 1 << 30
    one = zipped([("w.npy", npy(np.zeros(0, "float32"), shape=(size // 4,)))])
    start = one.index(b"PK\1\2")
    whole = start - 35 + size
    with open(path, "wb") as file:
        file.write(one[:start])
        file.seek(start + size)
        entry = patched(one, 20, "<II", whole, whole)[start : one.index(b"PK\5\6")]
        file.write(entry + struct.pack("<4s4HIIH", b"PK\5\6", 0, 0, 1, 1, len(entry), start + size, 0))
    tracemalloc.start()
    report = inspect(path)
    assert tracemalloc.get_traced_memory()[1] < 1 << 20
    tracemalloc.stop()
    assert report.records[0].bytes == size and report.live.values("w")[-3:].tolist() == [0, 0, 0]


# Fuzzing


REAL = [saved(**{"0.weight": MATRIX, "0.bias": np.ones(2, "float16"), "scalar": np.array(7.0)}),
        saved(np.savez_compressed, **{"0.weight": MATRIX, "empty": np.ones((0, 3))}), zipped([])]  # fmt: skip


def test_a_file_cut_anywhere_is_an_error(write):
    for data in REAL:
        assert_refused_wherever_cut(write(data))


def test_mutations_of_real_files_never_crash(write):
    random.seed(5)
    outcomes = []
    for data in REAL:
        for position in range(len(data)):
            value = random.choice([0xFF, 0, data[position] ^ 1 << random.randrange(8)])
            outcomes.append(survives(write(data[:position] + bytes([value]) + data[position + 1 :])))
        for _ in range(100):
            mutated = bytearray(data)
            for _ in range(random.randrange(1, 5)):
                start = random.randrange(len(data))
                mutated[start : start + random.randrange(9)] = random.choice(_WORDS)
            outcomes.append(survives(write(bytes(mutated))))
    assert outcomes.count(False) > 500 and outcomes.count(True) > 50


_WORDS = [struct.pack("<q", value) for value in (-1, 0, 1, 1 << 31, 1 << 62, -(1 << 63))] + [b"PK\1\2", b"", bytes(40)]


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200), st.booleans())
def test_whatever_an_array_holds_never_crashes(tmp_path_factory, rest, headed_well):
    path = tmp_path_factory.getbasetemp() / "fuzz.params"
    path.write_bytes(zipped([("a.npy", (headed(rest) if headed_well else b"\x93NUMPY" + rest))]))
    survives(path)
