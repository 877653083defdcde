"""Identity and Dirac: the layer's output is its input, in every layout."""

import gluon_initkit as ik
from mxnet.gluon import nn
import pytest
from vocabulary import convolution, uniform


def values(net, init):
    ik.initialize(net, init)
    return net.weight.data().asnumpy()


def test_identity_keeps_what_goes_through():
    net = nn.Dense(3, in_units=3)
    ik.initialize(net, ik.Identity())
    x = uniform((2, 3))
    assert (net(x) == x).asnumpy().all()
    assert values(nn.Dense(2, in_units=3), ik.Identity(2.0)).tolist() == [[2, 0, 0], [0, 2, 0]]


@pytest.mark.parametrize("make, shape", [
    (lambda: convolution(nn.Conv1D, 4, 3, padding=1, in_channels=4), (1, 4, 7)),
    (lambda: convolution(nn.Conv2D, 4, (3, 5), padding=(1, 2), in_channels=4), (1, 4, 7, 7)),
    (lambda: convolution(nn.Conv3D, 2, 3, padding=1, in_channels=2), (1, 2, 5, 5, 5)),
    (lambda: convolution(nn.Conv2DTranspose, 4, 3, padding=1, in_channels=4), (1, 4, 7, 7)),
])  # fmt: skip
def test_dirac_passes_its_input_through(make, shape):
    net = make()
    ik.initialize(net, ik.Dirac())
    x = uniform(shape)
    assert (net(x) == x).asnumpy().all()


def test_dirac_in_groups():
    net = convolution(nn.Conv2D, 6, 3, padding=1, in_channels=6, groups=3)
    ik.initialize(net, ik.Dirac(groups=3))
    x = uniform((1, 6, 5, 5))
    assert (net(x) == x).asnumpy().all()


def test_channels_last_dirac_has_its_one_in_the_middle():
    found = values(convolution(nn.Conv2D, 3, 3, in_channels=3, layout="NHWC"), ik.Dirac())
    assert found.sum() == 3 and all(found[c, 1, 1, c] == 1 for c in range(3))


def conv3():
    return convolution(nn.Conv2D, 3, 3, in_channels=3)


@pytest.mark.parametrize("init, make, says", [
    (ik.Identity(), conv3, "Identity needs an array of 2 dimensions.*Dirac"),
    (ik.Dirac(), lambda: nn.Dense(3, in_units=3), "Dirac needs a convolution's array"),
    (ik.Dirac(groups=2), conv3, "3 output channels do not divide by groups=2"),
])  # fmt: skip
def test_wrong_shapes(init, make, says):
    for call in (lambda net: ik.initialize(net, init), lambda net: net.initialize(init)):
        with pytest.raises(ik.InitializationError, match=rf"(?s)'weight'.*{says}"):
            call(make())
