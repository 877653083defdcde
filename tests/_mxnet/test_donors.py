"""What parameters are declared with and hold."""

from gluon_initkit._mxnet.parameter import contexts_of
from gluon_initkit._mxnet.state import restoring
from gluon_initkit._mxnet.ties import declaration_of, extras_of, independent_copy
import mxnet as mx
from mxnet.gluon import nn
import pytest
from vocabulary import nd, tied


def layer():
    made = nn.Dense(2, in_units=3)
    made.initialize(mx.init.One())
    return made


def test_facts():
    net = nn.Dense(2)
    assert contexts_of(net.weight) == ()
    net.initialize(ctx=[mx.cpu(0), mx.cpu(1)])
    assert contexts_of(net.weight) == contexts_of(net.bias) == (mx.cpu(0), mx.cpu(1))
    assert declaration_of(net.weight) == {"dtype": "float32", "stype": "default", "grad_stype": "default",
                                    "grad_req": "write", "lr_mult": 1.0, "wd_mult": 1.0}  # fmt: skip
    again = tied(nn.Dense, net, 2)  # which writes its arguments over what it finds
    assert extras_of(again.weight) == {}


def test_restoring():
    net = layer()
    before = net.weight.data()
    with pytest.raises(KeyError), restoring([net.weight]):
        net.weight.initialize(mx.init.Zero(), force_reinit=True)
        net.weight.init = mx.init.Zero()
        raise KeyError
    assert net.weight.data() is before and net.weight.init is None


@pytest.mark.mxnet1("sparse gradients beside NumPy arrays")
def test_own_copy_of_a_row_sparse_gradient():
    net = nn.Embedding(4, 2, sparse_grad=True)
    net.initialize()
    with mx.autograd.record():
        loss = net(nd.array([1])).sum()
    loss.backward()
    copied = independent_copy(net.weight, "copied", transposed=False)
    assert copied.grad().stype == "row_sparse" and copied.name == "copied"
    assert (copied.grad().asnumpy() == net.weight.grad().asnumpy()).all() and copied.grad().asnumpy()[1].all()
