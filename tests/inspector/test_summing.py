"""Blocks of values: in float64, their buckets, and what blocks come to together."""

import math

from gluon_initkit.inspector.statistics import statistics_of
from gluon_initkit.inspector.summing import Block, Summed, identical_rows
from gluon_initkit.inspector.summing import exact as exact_of
import numpy as np
import pytest


def test_bfloat16_as_mxnet_writes_it():
    exact = np.random.RandomState(1).standard_normal(70_001).astype(np.float32)
    exact = (exact.view(np.uint32) & 0xFFFF0000).view(np.float32)
    array = (exact.view(np.uint32) >> 16).astype(np.uint16).view([("bfloat16", np.uint16)])
    assert (exact_of(array) == exact).all() and statistics_of(array) == statistics_of(exact)


def test_minus_zero_is_zero():
    assert math.copysign(1, exact_of(np.array([-0.0], np.float16))[0]) == 1


@pytest.mark.parametrize("shift", [0.0, 1e8])
@pytest.mark.parametrize("cuts", [[500], [1, 2, 999], [0, 300, 300, 700]])
def test_blocks_together_are_the_whole(cuts, shift):
    values = np.random.RandomState(3).standard_normal(1000) + shift
    values[[5, 600]] = np.nan, np.inf
    finite = values[np.isfinite(values)]
    summed = Summed([Block(part) for part in np.split(values, cuts)])
    assert (summed.finite, summed.nan, summed.posinf) == (998, 1, 1)
    assert summed.mean == pytest.approx(finite.mean(), rel=1e-13)
    assert summed.std == pytest.approx(finite.std(), rel=1e-9)
    assert summed.norm == pytest.approx(np.linalg.norm(finite), rel=1e-13)


@pytest.mark.parametrize("rows", [2, 5, 2000])
def test_identical_rows(rows):
    row = np.random.RandomState(1).standard_normal(300)
    array = np.tile(row, (rows, 1)).reshape(rows, 3, 100)
    assert identical_rows(array)
    array[-1, -1, -1] += 1
    assert not identical_rows(array)
    assert not identical_rows(row) and not identical_rows(row[None]) and not identical_rows(np.zeros((3, 0)))
