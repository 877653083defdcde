"""Random orthogonal matrices, the same bits on every machine.

LAPACK's answers differ in their last bits between builds and processors. Gram and Schmidt's method needs sums only,
and a sum is exact, so independent of order, when its terms are integers that stay below 2**53: factors are rounded to
a fixed point of 19 + 19 bits and multiplied by BLAS slice by slice (Ozaki, Ogita, Oishi and Rump 2012).
"""

import numpy

_BITS = 19  # 2 * 19 bits a product leave 15 bits: sums of 32,768 terms are exact
_TERMS = 1 << 15
_PANEL = 32


def orthonormal_rows(matrix: numpy.ndarray) -> numpy.ndarray:
    """The rows of an n x m matrix, n <= m, made orthonormal in order, to some 1e-10.

    Of a matrix of independent normal numbers the answer is distributed as Haar's measure (Stewart 1980).
    """
    rows = numpy.array(matrix, numpy.float64)
    for start in range(0, len(rows), _PANEL):
        panel = rows[start : start + _PANEL]
        done = rows[:start]
        _normalize(panel)
        for _ in range(2 if start else 0):  # twice is enough (Giraud and Langou 2005)
            panel -= _product(_product(panel, done.T), done)
            _normalize(panel)
        for _ in range(2):
            for i in range(len(panel)):
                if i:
                    panel[i] -= _sum(panel[:i] * _sum((panel[:i] * panel[i]).T)[:, None])
                panel[i : i + 1] /= numpy.sqrt(_sum(panel[i] * panel[i]))
    return rows


def _normalize(rows: numpy.ndarray) -> None:
    rows /= numpy.sqrt(_sum((rows * rows).T))[:, None]


def _sum(terms: numpy.ndarray) -> numpy.ndarray:
    """The sum over the first axis, in an order of our own: halves onto halves."""
    while len(terms) > 1:
        half = len(terms) // 2
        odd = terms[2 * half :]
        terms = terms[:half] + terms[half : 2 * half]
        if len(odd):
            terms[:1] += odd
    return terms[0]


def _product(left: numpy.ndarray, right: numpy.ndarray) -> numpy.ndarray:
    """A matrix product of factors within [-1, 1], exact but for the rounding of the factors."""
    total = numpy.zeros((left.shape[0], right.shape[1]))
    for start in range(0, left.shape[1], _TERMS):
        a, b = _slices(left[:, start : start + _TERMS]), _slices(right[start : start + _TERMS])
        part = (a[0] @ b[1] + a[1] @ b[0]) * 2.0**-_BITS + a[0] @ b[0]
        total += part * 2.0 ** (-2 * _BITS + 2)
    return total


def _slices(factor: numpy.ndarray) -> tuple:
    """The two leading digits, of 18 bits and a sign, of a factor within [-1, 1]."""
    scaled = factor * 2.0 ** (_BITS - 1)
    high = numpy.rint(scaled)
    return high, numpy.rint((scaled - high) * 2.0**_BITS)
