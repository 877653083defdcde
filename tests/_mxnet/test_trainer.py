"""A Trainer that exists already: what it keeps of a parameter whose values are set, what it forbids, and `release`."""

import gluon_initkit as ik
import mxnet as mx
import pytest
from vocabulary import GLUON_2, HybridBlock, constant, contexts, declared, move, nd

SGD, PRECISE = {"momentum": 0.9}, {"momentum": 0.9, "multi_precision": True}
STORES = {
    "without": lambda: None,
    "by name": lambda: "device",
    "local object": lambda: mx.kv.create("local"),
    "device object": lambda: mx.kv.create("device"),
}


class Scale(HybridBlock):
    """Multiplies by its weight, in any dtype; what the CPU multiplies in float16."""

    def __init__(self):
        super().__init__()
        self.weight = declared(self, "weight", shape=(1, 2))

    def hybrid_forward(self, F, x, weight):
        return F.broadcast_mul(x, weight)


def trained(ctxs, dtype="float32", optimizer="sgd", **settings):
    """A network of two layers after two steps, and a function that makes another step."""
    net = mx.gluon.nn.HybridSequential()
    net.add(Scale(), Scale())
    net.cast(dtype)
    net.initialize(mx.init.One(), ctx=ctxs)
    arguments = {"learning_rate": 0.125, **settings.pop("arguments", SGD)}
    trainer = mx.gluon.Trainer(net.collect_params(), optimizer, arguments, **settings)

    def step(rate=0.125):
        trainer.set_learning_rate(rate)
        with mx.autograd.record():
            losses = [net(nd.ones((1, 2), ctx=ctx, dtype=dtype)).sum() for ctx in ctxs]
        mx.autograd.backward(losses)
        trainer.step(len(ctxs))

    step()
    step()
    return net, trainer, step


def first(layer):
    """The first value of a layer's weight on every context."""
    return {float(each.asnumpy()[0, 0]) for each in layer.weight.list_data()}


def reinitialized(net, ctxs, path):
    ik.initialize(net[0], mx.init.Constant(5), ctx=ctxs, force_reinit=True)


def loaded(net, ctxs, path):
    other = Scale()
    other.cast(net[0].weight.dtype)
    other.initialize(mx.init.Constant(5))
    other.save_parameters(path)
    ik.load(net[0], path)


@pytest.mark.parametrize("change", [reinitialized, loaded])
@pytest.mark.parametrize("store", STORES)
@pytest.mark.parametrize("on_kvstore", [True, False])
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_a_step_goes_on_from_the_new_values_with_a_new_state(change, store, on_kvstore, dtype, tmp_path):
    if store == "without" and on_kvstore:
        pytest.skip("there is no kvstore to update on")
    ctxs = [mx.cpu(0), mx.cpu(1)] if store != "without" else [mx.cpu(0)]
    arguments = PRECISE if dtype == "float16" else SGD
    if GLUON_2:
        arguments = {**arguments, "aggregate_num": 1}  # else MXNet 2 does not update on the kvstore
    net, _, step = trained(ctxs, dtype, arguments=arguments, kvstore=STORES[store](), update_on_kvstore=on_kvstore)
    before = first(net[1])
    change(net, ctxs, str(tmp_path / "x.params"))
    step(rate=0)
    assert first(net[0]) == {5}  # neither the float32 copy, nor the kvstore's, nor momentum came back
    assert first(net[1]) != before and len(first(net[1])) == 1  # the other keeps its momentum
    gradient = net[1].weight.data(ctxs[0]).asnumpy()[0, 0]
    step()
    (value,) = first(net[0])
    assert value == pytest.approx(5 - 0.125 * gradient, rel=2e-3)


def test_adam_counts_the_steps_of_a_renewed_parameter_anew():
    net, _, step = trained([mx.cpu()], optimizer="adam", arguments={"epsilon": 1e-12})
    ik.initialize(net[0], mx.init.Constant(5), force_reinit=True)
    step()
    (value,) = first(net[0])
    assert value == pytest.approx(5 - 0.125, rel=1e-6)  # the first step is the learning rate, whatever the gradient


def test_a_parameter_of_another_dtype_is_renewed(tmp_path):
    """Its arrays are new ones, and the kvstore's is of the old dtype."""
    net, _, _ = trained([mx.cpu(0), mx.cpu(1)], kvstore="device")
    net.cast("float64")
    net[0].weight.grad_req = "write"
    ik.initialize(net[0], mx.init.Constant(5), ctx=[mx.cpu(0), mx.cpu(1)], force_reinit=True)
    assert first(net[0]) == {5}


def test_a_parameter_behind_a_tied_one_is_renewed_under_its_own_key():
    """MXNet 2 gives a tied parameter to the Trainer twice: the kvstore's keys are not the numbers of its updaters."""
    ctxs = [mx.cpu(0), mx.cpu(1)]
    net = mx.gluon.nn.HybridSequential()
    net.add(Scale(), Scale(), Scale())
    net.initialize(mx.init.One(), ctx=ctxs)
    ik.Sharing(net).tie("[01].weight").apply()
    arguments = {"learning_rate": 0.0, "momentum": 0.9, **({"aggregate_num": 1} if GLUON_2 else {})}
    trainer = mx.gluon.Trainer(net.collect_params(), "sgd", arguments, kvstore="device", update_on_kvstore=True)
    for number in range(2):
        if number:
            ik.initialize(net[2], mx.init.Constant(5), ctx=ctxs, force_reinit=True)
        with mx.autograd.record():
            losses = [net(nd.ones((1, 2), ctx=ctx)).sum() for ctx in ctxs]
        mx.autograd.backward(losses)
        trainer.step(1)
    assert first(net[0]) == {1} and first(net[2]) == {5}


@pytest.mark.mxnet1("compression of gradients")
def test_a_kvstore_that_compresses_gradients_takes_the_values_whole():
    net, _, step = trained([mx.cpu(0), mx.cpu(1)], kvstore="device", arguments={},
                           compression_params={"type": "2bit", "threshold": 0.5})  # fmt: skip
    ik.initialize(net[0], mx.init.Constant(0.25), ctx=[mx.cpu(0), mx.cpu(1)], force_reinit=True)
    step(rate=0)
    assert first(net[0]) == {0.25}


@pytest.mark.mxnet1("sparse weights")
def test_a_sparse_weight_is_renewed_in_the_kvstore():
    net = mx.gluon.contrib.nn.SparseEmbedding(4, 2)
    net.initialize(mx.init.One())
    trainer = mx.gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.5}, kvstore="local")

    def step():
        with mx.autograd.record():
            loss = net(mx.nd.array([1])).sum()
        loss.backward()
        trainer.step(1)
        return net.weight.row_sparse_data(mx.nd.arange(4)).asnumpy()

    assert step()[:, 0].tolist() == [1, 0.5, 1, 1]
    ik.initialize(net, mx.init.Constant(5), force_reinit=True)
    assert step()[:, 0].tolist() == [5, 4.5, 5, 5]


class Partly(HybridBlock):
    """A weight, and what no Trainer updates: a Constant and running statistics."""

    def __init__(self):
        super().__init__()
        self.weight = declared(self, "weight", shape=(1, 2))
        self.frozen_weight = declared(self, "frozen_weight", shape=(1, 2), grad_req="null")
        self.value = constant(self, "value", [[1.0, 2.0]])

    def hybrid_forward(self, F, x, weight, frozen_weight, value):
        return F.broadcast_mul(x, weight)


def test_what_a_trainer_does_not_update_may_move():
    net = Partly()
    net.initialize(mx.init.One())
    trainer = mx.gluon.Trainer(net.collect_params(), "sgd")
    with pytest.raises(ik.InitializationError) as caught:
        ik.initialize(net, mx.init.One(), ctx=mx.cpu(1), force_reinit=True)
    assert str(caught.value).splitlines()[1:] == [
        "  weight: a Trainer updates it on [cpu(0)] and would never update it on [cpu(1)]; call "
        "gluon_initkit.release(trainer), or release(net), and make the Trainer afterwards"]  # fmt: skip
    net.weight.grad_req = "null"
    ik.initialize(net, mx.init.One(), ctx=mx.cpu(1), force_reinit=True)
    assert {str(contexts(each)[0]) for each in net.collect_params().values()} == {"cpu(1)"}
    assert trainer.learning_rate


def test_what_stays_where_it_is_is_not_refused():
    net, trainer, _ = trained([mx.cpu(0)])
    move(net, [mx.cpu(1)])
    ik.initialize(net, mx.init.Constant(5), ctx=mx.cpu(1), force_reinit=True)
    assert first(net[0]) == {5} and trainer


def test_release_is_needed_and_is_enough():
    """Whoever else holds the Trainer: a traceback that a session keeps, a closure, nobody."""
    net, trainer, _ = trained([mx.cpu(0)])
    with pytest.raises(ik.InitializationError, match="release"):
        ik.initialize(net, ctx=mx.cpu(1), force_reinit=True)
    ik.release(trainer)
    ik.initialize(net, mx.init.One(), ctx=mx.cpu(1), force_reinit=True)
    ik.Sharing(net).tie("*.weight").apply()
    again = mx.gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.5})
    with mx.autograd.record():
        loss = net(nd.ones((1, 2), ctx=mx.cpu(1))).sum()
    loss.backward()
    again.step(1)
    assert first(net[0]) == {0}
    ik.release(trainer)  # of the old one, which holds nothing any more
    with pytest.raises(ik.SharingError, match=r"a Trainer updates their parameter.*gluon_initkit\.release\(trainer\)"):
        ik.untie(net, "1.weight")


def test_a_network_is_released_whose_trainer_nobody_has_any_more():
    net, trainer, _ = trained([mx.cpu(0)])
    del trainer
    ik.release(net)
    ik.initialize(net, ctx=mx.cpu(1), force_reinit=True)
    with pytest.raises(TypeError, match="expected a Trainer, or a network whose parameters one has, found 'sgd'"):
        ik.release("sgd")
