"""The change between two arrays, against NumPy's own arithmetic in float64, across the blocks."""

from gluon_initkit.inspector.compare.diff import Change, change_between
import numpy as np
import pytest


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("size", [5, (1 << 18) + 3])
def test_against_numpy(dtype, size):
    rng = np.random.default_rng(3)
    a, b = rng.normal(size=size).astype(dtype), rng.normal(size=size).astype(dtype)
    x, y = a.astype("float64"), b.astype("float64")
    change = change_between(a, b)
    assert change.relative == pytest.approx(np.linalg.norm(y - x) / np.linalg.norm(x), rel=1e-12)
    assert change.cosine == pytest.approx(x @ y / np.linalg.norm(x) / np.linalg.norm(y), abs=1e-12)
    assert change.sign_flips == (np.sign(x) * np.sign(y) < 0).sum() and change.nonfinite == 0 and not change.equal


def test_large_halves_do_not_overflow():
    a = np.full(1000, 60000, "float16")
    assert change_between(a, -a) == Change(False, relative=2.0, cosine=-1.0, sign_flips=1000)


@pytest.mark.parametrize("size", [3, (1 << 18) + 3])
@pytest.mark.parametrize("one", [1e300, 1.7e308, 1e-300, 5e-324])
def test_squares_neither_overflow_nor_vanish(one, size):
    a = np.full(size, one)
    assert change_between(a, -a) == Change(False, relative=2.0, cosine=-1.0, sign_flips=size)
    change = change_between(a, a / 2 if one > 1 else a * 2)
    assert (change.relative, change.cosine) == pytest.approx((0.5 if one > 1 else 1.0, 1.0))


def test_huge_beside_tiny():
    tiny, huge = np.full(4, 1e-300), np.full(4, 1e300)
    assert change_between(huge, tiny) == Change(False, relative=1.0, cosine=1.0)
    assert change_between(tiny, huge) == Change(False, relative=np.inf, cosine=1.0)
    mixed = np.array([1e300, 1.0, np.inf, np.nan])
    change = change_between(mixed, np.array([1e300, -1.0, np.nan, np.nan]))
    assert (change.relative, change.sign_flips, change.nonfinite) == (pytest.approx(2e-300), 1, 1)


def test_tiny_values_flip_too():
    a = np.full(3, 1e-200)
    assert change_between(a, -a).sign_flips == 3


def test_nan_is_equal_to_nan_and_minus_zero_to_zero():
    a = np.array([np.nan, 0.0, np.inf, 1.0])
    assert change_between(a, np.array([np.nan, -0.0, np.inf, 1.0])) == Change(True)
    change = change_between(a, np.array([np.nan, 0.0, np.nan, 2.0]))
    assert (change.equal, change.nonfinite, change.relative) == (False, 1, 1.0)


def test_a_change_from_zero_has_no_relative_size():
    change = change_between(np.zeros(2), np.ones(2))
    assert (change.equal, change.relative, change.cosine) == (False, None, None)


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int64", "bool"])
def test_whole_numbers(dtype):
    a, b = np.array([0, 1, 1]).astype(dtype), np.array([1, 1, 0]).astype(dtype)
    assert change_between(a, b).relative == 1.0 and change_between(a, a).equal


def test_types_may_differ_and_arrays_be_empty_or_in_shape():
    a = np.linspace(0, 1, 6).reshape(2, 3)
    assert 0 < change_between(a, a.astype("float16")).relative < 1e-3
    assert change_between(np.empty((0, 3)), np.empty((0, 3))).equal
