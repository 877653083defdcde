"""Files of every version against `mx.nd.load`; hostile ones: an error with an offset, in bounded time and memory."""

import os
from pathlib import Path
import random
import struct
import tempfile
import tracemalloc

from gluon_initkit.files import read_headers
from gluon_initkit.files.params_format import _Reader
from gluon_initkit.inspector import CheckpointError, inspect
from hypothesis import given, settings
from hypothesis import strategies as st
import mxnet as mx
from mxnet.gluon.model_zoo import vision
import numpy as np
from params_files import FLAGS, MAGIC, dense, listed, tuple_of
import pytest
from refusing import assert_refused, assert_refused_wherever_cut, survives
from vocabulary import GLUON_2, shaped

MATRIX, VECTOR = np.arange(6, dtype="float32").reshape(2, 3), np.array([1, 2], "int64")


@pytest.fixture(autouse=True)
def _mxnet_1s_mode():
    mx.npx.reset_np()


@pytest.fixture
def write(tmp_path):
    def written(data):
        path = tmp_path / "file.params"
        path.unlink(missing_ok=True)  # some file systems flush what is truncated and written anew
        path.write_bytes(data)
        return path

    return written


def facts(arrays):
    return {array.name: (array.shape, array.dtype, array.stype) for array in arrays}


def loaded(path, load=mx.nd.load):
    arrays = load(str(path)).items()
    return {name: (array.shape, np.dtype(array.dtype).name, array.stype) for name, array in arrays}


def save_numpy(path, arrays):
    """Write a list of NumPy's shapes, which `mx.npx.save` of MXNet 2 does no more."""
    if GLUON_2:
        mx.nd.save(path, {name: array.as_nd_ndarray() for name, array in arrays.items()})
    else:
        mx.npx.save(path, arrays)


# Every version


@pytest.mark.parametrize("version", [0, 1, 2])
def test_old_and_new_versions_read_as_mxnet_reads_them(version, write):
    path = write(listed([dense(version, MATRIX), dense(version, VECTOR)], ["arg:a_weight", "aux:b_moving_mean"]))
    assert facts(read_headers(path)) == loaded(path)
    live = inspect(path).live
    for name, array in mx.nd.load(str(path)).items():
        assert live.values(name).tobytes() == array.asnumpy().tobytes()


def test_versions_may_be_mixed(write):
    path = write(listed([dense(version, MATRIX) for version in (2, 0, 1, 2)], "abcd"))
    assert facts(read_headers(path)) == loaded(path)
    assert [array.version for array in read_headers(path)] == [2, 0, 1, 2]


@pytest.mark.parametrize("dtype", sorted(set(FLAGS) - {"bfloat16"}))
def test_every_type(dtype, tmp_path):
    path = tmp_path / "a.params"
    values = np.array([[0, 1, 2], [3, 4, 5]]).astype(dtype)
    mx.nd.save(str(path), {"w": mx.nd.array(values, dtype=dtype)})
    assert facts(read_headers(path)) == loaded(path) == {"w": ((2, 3), dtype, "default")}
    assert np.array_equal(inspect(path).live.values("w"), values)


def test_bfloat16_is_read_as_float32(write):
    halves = np.array([0x3F80, 0xC040, 0x7F80], "uint16")  # 1, -3, inf
    path = write(listed([dense(2, halves, flag=FLAGS["bfloat16"])], ["w"]))
    report = inspect(path)
    assert (report.records[0].dtype, report.records[0].bytes) == ("bfloat16", 6)
    assert report.live.values("w").tolist() == [1, -3, np.inf]


def test_sparse_arrays(tmp_path):
    path = tmp_path / "a.params"
    rows = mx.nd.sparse.row_sparse_array((mx.nd.array([[1, 2], [3, 4]]), [0, 2]), shape=(4, 2))
    cells = mx.nd.array([[1, 0, 0], [0, 0, 2], [0, 0, 0]]).tostype("csr")
    saved = {"rows": rows, "cells": cells, "none": mx.nd.sparse.zeros("row_sparse", (3, 2)),
             "empty": mx.nd.sparse.zeros("csr", (3, 2)), "after": mx.nd.ones((2,))}  # fmt: skip
    mx.nd.waitall()
    mx.nd.save(str(path), saved)
    assert facts(read_headers(path)) == loaded(path)
    live = inspect(path).live
    assert all(np.array_equal(live.values(name), array.asnumpy()) for name, array in saved.items())


def test_a_sparse_array_saved_before_it_was_computed(write):
    """MXNet writes the stored shape before it waits for the engine, and reads it from the indices where it is empty."""
    start = struct.pack("<Ii", MAGIC[2], 2) + tuple_of((0,)) + tuple_of((2, 3)) + struct.pack("<iii", 1, 0, 0)
    indices = struct.pack("<i", 6) + tuple_of((3,)) + struct.pack("<i", 6) + tuple_of((2,))
    cells = start + indices + struct.pack("<2f3q2q", 5, 7, 0, 1, 2, 2, 0)
    start = struct.pack("<Ii", MAGIC[2], 1) + tuple_of((0, 2)) + tuple_of((3, 2)) + struct.pack("<iii", 1, 0, 0)
    rows = start + struct.pack("<i", 6) + tuple_of((1,)) + struct.pack("<2fq", 5, 7, 1)
    path = write(listed([cells, rows], ["cells", "rows"]))
    live = inspect(path).live
    assert live.values("cells").tolist() == mx.nd.load(str(path))["cells"].asnumpy().tolist() == [[0, 0, 5], [7, 0, 0]]
    assert live.values("rows").tolist() == mx.nd.load(str(path))["rows"].asnumpy().tolist() == [[0, 0], [5, 7], [0, 0]]


def test_numpy_shapes_that_mxnet_refuses_to_load(tmp_path):
    """Scalars, empty arrays; classic `mx.nd.load` and `mx.npx.load` raise on each other's files."""
    path = tmp_path / "a.params"
    mx.npx.set_np()
    save_numpy(str(path), {"scalar": mx.np.array(7.0), "empty": mx.np.ones((0, 3)), "full": mx.np.ones((2, 3))})
    mx.npx.reset_np()
    with pytest.raises(mx.base.MXNetError, match="np shape semantics"):
        mx.nd.load(str(path))
    report = inspect(path)
    assert [(record.path, record.shape, record.size) for record in report.records] == [
        ("scalar", (), 1), ("empty", (0, 3), 0), ("full", (2, 3), 6)]  # fmt: skip
    assert report.live.values("scalar") == 7 and report.live.values("empty").shape == (0, 3)


def test_arrays_saved_before_their_shape_was_known(write):
    unknown = struct.pack("<Ii", MAGIC[3], 0)
    none = struct.pack("<Iii", MAGIC[2], 0, 0)
    data = listed([unknown + tuple_of((3, -1)), unknown + struct.pack("<i", -1), none, dense(2, MATRIX)], "abcd")
    arrays = read_headers(write(data))
    assert [array.shape for array in arrays] == [(3, None), None, None, (2, 3)]
    assert [array.parts == () for array in arrays] == [True, True, True, False]


def test_names_may_be_missing_and_may_be_of_any_script(tmp_path):
    path = tmp_path / "a.params"
    mx.nd.save(str(path), [mx.nd.ones((2,)), mx.nd.ones((3,))])
    assert [array.name for array in read_headers(path)] == ["0", "1"]
    mx.nd.save(str(path), {"слой.weight": mx.nd.ones((2,))})
    assert facts(read_headers(path)) == loaded(path)
    mx.nd.save(str(path), {})
    assert read_headers(path) == []


def test_the_device_that_it_was_saved_from(write):
    arrays = [dense(2, MATRIX, context=context) for context in ((1, 0), (2, 3), (5, 0), (9, 1))]
    contexts = [array.context for array in read_headers(write(listed(arrays, "abcd")))]
    assert contexts == ["cpu(0)", "gpu(3)", "cpu_shared(0)", "device9(1)"]


@pytest.mark.slow
@pytest.mark.parametrize("family", ["resnet", "vgg", "alexnet", "densenet", "squeezenet", "inception", "mobilenet"])
def test_headers_equal_mxnets_over_the_model_zoo(family, tmp_path):
    names = [name for name in _ZOO if name.startswith(family)]
    assert names
    if GLUON_2:
        mx.npx.set_np()
    memory = Path("/dev/shm")
    path = str((memory if memory.is_dir() else tmp_path) / f"gluon_initkit-{os.getpid()}.params")
    for name in names:
        size = {"inception": 299, "densenet": 224, "squeezenet": 224, "alexnet": 64}.get(family, 32)
        net = shaped(lambda name=name: vision.get_model(name), (1, 3, size, size))
        if family in ("resnet", "vgg", "alexnet"):
            net.cast("int8")  # else they would write a gigabyte
        for param in net.collect_params().values():
            param.initialize(mx.init.Zero())
        net.save_parameters(path)
        try:
            assert facts(read_headers(path)) == loaded(path, mx.npx.load if GLUON_2 else mx.nd.load), name
        finally:
            os.remove(path)


_ZOO = [
    *(f"resnet{depth}_v{version}" for depth in (18, 34, 50, 101, 152) for version in (1, 2)),
    *(f"vgg{depth}{norm}" for depth in (11, 13, 16, 19) for norm in ("", "_bn")),
    *(f"densenet{depth}" for depth in (121, 161, 169, 201)),
    *(f"mobilenet{version}{width}" for version in ("", "v2_") for width in ("1.0", "0.75", "0.5", "0.25")),
    "alexnet", "squeezenet1.0", "squeezenet1.1", "inceptionv3",
]  # fmt: skip


def test_the_fast_way_through_plain_arrays_answers_as_the_careful_one(write, monkeypatch):
    files = real_files()
    fast = [read_headers(write(data)) for data in files]
    monkeypatch.setattr(_Reader, "plain_array", lambda self: None)
    assert fast == [read_headers(write(data)) for data in files]


# Hostile files

PLAIN = dense(2, MATRIX)
CLAIM = struct.pack("<Iii2qiii", MAGIC[2], 0, 2, 50_000, 50_000, 1, 0, 0)  # 10 GB
HUGE = struct.pack("<Iii4qiii", MAGIC[2], 0, 4, *[1 << 62] * 4, 1, 0, 0)
HOSTILE = [
    ("empty", b"", 0, "it is empty"),
    ("seven bytes", b"\x12\x01\0\0\0\0\0", 0, "begins with"),
    ("wrong magic", listed([PLAIN], ["a"], magic=0x113), 0, "not a .params file"),
    ("no header", struct.pack("<QQ", 0x112, 0), 0, "file ends at byte 16, and the header of the list takes 24"),
    ("too many arrays", listed([PLAIN], ["a"], count=1 << 60), 16, "1152921504606846976 arrays are announced"),
    ("one array more", listed([PLAIN], ["a"], count=2), 32 + len(PLAIN), "the file ends"),
    ("no array magic", listed([b"\xff" * 64], ["a"]), 24, "begins with 0xffffffff, neither"),
    ("storage type", listed([struct.pack("<Iii", MAGIC[2], 7, 1)], ["a"]), 28, "unknown storage type 7"),
    ("dimensions", listed([struct.pack("<Iii", MAGIC[2], 0, 1 << 30)], ["a"]), 36, "to have 1073741824 dimensions"),
    ("minus two dimensions", listed([struct.pack("<Iii", MAGIC[2], 0, -2)], ["a"]), 36, "to have -2 dimensions"),
    ("negative", listed([struct.pack("<Iiiqiii", MAGIC[2], 0, 1, -3, 1, 0, 0)], ["a"]), 36, "has the shape (-3,)"),
    ("-1 before NumPy", listed([struct.pack("<Iiiqiii", MAGIC[2], 0, 1, -1, 1, 0, 0)], ["a"]), 36, "shape (-1,)"),
    ("-2 with NumPy", listed([struct.pack("<Iiiqiii", MAGIC[3], 0, 1, -2, 1, 0, 0)], ["a"]), 36, "shape (-2,)"),
    ("empty and huge", listed([struct.pack("<Iii2qiii", MAGIC[2], 0, 2, 0, 1 << 62, 1, 0, 0)], ["a"]), 36, "shape (0,"),
    ("type", listed([dense(2, MATRIX, flag=13)], ["a"]), 64, "unknown type 13"),
    ("negative type", listed([dense(2, MATRIX, flag=-1)], ["a"]), 64, "unknown type -1"),
    ("10 GB in 1 kB", listed([CLAIM + bytes(900)], ["a"]), 64, "takes 10,000,000,000 bytes, and the file has"),
    ("overflow", listed([HUGE + bytes(64)], ["a"]), 80, f"takes {4 << 248:,} bytes"),
    ("more names", listed([PLAIN], ["a", "b"]), 24 + len(PLAIN), "2 names for 1 array"),
    ("names announced", listed([PLAIN], [], named=1 << 63), 24 + len(PLAIN), f"{1 << 63:,} names for 1 array"),
    ("twice the name", listed([PLAIN, PLAIN], ["a", "a"]), 24 + 2 * len(PLAIN) + 17, "a second array is called 'a'"),
    ("no UTF-8", listed([PLAIN], [b"ab\xff"]), 24 + len(PLAIN) + 18, "name 0 is no UTF-8: b'ab\\xff'"),
    ("long name", listed([PLAIN], [])[:-8] + struct.pack("<QQ", 1, 1 << 40), 32 + len(PLAIN), "1099511627776 bytes"),
    ("sparse claim", listed([struct.pack("<Iii2qi2qiiiii1q", MAGIC[2], 1, 2, 1 << 40, 9, 2, 1 << 40, 9, 1, 0, 0, 6, 1,
                                         1 << 40)], ["a"]), 100, "takes 39,582,418,599,936 bytes"),
]  # fmt: skip


@pytest.mark.parametrize("data, offset, reason", [each[1:] for each in HOSTILE], ids=[each[0] for each in HOSTILE])
def test_a_hostile_file_gets_an_error_with_offset_and_reason(data, offset, reason, write):
    assert_refused(write(data), offset, reason)


def test_no_file_at_all(tmp_path):
    with pytest.raises(FileNotFoundError, match="missing.params"):
        read_headers(tmp_path / "missing.params")
    with pytest.raises(CheckpointError, match="a directory or a device"):
        read_headers(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(CheckpointError, match="a directory or a device"):
        read_headers(tmp_path / "pipe")


def test_a_long_file_is_not_loaded(tmp_path):
    """A gigabyte, a hole on the disk, is read in the memory of its header."""
    path = tmp_path / "hole.params"
    size = 1 << 30
    start = struct.pack("<QQQIiiqiii", 0x112, 0, 1, MAGIC[2], 0, 1, size // 4, 1, 0, 0)
    with open(path, "wb") as file:
        file.write(start)
        file.seek(len(start) + size)
        file.write(struct.pack("<QQ", 1, 1) + b"w")
    tracemalloc.start()
    report = inspect(path)
    assert tracemalloc.get_traced_memory()[1] < 1 << 20
    tracemalloc.stop()
    assert report.records[0].bytes == size
    assert report.live.values("w")[-3:].tolist() == [0, 0, 0]


# Fuzzing


def real_files():
    """Small files as MXNet writes them, and one of every older version."""
    made = []
    rows = mx.nd.sparse.row_sparse_array((mx.nd.array([[1, 2], [3, 4]]), [0, 2]), shape=(4, 2))
    cells = mx.nd.array([[1, 0, 0], [0, 0, 2], [0, 0, 0]]).tostype("csr")
    mx.nd.waitall()
    for arrays in ({"0.weight": mx.nd.ones((2, 3)), "0.bias": mx.nd.ones((2,), dtype="float16")},
                   {"long enough to be read the fast way": mx.nd.ones((300,), dtype="uint8")},
                   {"rows": rows, "cells": cells}):  # fmt: skip
        made.append(_saved(arrays))
    mx.npx.set_np()
    made.append(_saved({"scalar": mx.np.array(7.0), "empty": mx.np.ones((0, 3))}, save_numpy))
    mx.npx.reset_np()
    made += [listed([dense(version, MATRIX), dense(version, VECTOR)], ["a", "b"]) for version in (0, 1)]
    return made


def _saved(arrays, save=mx.nd.save):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "a.params")
        save(path, arrays)
        with open(path, "rb") as file:
            return file.read()


def test_a_file_cut_anywhere_is_an_error(write):
    for data in real_files():
        assert_refused_wherever_cut(write(data))


def test_mutations_of_real_files_never_crash(write):
    random.seed(5)
    outcomes = []
    for data in real_files():
        for position in range(0, len(data)):
            for value in {0xFF, data[position] ^ 1 << random.randrange(8)} - {data[position]}:
                outcomes.append(survives(write(data[:position] + bytes([value]) + data[position + 1 :])))
        for _ in range(100):
            mutated = bytearray(data)
            for _ in range(random.randrange(1, 5)):
                start = random.randrange(len(data))
                mutated[start : start + random.randrange(9)] = random.choice(_WORDS)
            outcomes.append(survives(write(bytes(mutated))))
    assert outcomes.count(False) > 500 and outcomes.count(True) > 50


_WORDS = [struct.pack("<q", value) for value in (-1, 0, 1, 1 << 31, 1 << 62, -(1 << 63), MAGIC[3])] + [b"", bytes(40)]


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200))
def test_whatever_follows_the_magic_number_never_crashes(tmp_path_factory, rest):
    path = tmp_path_factory.getbasetemp() / "fuzz.params"
    path.write_bytes(struct.pack("<QQQ", 0x112, 0, 1) + rest)
    survives(path)


SIZES = st.one_of(st.integers(-2, 5), st.sampled_from([1 << 31, 1 << 32, 1 << 62, -(1 << 63)]))


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from([MAGIC[1], MAGIC[2], MAGIC[3], 0, 2, 33]), st.integers(-2, 4), st.lists(SIZES, max_size=5),
    st.integers(-1, 14), st.lists(SIZES, max_size=4), st.integers(-1, 3), st.binary(max_size=64),
)  # fmt: skip
def test_headers_of_any_numbers_never_crash(tmp_path_factory, magic, stype, shape, flag, aux, context, rest):
    path = tmp_path_factory.getbasetemp() / "fuzz.params"
    sparse = tuple_of(aux) if stype in (1, 2) else b""
    array = struct.pack("<Ii", magic, stype) + sparse + tuple_of(shape) + struct.pack("<iii", context, 0, flag)
    array += struct.pack("<i", 6) + tuple_of(aux) if stype in (1, 2) else b""
    path.write_bytes(listed([array + rest], ["a"]))
    survives(path)
