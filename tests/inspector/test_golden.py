"""Golden tables: compared whole, and read back, so that what is printed adds up to the totals that are printed.

``GLUON_INITKIT_GOLDEN=write pytest tests/inspector/test_golden.py`` writes them anew; then read the difference.
"""

import os
from pathlib import Path
import re

import networks
import pytest

FOLDER = Path(__file__).parent / "golden"
GOLDEN = {
    "small": (networks.small, {"width": 80}),
    "small_wide": (networks.small, {"width": 160}),
    "small_folded": (networks.small, {"width": 100, "depth": 1}),
    "resnet50_depth2": (networks.resnet50, {"width": 80, "depth": 2}),
    "resnet50_bytes": (networks.resnet50, {"width": 100, "columns": ["path", "dtype", "size", "bytes"]}),
    "bert": (networks.bert, {"width": 80}),
    "bert_depth2": (networks.bert, {"width": 80, "depth": 2}),
    "deferred": (networks.deferred, {"width": 80}),
    "deferred_depth0": (networks.deferred, {"width": 80, "depth": 0}),
    "shared": (networks.shared, {"width": 80, "columns": ["path", "block", "shape", "size", "bytes"]}),
    "file": (networks.file, {"width": 60}),
}


def golden(name):
    return (FOLDER / f"{name}.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", GOLDEN)
def test_it_is_printed_as_before(name):
    make, options = GOLDEN[name]
    text = make().to_text(**options) + "\n"
    if os.environ.get("GLUON_INITKIT_GOLDEN") == "write":
        (FOLDER / f"{name}.txt").write_text(text, encoding="utf-8")
    assert text == golden(name)
    assert max(map(len, text.splitlines())) <= options["width"]


def test_every_golden_file_is_compared():
    assert {path.stem for path in FOLDER.glob("*.txt")} == set(GOLDEN)


def read(text):
    """Each summed column of a printed table: what its rows say, and what stands below; and the line of totals."""
    lines = text.splitlines()
    rules = [index for index, line in enumerate(lines) if line and set(line) == {"─"}]
    heading, rows, footer = lines[rules[0] - 1], lines[rules[0] + 1 : rules[1]], lines[rules[1] + 1]
    columns = {}
    for name in ("size", "bytes"):
        found = re.search(rf"\b{name}\b", heading)
        if found:
            cells = [re.search(r"(\S*)$", line[: found.end()])[1] if len(line) >= found.end() else "" for line in rows]
            columns[name] = ([cell for cell in cells if cell], re.search(r"(\S*)$", footer[: found.end()])[1])
    totals = " ".join(lines[rules[1] + 2 :])
    return columns, totals[totals.index("total: ") :]


def number(cell):
    """What a cell adds to a sum, and whether that is a lower bound: in parentheses is what another row counts."""
    if cell.startswith("("):
        return 0, False
    least = cell == "?" or cell.startswith("≥")
    return int(re.sub(r"\D", "", cell) or 0), least


@pytest.mark.parametrize("name", GOLDEN)
def test_rows_add_up_to_the_totals_below(name):
    columns, totals = read(golden(name))
    sizes, stored = re.search(r"total: (at least )?([\d,]+) values?", totals), re.search(r"([\d,]+) bytes", totals)
    said = {"size": int(sizes[2].replace(",", "")), "bytes": int(stored[1].replace(",", ""))}
    assert "size" in columns
    for column, (cells, footer) in columns.items():
        numbers = [number(cell) for cell in cells]
        assert sum(value for value, _ in numbers) == said[column] == number(footer)[0], (name, column)
        assert any(least for _, least in numbers) == bool(sizes[1]) == number(footer)[1], (name, column)
        assert len(cells) >= 1


def test_the_reader_would_notice():
    columns, _ = read(golden("small").replace("   12 ", "   13 ", 1))
    assert sum(number(cell)[0] for cell in columns["size"][0]) == number(columns["size"][1])[0] + 1


@pytest.mark.parametrize("name", ["resnet50_bytes", "bert", "file", "shared"])
def test_names_are_wrapped_and_never_cut(name):
    make, _ = GOLDEN[name]
    text = golden(name)
    joined = re.sub(r"\n", "", "\n".join(line.strip().split("  ")[0] for line in text.splitlines()))
    assert "…" not in text
    for record in make().records:
        last = record.path.rsplit(".", 1)[-1]
        assert last in joined, last


def test_identical_layers_are_one_row():
    lines = golden("bert").splitlines()
    first = next(index for index, line in enumerate(lines) if line.startswith("  {query,key,value,proj} x48"))
    assert lines[first - 1].startswith("layer.{0..11} x12")
    assert lines[first + 1].strip().startswith("weight") and "28,311,552" in lines[first + 1]
    assert [line for line in golden("bert_depth2").splitlines() if line.startswith("layer.{0..11} x12")]


def test_findings_stand_below_the_worst_first():
    text = golden("small_wide")
    codes = re.findall(r"^(\w+) \[([\w-]+)\]", text, re.MULTILINE)
    assert codes == [("error", "bad-variance"), ("error", "nan"), ("warning", "frozen-lr-mult")]
    assert text.index("─") < text.index("error [nan] 2.bias: 1 of 2 values is NaN")
