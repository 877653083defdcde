"""Files with a tie map, and networks with transposed ties: every path is known, and a damaged map is refused."""

import json
import struct

import gluon_initkit as ik
from gluon_initkit.cli import main
from gluon_initkit.files import written_ties
from gluon_initkit.files.tie_map import MAGIC, VERSION
from gluon_initkit.inspector import CheckpointError
import mxnet as mx
from mxnet.gluon import nn
import numpy as np
import pytest
from vocabulary import classic


def tied(transpose=True):
    """An embedding of 5 words, and what decodes by the same weight; through `transpose` a third, turned."""
    net = nn.HybridSequential()
    net.add(nn.Embedding(5, 4), nn.Dense(5, in_units=4, use_bias=False), nn.Dense(4, in_units=5))
    net.initialize(mx.init.Uniform())
    sharing = ik.Sharing(net).tie("1.weight", "0.weight")
    if transpose:
        sharing = sharing.tie("2.weight", "0.weight", transpose=True)
    sharing.apply()
    return net


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "tied.params")


def test_a_record_knows_the_paths_at_which_it_stands_transposed():
    net = tied()
    report = ik.inspect(net, stats=True)
    (record,) = [each for each in report.records if each.role == "weight"]
    assert (record.path, record.aliases, record.transposed) == ("0.weight", ("1.weight", "2.weight"), ("2.weight",))
    assert record.paths == ("0.weight", "1.weight", "2.weight") and report.totals.size == 5 * 4 + 4
    assert [(each.kind, each.paths) for each in report.shared] == [("parameter", record.paths)]
    assert report["2.weight"].path == "0.weight" and "= 2.weight" in str(report)
    assert [each.path for each in ik.inspect(net, select="2.weight").records] == ["0.weight"]
    assert type(report).from_json(report.to_json()) == report


def test_a_square_array_seen_transposed_is_compared_in_that_layout(path):
    nets = [nn.HybridSequential() for _ in range(2)]
    for net in nets:
        net.add(nn.Dense(4, in_units=4), nn.Dense(4, in_units=4))
        ik.Sharing(net).tie("1.weight", "0.weight", transpose=True).apply()
        ik.initialize(net, mx.init.Uniform(), seed=7)
    ik.save(nets[0], path)
    for other in (nets[1], ik.inspect(nets[1], stats=True), path):
        assert ik.compare(nets[0], other).same
    assert [row.status for row in ik.compare(nets[0], path)] == 4 * ["equal"]


def test_a_saved_tie_is_shown_by_the_report_of_the_file(path):
    net = tied()
    ik.save(net, path)
    for stats in (False, True):
        report = ik.inspect(path, stats=stats)
        assert [(each.path, each.aliases, each.transposed) for each in report.records] == [
            ("0.weight", ("1.weight", "2.weight"), ("2.weight",)), ("2.bias", (), ())]  # fmt: skip
        assert report.shared == ik.inspect(net).shared and report.totals.size == 24 and not report.findings
    assert report["1.weight"].path == "0.weight" and "= 2.weight" in str(report)
    assert report["1.weight"].data().tolist() == net[0].weight.data().asnumpy().tolist()


def test_a_network_fits_its_own_file_path_by_path(path):
    net = tied()
    ik.save(net, path)
    comparison = ik.compare(net, path)
    assert comparison.same and comparison["2.weight"].shapes == ((4, 5), (4, 5))
    assert ik.compare(net, ik.inspect(path)).same and ik.compare(path, path).same
    assert ik.compare(ik.inspect(net, stats=True), ik.inspect(path, stats=True)).same


def test_a_transposed_tie_fits_a_file_in_which_each_path_has_its_own_layout(path):
    net = tied()
    alone = nn.HybridSequential()
    alone.add(nn.Embedding(5, 4), nn.Dense(5, in_units=4, use_bias=False), nn.Dense(4, in_units=5))
    alone.initialize()
    for layer, values in zip(alone, (net[0].weight.data(), net[0].weight.data(), net[0].weight.data().T)):
        layer.weight.set_data(values)
    alone.save_parameters(path)
    comparison = ik.compare(net, path)
    assert comparison.same and [row.path for row in comparison] == ["0.weight", "0.weight", "2.weight", "2.bias"]
    assert comparison.load.loads
    net.load_parameters(path)  # as was foretold
    alone[2].weight.set_data(alone[2].weight.data() + 1)
    alone.save_parameters(path)
    assert [row.path for row in ik.compare(net, path).differences] == ["2.weight"]


def test_plain_mxnet_lacks_one_path_of_a_transposed_tie(path):
    net = tied()
    ik.save(net, path)
    with pytest.raises(AssertionError, match="2.weight"):
        net.load_parameters(path)
    ik.load(net, path)


def test_equal_arrays_of_a_file_are_told_and_no_fault(path):
    net = tied(transpose=False)
    net.save_parameters(path)  # writes both
    report = ik.inspect(path, stats=True)
    assert [(each.kind, each.paths) for each in report.shared] == [("values", ("0.weight", "1.weight"))]
    (finding,) = [each for each in report.findings if each.code == "broken-tie"]
    assert finding.severity == "info" and ik.inspect(path).shared == ()
    ik.inspect(path, stats=True, ignore=["broken-tie"]).check(strict=True)
    net[0].weight.set_data(net[0].weight.data())
    values = {record.path: record.data() for record in map(report.__getitem__, ("0.weight", "1.weight"))}
    with classic():
        mx.nd.save(path, {name: mx.nd.array(value + (name == "1.weight")) for name, value in values.items()})
    assert ik.inspect(path, stats=True).shared == ()


def test_the_command_line_reads_them(path, capsys):
    ik.save(tied(), path)
    assert main(["inspect", path, "--stats"]) == 0
    assert "= 1.weight" in capsys.readouterr().out
    assert main(["inspect", path, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["records"][0]["transposed"] == ["2.weight"]
    assert main(["compare", path, path]) == 0


def ended(path, text, length=None, magic=MAGIC):
    """A file with this map behind one array."""
    with classic():
        mx.nd.save(path, {"0.weight": mx.nd.ones((2, 2)), "b": mx.nd.ones((2,))})
    with open(path, "ab") as file:
        file.write(text + struct.pack("<Q8s", len(text) if length is None else length, magic))
    return path


def mapped(*groups, version=VERSION):
    return json.dumps({"version": version, "groups": list(groups)}).encode()


def group(canonical="0.weight", aliases=("1.weight",), transposed=()):
    return {"canonical": canonical, "aliases": aliases, "transposed": transposed}


@pytest.mark.parametrize("text, reason", [
    (b"{", "no JSON"),
    (b"\xff\xff", "no JSON"),
    (b"[" * 100_000, "no JSON"),
    (b"[]", "version None"),
    (mapped(version=2), "version 2"),
    (mapped("x"), "a group of the tie map is 'x'"),
    (json.dumps({"version": 1}).encode(), "the groups of the tie map are None: expected a list"),
    (json.dumps({"version": 1, "groups": {"a": 1}}).encode(), "the groups of the tie map are {'a': 1}"),
    (mapped(group()).decode().encode("utf-16"), "no JSON"),
    (mapped(group(aliases="ab")), "a group of the tie map is"),
    (mapped(group(aliases=[1])), "a group of the tie map is"),
    (mapped(group(canonical=["0.weight"])), "a group of the tie map is"),
    (mapped(group("missing")), "no one array fits the group of 'missing'"),
    (mapped(group(), group(aliases=["2.weight"])), "no one array fits the group of '0.weight'"),
    (mapped(group(transposed=["3.weight"])), "no one array fits"),
    (mapped(group(aliases=["b"])), "twice"),
    (mapped(group(aliases=["c", "c"])), "twice"),
    (mapped(group(), group("b")), "twice"),
])  # fmt: skip
def test_a_damaged_map_is_refused_by_all_who_read_it(text, reason, path):
    ended(path, text)
    net = nn.Dense(2, in_units=2)
    for act in (ik.inspect, lambda path: ik.load(net, path), lambda path: ik.compare(net, path)):
        with pytest.raises(CheckpointError, match=reason):
            act(path)


@pytest.mark.parametrize("length", [1 << 63, 1 << 40, 200])
def test_a_map_longer_than_what_is_there_is_refused(length, path):
    with pytest.raises(CheckpointError, match="the tie map is to take"):
        ik.inspect(ended(path, mapped(group()), length))


def test_what_else_stands_behind_the_list_is_passed_over(path):
    report = ik.inspect(ended(path, b"something", magic=b"GIKTIES\1"))
    assert np.array_equal(report["0.weight"].data(), np.ones((2, 2))) and report.shared == ()


def test_the_bytes_are_those_of_the_documented_format(path):
    with classic():
        mx.nd.save(path, {"0.weight": mx.nd.ones((2, 2)), "ä.bias": mx.nd.ones((2,))})
    groups = [ik.SharedGroup("0.weight", ("1.weight", "2.weight"), ("2.weight",)), ik.SharedGroup("ä.bias", ("b",))]
    text = written_ties(groups)
    (length,) = struct.unpack("<Q", text[-16:-8])
    assert text[-8:] == MAGIC == b"GIKTIES\0" and length == len(text) - 16
    assert json.loads(text[:length]) == {"version": 1, "groups": [
        {"canonical": "0.weight", "aliases": ["1.weight", "2.weight"], "transposed": ["2.weight"]},
        {"canonical": "ä.bias", "aliases": ["b"], "transposed": []}]}  # fmt: skip
    with open(path, "ab") as file:
        file.write(text)
    assert [(each.path, each.aliases, each.transposed) for each in ik.inspect(path)] == [
        (each.canonical, each.aliases, each.transposed) for each in groups]  # fmt: skip
    with classic():
        assert list(mx.nd.load(path)) == ["0.weight", "ä.bias"] and written_ties(()) == b""


def test_a_parameter_called_like_the_magic_is_no_map(path):
    for arrays in ({"GIKTIES": mx.nd.ones((1,))}, {"xGIKTIES": mx.nd.ones((1,))}, {"": mx.nd.ones((1,))}, []):
        mx.nd.save(path, arrays)
        assert ik.inspect(path).shared == ()
