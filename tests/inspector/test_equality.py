"""Three kinds of sharing, and what is no evidence of the third."""

import gluon_initkit as ik
from gluon_initkit.inspector import SharedValues
import mxnet as mx
from mxnet.gluon import nn
import numpy as np
import pytest
from vocabulary import constant, convolution, nd, tied


def two(size=4, ctx=None):
    net = nn.HybridSequential()
    net.add(nn.Dense(size, in_units=size), nn.Dense(size, in_units=size))
    ik.initialize(net, mx.init.Xavier(), ctx=ctx, seed=1)
    return net


def test_one_parameter_under_several_paths():
    net = nn.HybridSequential()
    first = nn.Dense(3, in_units=3)
    net.add(first, tied(nn.Dense, first, 3, in_units=3), nn.Dense(3, in_units=3))
    expected = (SharedValues("parameter", ("0.weight", "1.weight")), SharedValues("parameter", ("0.bias", "1.bias")))
    assert ik.inspect(net).shared == expected
    net.initialize()
    report = ik.inspect(net, stats=True)
    assert report.shared == expected and len(report.records) == 4 and report.findings == ()


def test_two_parameters_over_one_buffer():
    net = two()
    net[1].weight._data = [net[0].weight.data()]
    net[1].bias._data = [net[0].weight.data()[0]]  # the first row lies where the whole does
    for stats in (False, True):
        report = ik.inspect(net, stats=stats)
        assert report.shared == (SharedValues("buffer", ("0.weight", "1.weight", "1.bias")),)
        assert [record.buffer for record in report.records] == [0, 1, 0, 0]
    net = two()
    net[1].weight._data = [net[0].weight.data().as_nd_ndarray().reshape((2, 8))]
    assert ik.inspect(net).shared == (SharedValues("buffer", ("0.weight", "1.weight")),)


@pytest.mark.parametrize("ctx", [None, [mx.cpu(0), mx.cpu(1)]])
def test_equal_values_that_are_no_longer_shared(ctx):
    net = two(ctx=ctx)
    net[1].weight.set_data(net[0].weight.list_data()[0])
    assert ik.inspect(net).shared == ()  # without statistics nothing is read
    report = ik.inspect(net, stats=True)
    assert report.shared == (SharedValues("values", ("0.weight", "1.weight")),)
    assert [each.code for each in report.findings] == ["broken-tie"]


def test_a_buffer_that_is_shared_is_no_broken_tie_with_itself():
    net = two()
    net.add(nn.Dense(4, in_units=4))
    net[2].initialize()
    net[1].weight._data = [net[0].weight.data()]
    net[2].weight.set_data(net[0].weight.data())
    assert ik.inspect(net, stats=True, select="weight").shared == (
        SharedValues("buffer", ("0.weight", "1.weight")),
        SharedValues("values", ("0.weight", "2.weight")),
    )


def test_the_same_numbers_in_another_order_are_not_the_same():
    net = two()
    net[1].weight.set_data(nd.array(net[0].weight.data().asnumpy()[::-1].copy()))
    first, second = (record.stats for record in ik.inspect(net, stats=True, select="weight").records)
    assert first.quantiles == second.quantiles and first.norm == pytest.approx(second.norm)
    assert ik.inspect(net, stats=True).shared == ()


@pytest.mark.parametrize("init", ["zeros", mx.init.Constant(0.3), mx.init.LSTMBias(), ik.Identity(), ik.Dirac()])
def test_what_any_two_layers_have_in_common_is_no_evidence(init):
    net = nn.HybridSequential()
    for _ in range(2):
        if isinstance(init, mx.init.LSTMBias):
            net.add(nn.Dense(8, in_units=2, bias_initializer=init))
        elif isinstance(init, ik.Identity):
            net.add(nn.Dense(8, in_units=8, weight_initializer=init))
        else:
            net.add(convolution(nn.Conv1D, 4, 3, in_channels=4, weight_initializer=init))
    net.initialize(mx.init.Xavier())
    report = ik.inspect(net, stats=True)
    assert report.records[0].stats is not None and report.shared == ()


def test_neither_is_what_is_no_weight():
    """Two betas, or two biases, that start alike and feed one sum have the same gradient: they stay equal for ever."""
    net = nn.HybridSequential()
    for _ in range(2):
        net.add(nn.BatchNorm(in_channels=4))
        net[-1].table = constant(net[-1], "table", [1.0, 2.0, 3.0, 4.0])
    net.initialize()
    for norm in net:
        for param in (norm.running_mean, norm.running_var, norm.gamma, norm.beta):
            param.set_data(nd.array([1, 2, 3, 4]))
    assert ik.inspect(net, stats=True).shared == ()


def test_bilinear_kernels_are_no_evidence():
    net = nn.HybridSequential()
    for _ in range(2):
        bilinear = mx.init.Bilinear()
        net.add(convolution(nn.Conv2DTranspose, 3, 4, in_channels=3, groups=3, weight_initializer=bilinear))
    net.initialize()
    report = ik.inspect(net, stats=True)
    assert report.records[0].stats is not None and report.shared == ()


@pytest.mark.parametrize("one, other, agree", [
    (np.arange(700_000), np.arange(700_000), True),
    (np.arange(700_000), np.append(np.arange(699_999), 0), False),
    ([np.nan, 0.0], [np.nan, 0.0], True),
    ([np.nan, 0.0], [np.nan, -0.0], False),
], ids=["large", "the last value", "NaN", "minus zero"])  # fmt: skip
def test_replicas_agree_where_all_their_bits_do(one, other, agree):
    net = nn.Dense(1, in_units=len(one), use_bias=False)
    net.initialize(ctx=[mx.cpu(0), mx.cpu(1)])
    for array, values in zip(net.weight.list_data(), (one, other)):
        array[:] = nd.array(np.array([values], "float32"), ctx=array.context)
    assert ik.inspect(net, stats=True)["weight"].replicas_agree is agree
