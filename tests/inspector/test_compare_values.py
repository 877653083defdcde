"""How far values are apart, by `ik.compare` of two files, against NumPy's own arithmetic in float64."""

import gluon_initkit as ik
import numpy as np
import pytest


@pytest.fixture
def compared(tmp_path):
    """The row of a comparison between two arrays."""

    def row(a, b):
        for name, array in (("a.npz", a), ("b.npz", b)):
            np.savez(tmp_path / name, weight=array)
        (found,) = ik.compare(tmp_path / "a.npz", tmp_path / "b.npz").rows
        assert found.by == "values"
        return found

    return row


def numbers(row):
    return row.change, row.cosine, row.sign_flips, row.nonfinite


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("size", [5, (1 << 18) + 3])
def test_against_numpy(dtype, size, compared):
    rng = np.random.default_rng(3)
    a, b = rng.normal(size=size).astype(dtype), rng.normal(size=size).astype(dtype)
    x, y = a.astype("float64"), b.astype("float64")
    change = compared(a, b)
    assert change.change == pytest.approx(np.linalg.norm(y - x) / np.linalg.norm(x), rel=1e-12)
    assert change.cosine == pytest.approx(x @ y / np.linalg.norm(x) / np.linalg.norm(y), abs=1e-12)
    assert change.sign_flips == (np.sign(x) * np.sign(y) < 0).sum()
    assert change.nonfinite == 0 and change.status == "changed"


def test_large_halves_do_not_overflow(compared):
    a = np.full(1000, 60000, "float16")
    assert numbers(compared(a, -a)) == (2.0, -1.0, 1000, 0)


@pytest.mark.parametrize("size", [3, (1 << 18) + 3])
@pytest.mark.parametrize("one", [1e300, 1.7e308, 1e-300, 5e-324])
def test_squares_neither_overflow_nor_vanish(one, size, compared):
    a = np.full(size, one)
    assert numbers(compared(a, -a)) == (2.0, -1.0, size, 0)
    change = compared(a, a / 2 if one > 1 else a * 2)
    assert (change.change, change.cosine) == pytest.approx((0.5 if one > 1 else 1.0, 1.0))


def test_huge_beside_tiny(compared):
    tiny, huge = np.full(4, 1e-300), np.full(4, 1e300)
    assert numbers(compared(huge, tiny)) == (1.0, 1.0, 0, 0)
    assert numbers(compared(tiny, huge)) == (np.inf, 1.0, 0, 0)
    mixed = np.array([1e300, 1.0, np.inf, np.nan])
    change = compared(mixed, np.array([1e300, -1.0, np.nan, np.nan]))
    assert (change.change, change.sign_flips, change.nonfinite) == (pytest.approx(2e-300), 1, 1)


def test_tiny_values_flip_too(compared):
    a = np.full(3, 1e-200)
    assert compared(a, -a).sign_flips == 3


def test_nan_is_equal_to_nan_and_minus_zero_to_zero(compared):
    a = np.array([np.nan, 0.0, np.inf, 1.0])
    assert compared(a, np.array([np.nan, -0.0, np.inf, 1.0])) .status == "equal"
    change = compared(a, np.array([np.nan, 0.0, np.nan, 2.0]))
    assert (change.status, change.nonfinite, change.change) == ("changed", 1, 1.0)


def test_a_change_from_zero_has_no_relative_size(compared):
    change = compared(np.zeros(2), np.ones(2))
    assert (change.status, change.change, change.cosine) == ("changed", None, None)


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int64", "bool"])
def test_whole_numbers(dtype, compared):
    a, b = np.array([0, 1, 1]).astype(dtype), np.array([1, 1, 0]).astype(dtype)
    assert compared(a, b).change == 1.0 and compared(a, a).status == "equal"


def test_types_may_differ_and_arrays_be_empty_or_in_shape(compared):
    a = np.linspace(0, 1, 6).reshape(2, 3)
    assert 0 < compared(a, a.astype("float16")).change < 1e-3
    assert compared(np.empty((0, 3)), np.empty((0, 3))).status == "equal"
