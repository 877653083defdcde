"""The bits of an array: what makes two arrays the same."""

from gluon_initkit._mxnet.arrays import bits_of
import mxnet as mx


def test_the_same_bits():
    one = mx.nd.array([[1, float("nan"), 0.0], [2, 3, 4]])
    assert bits_of(one) == bits_of(one.copy()) and bits_of(one, True) == bits_of(one.T)
    assert bits_of(one.as_np_ndarray()) == bits_of(one)


def test_what_differs():
    one = mx.nd.array([[1, 0.0], [2, 3]])
    for other in ([[1, -0.0], [2, 3]], [[1, 2], [0.0, 3]], [1, 0.0, 2, 3]):
        assert bits_of(one) != bits_of(mx.nd.array(other))
    assert bits_of(mx.nd.zeros((2, 2), dtype="int32")) != bits_of(mx.nd.zeros((2, 2)))
    assert bits_of(one.tostype("row_sparse")) != bits_of(one)
