"""The memory of arrays: who keeps it, and who waits for it."""

import gc

from gluon_initkit._mxnet.arrays import bits_of, empty, memory_view, wait_for
import mxnet as mx
from mxnet.gluon import nn
import pytest
from vocabulary import convolution, nd


def test_memory_that_is_looked_at_is_not_given_to_another_array():
    """A thread goes on filling it where an alarm has broken off who started that thread."""
    array = empty((1000,), "float32", mx.cpu())
    seen = memory_view(array)
    seen[:] = 7
    del array
    gc.collect()
    others = [empty((1000,), "float32", mx.cpu()) for _ in range(20)]
    for other in others:
        memory_view(other)[:] = 1
    assert (seen == 7).all()


def test_what_is_waited_for_is_written():
    arrays = [nd.ones((300, 300)) for _ in range(3)]
    for array in arrays:
        for _ in range(5):
            array[:] = array * 2
    wait_for(arrays + arrays)  # the same twice, as tied parameters hold them
    assert all((memory_view(array) == 32).all() for array in arrays)
    wait_for([])


def test_who_reads_an_array_is_waited_for_before_it_is_written():
    array = nd.ones((500, 500))
    copies = [array * 1 for _ in range(20)]
    wait_for([array])
    memory_view(array)[:] = 0
    assert all((copy.asnumpy() == 1).all() for copy in copies)


def slowly():
    """Zeros that take a while to compute."""
    slow = nd.ones((1200, 1200))
    for _ in range(10):
        slow = nd.dot(slow, slow) * 0
    return slow[:9].reshape((1, 3, 60, 60))


@pytest.mark.parametrize("hybridize", [False, True])
def test_a_weight_that_a_convolution_reorders_is_waited_for(hybridize):
    """Without training its operator puts the weight into oneDNN's layout, when the forward pass has come so far."""
    net = convolution(nn.Conv2D, 8, 3, in_channels=3, use_bias=False)
    net.initialize(mx.init.Xavier())
    net.hybridize(hybridize)
    expected = net.weight.data().asnumpy().ravel()
    net(slowly())
    wait_for([net.weight.data()])
    seen = memory_view(net.weight.data())
    mx.nd.waitall()
    assert (seen == expected).all()


@pytest.mark.parametrize("hybridize", [False, True])
def test_a_gamma_that_a_normalization_sets_to_1_is_waited_for(hybridize):
    net = nn.BatchNorm(in_channels=3, scale=False)
    net.initialize(mx.init.One())
    net.hybridize(hybridize)
    net.gamma.set_data(nd.full((3,), 2))
    net(slowly())
    wait_for([net.gamma.data()])
    seen = memory_view(net.gamma.data()).copy()
    mx.nd.waitall()
    assert (seen == net.gamma.data().asnumpy()).all()


@pytest.mark.mxnet1("an operator that fails in the engine as this one does")
def test_an_error_of_the_engine_comes_where_its_array_is_waited_for():
    good = mx.nd.ones((2,))
    bad = mx.nd.random.normal(0, -1, (2, 2))  # which is found out when it is computed
    wait_for([good])
    with pytest.raises(mx.MXNetError):
        wait_for([good, bad])


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
