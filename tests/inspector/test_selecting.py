"""`Report.select`: globs, roles, expressions, callables, and classes by their names."""

import re

from gluon_initkit.inspector import Report
from mxnet.gluon import nn
from networks import blocks, record
import pytest


def chosen(selector, *records, classes=()):
    return [each.path for each in Report(records, classes).select(selector).records]


A = record("body.0.weight", block="Conv2D", block_path="body.0")
B = record("head.weight", block="Dense", block_path="head", aliases=("tail.weight",))
CLASSES = blocks(("", "Net"), ("body", "HybridSequential"), ("body.0", "Conv2D"), ("head", "Dense"))


def test_globs_roles_expressions_and_callables():
    assert chosen("body.*", A, B) == ["body.0.weight"] and chosen("tail.*", A, B) == ["head.weight"]
    assert chosen("weight", A, B) == ["body.0.weight", "head.weight"] and chosen("bias", A, B) == []
    assert chosen(re.compile("we"), A) == ["body.0.weight"] and chosen(re.compile("^we"), A) == []
    assert chosen(lambda record: record.block == "Dense", A, B) == ["head.weight"]


def test_a_class_goes_by_its_name_and_its_subclasses():
    assert chosen(nn.Conv2D, A, B, classes=CLASSES) == ["body.0.weight"]
    assert chosen(nn.Sequential, A, B, classes=CLASSES) == []
    assert chosen(nn.HybridSequential, A, B, classes=CLASSES) == ["body.0.weight"]
    assert chosen(nn.HybridBlock, A, B, classes=CLASSES) == ["body.0.weight", "head.weight"]
    assert chosen(nn.Dense, A, B) == ["head.weight"]  # where no tree is known, the owner's class is


def test_what_is_no_selector():
    with pytest.raises(TypeError, match="is no selector"):
        Report([A]).select(3)
