"""Reading without touching: values without copies, gradients and their freshness, who trains, the tree of blocks."""

from gluon_initkit._mxnet import backend
from gluon_initkit._mxnet.arrays import dtype_name, host_values
from gluon_initkit._mxnet.parameter import (
    buffers_of,
    contexts_of,
    gradient_freshness,
    gradients_of,
    has_pending_data,
    storage_type_of,
)
from gluon_initkit._mxnet.trainer import trained_by, updates_of
import mxnet as mx
from mxnet.gluon import nn
import numpy as np
import pytest
from vocabulary import contexts, nd


def dense(**options):
    net = nn.Dense(3, in_units=2, **options)
    net.initialize(mx.init.One())
    mx.nd.waitall()
    return net


def test_dense_host_values_are_the_memory_itself():
    weight = dense().weight
    array = weight.data()
    values = host_values(array)
    assert values.shape == (3, 2) and list(buffers_of([weight])) == [
        (np.float32, values.__array_interface__["data"][0], contexts(weight))
    ]
    array[:] = 5
    mx.nd.waitall()
    assert (values == 5).all()


def test_other_values_are_copied():
    sparse = mx.nd.array([[0, 1], [0, 0]]).tostype("row_sparse")
    assert host_values(sparse).tolist() == [[0, 1], [0, 0]]
    assert host_values(mx.nd.array([[0, 1]]).tostype("csr")).tolist() == [[0, 1]]


@pytest.mark.parametrize("dtype", ["float16", "float64", "int8", "int64"])
def test_every_dtype(dtype):
    values = host_values(mx.nd.ones((2, 3), dtype=dtype))
    mx.nd.waitall()
    assert values.dtype == dtype and values.shape == (2, 3)


def test_freshness_is_a_trainers():
    net = dense()
    assert gradient_freshness(net.weight) == [False]
    with mx.autograd.record():
        loss = net(nd.ones((1, 2))).sum()
    loss.backward()
    assert gradient_freshness(net.weight) == [True]
    assert gradients_of(net.weight)[0].asnumpy().tolist() == [[1, 1]] * 3
    trainer = mx.gluon.Trainer(net.collect_params(), "sgd", update_on_kvstore=False)
    trainer.step(1)
    assert gradient_freshness(net.weight) == [False] and updates_of(net.weight) == 1
    net.weight.grad_req = "null"
    assert gradient_freshness(net.weight) == [] and gradients_of(net.weight) == []


def test_who_trains():
    net = dense()
    net.bias.grad_req = "null"
    trainer = mx.gluon.Trainer(net.collect_params(), "sgd")
    assert trained_by(trainer) == {id(net.weight)} and updates_of(net.weight) == 0
    assert updates_of(dense().weight) == 0


def test_where_it_lives_or_will():
    net = nn.Dense(3)
    assert contexts_of(net.weight) == () and not has_pending_data(net.weight)
    net.initialize(ctx=[mx.cpu(0), mx.cpu(1)])
    assert contexts_of(net.weight) == contexts_of(net.bias) == (mx.cpu(0), mx.cpu(1))
    net.weight.set_data(nd.ones((3, 2)))
    assert has_pending_data(net.weight) and not has_pending_data(net.bias)


@pytest.mark.mxnet1("sparse parameters beside NumPy arrays")
def test_a_sparse_parameter():
    sparse = mx.gluon.contrib.nn.SparseEmbedding(4, 2)
    sparse.initialize()
    assert list(buffers_of([sparse.weight, nn.Dense(2).weight])) == [
        (np.float32, 0, sparse.weight.list_ctx()), (None, 0, ())]  # fmt: skip
    assert storage_type_of(sparse.weight) == "row_sparse"


def test_kinds():
    weight = dense().weight
    ((dtype, begins, ctxs),) = buffers_of([weight])
    assert dtype is np.float32 and begins and list(ctxs) == contexts(weight)
    assert list(buffers_of([nn.Dense(2).weight])) == [(None, 0, ())] and storage_type_of(weight) == "default"
    assert backend.infers_shapes(nn.Dense) and not backend.infers_shapes(mx.gluon.Block)


def test_names_of_dtypes():
    given = ("float32", np.float16, np.dtype("int8"), np.dtype([("bfloat16", "u2")]))
    assert [dtype_name(each) for each in given] == ["float32", "float16", "int8", "bfloat16"]
