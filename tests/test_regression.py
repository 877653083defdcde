"""`InitRegression`: the file as it stands, every kind of difference as it is told, and what becomes of bad files."""

import json
import os
from pathlib import Path

import gluon_initkit as ik
from gluon_initkit.regression import InitRegression
import mxnet as mx
from mxnet.gluon import nn
import numpy as np
import pytest
from vocabulary import convolution, nd


@pytest.fixture(autouse=True)
def width(monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")


def network(init=None, **layer):
    net = nn.HybridSequential()
    net.add(nn.Dense(2, in_units=3, **layer), nn.Dense(2, in_units=2))
    ik.initialize(net, init or mx.init.Constant(0.5), seed=1)
    return net


@pytest.fixture
def reviewed(tmp_path):
    """What checks a network against `network()`, and where that file is."""
    InitRegression(tmp_path, "test_it", update=True).check(network())
    return tmp_path / "test_it.json"


def told(path, net, **options):
    """The rows of the table that a check of a network prints."""
    with pytest.raises(AssertionError) as caught:
        InitRegression(path.parent, path.stem).check(net, **options)
    lines = str(caught.value).splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("───"))
    assert lines[-1].startswith("If it is meant, run this test with --init-regression-update")
    return [tuple(line.split()) for line in lines[start + 1 : -1]]


def test_the_file_is_a_line_a_parameter(reviewed):
    facts = {"aliases": [], "dtype": "float32"}
    document = json.loads(reviewed.read_text())
    assert [{key: each[key] for key in each if key != "values"} for each in document["parameters"]] == [
        {"path": path, "role": role, **facts, "shape": shape, "initializer": init, "mean": value, "std": 0.0,
         "min": value, "max": value}
        for path, role, shape, init, value in [
            ("0.weight", "weight", [2, 3], None, 0.5), ("0.bias", "bias", [2], "zeros", 0.0),
            ("1.weight", "weight", [2, 2], None, 0.5), ("1.bias", "bias", [2], "zeros", 0.0)]
    ]  # fmt: skip
    assert document["fingerprint"] == ik.fingerprint(network())
    lines, fingerprint = reviewed.read_text().splitlines(), document["fingerprint"]
    assert [line.split(",")[0] for line in lines] == [
        "{", ' "schema": "gluon_initkit.init_regression"', ' "version": 1', f' "fingerprint": "{fingerprint}"',
        ' "parameters": [', '  {"path": "0.weight"', '  {"path": "0.bias"', '  {"path": "1.weight"',
        '  {"path": "1.bias"', " ]", "}"]  # fmt: skip


def test_the_same_passes_and_changes_nothing(reviewed):
    net = network()
    before = reviewed.read_bytes(), ik.fingerprint(net)
    InitRegression(reviewed.parent, "test_it").check(net)
    assert (reviewed.read_bytes(), ik.fingerprint(net)) == before


def test_without_a_file_it_fails_says_so_and_writes_none(tmp_path):
    with pytest.raises(AssertionError, match=r"no reviewed file yet: .*test_it\.json\. Run .*--init-regression-update"):
        InitRegression(tmp_path, "test_it").check(network())
    assert not list(tmp_path.iterdir())


def test_values(reviewed):
    net = network()
    net[1].weight.set_data(nd.array([[0.25, 0.5], [0.5, 1]]))
    old, new = ik.fingerprint(network())[:16], ik.fingerprint(net)[:16]
    assert told(reviewed, net) == [
        ("1.weight", "mean", "0.5", "0.5625"), ("1.weight", "std", "0", "0.272431184"),
        ("1.weight", "min", "0.5", "0.25"), ("1.weight", "max", "0.5", "1"), ("fingerprint", old, new)]  # fmt: skip


def test_values_that_no_moment_tells(tmp_path):
    InitRegression(tmp_path, "test_it", update=True).check(network(mx.init.Xavier()))
    net = network(mx.init.Xavier())
    net[0].weight.set_data(net[0].weight.data()[::-1])
    rows = told(tmp_path / "test_it.json", net)
    assert [row[:2] for row in rows[:-1]] == [("0.weight", "values")] and rows[-1][0] == "fingerprint"
    assert all(len(digest) == 16 for digest in rows[0][2:])


def test_what_a_parameter_is(reviewed):
    assert told(reviewed, network(bias_initializer="ones"))[:2] == [
        ("0.bias", "initializer", "zeros", "ones"), ("0.bias", "mean", "0", "1")]  # fmt: skip
    net = nn.HybridSequential()
    net.add(nn.Dense(2, in_units=2), nn.Dense(2, in_units=2))
    ik.initialize(net, mx.init.Constant(0.5))
    assert told(reviewed, net)[0] == ("0.weight", "shape", "(2,", "3)", "(2,", "2)")
    net = network()
    net.cast("float16")
    assert told(reviewed, net)[0] == ("0.weight", "dtype", "float32", "float16")


def test_an_initializer_alone_is_told_though_no_bit_differs(reviewed):
    net = network(weight_initializer=mx.init.Constant(0.5))
    assert told(reviewed, net) == [("0.weight", "initializer", "Constant(value=0.5)")]


def test_a_role(reviewed):
    document = json.loads(reviewed.read_text())
    document["parameters"][1]["role"] = "beta"
    reviewed.write_text(json.dumps(document))
    assert told(reviewed, network()) == [("0.bias", "role", "beta", "bias")]


def test_added_and_removed_and_shared(reviewed):
    net = network()
    net.add(nn.Dense(2, in_units=2, use_bias=False))
    ik.initialize(net[2], "ones")
    assert told(reviewed, net)[:-1] == [("2.weight", "parameter", "missing", "added")]
    ik.Sharing(net).tie("2.weight", "1.weight").apply()
    assert told(reviewed, net) == [("1.weight", "aliases", "2.weight")]
    net = network()
    ik.Sharing(net).tie("1.bias", "0.bias").apply()
    assert told(reviewed, net)[:-1] == [("0.bias", "aliases", "1.bias"), ("1.bias", "parameter", "there", "removed")]


def test_order(tmp_path):
    def made(first, second):
        net = nn.HybridSequential()
        for name in (first, second):
            setattr(net, name, nn.Dense(1, in_units=1, use_bias=False))
        net.initialize(mx.init.One())
        return net

    InitRegression(tmp_path, "test_it", update=True).check(made("one", "two"))
    rows = told(tmp_path / "test_it.json", made("two", "one"))
    assert [row[0] for row in rows] == ["order", "fingerprint"]
    assert rows[0][1:] == ("one.weight", "two.weight")


def test_the_message_names_the_file_in_one_line_and_counts_parameters(reviewed):
    with pytest.raises(AssertionError) as caught:
        InitRegression(reviewed.parent, "test_it").check(network(bias_initializer="ones"))
    assert str(caught.value).startswith(f"the network differs from {reviewed}, in 1 of 4 parameters\n")


def test_moments_may_round_otherwise_and_the_fingerprint_may_not(tmp_path):
    net = network(mx.init.Xavier())
    InitRegression(tmp_path, "test_it", update=True).check(net)
    path = tmp_path / "test_it.json"
    document = json.loads(path.read_text())
    mean = document["parameters"][0]["mean"]
    document["parameters"][0]["mean"] = mean + 1e-9
    path.write_text(json.dumps(document))
    InitRegression(tmp_path, "test_it").check(net)
    again = InitRegression(tmp_path, "test_it", update=True)
    again.check(net)
    assert not again.written and path.read_text() == json.dumps(document)
    document["parameters"][0]["mean"] = mean + 1e-5
    path.write_text(json.dumps(document))
    assert [row[:2] for row in told(path, net)] == [("0.weight", "mean")]
    document["parameters"][0]["mean"], real = mean, document["fingerprint"]
    document["fingerprint"] = "0" * 64
    path.write_text(json.dumps(document))
    assert told(path, net) == [("fingerprint", "0" * 16, real[:16])]
    again.__init__(tmp_path, "test_it", update=True)
    again.check(net)
    assert again.written == [path] and json.loads(path.read_text())["fingerprint"] == real


def test_with_init_the_file_says_what_fills_each(tmp_path):
    init = ik.Rules([("*.bias", 0.25)], default=mx.init.Xavier(magnitude=2))
    InitRegression(tmp_path, "test_it", update=True).check(network(init), init=init)
    parameters = json.loads((tmp_path / "test_it.json").read_text())["parameters"]
    assert [each["initializer"] for each in parameters[:2]] == [
        row.initializer for row in ik.plan(network(init), init)][:2]  # fmt: skip
    assert "Xavier" in parameters[0]["initializer"] and "0.25" in parameters[1]["initializer"]
    assert ("0.weight", "initializer") in [row[:2] for row in told(tmp_path / "test_it.json", network(init))]


def test_values_that_are_not_finite(tmp_path):
    net = network()
    net[0].bias.data()[:] = float("nan")
    net[1].bias.data()[1] = float("inf")
    InitRegression(tmp_path, "test_it", update=True).check(net)
    InitRegression(tmp_path, "test_it").check(net)
    assert ("0.bias", "mean", "0") in told(tmp_path / "test_it.json", network())


def test_a_network_without_values_is_refused(tmp_path):
    net = nn.HybridSequential()
    net.add(nn.Dense(2))
    net.initialize()
    for update in (True, False):
        with pytest.raises(ik.InitializationError, match=r"0\.weight is deferred"):
            InitRegression(tmp_path, "test_it", update).check(net)
    assert not list(tmp_path.iterdir())


def test_one_name_is_checked_once(tmp_path):
    regression = InitRegression(tmp_path, "test_it", update=True)
    regression.check(network())
    with pytest.raises(ValueError, match=r"test_it\.json was checked before in this test: .*name='second'"):
        regression.check(network())
    regression.check(network(), "second")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["test_it--second.json", "test_it.json"]


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", "null", "<<<<<<< a", '{"schema": "gluon_initkit.report"}',
                                  "[" * 200_000, '{"a": ' * 100_000, "NaN"], ids=lambda text: text[:20])  # fmt: skip
def test_a_bad_file_is_said_to_be_one_and_written_anew(reviewed, text):
    good = reviewed.read_bytes()
    reviewed.write_text(text)
    with pytest.raises(AssertionError, match=r"test_it\.json is none of init_regression's files.*version control"):
        InitRegression(reviewed.parent, "test_it").check(network())
    InitRegression(reviewed.parent, "test_it", update=True).check(network())
    assert reviewed.read_bytes() == good


@pytest.mark.parametrize("field, value", [
    ("version", 2), ("version", None), ("fingerprint", 3), ("parameters", [1]), ("parameters", {}),
    ("parameters", [{"path": 1}]), ("parameters", None), ("parameters", [{"path": "a", "mean": 10**400}]),
    ("parameters", [{"path": "a", "mean": "0"}])])  # fmt: skip
def test_a_file_with_a_bad_field(reviewed, field, value):
    document = {**json.loads(reviewed.read_text()), field: value}
    reviewed.write_text(json.dumps(document))
    with pytest.raises(AssertionError, match="none of init_regression's files"):
        InitRegression(reviewed.parent, "test_it").check(network())


@pytest.mark.parametrize("twice", ["parameter", "key"])
def test_a_file_that_says_something_twice_is_none(reviewed, twice):
    """Which of the two was reviewed?"""
    document = json.loads(reviewed.read_text())
    text = json.dumps({**document, "parameters": document["parameters"] * 2})
    if twice == "key":
        text = json.dumps(document)[:-1] + f', "fingerprint": "{document["fingerprint"]}"}}'
    reviewed.write_text(text)
    with pytest.raises(AssertionError, match="none of init_regression's files"):
        InitRegression(reviewed.parent, "test_it").check(network())


def test_names_make_good_files_and_stay_apart(tmp_path):
    names = ["test_it[a/b]", "test_it[a:b]", "test_it[a b]", "TestA.it[1-x.y]", "testa.it[1-x.y]",
             "test_it[" + "x" * 300 + "]", "test_it[" + "x" * 301 + "]", "test_it[é]", "../test_it"]  # fmt: skip
    net = network()
    for name in names:
        InitRegression(tmp_path, name, update=True).check(net)
    found = {path.name.lower() for path in tmp_path.iterdir()}  # some file systems tell no capitals apart
    assert len(found) == len(names) and "testa.it[1-x.y].json" in found
    assert all(len(name) < 140 and name.isascii() and not set(name) & set('/:* "?<>|\\') for name in found)


def test_writing_is_whole_or_not_at_all(reviewed, monkeypatch):
    before = reviewed.read_bytes()

    def full(part, path):
        raise OSError("no space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="no space"):
        InitRegression(reviewed.parent, "test_it", update=True).check(network(mx.init.Xavier()))
    assert reviewed.read_bytes() == before and [path.name for path in reviewed.parent.iterdir()] == ["test_it.json"]


def test_a_file_of_another_numpy_holds():
    """It was written with NumPy 1.17 on Python 3.8; the suite runs on others. Anew: with ``update=True`` below."""
    net = nn.HybridSequential()
    net.add(convolution(nn.Conv2D, 64, 3, in_channels=32), nn.BatchNorm(in_channels=64), nn.Dense(100, in_units=64))
    init = ik.Rules([("*.bias", mx.init.Uniform(0.1))], default=mx.init.Xavier("gaussian"))
    ik.initialize(net, init, seed=7)
    InitRegression(Path(__file__).parent / "init_regression" / "test_regression", "convolution").check(net, init=init)


def test_several_contexts_and_looking_changes_nothing(reviewed):
    net = nn.HybridSequential()
    net.add(nn.Dense(2, in_units=3), nn.Dense(2, in_units=2))
    ik.initialize(net, mx.init.Constant(0.5), ctx=[mx.cpu(0), mx.cpu(1)])
    net.hybridize()
    state = np.random.get_state()[1].tolist()
    InitRegression(reviewed.parent, "test_it").check(net)
    assert np.random.get_state()[1].tolist() == state
