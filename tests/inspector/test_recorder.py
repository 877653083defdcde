"""`Recorder`: two lines in a training loop, and nothing that it could disturb."""

import math

import gluon_initkit as ik
import matplotlib
import mxnet as mx
from mxnet import autograd, gluon
from mxnet.gluon import nn
import numpy
import pytest
from vocabulary import GLUON_2, move, nd, set_all, uniform

matplotlib.use("Agg")


def net_of(deferred=False):
    net = nn.HybridSequential()
    net.add(
        nn.Dense(8, activation="tanh", in_units=0 if deferred else 4),
        nn.BatchNorm(in_channels=8),
        nn.Dense(1, in_units=8),
    )
    net.initialize(mx.init.Xavier())
    return net


def batch(step):
    rng = numpy.random.RandomState(step)
    return nd.array(rng.normal(size=(6, 4))), nd.array(rng.normal(size=(6, 1)))


def train(net, steps, recorder=None, trainer=None, each=lambda step: None):
    trainer = trainer or gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.1})
    loss_of = gluon.loss.L2Loss()
    for step in range(steps):
        data, label = batch(step)
        with autograd.record():
            loss = loss_of(net(data), label)
        loss.backward()
        trainer.step(6)
        if recorder:
            recorder.step()
        each(step)


def seeded(hybridize=False, **options):
    mx.random.seed(3)
    net = net_of(**options)
    if hybridize:
        net.hybridize()
    return net


@pytest.mark.mxnet1("Monitor")
def test_mxnet_2722_and_1674_by_plain_mxnet():
    """It has a Monitor, for an Executor of the Symbol API; it cannot be installed on a Gluon block."""
    net = seeded()
    monitor = mx.monitor.Monitor(1, pattern=".*weight")
    with pytest.raises(AttributeError, match="set_monitor_callback"):
        monitor.install(net)
    monitor.tic()
    train(net, 1)
    assert monitor.toc() == []  # it has seen nothing


def test_mxnet_2722_and_1674_watch_weights_and_gradients_over_time():
    net = seeded()
    recorder = ik.Recorder(net)
    seen = []
    train(
        net,
        4,
        recorder,
        each=lambda step: seen.append((net[0].weight.data().asnumpy(), net[0].weight.grad().asnumpy())),
    )
    history = recorder.history
    assert history.paths == ("0.weight", "0.bias", "1.gamma", "1.beta", "2.weight", "2.bias")
    for of, index in (("values", 0), ("gradient", 1)):
        numpy.testing.assert_allclose(
            history.series("0.weight", "norm", of), [numpy.linalg.norm(each[index]) for each in seen], 1e-6
        )
        numpy.testing.assert_allclose(
            history.series("0.weight", "mean", of), [each[index].mean(dtype="f8") for each in seen], 1e-5
        )


@pytest.mark.parametrize("hybridize", [False, True])
def test_it_disturbs_nothing(hybridize):
    plain, watched = seeded(hybridize), seeded(hybridize)
    train(plain, 3)
    after = uniform((3,)).asnumpy()
    mx.random.seed(3)
    watched = seeded(hybridize)
    train(watched, 3, ik.Recorder(watched, select="*"))
    assert ik.fingerprint(watched) == ik.fingerprint(plain)
    assert (uniform((3,)).asnumpy() == after).all()
    for one, other in zip(plain.collect_params().values(), watched.collect_params().values()):
        if one.grad_req != "null":
            assert (one.grad().asnumpy() == other.grad().asnumpy()).all()


def test_looking_neither_initializes_nor_consumes_a_gradient():
    net = seeded(deferred=True)
    recorder = ik.Recorder(net)
    recorder.step()
    with pytest.raises(gluon.parameter.DeferredInitializationError):
        net[0].weight.data()
    assert math.isnan(recorder.history.series("0.weight", "norm")[0])
    trainer = gluon.Trainer(net.collect_params(), "sgd")
    with autograd.record():
        loss = net(batch(0)[0])
    loss.backward()
    recorder.step()
    trainer.step(6)  # a gradient that had been taken for old would warn
    assert recorder.history.series("0.weight", "norm")[1] > 0


def test_it_survives_freezing_and_thawing():
    net = seeded()
    recorder = ik.Recorder(net)

    def freeze(step):
        if step in (1, 3):
            set_all(net[0], "grad_req", "null" if step == 1 else "write")

    train(net, 6, recorder, each=freeze)
    gradient = recorder.history.series("0.weight", "norm", of="gradient")
    assert [math.isnan(value) for value in gradient] == [False, False, True, True, False, False]
    assert not any(map(math.isnan, recorder.history.series("0.weight", "norm")))
    assert not any(map(math.isnan, recorder.history.series("2.weight", "norm", of="gradient")))
    assert recorder.to_records()[2 * 6]["grad_norm"] is None
    for axes in recorder.plot():
        axes.figure.canvas.draw()


def test_it_survives_nan():
    net = seeded()
    recorder = ik.Recorder(net, stats=["norm", "mean", "nan", "posinf"])

    def poison(step):
        if step == 1:
            net[2].bias.set_data(nd.array([float("nan")]))

    train(net, 4, recorder, each=poison)
    assert recorder.history.series("2.bias", "nan") == [0, 0, 1, 1]
    assert recorder.history.series("0.weight", "nan") == [0, 0, 32, 32]
    assert [math.isnan(value) for value in recorder.history.series("0.weight", "mean")] == [False, False, True, True]
    assert [math.isnan(value) for value in recorder.history.series("2.bias", "norm")] == [False, False, True, True]
    values, _ = recorder.plot()
    assert list(values.lines[-1].get_xdata()) == [2, 3]


def test_bounded_however_long():
    net = nn.Dense(1, in_units=1)
    net.initialize()
    recorder = ik.Recorder(net, stats=["mean"], capacity=8)
    for _ in range(100):
        recorder.step()
    assert recorder.history.steps == tuple(range(0, 100, 16)) and recorder.history.nbytes == 7 * 2 * 2 * 8
    assert repr(recorder).startswith("History: 7 steps of 2 parameters every 16, 224 B; mean, first to last\n")


def test_select_and_every():
    net = seeded()
    recorder = ik.Recorder(net, select="running_var", every=3)
    train(net, 7, recorder)
    assert recorder.history.paths == ("1.running_var",) and recorder.history.steps == (0, 3, 6)
    assert recorder.history.series("1.running_var", "mean")[0] < 1
    assert recorder.to_pandas().shape == (3, 8)


def test_several_contexts_and_a_new_one():
    net = nn.Dense(2, in_units=3)
    net.initialize(mx.init.One(), ctx=[mx.cpu(0), mx.cpu(1)])
    recorder = ik.Recorder(net, select="weight")
    recorder.step()
    move(net, mx.cpu(2))
    recorder.step()
    net.cast("float16")
    recorder.step()
    assert recorder.history.series("weight", "mean") == [1, 1, 1]


@pytest.mark.parametrize("on_kvstore", [True, False])
def test_the_gradient_of_several_contexts_is_what_a_trainer_takes(on_kvstore):
    net = nn.Dense(1, in_units=2)
    contexts = [mx.cpu(0), mx.cpu(1)]
    net.initialize(mx.init.One(), ctx=contexts)
    trainer = mx.gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.5}, update_on_kvstore=on_kvstore)
    recorder = ik.Recorder(net, stats=["mean"])
    with autograd.record():
        losses = [net(nd.ones((1, 2), ctx=ctx) * (at + 1)) for at, ctx in enumerate(contexts)]
    autograd.backward(losses)
    recorder.step()
    trainer.step(1)
    recorder.step()
    before, after = recorder.history.series("weight", "mean")
    assert recorder.history.series("weight", "mean", of="gradient") == [3, 3] == [(before - after) / 0.5] * 2


@pytest.mark.mxnet1("sparse gradients in Gluon")
def test_sparse_gradients():
    net = nn.Embedding(10, 2, sparse_grad=True)
    net.initialize(mx.init.One())
    recorder = ik.Recorder(net)
    with autograd.record():
        loss = net(nd.array([3]))
    loss.backward()
    recorder.step()
    assert recorder.history.series("weight", "mean", of="gradient") == [0.1]


def test_as_an_event_handler_of_an_estimator():
    from mxnet.gluon.contrib import estimator

    net = seeded()
    recorder = ik.Recorder(net)
    data = gluon.data.DataLoader(gluon.data.ArrayDataset(*batch(0)), batch_size=2)
    fitter = estimator.Estimator(net, gluon.loss.L2Loss(), train_metrics=(gluon if GLUON_2 else mx).metric.MSE())
    fitter.logger.setLevel("ERROR")
    fitter.fit(data, epochs=2, event_handlers=[recorder.handler()])
    assert recorder.history.steps == tuple(range(6))
    norms = recorder.history.series("0.weight", "norm")
    assert len(set(norms)) == 6 and norms[-1] == pytest.approx(numpy.linalg.norm(net[0].weight.data().asnumpy()))
    assert not any(map(math.isnan, recorder.history.series("0.weight", "norm", of="gradient")))


def test_without_an_estimator_it_says_what_to_call(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "mxnet.gluon.contrib.estimator", None)
    with pytest.raises(ImportError, match=r"has no gluon.contrib.estimator; call recorder.step\(\) after backward"):
        ik.Recorder(seeded()).handler()


def test_bad_arguments():
    with pytest.raises(TypeError, match="expected a network"):
        ik.Recorder(3)
    with pytest.raises(ValueError, match="no parameter has the path 'wieght'; did you mean 'weight'"):
        ik.Recorder(nn.Dense(1), select="wieght")
    with pytest.raises(ValueError, match=r"'we\?' selects no parameter; there are 'weight', 'bias'"):
        ik.Recorder(nn.Dense(1), select="we?")
    frozen = nn.Dense(1)
    set_all(frozen, "grad_req", "null")
    with pytest.raises(ValueError, match=r"no parameter of this Dense has a gradient; select='\*' watches all"):
        ik.Recorder(frozen)
    with pytest.raises(ValueError, match="stats= takes"):
        ik.Recorder(nn.Dense(1), stats=["mode"])


def test_a_shared_parameter_by_each_of_its_paths():
    net = nn.HybridSequential()
    layer = nn.Dense(2, in_units=2)
    net.add(layer, layer)
    net.initialize()
    recorder = ik.Recorder(net, stats=["mean"])
    recorder.step()
    assert recorder.history.paths == ("0.weight", "0.bias")
    assert recorder.history.series("1.weight", "mean") == recorder.history.series("0.weight", "mean") != [0.0]
    with pytest.raises(KeyError, match="did you mean '1.weight'"):
        recorder.history.series("1.wieght", "mean")
