"""Buckets are monotone in the values, of any kind and size."""

import math

from gluon_initkit.inspector.buckets import Bits, Steps, buckets_between
from hypothesis import given
from hypothesis import strategies as st
import numpy as np
import pytest

FINITE = st.floats(allow_nan=False, allow_infinity=False)


@given(st.lists(FINITE, min_size=2, max_size=60), st.integers(2, 10_000))
def test_monotone_and_within_their_number(values, steps):
    ordered = np.sort(np.array(values)) + 0.0
    chosen = buckets_between(ordered[0], ordered[-1], len(values))
    for buckets in (Bits(), chosen):
        found = buckets.of(ordered)
        assert (np.diff(found) >= 0).all() and found.min() >= 0 and found.max() < buckets.number
    if isinstance(chosen, Steps):
        found = Steps(ordered[0], ordered[-1], steps).of(ordered)
        assert found[0] == 0 and found[-1] in (steps - 2, steps - 1) and (np.diff(found) >= 0).all()


@pytest.mark.parametrize("low, high", [(1.0, 1.0), (0.0, 5e-324), (-1.7e308, 1.7e308)])
def test_where_no_steps_can_be_made(low, high):
    assert isinstance(buckets_between(low, high, 10_000), Bits)


def test_bits_tell_numbers_of_any_size_apart():
    powers = np.array([sign * 2.0**power for sign in (-1, 1) for power in range(-120, 120)])
    assert len(set(Bits().of(powers))) == len(powers)
    assert Bits().of(np.array([-1e300, 1e300])).tolist() == [0x7F, 0xFF80]
    assert math.isinf(np.float32(1e300))
