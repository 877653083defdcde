"""Orthonormal rows: orthonormal, exact in BLAS' order of summing, distributed as they should be."""

import hashlib

from gluon_initkit.initializer.random import _product, generator, key_of, normals, orthonormal_rows
import numpy as np
import pytest


def entries(rows, columns):
    out = np.empty(rows * columns)
    normals(generator(key_of("orthogonal")), out)
    return out.reshape(rows, columns)


@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (3, 3), (32, 32), (33, 64), (100, 100), (96, 500), (40, 40000)])
def test_rows_are_orthonormal(shape):
    rows = orthonormal_rows(entries(*shape))
    assert np.abs(rows @ rows.T - np.eye(shape[0])).max() < 1e-9


def test_they_span_what_the_rows_before_spanned():
    matrix = entries(50, 80)
    rows = orthonormal_rows(matrix)
    expected = np.linalg.qr(matrix.T)[0].T
    signs = np.sign((rows * expected).sum(1))
    assert np.abs(rows - signs[:, None] * expected).max() < 1e-8


def test_golden_bits():
    rows = orthonormal_rows(entries(96, 300))
    assert hashlib.sha256(rows.tobytes()).hexdigest()[:16] == "7228b3940a41c34d"


def test_products_are_exact_whatever_the_order():
    left, right = np.clip(entries(40, 500) / 4, -1, 1), np.clip(entries(500, 30) / 4, -1, 1)
    order = np.random.RandomState(0).permutation(500)
    assert (_product(left, right) == _product(left[:, order], right[order])).all()
    assert not (left @ right == left[:, order] @ right[order]).all()  # which BLAS alone is not
    assert np.abs(_product(left, right) - left @ right).max() < 1e-9


def test_every_direction_is_as_likely():
    n = 400
    first = np.array([orthonormal_rows(entries_of(number))[1] for number in range(n)])
    # A coordinate of a uniform direction in 4 dimensions has mean 0 and variance 1/4.
    assert np.abs(first.mean(0)).max() < 4 * np.sqrt(0.25 / n)
    assert np.abs((first**2).mean(0) - 0.25).max() < 4 * np.sqrt(2 * 0.25**2 / n)


def entries_of(number):
    out = np.empty(16)
    normals(generator(key_of("direction", number)), out)
    return out.reshape(4, 4)
