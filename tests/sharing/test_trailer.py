"""The tie map behind the arrays: plain MXNet does not see it, and a damaged one is refused."""

import json
import struct

from gluon_initkit.sharing import SharedGroup, SharingError
from gluon_initkit.sharing.trailer import MAGIC, append_groups, read_groups
import mxnet as mx
import pytest

GROUPS = (SharedGroup("0.weight", ("1.weight", "2.weight"), ("2.weight",)), SharedGroup("ä.bias", ("b.bias",)))


@pytest.fixture
def path(tmp_path):
    path = str(tmp_path / "x.params")
    mx.nd.save(path, {"0.weight": mx.nd.array([[1, 2]]), "ä.bias": mx.nd.array([3])})
    return path


def test_what_is_written_is_read_and_the_arrays_stay(path):
    append_groups(path, GROUPS)
    assert read_groups(path) == GROUPS
    loaded = mx.nd.load(path)
    assert list(loaded) == ["0.weight", "ä.bias"] and loaded["0.weight"].asnumpy().tolist() == [[1, 2]]
    with open(path, "rb") as file:
        assert list(mx.nd.load_frombuffer(file.read())) == list(loaded)


def test_the_bytes_are_those_of_the_documented_format(path):
    with open(path, "rb") as file:
        before = file.read()
    append_groups(path, GROUPS)
    with open(path, "rb") as file:
        text = file.read()[len(before) :]
    (length,) = struct.unpack("<Q", text[-16:-8])
    assert text[-8:] == MAGIC == b"GIKTIES\0" and length == len(text) - 16
    assert json.loads(text[:length]) == {"version": 1, "groups": [
        {"canonical": "0.weight", "aliases": ["1.weight", "2.weight"], "transposed": ["2.weight"]},
        {"canonical": "ä.bias", "aliases": ["b.bias"], "transposed": []}]}  # fmt: skip


def test_a_file_without_a_map_has_no_groups(path, tmp_path):
    assert read_groups(path) == ()
    short = tmp_path / "short"
    short.write_bytes(MAGIC)
    assert read_groups(str(short)) == ()


def test_a_parameter_called_like_the_magic_is_no_map(tmp_path):
    path = str(tmp_path / "x.params")
    for arrays in ({"GIKTIES": mx.nd.ones((1,))}, {"xGIKTIES": mx.nd.ones((1,))}, {"": mx.nd.ones((1,))}, []):
        mx.nd.save(path, arrays)
        assert read_groups(path) == ()


def document(**changes):
    group = {"canonical": "a", "aliases": ["b"], "transposed": []}
    return json.dumps({"version": 1, "groups": [group], **changes}).encode()


@pytest.mark.parametrize("text, message", [
    (b"{", "it is no JSON"),
    (b"\xff\xfe", "it is no JSON"),
    (document(groups=[{"canonical": "a"}]), "lacks its canonical path, aliases or transposed"),
    (document(groups=7), "lacks its canonical path"),
    (document(groups=[{"canonical": "a", "aliases": [1], "transposed": []}]), "1 is no path"),
    (document(groups=[{"canonical": "a", "aliases": ["a"], "transposed": []}]), "'a' stands in it twice"),
    (document(groups=[{"canonical": "a", "aliases": ["b"], "transposed": ["c"]}]), "none of its aliases"),
])  # fmt: skip
def test_a_damaged_map_is_refused(path, text, message):
    with open(path, "ab") as file:
        file.write(text + struct.pack("<Q8s", len(text), MAGIC))
    with pytest.raises(SharingError, match=rf"x.params' is damaged: .*{message}.* mx.nd.load\(.*save the file again"):
        read_groups(path)


@pytest.mark.parametrize("text", [document(version=2), document(version=None), b"[]"])
def test_another_version_is_refused(path, text):
    with open(path, "ab") as file:
        file.write(text + struct.pack("<Q8s", len(text), MAGIC))
    with pytest.raises(SharingError, match=r"has version (2|None), and this gluon_initkit reads version 1"):
        read_groups(path)


@pytest.mark.parametrize("length", [-15, 0, 1, 2**63])
def test_a_length_for_which_there_is_no_room(path, length):
    with open(path, "ab") as file:
        size = file.tell() + 16
        file.write(struct.pack("<Q8s", size + length, MAGIC))
    with pytest.raises(SharingError, match=f"is damaged: it claims {size + length} bytes, and the file has {size}"):
        read_groups(path)
