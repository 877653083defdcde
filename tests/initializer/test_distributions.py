"""Distributions: their moments against the closed form, their limits, every dtype."""

import math

from gluon_initkit.initializer.distributions import (
    ArrayDistribution,
    Constant,
    Normal,
    Truncated,
    Uniform,
    draw,
    fill_jobs,
)
from gluon_initkit.initializer.random import CHUNK, key_of
import numpy as np
import pytest

KEY = key_of("laws")
DISTRIBUTIONS = [
    Uniform(-0.07, 0.07),
    Uniform(2.0, 5.0),
    Normal(0.0, 0.01),
    Normal(3.0, 2.0),
    Truncated(0.0, 1.0, -2.0, 2.0),
    Truncated(1.0, 0.5, 0.0, 1.25),
    Truncated(0.0, 1.0, 2.0, 3.0),
    Truncated(0.0, 1.0, -0.01, 0.02),
    Truncated(0.0, 1.0, 0.5, math.inf),
]
TRUNCATED = [distribution for distribution in DISTRIBUTIONS if isinstance(distribution, Truncated)]


def numeric_moments(normal):
    """By quadrature of the density."""
    low, high = max(normal.low, normal.mean - 12 * normal.stdev), min(normal.high, normal.mean + 12 * normal.stdev)
    x = np.linspace(low, high, 400001)
    density = np.exp(-(((x - normal.mean) / normal.stdev) ** 2) / 2)
    mean = (x * density).sum() / density.sum()
    return mean, math.sqrt(((x - mean) ** 2 * density).sum() / density.sum())


@pytest.mark.parametrize("distribution", TRUNCATED, ids=str)
def test_truncated_moments_are_the_integrals(distribution):
    assert distribution.moments() == pytest.approx(numeric_moments(distribution), rel=1e-3, abs=1e-6)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("distribution", DISTRIBUTIONS, ids=str)
def test_what_is_drawn_has_the_moments_promised(distribution, dtype):
    n = 2 * CHUNK + 3
    values = draw(distribution, KEY, (n,), dtype).astype(float)
    mean, stdev = distribution.moments()
    assert abs(values.mean() - mean) < 4.5 * stdev / math.sqrt(n) + 1e-7 * abs(mean)
    assert values.std() == pytest.approx(stdev, rel=4.5 * math.sqrt(1 / n))


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("distribution", TRUNCATED, ids=str)
def test_truncated_never_steps_over_its_limits(distribution, dtype):
    values = draw(distribution, KEY, (CHUNK,), dtype).astype(float)
    assert values.min() >= distribution.low and values.max() <= distribution.high


def test_truncated_follows_the_cut_density():
    distribution = Truncated(0.0, 1.0, 2.0, 3.0)  # drawn from the uniform
    values = np.sort(draw(distribution, KEY, (100000,), "float64"))
    whole = math.erfc(2 / math.sqrt(2)) - math.erfc(3 / math.sqrt(2))
    cdf = [(math.erfc(2 / math.sqrt(2)) - math.erfc(x / math.sqrt(2))) / whole for x in values]
    assert np.abs(np.array(cdf) - np.arange(len(values)) / len(values)).max() * math.sqrt(len(values)) < 1.63


@pytest.mark.parametrize("distribution", DISTRIBUTIONS[:4], ids=str)
def test_half_precision_is_single_precision_rounded(distribution):
    half, single = (draw(distribution, KEY, (1000,), dtype) for dtype in ("float16", "float32"))
    assert (half == single.astype("float16")).all()


def test_double_precision_has_its_own_bits():
    values = draw(Normal(0.0, 1.0), KEY, (1000,), "float64")
    assert (values != values.astype("float32")).mean() > 0.99
    values = draw(Uniform(0.0, 1.0), KEY, (1000,), "float64")
    assert (values != values.astype("float32")).mean() > 0.99


def test_uniform_stays_within_its_limits():
    values = draw(Uniform(-0.07, 0.07), KEY, (CHUNK,), "float32")
    assert values.min() >= np.float32(-0.07) and values.max() <= np.float32(0.07)
    assert values.min() < -0.0699 and values.max() > 0.0699


def test_jobs_in_any_order_give_the_same_array():
    size = 3 * CHUNK + 5
    forth, back = np.empty(size, "float32"), np.empty(size, "float32")
    for out, order in ((forth, 1), (back, -1)):
        made = fill_jobs(Normal(0.0, 1.0), KEY, (size,), out)
        assert len(made) == 4 and sum(nbytes for nbytes, _ in made) == out.nbytes
        for _, job in made[::order]:
            job()
    assert (forth == back).all()
    for index in range(4):  # each chunk is its own stream's, and none is another again
        alone = np.empty(min(CHUNK, size - index * CHUNK), "float32")
        Normal(0.0, 1.0).fill(KEY, index, alone)
        assert (forth[index * CHUNK : (index + 1) * CHUNK] == alone).all()
    assert len({forth[index * CHUNK] for index in range(4)}) == 4


def test_constants_and_wholes():
    assert (draw(Constant(0.1), KEY, (3,), "float32") == np.float32(0.1)).all()
    assert (draw(Constant(2.0), KEY, (3,), "int32") == 2).all()
    assert draw(ArrayDistribution(lambda key, shape: np.eye(*shape)), KEY, (2, 2), "int8").tolist() == [[1, 0], [0, 1]]
