"""The registry of columns: what every face reads, and one of the user's own in each of them."""

import json

import gluon_initkit as ik
from gluon_initkit.inspector import COLUMNS, Column, Report, column
import networks
from networks import record
import pytest


@pytest.fixture()
def own():
    """A column of the user's, gone afterwards."""
    made = column("rows", lambda record: record.shape[0] if record.shape else None, fold="sum", number=True)
    yield made
    del COLUMNS["rows"]


def test_a_column_of_ones_own_is_in_every_face(own):
    report = networks.small()
    chosen = ["path", "rows"]
    rows = dict(line.split() for line in report.to_text(columns=chosen).splitlines()[3:11])
    assert rows["0.weight"] == "4" and rows["2.bias"] == "2"
    assert "| `0.weight` | 4 |" in report.to_markdown(columns=chosen) and "| **28** |" in report.to_markdown(
        columns=chosen
    )
    assert ">rows</span>" in report.to_html(columns=chosen)
    assert json.loads(report.to_json(columns=chosen))["rows"][0] == {"path": "0.weight", "rows": 4}
    assert report.to_records(columns=chosen)[1] == {"path": "0.bias", "rows": 4}
    assert report.to_pandas(columns=chosen)["rows"].tolist() == [4, 4, 4, 4, 4, 4, 2, 2]
    assert report.sort("rows", reverse=False).records[0].path == "2.weight"


def test_as_a_decorator_and_anew():
    try:

        @column("rank", heading="ndim")
        def rank(record):
            return len(record.shape)

        assert rank(record()) == 2 and COLUMNS["rank"].heading == "ndim"
        column("rank", lambda record: -1)  # a notebook's cell runs again
        assert networks.file().to_records(columns=["rank"])[0] == {"rank": -1}
    finally:
        del COLUMNS["rank"]


def test_a_column_object_needs_no_registry():
    last = Column("last", lambda record: record.path[-1], fold=lambda records: "all")
    assert "last" not in COLUMNS
    assert networks.small().to_text(depth=0, columns=["path", last]).splitlines()[3].split() == ["(all)", "all"]


def test_built_in_columns_stay():
    with pytest.raises(ValueError, match="'size' is built in; call yours otherwise, such as 'my_size'"):
        column("size", len)
    assert COLUMNS["size"].read(record()) == 6


def test_what_is_no_column():
    with pytest.raises(KeyError) as caught:
        networks.small().to_text(columns=["pth"])
    assert "no column is called 'pth'; did you mean 'path'" in caught.value.args[0]
    assert "ik.inspector.column('pth', ...) adds one" in caught.value.args[0]
    with pytest.raises(TypeError, match=r"pass columns=\['size'\]"):
        networks.small().to_text(columns="size")


def test_every_column_reads_every_record_and_shows_it():
    for report in (networks.small(), networks.deferred(), networks.shared(), networks.file()):
        for each in COLUMNS.values():
            for parameter in report.records:
                value = each.read(parameter)
                assert isinstance(each.show(value), str) and isinstance(each.as_html(value, parameter.path), str)
            assert isinstance(each.show(each.of(report.records)), str)
        wide = report.to_text(columns=list(COLUMNS), width=600)
        assert report.to_markdown(columns=list(COLUMNS)) and report.to_html(columns=list(COLUMNS)) and wide


def test_folding():
    two = [record(size=6, dtype="float32"), record(size=None, dtype="float16")]
    assert COLUMNS["size"].of(two) == 6 and COLUMNS["size"].show(COLUMNS["size"].of(two)) == "≥6"
    assert COLUMNS["size"].of(two[1:] * 2) is None and COLUMNS["size"].show(None) == "?"
    assert COLUMNS["dtype"].of(two) == ("float32", "float16") and COLUMNS["role"].of(two) == "weight"
    assert COLUMNS["shape"].show(COLUMNS["shape"].of([record(shape=(2,)), record(shape=(3,))])) == "(2..3)"
    assert COLUMNS["shape"].show(COLUMNS["shape"].of([record(shape=(2,)), record(shape=None)])) == ""


def test_values_as_text():
    assert [Column("any", str).show(value) for value in (1.0, -2.5e-9, float("nan"), (1, 2), "x", False, 10**6)] == [
        "1", "-2.5e-09", "nan", "1, 2", "x", "no", "1,000,000",
    ]  # fmt: skip


def test_the_registry_is_public():
    assert ik.inspector.column is column and ik.inspector.COLUMNS is COLUMNS


def test_values_are_escaped_in_html():
    assert Column("mine", lambda record: record.path).as_html("<b> & co", "0.weight") == "&lt;b&gt; &amp; co"
    page = Report([record(path="0.weight", initializer="<Mine object>")]).to_html(columns=["path", "initializer"])
    assert "&lt;Mine object&gt;" in page and "<Mine" not in page


def test_a_sum_of_which_a_part_is_unknown_says_so():
    known, unknown = record(path="0.weight", size=6), record(path="1.weight", size=None)
    assert "≥6" in Report([known, unknown]).to_text(depth=0) and "12" in Report([known, known]).to_text(depth=0)
