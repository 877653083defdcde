"""The faces of a report: text at any width, Markdown, pandas, rich."""

import dataclasses
import sys

import gluon_initkit as ik
from gluon_initkit.inspector import Finding, Report
import networks
from networks import record
import pytest
from rich.console import Console
from vocabulary import nd


@pytest.mark.parametrize("width", [80, 81, 100, 200])
@pytest.mark.parametrize("name", ["small", "resnet50", "bert", "deferred", "shared", "file"])
def test_a_table_fits_from_80_columns_on(name, width):
    lines = getattr(networks, name)().to_text(width=width).splitlines()
    assert max(map(len, lines)) <= width


def test_it_fits_the_terminal(monkeypatch):
    monkeypatch.setenv("COLUMNS", "91")
    text = str(networks.small())
    assert 80 < max(map(len, text.splitlines())) <= 91 and "\x1b" not in text


def test_explicit_columns_are_all_shown_however_narrow():
    columns = ["path", "shape", "size", "mean", "std", "min", "max", "norm", "block", "grad_req", "zeros", "dtype"]
    text = networks.small().to_text(columns=columns, width=60)
    assert max(map(len, text.splitlines())) <= 60 and "not shown" not in text
    assert networks.small().to_text(columns=columns, width=200).splitlines()[1].split() == [
        "parameter", *columns[1:],
    ]  # fmt: skip


def test_what_all_have_alike_stands_in_the_title():
    assert networks.bert().to_text(width=200).splitlines()[0] == "Bert · float32 · uninitialized"
    mixed = networks.deferred().to_text(width=200).splitlines()
    assert mixed[0] == "HybridSequential · cpu(0)" and "dtype" in mixed[1] and "state" in mixed[1]


def test_counts_are_shown_where_there_are_any_moments_always():
    def heading(report):
        return report.to_text(width=200).splitlines()[1].split()

    zeros = networks.record(stats=networks.stats_of([0.0, 0.0]))
    ones = networks.record(stats=networks.stats_of([1.0, 1.0]))
    assert {"mean", "std", "min", "max", "zeros"} <= set(heading(Report([zeros])))
    assert "nan" not in heading(Report([zeros]))
    assert {"mean", "std"} <= set(heading(Report([ones]))) and "zeros" not in heading(Report([ones]))


def test_identical_layers_are_one_row_whose_statistics_are_of_all():
    net = networks.Bert(4, 3)
    net.initialize()
    for number, cell in enumerate(net.layer):
        cell.norm.gamma.set_data(nd.array([number] * 4))
    report = ik.inspect(net, stats=True)
    lines = report.to_text(width=200).splitlines()
    (gamma,) = (line.split() for line in lines if line.startswith("    gamma"))
    assert "layer.{0..2} x3" in "\n".join(lines) and gamma[-5:] == ["1", "0.8165", "0", "2", "4"]
    everything = report.to_text(width=200, all=True).splitlines()
    assert len(lines) < len(everything) / 2 and sum(line.strip().startswith("gamma") for line in everything) == 3


def test_a_name_cannot_steer_the_terminal():
    hostile = networks.record("a\x1b[31m\r\n.weight\x07\u202e")
    finding = Finding("nan", "error", (hostile.path,), "odd", "mend")
    text = Report([hostile], findings=[finding], source="\x1b]0;x\x07").to_text(width=80)
    assert "a\\x1b[31m\\r\\n.weight\\x07\\u202e" in text
    assert all(each.isprintable() for line in text.split("\n") for each in line)


def test_rich_colours_findings():
    console = Console(force_terminal=True, width=100, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    told = Finding("told", "info", ("0.bias",), "so it is", "let it be")
    console.print(dataclasses.replace(networks.small(), findings=(*networks.small().findings, told)))
    styled = console.export_text(styles=True)
    assert "\x1b[1;31merror [nan] 2.bias" in styled and "\x1b[33mwarning [frozen-lr-mult]" in styled
    assert "\x1b[36minfo" in styled and "[bad-variance]" in styled  # brackets are text, no markup


def test_markdown():
    text = networks.deferred().to_markdown(columns=["path", "shape", "size"])
    lines = text.splitlines()
    assert lines[0] == "**HybridSequential · cpu(0)**" and lines[2:4] == [
        "| parameter | shape | size |",
        "| --- | --- | ---: |",
    ]
    assert lines[4] == "| `0.weight` | (8, ?, 3, 3) | ? |" and "| **total** |  | **≥51** |" in lines
    assert lines[-2].startswith("- total: at least 51 values (6 unknown)")
    assert lines[-1].startswith("- warning \\[mixed-dtype\\] 3.weight, 3.bias: the Dense at 3")
    assert "| `layer.{0..11} x12` | Cell |" in networks.bert().to_markdown(depth=2)
    odd = networks.file().to_markdown()
    assert "features.1.\\|odd\\|\\`name\\`" in odd
    assert len({line.replace("\\|", "").count("|") for line in odd.splitlines() if line.startswith("|")}) == 1


def test_pandas():
    frame = networks.small().to_pandas()
    assert frame.index.name == "path" and frame.loc["0.weight", "shape"] == (4, 3) and frame["size"].sum() == 42
    assert str(frame["size"].dtype) == "int64" and str(frame["mean"].dtype) == "float64"
    assert "lr_mult" in frame and "grad_mean" not in frame and "trained" not in frame
    deferred = networks.deferred().to_pandas()["size"]
    assert str(deferred.dtype) == "Int64" and deferred.isna().sum() == 6 and deferred.sum() == 51
    assert networks.small().to_pandas(["path", "nan"])["nan"].tolist() == [0] * 7 + [1]


@pytest.mark.parametrize("module, call", [("pandas", "to_pandas"), ("matplotlib", "plot")])
def test_what_is_not_installed_is_named(module, call, monkeypatch):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ImportError, match=f"pip install {module}"):
        getattr(networks.small(), call)()


def test_many_findings_of_one_code_are_counted():
    records = [record(f"{index}.weight") for index in range(30)]
    findings = [Finding("nan", "warning", (each.path,), "odd", "mend") for each in records]
    findings.append(Finding("inf", "error", ("3.weight",), "odder", "mend"))
    text = Report(records, findings=findings).to_text(width=120)
    assert text.count("warning [nan]") == 5 and text.index("error [inf]") < text.index("warning [nan]")
    more = "warning [nan] 26 more, in report.findings: 4.weight, 5.weight, 6.weight, 7.weight and 22 more"
    assert more in text and more in Report(records, findings=findings).to_html().replace("<wbr>", "")


def test_many_paths_of_a_finding_are_counted():
    records = [record(f"{index}.weight") for index in range(9)]
    finding = Finding("x", "warning", tuple(each.path for each in records), "all odd", "mend")
    text = Report(records, findings=[finding]).to_text(width=120)
    assert "warning [x] 0.weight, 1.weight, 2.weight, 3.weight and 5 more: all odd; mend" in text


def test_folded_rows_have_no_columns_without_a_word():
    heading = networks.resnet50().to_text(depth=1, width=200).splitlines()[1].split()
    assert heading == ["parameter", "block", "size", "grad_req"]  # no shape
    assert "distribution" not in networks.small().to_text(depth=1, width=200)


def test_sums_stand_under_the_table_and_findings_apart():
    lines = networks.small().to_text(width=60).splitlines()
    total = next(index for index, line in enumerate(lines) if line.startswith("total: "))
    first = next(index for index, line in enumerate(lines) if line.startswith("error"))
    assert lines[total - 1] == lines[first - 1] == "" and total < first and lines[first + 1].startswith("  ")
