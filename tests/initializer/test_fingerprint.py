"""Fingerprints: they tell apart what differs, and nothing else."""

import hashlib

import gluon_initkit as ik
import mxnet as mx
from mxnet.gluon import nn
import numpy as np
import pytest
from vocabulary import move, nd, uniform


def dense(**arguments):
    net = nn.Dense(3, in_units=2, **arguments)
    ik.initialize(net, mx.init.Normal(1), seed=1)
    return net


def test_its_definition():
    net = dense()
    whole = hashlib.sha256()
    for path, param in (("weight", net.weight), ("bias", net.bias)):
        array = param.data().asnumpy()
        digest = hashlib.sha256(f"{array.shape} float32 ".encode() + array.tobytes()).digest()
        whole.update(len(path).to_bytes(8, "little") + path.encode() + digest)
    assert ik.fingerprint(net) == whole.hexdigest()


def test_it_tells_values_paths_shapes_and_types_apart():
    base = ik.fingerprint(dense())
    other = dense()
    other.weight.data()[0, 0] += 1
    wrapped = nn.HybridSequential()
    wrapped.add(dense())
    reshaped = nn.Dense(2, in_units=3)
    reshaped.initialize()
    reshaped.weight.set_data(dense().weight.data().reshape((2, 3)))
    found = [base, ik.fingerprint(other), ik.fingerprint(wrapped), ik.fingerprint(reshaped),
             ik.fingerprint(dense(dtype="float64")), ik.fingerprint(dense(use_bias=False))]  # fmt: skip
    assert len(set(found)) == len(found)


def test_a_flipped_bit_and_a_negative_zero_show():
    net = nn.Dense(3, in_units=2)
    net.initialize(mx.init.Zero())
    before = ik.fingerprint(net)
    net.weight.set_data(nd.array(np.full((3, 2), -0.0)))
    assert ik.fingerprint(net) != before


def test_contexts_names_and_modes_do_not_matter():
    one, two = dense(), dense()
    move(two, [mx.cpu(1), mx.cpu(0)])
    two.hybridize()
    assert ik.fingerprint(one) == ik.fingerprint(two)


def test_parameters_without_values_are_named():
    net = nn.HybridSequential()
    net.add(nn.Dense(2), nn.Dense(2, in_units=2))
    net[0].initialize()
    says = r"3 parameters have no values.*0\.weight is deferred, 1\.weight is uninitialized, 1\.bias is uninitialized"
    with pytest.raises(ik.InitializationError, match=says):
        ik.fingerprint(net)


def test_it_sees_writes_that_are_still_under_way():
    net = nn.Dense(2000, in_units=2000)
    net.initialize(mx.init.Zero())
    for number in range(3):
        net.weight.set_data(uniform((2000, 2000)) * 0 + number)
        values = ik.fingerprint(net)
        mx.nd.waitall()
        assert ik.fingerprint(net) == values


def test_it_changes_nothing():
    net = dense()
    with mx.autograd.record():
        loss = net(nd.ones((1, 2))).sum()
    loss.backward()
    mx.random.seed(1)
    expected = mx.nd.random.uniform().asscalar()
    mx.random.seed(1)
    data, grad, fresh = net.weight.data(), net.weight.grad().asnumpy(), net.weight.data()._fresh_grad
    ik.fingerprint(net)
    assert net.weight.data() is data and (net.weight.grad().asnumpy() == grad).all()
    assert net.weight.data()._fresh_grad == fresh and mx.nd.random.uniform().asscalar() == expected


def test_the_error_of_a_large_network_is_short():
    net = mx.gluon.nn.HybridSequential()
    net.add(*(mx.gluon.nn.Dense(1, in_units=1) for _ in range(50)))
    with pytest.raises(ik.InitializationError, match=r" 3\.bias is uninitialized and 92 more\.\nInit"):
        ik.fingerprint(net)
