"""JSON: everything there and back, and hostile text refused with its place."""

import json

from gluon_initkit.inspector import Finding, Histogram, Report, SharedValues, Statistics
from gluon_initkit.inspector.encoding import from_plain, to_plain
from hypothesis import given, settings
from hypothesis import strategies as st
import networks
from networks import record
import pytest


@pytest.mark.parametrize("name", ["small", "resnet50", "bert", "deferred", "shared", "file"])
def test_round_trip(name):
    report = getattr(networks, name)()
    text = report.to_json()
    again = Report.from_json(text)
    assert again == report and again.to_json() == text and str(again) == str(report)
    assert again.live is None and again.to_html() == report.to_html()


numbers = st.floats(allow_nan=False)
statistics = st.builds(
    Statistics, st.integers(0), st.none() | numbers, st.none() | numbers, numbers, numbers, numbers,
    *[st.integers(0)] * 4, st.lists(st.tuples(numbers, numbers)).map(tuple),
    st.none() | st.builds(Histogram, st.lists(numbers).map(tuple), st.lists(st.integers()).map(tuple)), st.booleans(),
)  # fmt: skip
shapes = st.none() | st.lists(st.none() | st.integers(0)).map(tuple)
records = st.builds(
    record, st.text(), shape=shapes, aliases=st.lists(st.text()).map(tuple), stats=st.none() | statistics,
    lr_mult=st.none() | numbers, trained=st.none() | st.booleans(), size=st.none() | st.integers(0),
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(st.lists(records, max_size=3), st.text())
def test_round_trip_of_anything(made, source):
    report = Report(made, (), [SharedValues("buffer", ("a", "b"))], [Finding("x", "info", (), "", "")], source)
    assert Report.from_json(report.to_json()) == report


def test_it_is_strict_json_with_a_version():
    report = Report([record(lr_mult=float("inf"), wd_mult=float("nan"))])
    document = json.loads(report.to_json(), parse_constant=pytest.fail)
    assert document["schema"] == "gluon_initkit.report" and document["version"] == 1
    assert document["records"][0]["lr_mult"] == "inf" and Report.from_json(report.to_json()).records[
        0
    ].lr_mult == float("inf")


def test_columns_are_written_besides():
    report = networks.small()
    document = json.loads(report.to_json(columns=["path", "shape", "histogram"], indent=1))
    assert document["rows"][0]["path"] == "0.weight" and document["rows"][0]["shape"] == [4, 3]
    assert sum(document["rows"][0]["histogram"]["counts"]) == 12
    assert Report.from_json(json.dumps(document)) == report


def test_keys_of_a_later_writer_are_passed_over():
    document = json.loads(Report([record()]).to_json())
    document["records"][0]["invented_later"] = 1
    del document["records"][0]["aliases"]
    assert Report.from_json(json.dumps(document)).records == (record(),)


@pytest.mark.parametrize(
    "change, told",
    [
        (lambda d: d.update(schema="other"), "'schema' is 'gluon_initkit.report'"),
        (lambda d: d.update(version=2), "found version 2; a later one is read by a later gluon_initkit"),
        (lambda d: d.update(version=None), "found version None"),
        (lambda d: d.update(records={}), "records: expected a list, found {}"),
        (lambda d: d.update(source=3), "source: expected str, found 3"),
        (lambda d: d["records"][0].update(path=3), r"records\[0\].path: expected str, found 3"),
        (lambda d: d["records"][0].update(size="6"), r"records\[0\].size: expected int, found '6'"),
        (lambda d: d["records"][0].update(size=True), r"records\[0\].size: expected int, found True"),
        (lambda d: d["records"][0].update(shape=[2, "x"]), r"records\[0\].shape\[1\]: expected int"),
        (lambda d: d["records"][0].update(stats=[]), r"records\[0\].stats: expected an object"),
        (lambda d: d["records"][0].pop("path"), r"records\[0\]: 'path' is missing"),
        (lambda d: d["records"][0].update(lr_mult="much"), r"records\[0\].lr_mult: expected float"),
    ],
)  # fmt: skip
def test_what_is_no_report_is_refused_with_its_place(change, told):
    document = json.loads(Report([record()]).to_json())
    change(document)
    with pytest.raises(ValueError, match=told):
        Report.from_json(json.dumps(document))


@pytest.mark.parametrize("text", ["", "[]", "3", "null", "{"])
def test_what_is_no_json_object_is_refused(text):
    with pytest.raises(ValueError):
        Report.from_json(text)


def test_pairs_have_two_members():
    with pytest.raises(ValueError, match="expected 2 values, found 3"):
        from_plain(Statistics, {**to_plain(networks.stats_of([1])), "quantiles": [[1, 2, 3]]})
