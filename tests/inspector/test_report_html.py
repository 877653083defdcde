"""The HTML tree: well formed, complete, capped, and its sums are the totals."""

import dataclasses
from html.parser import HTMLParser
import re

import gluon_initkit as ik
from gluon_initkit.inspector import Report
import mxnet as mx
from mxnet.gluon import nn
import networks
from networks import record
import pytest

VOID = {"meta", "wbr"}


class Tree(HTMLParser):
    """Tags that are balanced, the text of every row's cells, and how deep it stands."""

    def __init__(self, html):
        super().__init__()
        self.open, self.rows, self.tags = [], [], set()
        self.feed(html)
        assert not self.open

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        if tag in VOID:
            return
        self.open.append(tag)
        if "ik-row" in dict(attributes).get("class", ""):
            self.rows.append((self.open.count("details"), []))
        elif tag == "span" and self.open[-2] in ("div", "summary"):
            self.rows[-1][1].append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, tag

    def handle_data(self, data):
        if self.open and "span" in self.open and "title" not in self.open:
            self.rows[-1][1][-1] += data


@pytest.mark.parametrize("name", ["small", "resnet50", "bert", "deferred", "shared", "file"])
def test_it_is_well_formed_and_holds_every_parameter(name):
    report = getattr(networks, name)()
    html = report.to_html()
    tree = Tree(html)
    allowed = "html head meta title body div style p span details summary wbr svg path script"
    assert tree.tags <= set(allowed.split())
    assert "://" not in html and " src=" not in html and "@import" not in html and "url(" not in html
    titles = re.findall(r'class="ik-label"[^>]* title="([^"]*)"', html)
    assert {each.path for each in report.records} <= set(titles)


def test_rows_add_up_at_every_depth():
    tree = Tree(networks.resnet50().to_html(columns=["path", "size"]))
    (heading, *rows, footer) = [(depth, cells) for depth, cells in tree.rows]
    assert heading[1] == ["parameter", "size"] and footer[1] == ["total", "25,629,032"]
    sizes = [int(cells[1].replace(",", "")) for _, cells in rows]
    outermost = [size for (_, cells), size in zip(rows, sizes) if cells[0].split(" ")[0] in ("features", "output")]
    assert sum(outermost) == 25_629_032
    first_of = {}
    for (depth, _), size in zip(rows, sizes):  # a summary stands within its own details
        first_of.setdefault(depth, []).append(size)
    assert first_of[1][0] == 25_629_032 - 2_049_000


def test_few_parameters_are_unfolded_many_are_not():
    assert "<details>" not in networks.deferred().to_html()
    assert 0 < networks.resnet50().to_html().count("<details open>") < 9


def test_a_cap_says_how_to_see_the_rest():
    report = networks.resnet50()
    short = report.to_html(limit=20, page=False).replace("<wbr>", "")
    assert "20 of 299 parameters are shown. The sums are of all." in short and "report.to_html(limit=None)" in short
    assert "25,629,032" in short and "parameters not shown" in short
    assert len(short) < len(report.to_html(page=False)) / 5
    assert "are shown" not in report.to_html()
    many = Report([record(f"{index}.weight") for index in range(1500)])
    assert "1,000 of 1,500" in many._repr_html_() and len(many._repr_html_()) < 1_000_000


def test_ten_thousand_parameters_with_histograms_stay_a_page():
    net = nn.Dense(40, in_units=40)
    ik.initialize(net, mx.init.Xavier(), seed=0)
    (real, _) = ik.inspect(net, stats="full", grads=True).records
    real = dataclasses.replace(real, grad_stats=real.stats)
    alike = [(f"{index // 2}", f"{index // 2}.{index % 2}") for index in range(10_000)]
    unlike = [(f"{index // 2}", f"{index // 2}.{index}") for index in range(10_000)]
    for paths in (alike, unlike):
        report = Report([dataclasses.replace(real, path=path, block_path=block) for block, path in paths])
        html = report._repr_html_()
        shown = int(re.search(r"([\d,]+) of 10,000 parameters are shown", html)[1].replace(",", ""))
        assert 150 < shown < 1000 and 700_000 < len(html.encode()) < 1_900_000 and Tree(html).rows
    of_the_readers_own = Report(report.records[:1500]).to_html(limit=1400)
    assert "1,400 of 1,500" in of_the_readers_own and len(of_the_readers_own) > 2_000_000


def test_a_column_has_room_for_the_sum_of_all():
    records = [record(f"{index}.weight", size=9_999) for index in range(2000)]
    (columns,) = re.findall(r"--ik-columns:(.*?)\"", Report(records).to_html(columns=["path", "size"]))
    assert columns.split()[-1] == f"{len('19,998,000') + 1}ch"


def test_findings_stand_on_top_and_mark_their_rows():
    html = networks.small()._repr_html_()
    assert html.index('class="ik-error"') < html.index("ik-row ik-head") and html.count('<p class="ik-error">') == 2
    rows = [cells[0].split() for _, cells in Tree(html).rows]
    assert ["running_var", "●", "error"] in rows and ["gamma", "●", "warning"] in rows
    assert ["1", "BatchNorm", "●", "error"] in rows  # the worst of what is below


def test_a_page_of_its_own_and_a_fragment():
    report = networks.small()
    assert report.to_html().startswith("<!DOCTYPE html>") and '<meta charset="utf-8">' in report.to_html()
    assert report.to_html(page=False).startswith('<div class="ik ik-tree"') and report._repr_html_().startswith("<div")


def test_a_column_is_as_wide_as_what_blocks_say_in_it():
    net = nn.HybridSequential()
    net.add(nn.Dense(2))  # whose weight waits, and whose bias does not
    net.initialize()
    html = ik.inspect(net).to_html(columns=["state", "size"])
    assert ">deferred, initialized<" in html and "--ik-columns:24ch 22ch 5ch" in html
