"""Statistics of several arrays, against NumPy over all their values."""

from types import SimpleNamespace

from gluon_initkit.inspector import COLUMNS, Statistics, statistics_of
from hypothesis import given, settings
from hypothesis import strategies as st
import networks
import numpy
import pytest

FIELDS = ("mean", "std", "min", "max", "norm", "zeros", "nan", "posinf", "neginf")


def merge(parts):
    """What a row shows of several parameters."""
    records = [networks.record(f"{number}.weight", stats=stats) for number, stats in enumerate(parts)]
    return SimpleNamespace(**{name: COLUMNS[name].of(records) for name in FIELDS})


arrays = st.lists(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=9), min_size=1, max_size=5)


@settings(max_examples=100, deadline=None)
@given(arrays)
def test_as_numpy_over_all_values(parts):
    together = merge(map(networks.stats_of, parts))
    values = numpy.concatenate(parts)
    scale = 1e-9 * (1 + numpy.abs(values).max())
    assert together.min == values.min() and together.max == values.max()
    assert together.mean == pytest.approx(values.mean(), abs=scale) and together.std == pytest.approx(
        values.std(), abs=scale
    )
    assert together.norm == pytest.approx(numpy.linalg.norm(values)) and together.zeros == (values == 0).sum()


def test_what_is_not_finite_is_counted_and_weighs_nothing():
    broken = Statistics(10, 2.0, 0.0, 2.0, 2.0, 2.0, 0, nan=7, posinf=1, neginf=1)
    empty = Statistics(3, None, None, None, None, 0.0, 0, nan=3, posinf=0, neginf=0)
    together = merge([broken, None, networks.stats_of([0.0]), empty])
    assert (
        together.mean == 1.0 and together.std == 1.0 and (together.nan, together.posinf, together.neginf) == (10, 1, 1)
    )
    assert merge([empty, empty]).mean is None and merge([empty, empty]).min is None
    assert merge([None, None]).mean is None and merge([None, broken]).mean == 2.0 and merge([None, broken]).nan == 7


def test_folded_rows_show_the_statistics_of_all_below():
    report = networks.small()
    line = report.to_text(depth=0, columns=["path", "mean", "min", "max", "nan"]).splitlines()[3].split()
    finite = [value for parameter in report for value in parameter.data().ravel() if value == value]
    assert float(line[1]) == pytest.approx(numpy.mean(finite), rel=1e-3) and line[2:] == ["-1", "7", "1"]


def test_beyond_float64_is_what_numpy_answers():
    """Not an OverflowError: the values of a file may be anything."""
    with numpy.errstate(all="ignore"):
        for values in ([1e154, 1e154], [1e200, -1e200], [1e308, 1e308]):
            together = merge([statistics_of(numpy.array([value, value])) for value in values])
            assert together.norm == numpy.sqrt(numpy.sum(numpy.square(numpy.repeat(values, 2))))
            assert (together.min, together.max) == (min(values), max(values))
    assert merge([statistics_of(numpy.array([1e200])), statistics_of(numpy.array([-1e200]))]).std == numpy.inf
    assert merge([statistics_of(numpy.array([1e154]))] * 2).mean == 1e154
