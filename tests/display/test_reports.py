"""`TableReport`: one way for all reports to be rows, text, rich, HTML and records."""

from dataclasses import dataclass
import functools
from typing import Tuple

import gluon_initkit as ik
from gluon_initkit.display import Column, Table, TableReport
import mxnet as mx
from mxnet.gluon import nn
import pytest
from rich.console import Console


@dataclass(frozen=True)
class Row:
    path: str
    size: int


@dataclass(frozen=True, repr=False)
class Sizes(TableReport[Row]):
    rows: Tuple[Row, ...]

    def _table(self):
        columns = (Column("parameter", lambda row: row.path, path=True), Column("size", lambda row: str(row.size)))
        return Table("Sizes", columns, self.rows)


def test_a_report_of_rows():
    sizes = Sizes((Row("0.weight", 12), Row("0.bias", 4)))
    assert len(sizes) == 2 and [row.size for row in sizes] == [12, 4]
    many = Sizes(tuple(Row(f"{number}.weight", number) for number in range(40)))
    assert repr(sizes) == str(sizes) == sizes.to_text() and many.to_text(all=True).count("\n") > 40
    assert sizes.to_records() == [{"path": "0.weight", "size": 12}, {"path": "0.bias", "size": 4}]
    console = Console(width=60, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(sizes)
    for text in (str(sizes), console.export_text(), sizes._repr_html_().replace(".<wbr>", ".")):
        assert all(word in text for word in ("Sizes", "parameter", "0.weight", "12", "0.bias", "4"))


@pytest.mark.parametrize("name", ["Comparison", "Explanation", "InitReport", "Plan", "ShapeReport", "SharingReport"])
def test_all_reports_are_shown_the_same_way(name):
    assert issubclass(getattr(ik, name), TableReport) and getattr(ik, name).__repr__ is TableReport.__repr__


def test_html_of_every_report_writes_as_many_rows_as_it_may():
    net = nn.HybridSequential()
    net.add(nn.Dense(2), nn.Dense(2))
    with ik.trace(net) as trace:
        net.initialize()
    reports = (ik.plan(net, mx.init.Xavier(), select="*"), ik.explain(net, (1, 3)), ik.resolve_shapes(net, (1, 3)),
               ik.compare(net, net), trace, ik.inspect(net), ik.summary(net, (1, 3)))  # fmt: skip
    for report in reports:
        assert "1 of " in report.to_html(limit=1) and " are shown. The sums are of all." in report.to_html(limit=1)
        assert " are shown." not in report.to_html()


@pytest.mark.parametrize("name", [*ik.__all__, "inspector.History", "inspector.StoredValues"])
def test_every_public_class_says_what_it_is(name):
    """Records show their fields, errors their messages, everything else is a line of its own."""
    found = functools.reduce(getattr, name.split("."), ik)
    if isinstance(found, type):
        assert found.__repr__ is not object.__repr__
