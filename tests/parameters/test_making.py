"""Records that are made in one piece are those that their class makes, whatever is left at its default."""

import copy
import dataclasses
import pickle

from gluon_initkit.inspector import ParameterRecord
from gluon_initkit.parameters import made
import pytest

FACTS = {"path": "0.weight", "name": "dense0_weight", "role": "weight", "shape": (4, None), "dtype": "float32"}


@pytest.mark.parametrize("given", [{}, {"aliases": ("1.weight",), "lr_mult": 2.0}])
def test_a_record_is_as_its_class_makes_it(given):
    expected = ParameterRecord(**FACTS, **given)
    record = made(ParameterRecord, {**FACTS, **given})
    assert record == expected and hash(record) == hash(expected) and repr(record) == repr(expected)
    assert dataclasses.asdict(record) == dataclasses.asdict(expected)
    for again in (pickle.loads(pickle.dumps(record)), copy.deepcopy(record), dataclasses.replace(record)):
        assert again == expected and again.paths == expected.paths


def test_a_record_is_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        made(ParameterRecord, dict(FACTS)).aliases = ()
