"""Streams: golden bits, independence of chunks and keys, the logarithm and the ziggurat."""

import hashlib
import math

from gluon_initkit.initializer.random import BLOCK, CHUNK, generator, key_of, log, normals, stream, uniforms
import numpy as np
import pytest

KEY = key_of("test")


def drawn(sampler, dtype, size=CHUNK, key=KEY, index=0):
    out = np.empty(size, dtype)
    sampler(stream(key, index), out)
    return out


# One line for each sampler and type: what NumPy 1.17, 1.23 and 1.26 all gave.
GOLDEN = {
    ("uniforms", "float32"): "707806c4da805066",
    ("uniforms", "float64"): "9fbef335babeaca7",
    ("normals", "float32"): "6aaae459afae352d",
    ("normals", "float64"): "5499f7b63da5d037",
}


@pytest.mark.parametrize("sampler, dtype", GOLDEN)
def test_golden_bits(sampler, dtype):
    values = drawn({"uniforms": uniforms, "normals": normals}[sampler], dtype, CHUNK + 1)
    assert hashlib.sha256(values.tobytes()).hexdigest()[:16] == GOLDEN[sampler, dtype]


def test_a_key_reads_its_parts_apart():
    assert key_of("ab", "c") != key_of("a", "bc") != key_of("abc")
    assert key_of(1, "x") == key_of("1", "x")  # parts are their text
    assert len({key_of(7, "0.weight"), key_of(7, "0.bias"), key_of(8, "0.weight"), key_of(KEY.hex(), "a"), KEY}) == 5


def test_a_generator_of_ones_own_is_the_first_chunks_stream():
    own, first = generator(KEY), stream(KEY, 0)
    assert (own.random(10) == first.random(10)).all()
    assert not (generator(KEY).random(10) == stream(KEY, 1).random(10)).any()


def test_a_stream_starts_over_whatever_was_drawn_before():
    stream(KEY, 3).integers(0, 10, 3, dtype=np.uint32)  # leaves half a word in the generator
    again = stream(KEY, 3).integers(0, 2**32, 5, dtype=np.uint32)
    assert (generatorlike(3).integers(0, 2**32, 5, dtype=np.uint32) == again).all()


def generatorlike(index):
    stream(KEY, index + 1).random(5)
    return stream(KEY, index)


@pytest.mark.parametrize("size", [0, 1, 2, 7, BLOCK - 1, BLOCK, BLOCK + 1])
@pytest.mark.parametrize("sampler", [uniforms, normals])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_every_size_is_filled(sampler, dtype, size):
    out = np.full(size, np.nan, dtype)
    sampler(stream(KEY, 0), out)
    assert np.isfinite(out).all()
    assert len(set(out.tolist())) >= 0.99 * size


def test_the_logarithm_is_right_to_two_units():
    x = np.concatenate([np.linspace(1e-300, 1, 100001), 2.0 ** -np.arange(1, 1000), generator(KEY).random(100000)])
    exact = np.log(x.astype(np.longdouble)).astype(float)
    assert (np.abs(log(x) - exact) <= 2 * np.spacing(np.abs(exact)) + 2.3e-16 * (np.abs(exact) < 0.5)).all()


def kolmogorov(values, cdf):
    """The Kolmogorov-Smirnov distance, times the root of the sample's size."""
    ordered = np.sort(values.astype(float))
    expected = np.array([cdf(x) for x in ordered])
    steps = np.arange(1, len(ordered) + 1) / len(ordered)
    distance = max((steps - expected).max(), (expected - steps + 1 / len(ordered)).max())
    return distance * math.sqrt(len(ordered))


def normal_cdf(x):
    return math.erfc(-x / math.sqrt(2)) / 2


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_uniforms_are_uniform_and_normals_normal(dtype):
    assert kolmogorov(drawn(uniforms, dtype), lambda x: x) < 1.63  # exceeded once in a hundred; the key is fixed
    assert kolmogorov(drawn(normals, dtype), normal_cdf) < 1.63


def test_the_test_would_notice():
    values = drawn(normals, "float64")
    assert kolmogorov(values * 1.02, normal_cdf) > 1.63
    assert kolmogorov(np.clip(values, -2.5, 2.5), normal_cdf) > 1.63
    assert kolmogorov(drawn(uniforms, "float32") * 0.99, lambda x: x) > 1.63


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_each_region_of_the_ziggurat_gets_its_share(dtype):
    values = np.abs(np.concatenate([drawn(normals, dtype, index=index) for index in range(16)])).astype(float)
    edges = [0, 0.01, 0.1, 0.17, 0.18, 0.5, 1, 1.5, 2, 2.5, 3, 3.3, 3.7, 4.024442003970459, 40]
    for low, high in zip(edges, edges[1:]):
        share = math.erfc(low / math.sqrt(2)) - math.erfc(high / math.sqrt(2))
        expected = share * values.size
        found = ((values > low) & (values <= high)).sum()
        assert abs(found - expected) < 4 * math.sqrt(expected), (low, high)
    signs = np.sign(drawn(normals, dtype)).sum()
    assert abs(signs) < 4 * math.sqrt(CHUNK)


def test_moments_of_two_million():
    values = np.concatenate([drawn(normals, "float64", index=index) for index in range(8)])
    n = values.size
    assert abs(values.mean()) < 4 / math.sqrt(n)
    assert abs(values.var() - 1) < 4 * math.sqrt(2 / n)
    assert abs((values**3).mean()) < 4 * math.sqrt(15 / n)
    assert abs((values**4).mean() - 3) < 4 * math.sqrt(96 / n)


def correlation(a, b):
    return float(np.corrcoef(a, b)[0, 1]) * math.sqrt(len(a))


def test_neighbouring_chunks_and_similar_keys_are_independent():
    first = drawn(normals, "float64")
    others = [drawn(normals, "float64", index=1), drawn(normals, "float64", index=CHUNK)]
    others += [drawn(normals, "float64", key=key) for key in (key_of("ab", "c"), key_of("a", "bc"), key_of("tesu"))]
    for other in others:
        assert abs(correlation(first, other)) < 4
        assert abs(correlation(first[1:], other[:-1])) < 4
    assert abs(correlation(others[2], others[3])) < 4
    assert abs(correlation(first[1:], first[:-1])) < 4
    assert correlation(first, first) > 100  # a repeated chunk would be seen
