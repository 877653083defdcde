"""JSON: everything there and back, and hostile text refused with its place."""

import copy
import json
import os
import random

from gluon_initkit.inspector import Finding, Histogram, Report, SharedValues, Statistics
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
sizes = st.integers(0, 2**60)
edges = st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=2).map(sorted)
statistics = st.builds(
    Statistics, st.just(2**62), st.none() | numbers, st.none() | numbers, numbers, numbers, numbers,
    *[sizes] * 4, st.lists(st.tuples(numbers, numbers)).map(tuple),
    st.none() | edges.map(lambda found: Histogram(tuple(found), (1,) * (len(found) - 1))), st.booleans(),
)  # fmt: skip
shapes = st.none() | st.lists(st.none() | sizes).map(tuple)
records = st.builds(
    record, st.text(), shape=shapes, stats=st.none() | statistics, lr_mult=st.none() | numbers,
    trained=st.none() | st.booleans(), size=st.none() | sizes,
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(st.lists(records, max_size=3, unique_by=lambda made: made.path), st.text())
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
        (lambda d: d["records"][0].update(lr_mult=10**400), r"records\[0\].lr_mult: expected a number of 64 bits"),
        (lambda d: d["records"][0].update(size=-1), r"records\[0\]: expected sizes of 0 or more"),
        (lambda d: d["records"][0].update(shape=[2, -3]), r"records\[0\]: expected sizes of 0 or more"),
        (lambda d: d.update(records=d["records"] * 2), "records: two parameters have the path '0.weight'"),
        (lambda d: d["records"][0].update(aliases=["0.weight"]), "records: two parameters have the path '0.weight'"),
        (lambda d: d.update(findings=[{"code": "x", "severity": "\x1b", "paths": [], "evidence": "", "hint": ""}]),
         r"findings\[0\]: expected the severity error, warning or info"),
    ],
)  # fmt: skip
def test_what_is_no_report_is_refused_with_its_place(change, told):
    document = json.loads(Report([record()]).to_json())
    change(document)
    with pytest.raises(ValueError, match=told):
        Report.from_json(json.dumps(document))


def with_statistics(**changes):
    """A report read back after a change to the statistics of its parameter, 4 zeros."""
    document = json.loads(Report([record(stats=Statistics(4, 0.0, 0.0, 0.0, 0.0, 0.0, 4, 0, 0, 0))]).to_json())
    document["records"][0]["stats"].update(changes)
    return Report.from_json(json.dumps(document))


@pytest.mark.parametrize("change", [
    {"edges": [0.0]}, {"edges": []}, {"edges": [0.0, 1.0], "counts": []}, {"counts": [-1]}, {"edges": [1.0, 0.0]},
    {"edges": [0.0, "inf"]}, {"edges": [0.0, "nan"]}])  # fmt: skip
def test_a_histogram_of_other_edges_than_its_bins_have_is_refused(change):
    plain = {"edges": [0.0, 1.0], "counts": [4]}
    assert with_statistics(histogram=plain).records[0].stats.histogram == Histogram((0.0, 1.0), (4,))
    with pytest.raises(ValueError, match="stats.histogram: expected one more finite, ascending edge than counts"):
        with_statistics(histogram={**plain, **change})


@pytest.mark.parametrize("change", [{"count": 3}, {"nan": -1}, {"zeros": 5}, {"neginf": 9}])
def test_counts_of_statistics_that_cannot_be_are_refused(change):
    with pytest.raises(ValueError, match="expected counts of 0 or more"):
        with_statistics(**change)


def test_what_is_read_back_can_be_shown_whatever_was_done_to_it():
    """A report whose JSON was edited is refused, or looks like a report; it never fails later."""
    document = json.loads(networks.small().to_json())
    odd = [None, True, -1, 0, 2**62, -(2**62), 1e308, "nan", "-inf", "", "\x1b", [], {}, [-1]]
    random_ = random.Random(3)
    outcomes = []
    for _ in range(2000 if os.environ.get("GLUON_INITKIT_LONG") else 60):
        edited = copy.deepcopy(document)
        for _ in range(random_.choice((1, 2, 3))):
            place, key, inner = None, None, edited
            while isinstance(inner, (dict, list)) and inner and (place is None or random_.random() < 0.9):
                place, key = inner, random_.choice(list(inner) if isinstance(inner, dict) else range(len(inner)))
                inner = place[key]
            place[key] = random_.choice(odd)
        try:
            report = Report.from_json(json.dumps(edited))
        except ValueError:
            outcomes.append(False)
            continue
        outcomes.append(True)
        for text in (str(report), report.to_html(), report.to_markdown(), report.to_json(), repr(report)):
            assert text.replace("\n", "").isprintable()
    assert True in outcomes and False in outcomes


@pytest.mark.parametrize("text", ["", "[]", "3", "null", "{", "[" * 200_000, '{"a":' * 200_000, "NaN",
                                  '{"schema": "gluon_initkit.report", "schema": "gluon_initkit.report"}'])  # fmt: skip
def test_what_is_no_json_object_is_refused(text):
    with pytest.raises(ValueError):
        Report.from_json(text)


def test_pairs_have_two_members():
    with pytest.raises(ValueError, match="expected 2 values, found 3"):
        with_statistics(quantiles=[[1, 2, 3]])
