"""Code that people write in `forward`: the shapes, and the refusals, of a real first forward pass."""

import pytest
from same_shapes import cases, compared, verdict


@pytest.mark.parametrize("known", [False, True], ids=["deferred", "partly"])
@pytest.mark.parametrize("case", cases(), ids=lambda case: f"{case[0]}-{'hybridized' if case[2] else 'imperative'}")
def test_the_shapes_of_a_real_first_forward_pass(case, known):
    name, numpy, hybridized, build = case
    right, why = verdict(name, *compared(build, numpy, hybridized, known))
    assert right, why
