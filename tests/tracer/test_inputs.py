"""What stands for a network's arguments."""

from gluon_initkit.tracer.resolve import arguments_text, as_arrays, map_arrays
import mxnet as mx
import numpy as np
import pytest
from vocabulary import nd


def leaves(given):
    return map_arrays(given, lambda shape, dtype, array: (shape, dtype, array is not None))


@pytest.mark.parametrize("given, expected", [
    ((2, 5), ((2, 5), "float32", False)),
    ((None, 5), ((None, 5), "float32", False)),
    ((0, 5), ((None, 5), "float32", False)),
    (((2, 5), "int32"), ((2, 5), "int32", False)),
    (((2, 5), np.float16), ((2, 5), "float16", False)),
    (np.zeros((3,), "int64"), ((3,), "int64", True)),
    ([(1, 2), None], [((1, 2), "float32", False), None]),
    (((1, 2), (3, 4)), (((1, 2), "float32", False), ((3, 4), "float32", False))),
    ({"x": (2,)}, {"x": ((2,), "float32", False)}),
    ((None, None), (None, None)),
    (True, True), ("text", "text"), (3, 3), (None, None),
])  # fmt: skip
def test_arrays_shapes_and_nests(given, expected):
    assert leaves(given) == expected


def test_mxnet_arrays_are_leaves():
    assert leaves([nd.zeros((2, 3), dtype="int32")]) == [((2, 3), "int32", True)]


def test_a_list_of_numbers_is_refused_with_what_was_meant():
    with pytest.raises(TypeError, match=r"the list \[2, 5\] is no shape: write \(2, 5\)"):
        leaves([2, 5])


def test_arrays_for_a_forward_pass():
    given = nd.ones((2,))
    first, second, rest = as_arrays([given, ((2, 3), "int32"), [None, np.ones((1,), "float16")]], mx.cpu())
    assert first is given and second.shape == (2, 3) and second.dtype == np.int32 and not second.asnumpy().any()
    assert rest[0] is None and rest[1].dtype == np.float16
    with pytest.raises(ValueError, match="a forward pass needs whole shapes"):
        as_arrays((None, 3), mx.cpu())
    mx.npx.set_np()
    assert type(as_arrays((2, 3), mx.cpu())) is mx.np.ndarray


def test_how_messages_show_them():
    assert arguments_text([(2, 5), [nd.ones((1,)), None], ((3,), "int32")]) == "(2, 5), [(1,), None], ((3,), 'int32')"
