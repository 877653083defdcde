"""`ik.compare`: what belongs together, what differs, in every mix of networks, reports and files."""

import dataclasses
import json
import pickle

import gluon_initkit as ik
from gluon_initkit import cli
from gluon_initkit._mxnet.parameter import arrays_of
from gluon_initkit._mxnet.tree import places
from gluon_initkit.inspector import inspect
import mxnet as mx
from mxnet.gluon import nn
import numpy as np
import pytest
from vocabulary import GLUON_2, classic, nd, tied


def mlp(*units, in_units=3):
    net = nn.HybridSequential()
    for unit in units or (4, 2):
        net.add(nn.Dense(unit, in_units=in_units))
        in_units = unit
    return net


def drawn(net, seed=1):
    """The network with values that are all different, biases too."""
    rng = np.random.default_rng(seed)
    net.initialize()
    for param in places(net):
        param.set_data(nd.array(rng.normal(size=param.shape)))
    return net


@pytest.fixture
def file(tmp_path):
    def saved(net, name="a.params", **kwargs):
        net.save_parameters(str(tmp_path / name), **kwargs)
        return str(tmp_path / name)

    return saved


def statuses(comparison):
    return {row.path or row.other: row.status for row in comparison}


def test_every_mix_of_equal_sides_is_equal(file):
    net, same = drawn(mlp()), drawn(mlp())
    path = file(net)
    report = inspect(path)
    for a in (net, path, report):
        for b in (same, path, report):
            comparison = ik.compare(a, b)
            assert comparison.same and comparison and comparison.counts == {"equal": 4}
            assert all(row.by == "values" and row.change == 0 for row in comparison)


def test_what_changed_and_by_how_much():
    a, b = drawn(mlp()), drawn(mlp())
    values = arrays_of(a[0].weight)[0].asnumpy()
    values[0, 0] *= -3
    b[0].weight.set_data(nd.array(values))
    comparison = ik.compare(a, b)
    row = comparison["0.weight"]
    old = arrays_of(a[0].weight)[0].asnumpy().astype("float64")
    assert row.status == "changed" and row.sign_flips == 1 and row.nonfinite == 0
    assert row.change == pytest.approx(4 * abs(old[0, 0]) / np.linalg.norm(old), rel=1e-6)
    assert row.cosine == pytest.approx((old * values).sum() / np.linalg.norm(old) / np.linalg.norm(values), rel=1e-6)
    assert not comparison and comparison.differences == (row,) and comparison.counts == {"changed": 1, "equal": 3}


def test_added_removed_reshaped_retyped():
    a, b = drawn(mlp(4, 2)), drawn(mlp(4, 5, 6), seed=2)
    b[0].cast("float16")
    comparison = ik.compare(a, b)
    assert statuses(comparison) == {
        "0.weight": "retyped", "0.bias": "retyped", "1.weight": "reshaped", "1.bias": "reshaped", "2.weight": "added",
        "2.bias": "added"}  # fmt: skip
    assert comparison["0.weight"].dtypes == ("float32", "float16") and comparison["0.weight"].change > 0
    assert comparison["2.weight"].shapes == (None, (6, 5)) and comparison["2.weight"].path is None
    assert statuses(ik.compare(b, a))["2.weight"] == "removed"


def test_a_cast_shows_how_far_the_values_moved():
    a, b = drawn(mlp()), drawn(mlp())
    b.cast("float16")
    assert all(row.status == "retyped" and 0 < row.change < 1e-3 and row.by == "values" for row in ik.compare(a, b))


class Renamed(mx.gluon.HybridBlock):
    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Dense(4, in_units=3), nn.Dense(2, in_units=4)


def test_the_same_content_under_another_path_is_renamed():
    comparison = ik.compare(drawn(mlp()), drawn(Renamed()))
    assert [(row.status, row.path, row.other, row.by) for row in comparison] == [
        ("renamed", "0.weight", "first.weight", "values"), ("renamed", "0.bias", "first.bias", "values"),
        ("renamed", "1.weight", "second.weight", "values"), ("renamed", "1.bias", "second.bias", "values")]  # fmt: skip
    assert not comparison.same


def test_content_goes_before_a_path_whose_shape_is_another(file):
    whole = nn.HybridSequential()
    whole.add(drawn(mlp()), nn.Dense(1, in_units=2))
    whole[1].initialize()
    comparison = ik.compare(whole[0], file(whole))
    assert {row.path: row.other for row in comparison if row.status == "renamed"} == {
        "0.weight": "0.0.weight", "0.bias": "0.0.bias", "1.weight": "0.1.weight", "1.bias": "0.1.bias"}  # fmt: skip
    assert comparison.counts == {"renamed": 4, "added": 2}


def test_equal_zeros_are_renamed_in_order():
    def net(name):
        class Two(mx.gluon.HybridBlock):
            def __init__(self):
                super().__init__()
                setattr(self, name + "1", nn.BatchNorm(in_channels=3))
                setattr(self, name + "2", nn.BatchNorm(in_channels=3))

        made = Two()
        made.initialize()
        return made

    pairs = {row.path: row.other for row in ik.compare(net("a"), net("b"))}
    assert pairs["a1.beta"] == "b1.beta" and pairs["a2.running_mean"] == "b2.running_mean" and len(pairs) == 8


def test_without_values_a_shape_that_stands_alone_is_a_guess():
    comparison = ik.compare(mlp(), Renamed())
    assert {(row.status, row.by) for row in comparison} == {("renamed", "shape")}
    same_shapes = ik.compare(mlp(3, 3), drawn(Renamed()))
    assert {row.status for row in same_shapes} == {"added", "removed"}


def test_other_values_of_a_shape_that_stands_alone_are_not_renamed():
    comparison = ik.compare(drawn(mlp()), drawn(Renamed(), seed=2))
    assert set(statuses(comparison).values()) == {"added", "removed"}


def test_a_network_without_values_says_nothing_is_the_same(file):
    comparison = ik.compare(mlp(), file(drawn(mlp())))
    assert comparison.counts == {"unread": 4} and comparison.differences == () and not comparison.same


def test_a_broken_tie_shows(file):
    def sharing():
        net = mlp(3, 3)
        other = nn.HybridSequential()
        other.add(net[0], tied(nn.Dense, net[0], 3, in_units=3))
        return other

    net = drawn(sharing())
    assert ik.compare(net, file(net)).counts == {"equal": 4}
    assert ik.compare(net, file(net, deduplicate=True)).counts == {"equal": 2}
    untied = drawn(mlp(3, 3), seed=2)
    untied[1].weight.set_data(arrays_of(net[0].weight)[0])
    rows = [(row.path, row.other, row.status) for row in ik.compare(net, file(untied)) if row.path == "0.weight"]
    assert rows == [("0.weight", "0.weight", "changed"), ("0.weight", "1.weight", "equal")]


def test_exported_files_compare_by_their_names(file, tmp_path):
    net = drawn(mlp())
    net.hybridize()
    net(nd.ones((1, 3)))
    net.export(str(tmp_path / "net"))
    exported = str(tmp_path / "net-0000.params")
    assert ik.compare(net, exported).same and not ik.compare(drawn(mlp(), seed=2), exported)
    comparison = ik.compare(file(net), exported)
    assert comparison["1.bias"].other.startswith("arg:")
    assert comparison.counts == {"equal" if GLUON_2 else "renamed": 4}  # MXNet 2 exports by paths


def test_sparse_and_half_files(file, tmp_path):
    path = str(tmp_path / "b.params")
    dense = str(tmp_path / "c.params")
    with classic():
        rows = mx.nd.sparse.row_sparse_array((mx.nd.ones((2, 2)), [0, 3]), shape=(4, 2))
        mx.nd.waitall()
        mx.nd.save(path, {"0.weight": rows})
        mx.nd.save(dense, {"0.weight": rows.tostype("default")})
    assert ik.compare(path, dense).same


def test_reports_are_compared_by_their_statistics_where_they_hold_no_values(file):
    path = file(drawn(mlp()))
    kept = dataclasses.replace(inspect(path, stats=True), live=None)
    other = drawn(mlp(), seed=2)
    assert {(row.status, row.by) for row in ik.compare(kept, path)} == {("equal", "statistics")}
    comparison = ik.compare(kept, other)
    assert {(row.status, row.by, row.change) for row in comparison} == {("changed", "statistics", None)}
    bare = dataclasses.replace(inspect(path), live=None)
    assert ik.compare(bare, path).counts == {"unread": 4}


def test_it_is_pure(file):
    net = mlp()
    net.initialize()
    net.hybridize()
    net(nd.ones((1, 3)))
    path = file(net)
    before = ik.fingerprint(net)
    state = {param: dict(vars(param)) for param in places(net)}
    graphs = [net._cached_op, net._active]
    ik.compare(net, path)
    ik.compare(net, drawn(mlp()))
    assert ik.fingerprint(net) == before and [net._cached_op, net._active] == graphs
    assert all(vars(param) == old for param, old in state.items())


def test_several_contexts_compare_by_their_first(file):
    net, path = mlp(), file(drawn(mlp()))
    net.load_parameters(path, ctx=[mx.cpu(0), mx.cpu(1)])
    assert ik.compare(net, path).same


def test_what_cannot_be_compared():
    with pytest.raises(TypeError, match=r"cannot compare list: \[1\]. Expected a network .* report .* parameter file"):
        ik.compare(mlp(), [1])
    with pytest.raises(ik.CheckpointError):
        ik.compare(mlp(), __file__)


def test_a_row_by_either_path():
    comparison = ik.compare(drawn(mlp()), drawn(Renamed()))
    assert comparison["0.weight"] is comparison["first.weight"]
    with pytest.raises(KeyError, match="no row has the path 'first.wieght'; did you mean 'first.weight'"):
        comparison["first.wieght"]


def test_looks(file, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    path = file(drawn(mlp(4, 5)))
    comparison = ik.compare(drawn(mlp(), seed=2), path)
    text = str(comparison)
    assert "1.weight" in text and "(2, 4) -> (5, 4)" in text and "reshaped" in text
    assert "would raise a LoadError: '1.weight' has shape (5, 4) in the file, expected" in " ".join(text.split())
    html = comparison._repr_html_()
    assert "1.<wbr>weight" in html and "<script" not in html
    assert "flips" in text and "flips" not in str(ik.compare(mlp(), path))


def test_json_and_records(file):
    comparison = ik.compare(mlp(), file(drawn(mlp(4, 5))))
    told = json.loads(comparison.to_json())
    assert told["schema"] == 1 and told["counts"] == comparison.counts and told["same"] is False
    assert told["rows"][0]["path"] == "0.weight" and told["load"]["rows"][2]["status"] == "mismatched"
    assert comparison.to_records()[0]["status"] == "unread" and len(comparison) == len(told["rows"]) == 4
    assert pickle.loads(pickle.dumps(comparison)) == comparison
    zero = drawn(mlp())
    zero[0].weight.set_data(nd.zeros((4, 3)))
    json.loads(ik.compare(zero, drawn(mlp())).to_json())  # no Infinity


def test_numbers_that_json_lacks_are_text_as_in_reports(file, capsys):
    tiny, huge = (nn.Dense(1, in_units=2, use_bias=False, dtype="float64") for _ in range(2))
    for net, value in ((tiny, 1e-300), (huge, 1e300)):
        net.initialize()
        net.weight.set_data(nd.array([[value, value]], dtype="float64"))
    told = json.loads(ik.compare(tiny, huge).to_json(), parse_constant=pytest.fail)
    assert (told["rows"][0]["change"], told["rows"][0]["cosine"]) == ("inf", 1.0)
    assert json.loads(ik.compare(huge, tiny).to_json())["rows"][0]["change"] == 1.0
    first, second = file(tiny), file(huge, "b.params")
    assert cli.main(["compare", first, second, "--json"]) == 1
    assert json.loads(capsys.readouterr().out, parse_constant=pytest.fail)["rows"][0]["change"] == "inf"


@pytest.mark.parametrize("change, status", [(0, "equal"), (1e-4, "changed")])
def test_statistics_of_equal_extremes_tell_a_small_change(change, status):
    before, after = (nn.Dense(2, in_units=4, use_bias=False) for _ in range(2))
    for net, middle in ((before, 0.5), (after, 0.5 + change)):
        net.initialize()
        net.weight.set_data(nd.array([[-1, 1, middle, middle], [-1, 1, 0.25, 0.25]]))
    (row,) = ik.compare(*(pickle.loads(pickle.dumps(ik.inspect(net, stats=True))) for net in (before, after))).rows
    assert (row.status, row.by) == (status, "statistics")
