"""What one parameter takes from a file: contexts, dtypes, sparse values, Constants, transposed ties, a Trainer."""

import os
import socket
import subprocess
import sys

import gluon_initkit as ik
from gluon_initkit.files import written_ties
import mxnet as mx
from mxnet.gluon import nn
import numpy
import pytest
from vocabulary import GLUON_2, RESET, constant, contexts, move, nd

TWO = [mx.cpu(0), mx.cpu(1)]


def network(**kwargs):
    """Two layers that share everything."""
    net = nn.HybridSequential()
    layer = nn.Dense(2, in_units=2, use_bias=False, **kwargs)
    net.add(layer, layer)
    return net


def saved(path, value, dtype="float32"):
    net = network(dtype=dtype)
    net.initialize()
    net[0].weight.set_data(nd.array(value, dtype=dtype))
    ik.save(net, path)
    return net


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "x.params")


VALUE = numpy.array([[1, 2], [3, 4]], dtype="float32") / 3


@pytest.mark.parametrize("state", ["initialized", "deferred", "uninitialized"])
def test_every_context_gets_the_values(path, state):
    saved(path, VALUE)
    net = network() if state != "deferred" else nn.HybridSequential()
    if state == "deferred":
        layer = nn.Dense(2, use_bias=False)
        net.add(layer, layer)
    if state != "uninitialized":
        net.initialize(ctx=TWO)
    ik.load(net, path, ctx=TWO if state == "uninitialized" else None)
    assert contexts(net[0].weight) == TWO
    assert [each.asnumpy().tobytes() for each in net[1].weight.list_data()] == [VALUE.tobytes()] * 2


def test_the_default_context_is_the_cpu_as_in_mxnet_and_one_may_be_given_alone(path):
    saved(path, VALUE)
    net, other = network(), network()
    ik.load(net, path)
    ik.load(other, path, ctx=mx.cpu(1))
    assert contexts(net[0].weight) == [mx.cpu(0)] and contexts(other[0].weight) == [mx.cpu(1)]


@pytest.mark.parametrize("shape", [2, 0])
def test_another_context_than_the_parameters_is_refused(path, shape):
    saved(path, VALUE)
    net = nn.HybridSequential()
    layer = nn.Dense(2, in_units=shape, use_bias=False)
    net.add(layer, layer)
    net.initialize(ctx=TWO)
    with pytest.raises(ik.SharingError, match=r"'0.weight' is on \[cpu\(0\), cpu\(1\)\], and asked for on "
                                              rf"\[cpu\(1\)\]\nA parameter's {RESET}\(\.\.\.\) moves it"):  # fmt: skip
        ik.load(net, path, ctx=mx.cpu(1))


def test_values_are_loaded_in_place(path):
    saved(path, VALUE)
    net = network()
    net.initialize()
    net.hybridize(static_alloc=True, static_shape=True)
    data, grad = net[0].weight.data(), net[0].weight.grad()
    net(nd.ones((1, 2))).wait_to_read()
    ik.load(net, path)
    assert net[0].weight.data() is data and net[0].weight.grad() is grad
    expected = VALUE @ (VALUE @ numpy.ones(2, "float32"))
    assert numpy.allclose(net(nd.ones((1, 2))).asnumpy(), expected)


def test_a_nan_and_a_negative_zero_keep_their_bits(path):
    value = numpy.array([[0x7FC5A5A5, 0x80000000], [0xFFC00001, 1]], dtype="uint32").view("float32")
    saved(path, value)
    net = network()
    net.initialize(ctx=TWO)
    ik.load(net, path)
    assert [each.asnumpy().tobytes() for each in net[0].weight.list_data()] == [value.tobytes()] * 2


def test_a_nan_is_the_same_value_as_itself(path):
    mx.nd.save(path, {"0.weight": mx.nd.full((2, 2), numpy.nan), "1.weight": mx.nd.full((2, 2), numpy.nan)})
    net = network()
    ik.load(net, path)
    assert numpy.isnan(net[0].weight.data().asnumpy()).all()


def test_another_dtype_is_refused_unless_it_may_be_cast(path):
    saved(path, VALUE, dtype="float16")
    net = network()
    with pytest.raises(ik.SharingError, match="'0.weight' is float16 in the file, expected float32\ncast_dtype=True"):
        ik.load(net, path)
    assert net[0].weight._data is None
    ik.load(net, path, cast_dtype=True)
    assert net[0].weight.data().dtype == numpy.float32
    assert net[0].weight.data().asnumpy().tobytes() == VALUE.astype("float16").astype("float32").tobytes()


@pytest.mark.parametrize("state", ["uninitialized", "initialized", "hybridized"])
def test_the_dtype_of_the_file_may_be_taken(path, state):
    saved(path, VALUE, dtype="float64")
    net = network()
    if state != "uninitialized":
        net.initialize()
    if state == "hybridized":
        net.hybridize()
        net(nd.ones((1, 2))).wait_to_read()
    ik.load(net, path, cast_dtype=True, dtype_source="saved")
    weight = net[1].weight
    assert weight.dtype == weight.data().dtype == weight.grad().dtype == numpy.float64
    assert weight.data().asnumpy().tobytes() == VALUE.astype("float64").tobytes()
    with mx.autograd.record():
        out = net(nd.ones((1, 2), dtype="float64"))
    out.backward()
    assert out.dtype == numpy.float64 and (weight.grad().asnumpy() != 0).all()


class Holder(nn.HybridBlock):
    """A block with the parameters that it is given."""

    def __init__(self, **params):
        super().__init__()
        for name, param in params.items():
            setattr(self, name, param)


@pytest.mark.mxnet1("sparse parameters")
def test_sparse_and_dense_values_become_each_other(path):
    sparse = mx.gluon.Parameter("w", shape=(2, 2), stype="row_sparse", init=mx.init.One())
    dense = mx.gluon.Parameter("w", shape=(2, 2))
    for one, other in ((sparse, dense), (dense, sparse)):
        one.initialize(force_reinit=True)
        ik.save(Holder(w=one), path)
        for _ in range(2):  # uninitialized, then in place
            ik.load(Holder(w=other), path)
            assert other._data[0].stype == other._stype
            assert other._data[0].asnumpy().tobytes() == one._data[0].asnumpy().tobytes()


def test_a_constant_takes_what_the_file_holds_as_in_mxnet(path):
    for state in ("uninitialized", "initialized"):
        one, other = (constant(nn.HybridBlock(), "c", value) for value in ([[1.0, 2.0]], [[3.0, 4.0]]))
        one.initialize()
        if state == "initialized":
            other.initialize()
        ik.save(Holder(a=one, b=one), path)
        ik.load(Holder(a=other, b=other), path)
        assert other.data().asnumpy().tolist() == [[1, 2]] and other.grad_req == "null"


class Turned(mx.gluon.Parameter):
    """A parameter that shows another transposed, as far as loading asks."""

    def __init__(self, donor):
        super().__init__(f"{donor.name}_turned", shape=donor.shape[::-1])
        self.transposed_of = donor


def test_a_transposed_tie_is_written_once_and_read_under_either_name(path):
    wide = numpy.arange(6, dtype="float32").reshape(2, 3)
    donor = mx.gluon.Parameter("w", shape=(2, 3))
    donor.initialize()
    donor.set_data(nd.array(wide))
    ik.save(Holder(turned=Turned(donor), plain=donor), path)
    assert {name: each.shape for name, each in mx.nd.load(path).items()} == {"plain": (2, 3)}

    def fresh():
        return mx.gluon.Parameter("w", shape=(2, 3))

    tied, straight, tall = fresh(), fresh(), mx.gluon.Parameter("w", shape=(3, 2))
    ik.load(Holder(turned=Turned(tied), plain=tied), path)
    assert tied.data().asnumpy().tobytes() == wide.tobytes()
    with pytest.raises(ik.SharingError, match="'turned' should share the parameter of 'plain', transposed, and is"):
        ik.load(Holder(turned=tall, plain=straight), path)
    ik.load(Holder(turned=tall, plain=straight), path, ties="ignore")
    assert tall.data().asnumpy().tobytes() == wide.T.tobytes() and straight.data().asnumpy().tobytes() == wide.tobytes()
    ik.load(Holder(turned=Turned(straight)), path, ignore_extra=True)
    assert straight.data().asnumpy().tobytes() == wide.tobytes()


def test_a_transposed_tie_takes_both_names_if_they_agree(path):
    wide = mx.nd.arange(6).reshape((2, 3))
    donor = mx.gluon.Parameter("w", shape=(2, 3))
    net = Holder(turned=Turned(donor), plain=donor)
    mx.nd.save(path, {"plain": wide, "turned": wide.T})
    ik.load(net, path)
    assert donor.data().asnumpy().tobytes() == wide.asnumpy().tobytes()
    mx.nd.save(path, {"plain": wide, "turned": wide.T + 1})
    with pytest.raises(ik.SharingError, match="'turned' and 'plain' share one parameter in the network, and the file"):
        ik.load(net, path)
    mx.nd.save(path, {"turned": mx.nd.ones((6,))})
    with pytest.raises(ik.SharingError, match=r"'turned' is tied transposed, and has shape \(6,\) in the file"):
        ik.load(net, path, ties="ignore")


def trained(optimizer="sgd"):
    net = network()
    net.initialize(ctx=TWO)
    trainer = mx.gluon.Trainer(net.collect_params(), optimizer, {"learning_rate": 0.0, "wd": 0.0}, kvstore="device",
                               update_on_kvstore=True)  # fmt: skip
    step(net, trainer)
    return net, trainer


def step(net, trainer):
    with mx.autograd.record():
        outs = [net(nd.ones((1, 2), ctx=ctx)) for ctx in TWO]
    mx.autograd.backward(outs)
    trainer.step(1)
    mx.nd.waitall()


def test_a_step_does_not_bring_the_old_values_back(path):
    saved(path, VALUE)
    net, trainer = trained()
    ik.load(net, path)
    step(net, trainer)
    assert [each.asnumpy().tobytes() for each in net[0].weight.list_data()] == [VALUE.tobytes()] * 2


def test_a_trainer_made_for_other_contexts_does_not_forbid_to_load_in_place(path):
    saved(path, VALUE)
    net = network()
    net.initialize(ctx=TWO)
    trainer = mx.gluon.Trainer(net.collect_params(), "sgd", kvstore=None)
    move(net, mx.cpu(1))
    ik.load(net, path)
    assert contexts(net[0].weight) == [mx.cpu(1)] and trainer
    assert net[0].weight.data().asnumpy().tobytes() == VALUE.tobytes()


WORKER = f"""
import sys
import gluon_initkit as ik, mxnet as mx
nd = mx.{'np' if GLUON_2 else 'nd'}
net = mx.gluon.nn.HybridSequential()
net.add(mx.gluon.nn.Dense(2, in_units=2))
net.initialize(mx.init.One())
ik.save(net, sys.argv[1])
trainer = mx.gluon.Trainer(net.collect_params(), "sgd", kvstore="dist_sync")
ik.load(net, sys.argv[1])
with mx.autograd.record():
    loss = net(nd.ones((1, 2))).sum()
loss.backward()
trainer.step(1)
before = net[0].weight.data().asnumpy()
try:
    ik.load(net, sys.argv[1])
except ik.SharingError as error:
    print(error, (net[0].weight.data().asnumpy() == before).all())
"""


def test_a_distributed_kvstore_would_bring_the_old_values_back(path):
    """A worker, a server and a scheduler on loopback. Before the first step loading is well, afterwards refused."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings = {**os.environ, "DMLC_PS_ROOT_URI": "127.0.0.1", "DMLC_PS_ROOT_PORT": str(port),
                "DMLC_NODE_HOST": "127.0.0.1", "DMLC_NUM_SERVER": "1", "DMLC_NUM_WORKER": "1"}  # fmt: skip
    loop = "import gluon_initkit, mxnet"  # importing MXNet in these roles runs their loop
    started = []
    try:
        for role, code in (("scheduler", loop), ("server", loop), ("worker", WORKER)):
            started.append(subprocess.Popen([sys.executable, "-c", code, path], env={**settings, "DMLC_ROLE": role},
                                            text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE))  # fmt: skip
        out, errors = started[-1].communicate(timeout=60)
    finally:
        for each in started:
            each.kill()
            each.communicate()
    assert "'0.weight': a Trainer updates it on a distributed kvstore" in out, errors
    assert "Do it before the first step" in out and out.endswith(" True\n")


def test_arguments_and_files_that_make_no_sense(path):
    mx.nd.save(path, [mx.nd.ones((1,))])
    with pytest.raises(ik.SharingError, match="holds 1 array without names, so no parameters"):
        ik.load(network(), path)
    with pytest.raises(ValueError, match="ties is 'yes': expected one of 'check', 'apply', 'ignore'"):
        ik.load(network(), path, ties="yes")
    with pytest.raises(ValueError, match="dtype_source is 'mine': expected one of 'current', 'saved'"):
        ik.load(network(), path, dtype_source="mine")
    with pytest.raises(FileNotFoundError):
        ik.load(network(), path + "x")
    with pytest.raises(TypeError, match="expected a network"):
        ik.load(network().collect_params(), path)


def test_an_empty_file_fits_an_empty_network(path):
    ik.save(nn.HybridSequential(), path)
    ik.load(nn.HybridSequential(), path)
    with pytest.raises(ik.SharingError, match="'0.weight' is missing"):
        ik.load(network(), path)


def test_a_map_of_other_arrays_than_the_files_is_refused_as_by_inspect(path):
    mx.nd.save(path, {"1.weight": mx.nd.array(VALUE)})
    with open(path, "ab") as file:
        file.write(written_ties([ik.SharedGroup("0.weight", ("1.weight",))]))
    for act in (ik.inspect, lambda path: ik.load(network(), path), lambda path: ik.compare(network(), path)):
        with pytest.raises(ik.CheckpointError, match="no one array fits the group of '0.weight' in the tie map"):
            act(path)
