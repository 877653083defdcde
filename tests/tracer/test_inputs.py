"""What stands for a network's arguments: shapes, arrays, nests of them, and everything else as it is."""

import gluon_initkit as ik
import mxnet as mx
from mxnet import gluon
import numpy as np
import pytest
from vocabulary import nd

SEEN = []  # not the block's: whatever a run without values changes in a block is put back


class Probe(gluon.Block):
    """Notes the arguments that its forward pass is given after the first."""

    def __init__(self):
        super().__init__()
        self.dense = gluon.nn.Dense(2)

    def forward(self, x, *rest):
        SEEN.append(rest)
        return self.dense(x)


def shown(given):
    """An argument as a summary's heading names it."""
    return ik.summary(Probe(), (2, 5), given).source.partition("given (2, 5), ")[2]


@pytest.mark.parametrize("given, text", [
    ((2, 5), "(2, 5)"),
    ((None, 5), "(None, 5)"),
    ((0, 5), "(None, 5)"),
    (((2, 5), "int32"), "((2, 5), 'int32')"),
    (((2, 5), np.float16), "((2, 5), 'float16')"),
    (np.zeros((3,), "int64"), "((3,), 'int64')"),
    ([(1, 2), None], "[(1, 2), None]"),
    (((1, 2), (3, 4)), "((1, 2), (3, 4))"),
    ({"x": (2,)}, "{'x': (2,)}"),
    ((None, None), "(None, None)"),
    (True, "True"), ("text", "'text'"), (3, "3"), (None, "None"),
])  # fmt: skip
def test_arrays_shapes_and_nests(given, text):
    assert shown(given) == text


def test_mxnet_arrays_are_leaves():
    assert shown([nd.zeros((2, 3), dtype="int32"), nd.zeros((4,))]) == "[((2, 3), 'int32'), (4,)]"


def test_the_forward_pass_gets_the_nest_as_it_was_given():
    ik.resolve_shapes(Probe(), (2, 5), [(1, 2), None], {"x": ((2,), "int32")}, True)
    (array, nothing), named, flag = SEEN[-1]
    assert array.shape == (1, 2) and nothing is None and flag is True
    assert named["x"].shape == (2,) and named["x"].dtype == np.int32


def test_a_list_of_numbers_is_refused_with_what_was_meant():
    with pytest.raises(TypeError, match=r"the list \[2, 5\] is no shape: write \(2, 5\)"):
        shown([2, 5])


class Reads(Probe):
    """Its forward pass reads a value, so that its shapes are found by a real pass alone."""

    def forward(self, x, *rest):
        x.asnumpy()
        return super().forward(x, *rest)


def test_arrays_for_a_real_forward_pass():
    for numpy_mode in (False, True):
        if numpy_mode:
            mx.npx.set_np()
        net, array = Reads(), nd.ones((2,), ctx=mx.cpu(1))
        net.initialize(ctx=mx.cpu(1))
        ik.materialize(net, (2, 5), array, ((2, 3), "int32"), [None, np.ones((1,), "float16")], run_forward=True)
        same, zeros, (nothing, half) = SEEN[-1]
        assert same is array and nothing is None and half.dtype == np.float16
        assert zeros.shape == (2, 3) and zeros.dtype == np.int32 and not zeros.asnumpy().any()
        assert zeros.context == half.context == mx.cpu(1)
    assert type(zeros) is mx.np.ndarray
    net = Reads()
    net.initialize()
    with pytest.raises(ValueError, match="a forward pass needs whole shapes"):
        ik.materialize(net, (None, 5), run_forward=True)
