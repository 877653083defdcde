"""Recipes of papers by `ik.Rules` alone: Fixup trains a deep residual network without normalization."""

import gluon_initkit as ik
import mxnet as mx
from mxnet.gluon import nn
import numpy as np
import pytest

pytestmark = pytest.mark.mxnet1("`hybrid_forward`")

BLOCKS = 54  # of two convolutions each, with the first one and the output layer 110 layers
HE = [("*.scale", 1.0), ("*.bias?", 0.0), ("weight", ik.VarianceScaling(2.0, "fan_in", "normal"))]
FIXUP = [("*.first.weight", ik.VarianceScaling(2.0 / BLOCKS, "fan_in", "normal")), ("*.second.weight", 0.0),
         (f"{BLOCKS + 2}.weight", 0.0), *HE]  # fmt: skip


class Residual(nn.HybridBlock):
    def __init__(self, channels):
        super().__init__()
        with self.name_scope():
            self.first = nn.Conv2D(channels, 3, padding=1, in_channels=channels, use_bias=False)
            self.second = nn.Conv2D(channels, 3, padding=1, in_channels=channels, use_bias=False)
            for name in ("scale", "bias1", "bias2", "bias3", "bias4"):
                setattr(self, name, self.params.get(name, shape=(1,)))

    def hybrid_forward(self, F, x, scale, bias1, bias2, bias3, bias4):
        y = F.relu(F.broadcast_add(self.first(F.broadcast_add(x, bias1)), bias2))
        y = self.second(F.broadcast_add(y, bias3))
        return F.relu(x + F.broadcast_add(F.broadcast_mul(y, scale), bias4))


def losses(rules, steps, seed, channels=8):
    net = nn.HybridSequential()
    net.add(nn.Conv2D(channels, 3, padding=1, in_channels=3, activation="relu"),
            *[Residual(channels) for _ in range(BLOCKS)], nn.Flatten(), nn.Dense(10, in_units=64 * channels))
    net.hybridize()
    ik.initialize(net, ik.Rules(rules), seed=seed, progress=False)
    trainer = mx.gluon.Trainer(net.collect_params(), "adam", {"learning_rate": 0.002})
    loss_of, rng = mx.gluon.loss.SoftmaxCrossEntropyLoss(), np.random.RandomState(seed)
    patterns = rng.normal(size=(10, 3, 8, 8))
    for _ in range(steps):
        labels = rng.randint(0, 10, 32)
        x = mx.nd.array(patterns[labels] + 0.5 * rng.normal(size=(32, 3, 8, 8)))
        with mx.autograd.record():
            loss = loss_of(net(x), mx.nd.array(labels))
        loss.backward()
        trainer.step(32)
        yield float(loss.mean().asscalar())


def test_fixup_trains_110_layers_without_normalization():
    first, *_, last = losses(FIXUP, 25, seed=1)
    assert first == pytest.approx(np.log(10), rel=1e-5) and last < 0.1


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_without_fixup_the_first_loss_is_hopeless(seed):
    assert next(losses(HE, 1, seed)) > 1e4
