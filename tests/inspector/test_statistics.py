"""Statistics are NumPy's in float64, of any dtype, layout and size, on any number of threads."""

import dataclasses
import math
import os
import subprocess
import sys

import gluon_initkit as ik
from gluon_initkit.inspector import statistics_of
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
import mxnet as mx
import numpy as np
import pytest

BINS, QUANTILES = 50, (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
SMALL, MEDIUM, LARGE = 1000, 70_001, 2_200_003  # one block; one job; several jobs


def check(array, stats=None):
    """Every number against the plain NumPy calls in float64."""
    stats = stats or statistics_of(array)
    exact = np.asarray(array).astype(np.float64).ravel()
    finite = exact[np.isfinite(exact)]
    assert stats.count == array.size and stats.nan == np.isnan(exact).sum()
    assert (stats.posinf, stats.neginf) == (np.isposinf(exact).sum(), np.isneginf(exact).sum())
    assert stats.zeros == (exact == 0).sum()
    if not finite.size:
        assert (stats.mean, stats.std, stats.min, stats.max, stats.norm) == (None, None, None, None, 0)
        assert stats.quantiles == () and stats.histogram is None
        return stats
    assert (stats.min, stats.max) == (finite.min(), finite.max())
    scale = np.abs(finite).max()
    assert math.isclose(stats.mean, finite.mean(), rel_tol=1e-12, abs_tol=1e-14 * scale)
    assert math.isclose(stats.std, finite.std(), rel_tol=1e-11, abs_tol=1e-14 * scale)
    with np.errstate(over="ignore", under="ignore"):  # BLAS sums one after the other, NumPy in pairs
        assert math.isclose(stats.norm, np.sqrt(np.sum(finite * finite)), rel_tol=1e-12, abs_tol=1e-150 * scale)
    assert [quantile for quantile, _ in stats.quantiles] == list(QUANTILES)
    # NumPy before 1.22 rounded otherwise between two values.
    between = max(4 * np.finfo(float).eps * scale, 5e-324)
    np.testing.assert_allclose([value for _, value in stats.quantiles], np.quantile(finite, QUANTILES), 0, between)
    counts, edges = np.histogram(finite, BINS)
    assert stats.histogram.edges == tuple(edges) and stats.histogram.counts == tuple(counts)
    return stats


def normal(size, dtype="float32", scale=0.05, seed=1):
    return (np.random.RandomState(seed).standard_normal(size) * scale).astype(dtype)


@pytest.mark.parametrize("size", [1, 2, 3, SMALL, 4096, 4097, MEDIUM, LARGE])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int8", "uint8", "int32", "int64"])
def test_every_size_and_dtype(size, dtype):
    check(normal(size, dtype, 0.05 if "float" in dtype else 40))


@pytest.mark.parametrize("size", [SMALL, MEDIUM, LARGE])
@pytest.mark.parametrize("kind", ["zeros", "ones", "pruned", "outlier", "around one", "two", "huge", "tiny", "ties"])
def test_every_distribution(size, kind):
    array = normal(size)
    if kind in ("zeros", "ones"):
        array[:] = kind == "ones"
    elif kind == "pruned":
        array[np.arange(size) % 10 != 0] = -0.0
    elif kind == "outlier":
        array[size // 2] = 1e30
    elif kind == "around one":
        array = array * np.float32(1e-4) + 1
    elif kind == "two":
        array = np.where(array > 0, np.float32(2), np.float32(-3))
    elif kind == "huge":
        array = array.astype(np.float64) * 1e100  # beyond float32
    elif kind == "tiny":
        array = array.astype(np.float64) * 1e-100
    else:
        array = np.round(array, 2)
    check(array)


@pytest.mark.parametrize("size", [7, SMALL, MEDIUM, LARGE])
def test_nan_and_infinities_are_counted_and_left_out(size):
    array = normal(size)
    array[1::7], array[2::7], array[3::11] = np.nan, np.inf, -np.inf
    stats = check(array)
    assert stats.nan and stats.posinf and math.isfinite(stats.mean)
    check(np.full(size, np.nan, np.float32))
    check(np.full(size, -np.inf, np.float32))


def test_float16_does_not_overflow():
    array = np.full(MEDIUM, 60000, np.float16)
    with np.errstate(over="ignore"):
        assert np.isinf(array.sum()) and np.isinf(np.linalg.norm(array))  # NumPy's own, in float16
    stats = check(array)
    assert stats.mean == 60_000 and stats.std == 0 and stats.norm == pytest.approx(60_000 * math.sqrt(MEDIUM))


def test_a_mean_far_from_zero_costs_no_digits():
    array = normal(MEDIUM, "float64", 1e-3) + 1e6
    naive = math.sqrt(max(0.0, (array**2).mean() - array.mean() ** 2))
    assert not math.isclose(naive, array.std(), rel_tol=0.1)
    assert math.isclose(statistics_of(array).std, array.std(), rel_tol=1e-9)


def test_the_extreme_range_of_float64():
    stats = statistics_of(np.array([-1.7e308, 0.0, 1.7e308]))
    assert (stats.min, stats.max) == (-1.7e308, 1.7e308)
    assert sum(stats.histogram.counts) == 3 and all(map(math.isfinite, stats.histogram.edges))


@pytest.mark.parametrize("size", [3, SMALL, MEDIUM])
@pytest.mark.parametrize("low, high", [(0.0, 5e-324), (1.0, np.nextafter(1.0, 2.0)), (-1e-310, 1e-310)])
def test_ranges_too_narrow_for_fifty_bins(low, high, size):
    array = np.full(size, low)
    array[1:] = high
    stats = statistics_of(array)
    assert sum(stats.histogram.counts) == size and stats.zeros == (array == 0).sum()
    assert all(low <= value <= high for _, value in stats.quantiles)


def test_empty_arrays_of_any_shape():
    for shape in ((0,), (0, 3), (3, 0)):
        stats = check(np.zeros(shape, np.float32))
        assert stats.count == 0 and stats.norm == 0 and not stats.identical_rows
    check(np.array(3.5))


@settings(max_examples=150, deadline=None)
@given(
    arrays.arrays(
        st.sampled_from([np.float16, np.float32, np.float64]),
        arrays.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=9),
        elements=st.floats(width=16),
    )
)
def test_any_array(array):
    check(array)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(4097, 20_000), st.sampled_from([1e-30, 1.0, 1e30]))
def test_any_array_of_thousands(seed, size, scale):
    rng = np.random.RandomState(seed)
    array = (rng.standard_normal(size) * scale).astype(np.float32)
    array[rng.randint(0, size, size // 3)] = rng.choice([0, scale, -scale, np.inf, np.nan])
    check(array)


def test_the_number_of_threads_changes_no_bit(monkeypatch):
    arrays_ = [normal(size, seed=size) for size in (SMALL, MEDIUM, LARGE)]
    results = []
    for count in ("1", "2", "5"):
        monkeypatch.setenv("GLUON_INITKIT_THREADS", count)
        results.append(list(map(statistics_of, arrays_)))
    assert results[0] == results[1] == results[2]
    for array, stats in zip(arrays_, results[0]):
        check(array, stats)


def test_layouts(tmp_path):
    array = normal(60_000).reshape(300, 200)
    for view in (array.T, array[::2], array[:, 3:50], array.astype(">f4"), np.asfortranarray(array)):
        check(view)
    (tmp_path / "file").write_bytes(b"xyz" + array.tobytes())  # as odd as a parameter file's offsets may be
    mapped = np.memmap(tmp_path / "file", np.float32, "r", 3, array.shape)
    assert check(mapped) == statistics_of(array)


@pytest.mark.parametrize("value", [0.0, 0.1, -3.0, 1e6, 5e-324])
def test_one_number_throughout_is_known_after_one_look(value):
    check(np.full((3, 70_000), value))
    mixed = np.full(3_000_000, value, "float64")
    mixed[[5, 2_000_000, -1]] = (1.5, np.nan, -2.5)
    check(mixed)


def test_arrays_are_only_read():
    array = normal(MEDIUM)
    array.flags.writeable = False
    before = array.copy()
    check(array)
    assert (array == before).all()


def test_what_is_no_number_is_refused():
    for array in (np.array(["a"]), np.array([1j]), np.array([None])):
        with pytest.raises(TypeError, match="statistics need real numbers, found an array of dtype"):
            statistics_of(array)


def test_booleans_count():
    stats = check(np.array([True, False, True]))
    assert (stats.zeros, stats.mean) == (1, pytest.approx(2 / 3))


WITHOUT_MXNET = """
import sys, types
package = types.ModuleType("gluon_initkit")
package.__path__ = [{path!r}]
sys.modules["gluon_initkit"] = package
from gluon_initkit.inspector import findings_of, inspect, statistics_of, totals_of
import numpy
print(statistics_of(numpy.arange(3.0)).mean, "mxnet" in sys.modules)
"""


def test_no_mxnet_is_needed():
    """For files: statistics, findings and totals work where the package itself is not even imported."""
    code = WITHOUT_MXNET.format(path=os.path.dirname(ik.__file__))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.split() == ["1.0", "False"], done.stderr


@pytest.mark.parametrize("size", [3, 5000, 3_000_000])
def test_without_quantiles_the_moments_are_the_same_bits(size):
    net = mx.gluon.nn.Dense(1, in_units=size)
    net.initialize(mx.init.Normal())
    net.weight.list_data()[0][0, 1] = float("nan")
    moments, full = (ik.inspect(net, stats=stats)["weight"].stats for stats in (True, "full"))
    assert moments == dataclasses.replace(full, quantiles=(), histogram=None) and full.histogram and full.quantiles
    with pytest.raises(ValueError, match="stats is 'ful': expected False, True or 'full'"):
        ik.inspect(net, stats="ful")


def test_bfloat16_as_mxnet_writes_it():
    exact = np.random.RandomState(1).standard_normal(70_001).astype(np.float32)
    exact = (exact.view(np.uint32) & 0xFFFF0000).view(np.float32)
    array = (exact.view(np.uint32) >> 16).astype(np.uint16).view([("bfloat16", np.uint16)])
    assert statistics_of(array) == statistics_of(exact)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_minus_zero_is_zero(dtype):
    stats = statistics_of(np.array([-0.0, -1.0] * 9, dtype))
    assert math.copysign(1, stats.max) == 1 and math.copysign(1, dict(stats.quantiles)[0.75]) == 1


@pytest.mark.parametrize("rows", [2, 5, 2000])
@pytest.mark.parametrize("dtype", ["float16", "float32", "int64"])
def test_identical_rows(rows, dtype):
    row = (100 * np.random.RandomState(1).standard_normal(300)).astype(dtype)
    array = np.tile(row, (rows, 1)).reshape(rows, 3, 100)
    assert statistics_of(array).identical_rows
    array[-1, -1, -1] += 1
    assert not statistics_of(array).identical_rows
    assert not any(statistics_of(array).identical_rows for array in (row, row[None], np.zeros((3, 0))))


def _large():
    chance = np.random.RandomState(5)
    size = 70_001
    normal = chance.standard_normal(size)
    yield "normal", normal
    yield "on one side", chance.uniform(3, 4, size)
    yield "of all magnitudes", chance.exponential(size=size) ** 9 * np.sign(normal)
    yield "few numbers", np.round(normal * 4) / 4
    yield "mostly -0", np.where(normal < 0.8, -0.0, normal)
    yield "below the normal numbers", normal * 1e-40
    yield "two blocks and a little", chance.uniform(-1, 1, 2 * 65536 + 3)


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16"])
@pytest.mark.parametrize("finite", [True, False], ids=["finite", "not all finite"])
@pytest.mark.parametrize("values", [pytest.param(values, id=name) for name, values in _large()])
def test_quantiles_and_histogram_of_a_large_array_are_numpys(values, finite, dtype):
    values = values.astype(dtype)
    if not finite:
        values[::7919], values[1::7919], values[2::7919] = np.nan, np.inf, -np.inf
    found = statistics_of(values)
    exact = values[np.isfinite(values)].astype(np.float64)
    counts, edges = np.histogram(exact, 50)
    assert found.histogram.counts == tuple(counts) and found.histogram.edges == tuple(edges)
    at, quantiles = zip(*found.quantiles)
    assert np.allclose(quantiles, np.quantile(exact, at), rtol=1e-12, atol=5e-324)
