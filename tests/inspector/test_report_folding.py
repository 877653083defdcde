"""The rows of a report's text: what folds, what collapses, and that nothing is lost by either."""

import re

from gluon_initkit.display import as_text, fold
from gluon_initkit.inspector import Report, SharedValues
from hypothesis import given, settings
from hypothesis import strategies as st
import networks
from networks import blocks, record
import pytest


@pytest.fixture(autouse=True)
def folded(monkeypatch):
    """Short tables fold too, and long ones no further."""
    monkeypatch.setattr(fold, "_FEW", 0)
    monkeypatch.setattr(fold, "MOST_ROWS", 10**6)


def rows_of(report, depth=None, collapse=True):
    """Each row's label, with how many it stands for, and its size."""
    table = fold.text_table(report._chosen(["path", "size"]), None, not collapse, depth, flat=True)
    text = as_text(table, 100_000)
    tables = re.split(r"^─+$", text, flags=re.MULTILINE)
    lines = tables[1].strip().splitlines() if len(tables) > 1 else []
    return [line.rsplit(maxsplit=1) for line in lines if not line.startswith("= ")]  # an alias has its own line


def labels(report, depth=None, collapse=True):
    return [re.sub(r" x\d+$", "", label) for label, _ in rows_of(report, depth, collapse)]


def twins(*facts):
    """Blocks 0, 1, ... of one parameter each, which differ in what is said."""
    records = [
        record(f"{index}.weight", block="Dense", block_path=str(index), **each) for index, each in enumerate(facts)
    ]
    return Report(records)  # fmt: skip


def test_neighbours_of_one_structure_collapse():
    assert labels(twins({}, {}, {})) == ["{0..2}.weight"] and labels(twins({}, {})) == ["{0,1}.weight"]
    assert labels(twins({}, {}), collapse=False) == ["0.weight", "1.weight"]
    other = {"shape": (9, 9)}
    assert labels(twins({}, other, {}, {})) == ["{0,2,3}.weight", "1.weight"]


@pytest.mark.parametrize(
    "facts",
    [{"shape": (3, 2)}, {"shape": None}, {"dtype": "float16"}, {"role": "bias"}, {"state": "deferred"},
     {"grad_req": "null"},
     {"stype": "row_sparse"}, {"contexts": ("gpu(0)",)}, {"trained": True}, {"constant": True}, {"lr_mult": 0.0},
     {"aliases": ("x.weight",)}],
)  # fmt: skip
def test_what_differs_does_not_collapse(facts):
    assert labels(twins({}, facts)) == ["0.weight", "1.weight"]


def test_other_classes_names_and_depths_do_not_collapse():
    two = [record("0.weight", block="Dense", block_path="0"), record("1.weight", block="Conv", block_path="1")]
    assert labels(Report(two)) == ["0.weight", "1.weight"]
    assert labels(Report([record("0.weight"), record("1.kernel")])) == ["0.weight", "1.kernel"]
    assert labels(Report([record("0.weight"), record("1.0.weight")])) == ["0.weight", "1.0.weight"]
    classes = blocks(("0", "A"), ("1", "B"))
    deep = [
        record("0.0.weight", block="Dense", block_path="0.0"),
        record("1.0.weight", block="Dense", block_path="1.0"),
    ]
    assert labels(Report(deep)) == ["{0,1}.0.weight"] and labels(Report(deep, classes)) == ["0.0.weight", "1.0.weight"]


def test_what_another_row_counts_does_not_collapse_with_what_counts():
    report = Report(twins({}, {}, {}).records, shared=[SharedValues("buffer", ("0.weight", "1.weight"))])
    text = report.to_text(columns=["path", "size"])
    assert [line.split() for line in text.splitlines()[3:6]] == [
        ["{0,2}.weight", "x2", "12"],
        ["1.weight", "(6)"],
        ["─" * 21],
    ]


def test_collapsing_is_nested():
    records = [record(f"{a}.{b}.weight") for a in range(3) for b in range(4)]
    assert rows_of(Report(records)) == [["{0..2}.{0..3}.weight x12", "72"]]


def test_folding_by_depth():
    report = networks.bert()
    assert labels(report, depth=0) == ["(all)"]
    assert labels(report, depth=1) == ["embed", "layer", "pooler"]
    assert (
        labels(report, depth=2)[1] == "layer.{0..11}"
        and labels(report, depth=3)[1] == "layer.{0..11}.{query,key,value,proj}"
    )
    assert labels(report, depth=9) == labels(report)
    for depth in (-1, 1.5, True, "2"):
        with pytest.raises(ValueError, match="depth= takes 0"):
            report.to_text(depth=depth)


paths = st.lists(st.lists(st.sampled_from("abc"), min_size=1, max_size=4).map(".".join), unique=True, max_size=12)


@settings(max_examples=60, deadline=None)
@given(paths, st.none() | st.integers(0, 4), st.booleans(), st.data())
def test_no_record_is_lost_or_doubled(names, depth, collapse, data):
    shapes = data.draw(st.lists(st.sampled_from([(1,), (2,)]), min_size=len(names), max_size=len(names)))
    records = [record(name, shape=shape, size=3**place) for place, (name, shape) in enumerate(zip(names, shapes))]
    rows = rows_of(Report(records), depth, collapse)
    assert sum(int(size.replace(",", "")) for _, size in rows) == sum(3**place for place in range(len(names)))
    if depth is None:
        copies = [int((re.search(r" x(\d+)$", label) or [0, 1])[1]) for label, _ in rows]
        assert sum(copies) == len(names) and len({label for label, _ in rows}) == len(rows)
    else:
        assert all(label.count(".") <= depth for label in labels(Report(records), depth, collapse))


@pytest.mark.parametrize("names, label", [("345", "{3..5}"), ("024", "{0,2,4}"), (["00", "01", "02"], "{00,01,02}"),
                                          ("²³x", "{²,³,x}"), ("12", "{1,2}"), ("a", "a"),
                                          (["proj_q", "proj_k"], "proj_{q,k}"), (["m_c0", "m_s1_c1"], "m_{c0,s1_c1}"),
                                          (["a_b", "a_b_b"], "a_{b,b_b}"), (["i_b", "h_b"], "{i,h}_b")])  # fmt: skip
def test_names_of_siblings_are_one_as_a_shell_expands_it(names, label):
    assert labels(Report([record(f"{name}.weight") for name in names])) == [f"{label}.weight"]


def test_of_many_names_of_siblings_the_first_and_last_are_shown():
    (label,) = labels(Report([record(f"w{number * 2}x.weight") for number in range(1000)]))
    assert label == "w{0,..,1998}x.weight"
    assert labels(Report([record(f"w{number}.weight") for number in range(1000)])) == ["w{0..999}.weight"]


def test_a_name_of_any_number_of_dots():
    deep = record("a." * 5000 + "w")
    report = Report([deep, record("b.w")])
    assert labels(report) == [deep.path, "b.w"] and len(labels(report, depth=1)) == 2
    assert report.to_text(width=80) and report.to_markdown()


def test_names_that_do_not_begin_with_their_block():
    odd = record("_unfused.0.l0_weight", block_path="rnn")
    assert labels(Report([odd, record("rnn.x", block_path="rnn")])) == ["_unfused.0.l0_weight", "rnn.x"]
