"""`Report`: asked by path, sorted, filtered, compared, pickled, and what totals it gives."""

import copy
import pickle
import subprocess
import sys

import gluon_initkit as ik
from gluon_initkit.inspector import COLUMNS, Finding, Report, SharedValues
import mxnet as mx
from mxnet.gluon import nn
import networks
from networks import record
import pytest
from vocabulary import nd


def test_a_parameter_by_path_and_by_alias():
    report = networks.shared()
    assert report["embed.weight"].shape == (50, 4) and report["decode.weight"] == report["embed.weight"]
    assert report["left.weight"].role == "weight" and "decode.weight" in report and "decode" not in report


def test_values_and_gradients_on_demand():
    net = nn.Dense(2, in_units=3)
    net.initialize(mx.init.One())
    report = ik.inspect(net)
    with mx.autograd.record():
        loss = net(nd.ones((1, 3)))
    loss.backward()
    assert report["weight"].data().tolist() == [[1, 1, 1], [1, 1, 1]]
    assert report["weight"].grad().tolist() == [[1, 1, 1], [1, 1, 1]]
    net.weight.set_data(nd.zeros((2, 3)))
    assert report["weight"].data().sum() == 0  # read now, not when the report was made


def test_a_block_by_path():
    report = networks.resnet50()
    part = report["features.4"]
    assert isinstance(part, Report) and part.source == "features.4 (HybridSequential)"
    assert len(part) == 56 and all(each.path.startswith("features.4.") for each in part)
    assert part.totals.size == 219_584 and part["features.4.0.body.0.weight"].shape == (64, 64, 1, 1)
    assert part.blocks[0].path == "features.4" and part.live is report.live


def test_a_block_without_parameters():
    report = Report([networks.record("1.weight")], networks.blocks(("", "Net"), ("0", "Dropout"), ("1", "Dense")))
    assert len(report["0"]) == 0 and report["0"].source == "0 (Dropout)" and "0 values" in str(report["0"])


def test_a_block_with_a_parameter_of_another_path():
    part = networks.shared()["decode"]
    assert [each.path for each in part] == ["embed.weight", "decode.bias"] and part.totals.size == 250


def test_findings_and_sharing_of_a_part_are_the_parts():
    report = networks.small()
    assert [finding.code for finding in report["1"].findings] == ["bad-variance", "frozen-lr-mult"]
    assert [group.kind for group in networks.shared()["left"].shared] == []
    assert [group.kind for group in networks.shared().select("embed.*").shared] == ["parameter"]


@pytest.mark.parametrize(
    "asked, told",
    [
        ("features.4.0.body.0.wieght", "did you mean 'features.4.0.body.0.weight'"),
        ("feature.4", "'features.4'"),
        ("outptu.bias", "did you mean 'output.bias'"),
        ("zzz", "there are 'features.0.weight', 'features.1.gamma'"),
        ("", "no parameter or block has the path ''"),
    ],
)
def test_a_typo_is_answered_with_the_nearest_paths(asked, told):
    with pytest.raises(KeyError) as caught:
        networks.resnet50()[asked]
    assert f"no parameter or block has the path {asked!r}" in caught.value.args[0] and told in caught.value.args[0]


def test_an_empty_report():
    report = Report([])
    assert len(report) == 0 and list(report) == [] and report.totals.size == 0
    assert "0 values in 0 parameters" in str(report) and "0 values" in report._repr_html_() and report.to_markdown()
    assert report.to_text(depth=0) == report.to_text(depth=1) == str(report)
    assert report.to_markdown(depth=0) == report.to_markdown()
    with pytest.raises(KeyError, match="there are none"):
        report["x"]
    with pytest.raises(TypeError, match=r"asked by path, found 0; report.records\[0\]"):
        report[0]


def test_it_is_plain_data_but_for_what_reads_values():
    report = networks.small()
    assert report.live is not None
    for again in (pickle.loads(pickle.dumps(report)), copy.deepcopy(report)):
        assert again == report and again.live is None and str(again) == str(report)
    view = pickle.loads(pickle.dumps(report["0.weight"]))
    assert view == report["0.weight"] and view.live is None
    assert hash(report) == hash(pickle.loads(pickle.dumps(report)))
    with pytest.raises(AttributeError):
        report.records = ()


def test_exactly_constructible():
    made = Report(records=[record()], blocks=(), shared=(), findings=(), source="x", live=None)
    assert isinstance(made.records, tuple) and made == Report((record(),), source="x")


def test_sort_by_a_column_puts_what_has_no_value_last():
    report = networks.deferred()
    for reverse in (False, True):
        sizes = [each.size for each in report.sort("size", reverse)]
        known = [size for size in sizes if size is not None]
        assert known == sorted(known, reverse=reverse) and sizes[len(known) :] == [None] * 6
    assert next(each.path for each in report.sort(lambda record: record.path, reverse=True)) == "3.weight"
    with pytest.raises(KeyError, match="no column is called 'sizee'; did you mean 'size'"):
        report.sort("sizee")


@pytest.mark.parametrize("by", sorted(COLUMNS))
def test_every_column_sorts(by):
    for report in (networks.deferred(), networks.small()):
        made = report.sort(by, reverse=True)
        assert sorted(each.path for each in made) == sorted(each.path for each in report)
        assert made.to_text(depth=1, columns=["path", by], width=120)


def test_folded_rows_are_sorted_by_their_sums():
    text = networks.resnet50().sort("size", reverse=True).to_text(depth=2, columns=["path", "size"])
    sizes = [int(line.split()[-1].replace(",", "")) for line in text.splitlines()[3:11]]
    assert sizes == sorted(sizes, reverse=True) and sizes[0] == 14_994_944


def test_select_and_filter():
    report = networks.resnet50()
    assert {each.role for each in report.select("gamma")} == {"gamma"}
    assert len(report.select("output.*")) == 2 and len(report.select(nn.Dense)) == 2
    assert len(report.select(nn.BatchNorm)) == 212 and len(report.select(nn.HybridSequential)) == 297
    assert len(report.filter(lambda record: record.size > 1_000_000)) == len(
        report.select(lambda record: record.size > 1_000_000)
    )
    with pytest.raises(TypeError, match="3 is no selector"):
        report.select(3)


def test_totals_count_what_is_shared_once():
    report = networks.shared()
    assert report.totals.parameters == 5 and report.totals.size == 200 + 50 + 200 + 16
    assert str(report.totals).startswith("466 values in 5 parameters, 466 trainable; 1,864 bytes")
    # A part that holds only the second of two counts that one.
    assert report.select("right.*").totals.size == 16


def test_totals_say_what_they_do_not_know():
    assert str(networks.deferred().totals) == (
        "at least 51 values (6 unknown) in 10 parameters, at least 51 trainable; at least 204 bytes (204 B)"
    )


def test_check_raises_with_all_findings():
    report = networks.small()
    with pytest.raises(ik.FindingsError) as caught:
        report.check()
    assert "1.running_var" in str(caught.value) and "2.bias" in str(caught.value)
    told = Report([record()], findings=[Finding("x", "info", ("0.weight",), "odd", "mend it")])
    told.check()
    with pytest.raises(ik.FindingsError, match="odd"):
        told.check(strict=True)


def test_its_repr_is_the_table_where_that_is_short(monkeypatch):
    assert repr(networks.small()) == str(networks.small())
    long = Report([record(f"{number}.{'weight' * 12}", shape=(number,)) for number in range(40)])
    monkeypatch.setenv("COLUMNS", "50")
    assert str(long).count("\n") >= 60 and repr(long).endswith("; 40 rows; print it to see them>")


def test_reports_need_no_mxnet():
    """The parts that show files import none of the rooms that import MXNet."""
    script = f"""
import sys, types
package = sys.modules["gluon_initkit"] = types.ModuleType("gluon_initkit")
package.__path__ = [{ik.__path__[0]!r}]
from gluon_initkit.inspector import ParameterRecord, Report
report = Report([ParameterRecord("a.b", "a.b", "weight", (2,), "float32", size=2, bytes=8)])
str(report), report.to_html(), report.to_json(), report.to_markdown(), report["a.b"], report.totals, report["a"]
print("mxnet" in sys.modules, "matplotlib" in sys.modules, "pandas" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout.split() == ["False"] * 3, done.stderr


def test_ten_thousand_parameters_are_shown():
    paths = [f"{index // 100}.{index % 100}.{index % 7}" for index in range(10_000)]
    report = Report([record(f"{path}.weight", block_path=path) for path in paths])
    assert "60,000" in report.to_text(depth=1) and "1,000 of 10,000 parameters are shown" in report._repr_html_()


def test_sharing_by_alias_counts_once_too():
    tied = [record("a.w", shape=(2,), size=2, bytes=8), record("b.w", shape=(2,), size=2, bytes=8, aliases=("c.w",))]
    report = Report(tied, shared=[SharedValues("buffer", ("a.w", "c.w"))])
    assert report.totals.size == 2
