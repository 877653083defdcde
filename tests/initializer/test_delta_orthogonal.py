"""DeltaOrthogonal: convolutions keep the norm of signal and gradient, in every layout and however many there are."""

import gluon_initkit as ik
import mxnet as mx
from mxnet.gluon import nn
import numpy as np
import pytest
from vocabulary import convolution, nd, uniform


def norm(array):
    return float(np.sqrt(np.square(array.asnumpy().astype(float)).sum()))


def passed(net, x):
    """How the norm of the signal changes, and that of the gradient."""
    x.attach_grad()
    with mx.autograd.record():
        y = net(x)
    y.backward()
    return norm(y) / norm(x), norm(x.grad) / y.size**0.5


CHAIN = 1000


def chain(init):
    net = nn.HybridSequential()
    net.add(*[convolution(nn.Conv2D, 4, 3, padding=1, in_channels=4, use_bias=False) for _ in range(CHAIN)])
    ik.initialize(net, init, seed=1)
    return net


def test_a_chain_of_a_thousand_layers_keeps_the_norms_of_signal_and_gradient():
    signal, gradient = passed(chain(ik.DeltaOrthogonal()), uniform((1, 4, 3, 3)))
    assert abs(signal - 1) < 1e-5 and abs(gradient - 1) < 1e-5
    signal, gradient = passed(chain(mx.init.Xavier()), uniform((1, 4, 3, 3)))
    assert signal < 1e-9 and gradient < 1e-9


@pytest.mark.parametrize("make, shape", [
    (lambda: convolution(nn.Conv1D, 4, 5, padding=2, in_channels=4), (2, 4, 7)),
    (lambda: convolution(nn.Conv2D, 4, (3, 7), padding=(1, 3), in_channels=4), (2, 4, 7, 7)),
    (lambda: convolution(nn.Conv2D, 4, 1, in_channels=4), (2, 4, 7, 7)),
    (lambda: convolution(nn.Conv3D, 3, 3, padding=1, in_channels=3), (1, 3, 5, 5, 5)),
    (lambda: convolution(nn.Conv2DTranspose, 4, 3, padding=1, in_channels=4), (2, 4, 7, 7)),
])  # fmt: skip
@pytest.mark.parametrize("gain", [1.0, 0.5])
def test_the_norm_is_kept_times_the_gain(make, shape, gain):
    net = make()
    ik.initialize(net, ik.DeltaOrthogonal(gain))
    signal, gradient = passed(net, uniform(shape))
    assert signal == pytest.approx(gain, abs=1e-6) and gradient == pytest.approx(gain, abs=1e-6)


@pytest.mark.parametrize("layer", [nn.Conv2D, nn.Conv2DTranspose])
def test_more_outputs_than_inputs_keep_the_norm_of_the_signal(layer):
    net = convolution(layer, 7, 3, padding=1, in_channels=3)
    ik.initialize(net, ik.DeltaOrthogonal())
    assert passed(net, uniform((2, 3, 5, 5)))[0] == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("layer", [nn.Conv2D, nn.Conv2DTranspose])
def test_each_group_keeps_the_norm_of_its_own_channels(layer):
    net = convolution(layer, 6, 3, padding=1, in_channels=4, groups=2)
    ik.initialize(net, ik.DeltaOrthogonal(groups=2))
    x = uniform((2, 4, 5, 5))
    y = net(x)
    for group in range(2):
        assert norm(y[:, 3 * group : 3 * group + 3]) == pytest.approx(norm(x[:, 2 * group : 2 * group + 2]), rel=1e-5)
    assert norm(net.weight.data()[:3, 0, 1, 1] - net.weight.data()[3:6, 0, 1, 1] if layer is nn.Conv2D else y) > 0.1


def test_channels_last_have_their_matrix_in_the_middle():
    net = convolution(nn.Conv2D, 5, 3, in_channels=3, layout="NHWC")
    ik.initialize(net, ik.DeltaOrthogonal())
    found = net.weight.data().asnumpy()
    assert np.count_nonzero(found) == np.count_nonzero(found[:, 1, 1, :]) == 15
    assert np.allclose(found[:, 1, 1, :].T @ found[:, 1, 1, :], np.eye(3), atol=1e-6)


def test_values_are_the_same_bits_everywhere_and_follow_seed_and_path():
    def values(seed):
        net = nn.HybridSequential()
        net.add(*[convolution(nn.Conv2D, 6, 3, in_channels=4, use_bias=False) for _ in range(2)])
        ik.initialize(net, ik.DeltaOrthogonal(), seed=seed)
        return net[0].weight.data().asnumpy(), net[1].weight.data().asnumpy(), ik.fingerprint(net)

    first, second, fingerprint = values(7)
    assert fingerprint.startswith("846b708c57b3cda5")
    assert values(8)[2] != fingerprint and not np.array_equal(first, second)


def test_the_plan_says_what_it_will_do_and_a_finding_knows_its_deviation():
    net = convolution(nn.Conv2D, 32, 3, in_channels=8, weight_initializer=ik.DeltaOrthogonal(2.0))
    row = ik.plan(net, mx.init.Normal())["weight"]
    assert (row.initializer, row.why) == ("DeltaOrthogonal(gain=2.0, groups=1)", "layer")
    ik.initialize(net, mx.init.Normal(), seed=1)
    report = ik.inspect(net, stats=True)
    declared, stats = report["weight"].declared, report["weight"].stats
    assert declared.std == pytest.approx(2 / (32 * 9) ** 0.5)
    assert (stats.mean**2 + stats.std**2) ** 0.5 == pytest.approx(declared.std, rel=1e-6)
    assert abs(declared.z_std) < 1 and abs(declared.z_mean) < 5 and not report.findings
    net.weight.set_data(net.weight.data() * 1.5)
    assert abs(ik.inspect(net, stats=True)["weight"].declared.z_std) > 10


@pytest.mark.parametrize("init, make, says", [
    (ik.DeltaOrthogonal(), lambda: nn.Dense(3, in_units=3), "convolution's array.*mx.init.Orthogonal serves matrices"),
    (ik.DeltaOrthogonal(), lambda: convolution(nn.Conv2D, 4, 2, in_channels=4), r"kernel \(2, 2\) has no middle"),
    (ik.DeltaOrthogonal(), lambda: convolution(nn.Conv2D, 3, 3, in_channels=4), "3 outputs are fewer than 4 inputs"),
    (ik.DeltaOrthogonal(), lambda: convolution(nn.Conv2DTranspose, 3, 3, in_channels=4), "3 outputs are fewer than 4"),
    (ik.DeltaOrthogonal(groups=2), lambda: convolution(nn.Conv2D, 3, 3, in_channels=1), "3 channels do not divide"),
])  # fmt: skip
def test_wrong_shapes(init, make, says):
    for call in (lambda net: ik.initialize(net, init), lambda net: net.initialize(init)):
        with pytest.raises(ik.InitializationError, match=rf"(?s)'weight'.*{says}"):
            call(make())


@pytest.mark.parametrize("arguments, error", [(("x",), TypeError), ((float("inf"),), ValueError), ((1, 0), ValueError)])
def test_wrong_arguments(arguments, error):
    with pytest.raises(error):
        ik.DeltaOrthogonal(*arguments)


def test_plain_gluon_takes_it_too():
    net = convolution(nn.Conv2D, 4, 3, padding=1, in_channels=4)
    net.initialize(mx.init.create("gluon_initkit.deltaorthogonal", gain=2))
    assert norm(net(nd.ones((1, 4, 3, 3)))) == pytest.approx(12, rel=1e-5)
