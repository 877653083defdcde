"""ik.lsuv: every layer's output gets deviation 1, the weights alone change, and all of them or none do."""

import gluon_initkit as ik
import mxnet as mx
from mxnet.gluon import nn, rnn
import numpy as np
import pytest
from vocabulary import convolution, nd


def batch(*shape, seed=0):
    return nd.array(np.random.RandomState(seed).normal(size=shape).astype("float32"))


def plain(depth, init, seed, width=48):
    net = nn.HybridSequential()
    for _ in range(depth):
        net.add(nn.Dense(width, in_units=width), nn.Activation("relu"))
    ik.initialize(net, init, seed=seed)
    return net


def deviations(net, x):
    """Of each layer with a weight, by running the layers one after the other."""
    found = []
    for layer in net:
        layer = layer() if not isinstance(layer, nn.HybridBlock) else layer
        x = layer(x)
        if not isinstance(layer, nn.Activation):
            found.append(float(x.asnumpy().astype(float).std()))
    return found


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("depth, dead", [(19, 0.02), (50, 1e-5)])
def test_a_deep_plain_network_is_alive(depth, dead, seed):
    x = batch(96, 48, seed=seed)
    assert deviations(plain(depth, mx.init.Xavier(), seed), x)[-1] < dead
    net = plain(depth, mx.init.Orthogonal(), seed)
    report = ik.lsuv(net, x)
    assert np.abs(np.array(deviations(net, x)) - 1).max() < 0.011
    assert len(report) == depth and max(row.iterations for row in report) == 1


def test_rows_tell_what_was_done():
    net, x = plain(3, mx.init.Constant(0.01), 1), batch(64, 48)
    before = net(x).asnumpy()
    report = ik.lsuv(net, x, tol=1e-3)
    first, second = report["0.weight"], report["2.weight"]
    assert first.before == pytest.approx((0.01 * x.asnumpy().sum(1)).std(), rel=1e-4)
    assert first.scale == pytest.approx(1 / first.before) and abs(second.after - 1) < 1e-3
    assert net[2].weight.data().asnumpy() == pytest.approx(0.01 * second.scale, rel=1e-5)
    assert "LSUV: 3 layers" in str(report) and before.max() < 0.1


def test_the_same_bits_for_the_same_seed_and_batch():
    prints = set()
    for _ in range(2):
        net = plain(5, mx.init.Orthogonal(), 1)
        ik.lsuv(net, batch(64, 48))
        prints.add(ik.fingerprint(net))
    assert len(prints) == 1 and ik.fingerprint(plain(5, mx.init.Orthogonal(), 1)) not in prints


def convolutional():
    net = nn.HybridSequential()
    net.add(convolution(nn.Conv2D, 8, 3, in_channels=3, activation="relu"), nn.BatchNorm(in_channels=8),
            nn.MaxPool2D(2), nn.Dropout(0.5), nn.Flatten(), nn.Dense(5, in_units=72))  # fmt: skip
    ik.initialize(net, mx.init.Xavier(), seed=1)
    return net


@pytest.mark.parametrize("hybridized", [False, True])
def test_weights_alone_change_and_what_holds_them_sees_it(hybridized):
    net, x = convolutional(), 5 * batch(16, 3, 8, 8)
    if hybridized:
        net.hybridize()
    net(x)
    before = {path: param.data().asnumpy() for path, param in net.collect_params().items()}
    report = ik.lsuv(net, x)
    assert [row.path for row in report] == ["0.weight", "5.weight"]
    changed = [path for path, param in net.collect_params().items() if (param.data().asnumpy() != before[path]).any()]
    assert len(changed) == 2 and all(path.endswith("weight") for path in changed)
    assert float(net(x).asnumpy().std()) == pytest.approx(1, abs=0.01)


def test_a_layers_own_activation_is_left_out_of_the_measure():
    net = nn.HybridSequential()
    net.add(nn.Dense(32, in_units=16, activation="sigmoid"))  # whose deviation never comes to 1
    ik.initialize(net, mx.init.Orthogonal(), seed=1)
    x = batch(64, 16)
    ik.lsuv(net, x)
    values = x.asnumpy() @ net[0].weight.data().asnumpy().T
    assert float(values.std()) == pytest.approx(1, abs=0.01)


def test_a_shared_weight_is_scaled_once_and_replicas_stay_equal():
    net = nn.HybridSequential()
    net.add(*ik.shared_layers(lambda: nn.Dense(16, in_units=16, use_bias=False), n=2, only="weight"))
    ik.initialize(net, mx.init.Constant(0.5), ctx=[mx.cpu(0), mx.cpu(1)])
    report = ik.lsuv(net, batch(32, 16).copyto(mx.cpu(1)))
    assert [(row.path, row.aliases) for row in report] == [("0.weight", ("1.weight",))]
    first, second = (array.asnumpy() for array in net[0].weight.list_data())
    assert (first == second).all() and first.flat[0] == pytest.approx(0.5 * report["0.weight"].scale, rel=1e-5)


def test_layers_of_several_weights_and_what_did_not_run_are_kept():
    class Half(nn.HybridSequential):
        def forward(self, x):
            return self[1](self[0](x))

    net = Half()
    net.add(rnn.LSTMCell(4, input_size=4), nn.Dense(4, in_units=4), nn.Dense(4, in_units=4))
    half = Half()
    half.add(nn.Dense(4, in_units=4), nn.Dense(4, in_units=4), nn.Dense(4, in_units=4))
    ik.initialize(half, mx.init.Orthogonal(), seed=1)
    report = ik.lsuv(half, batch(8, 4))
    assert len(report) == 2 and report.kept == ("2.weight",) and "1 weight is as before" in str(report)
    ik.initialize(net, mx.init.Orthogonal(), seed=1)
    cell = net[0]
    with pytest.raises(ValueError, match="no parameter has the path 'w'"):
        ik.lsuv(cell, batch(8, 4), select="w")
    assert ik.lsuv(cell, batch(8, 4), cell.begin_state(8)).kept == ("i2h_weight", "h2h_weight")


def test_only_what_is_selected_is_scaled():
    net, x = plain(3, mx.init.Constant(0.01), 1), batch(64, 48)
    report = ik.lsuv(net, x, select="2.*")
    assert [row.path for row in report] == ["2.weight"] and report.kept == ()
    assert (net[0].weight.data().asnumpy() == np.float32(0.01)).all()


@pytest.mark.parametrize("broken, says", [
    (lambda net: net[4].weight.set_data(0 * net[4].weight.data()), "weight 4.weight is the same everywhere"),
    (lambda net: net[4].bias.set_data(net[4].bias.data() + float("nan")), "weight 4.weight is not finite"),
])  # fmt: skip
def test_all_or_nothing(broken, says):
    net = plain(4, mx.init.Xavier(), 1)
    broken(net)
    before = ik.fingerprint(net)
    with pytest.raises(ik.InitializationError, match=says):
        ik.lsuv(net, batch(16, 48))
    assert ik.fingerprint(net) == before


def test_what_does_not_converge_is_refused():
    class Bounded(nn.Dense):
        def forward(self, x):
            return nd.tanh(super().forward(x))

    net = Bounded(3, in_units=3)
    ik.initialize(net, mx.init.Orthogonal(), seed=1)
    before = ik.fingerprint(net)
    with pytest.raises(ik.InitializationError, match=r"does not come to deviation 1; the last deviations are 0\."):
        ik.lsuv(net, batch(16, 3))
    assert ik.fingerprint(net) == before


def test_a_trainer_goes_on_from_the_new_values():
    net, x = plain(2, mx.init.Constant(0.01), 1), batch(64, 48)
    trainer = mx.gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.0, "momentum": 0.9})
    with mx.autograd.record():
        loss = net(x).sum()
    loss.backward()
    trainer.step(1)
    ik.lsuv(net, x)
    after = ik.fingerprint(net)
    trainer.step(1, ignore_stale_grad=True)
    assert ik.fingerprint(net) == after


def test_wrong_arguments_and_missing_values():
    net, x = plain(2, mx.init.Xavier(), 1), batch(4, 48)
    for wrong, error in (({"tol": 0}, ValueError), ({"max_iterations": 0}, ValueError), ({"select": 3}, TypeError),
                         ({"select": "bias"}, ValueError)):  # fmt: skip
        with pytest.raises(error):
            ik.lsuv(net, x, **wrong)
    with pytest.raises(ik.InitializationError, match="2 parameters have no values to scale"):
        ik.lsuv(nn.Dense(3, in_units=48), x)
