"""The commonest failures of deferred initialization: what plain MXNet says, and the whole message of ours.

The files of `golden/` and `golden_mxnet2/` are compared whole; with
``GLUON_INITKIT_GOLDEN=write`` they are written anew.
"""

import os
from pathlib import Path
import re

import gluon_initkit as ik
import mxnet as mx
from mxnet.gluon import nn
import pytest
from vocabulary import GLUON_2, HybridBlock, declared, nd, tied

GOLDEN = Path(__file__).parent / ("golden_mxnet2" if GLUON_2 else "golden")
X, WIDE = nd.ones((2, 5)), nd.ones((2, 7))


def mlp():
    net = nn.HybridSequential()
    net.add(nn.Dense(4, activation="relu"), nn.BatchNorm(), nn.Dense(2))
    return net


class Branches(mx.gluon.HybridBlock):
    """Two branches with one parameter, and a head that is left out."""

    def __init__(self):
        super().__init__()
        self.left = nn.Dense(4)
        self.right = tied(nn.Dense, self.left, 4)
        self.head = nn.Dense(3)

    if GLUON_2:

        def forward(self, x, y):
            return self.left(x) + self.right(y)

    else:

        def hybrid_forward(self, F, x, y):
            return self.left(x) + self.right(y)


class Counts(mx.gluon.Block):
    """Code that looks at numbers."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Dense(4), nn.Dense(2)

    def forward(self, x):
        x = self.first(x)
        return self.second(x[:1]) if x.sum().asnumpy().item() > 0 else self.second(x)


class Own(HybridBlock):
    """A block of the user's own, as an embedding."""

    def __init__(self):
        super().__init__()
        self.table = declared(self, "table", shape=(3, 0), allow_deferred_init=True)

    if GLUON_2:  # which wants to be told

        def infer_shape(self, x):
            self.table.shape = (3, x.shape[1])

    def hybrid_forward(self, F, x, table):
        return F.FullyConnected(x, table, no_bias=True, num_hidden=3)


def initialized(net):
    net.initialize()
    return net


def data_too_early():
    net = initialized(mlp())
    return net, lambda: net[0].weight.data(), [X]


def trainer_step():
    net = initialized(mlp())
    trainer = mx.gluon.Trainer(net.collect_params(), "sgd")
    return net, lambda: trainer.step(1), []


def save_parameters(path=os.devnull):
    net = initialized(mlp())
    return net, lambda: net.save_parameters(path), [X]


def set_data_of_a_wrong_shape():
    net = initialized(mlp())
    return net, lambda: net[0].weight.set_data(nd.ones((3, 5))), [X]


def an_input_of_another_size():
    net = initialized(mlp())
    net(X)
    return net, lambda: net(WIDE), [WIDE]


def two_branches_that_disagree():
    net = initialized(Branches())
    return net, lambda: net(X, WIDE), [X, WIDE]


def a_block_never_reached():
    net = initialized(Branches())
    net(X, X)
    trainer = mx.gluon.Trainer(net.collect_params(), "sgd")
    return net, lambda: trainer.step(1), [X, X]


def never_initialized():
    net = mlp()
    return net, lambda: net(X), [X]


def reading_a_gradient():
    net = nn.Sequential()
    net.add(nn.Dense(3))
    net.initialize()
    return net, lambda: net[0].weight.grad(), []


def too_few_arguments():
    net = initialized(Branches())
    return net, lambda: net(X), [X]


FAILURES = [data_too_early, trainer_step, save_parameters, set_data_of_a_wrong_shape, an_input_of_another_size,
            two_branches_that_disagree, a_block_never_reached, never_initialized, reading_a_gradient,
            too_few_arguments]  # fmt: skip


def compare(name, text):
    """Our own lines are named without their numbers, which move with any edit; Python 3.10 began to qualify names.

    MXNet, quoted, calls parameters by numbers that depend on what was built before.
    """
    text = re.sub(r"(MXNet said: .*? '[a-z]+)\d+_", r"\1N_", text)
    text = re.sub(r"Branches\.(\w*forward\(\))", r"\1", text)
    text = re.sub(re.escape(__file__) + r":\d+", "tests/tracer/test_messages.py:LINE", text) + "\n"
    file = GOLDEN / f"{name}.txt"
    if os.environ.get("GLUON_INITKIT_GOLDEN") == "write":
        file.write_text(text, encoding="utf-8")
    assert text == file.read_text(encoding="utf-8")


@pytest.mark.parametrize("failure", FAILURES, ids=lambda failure: failure.__name__)
def test_what_mxnet_raises_becomes_one_message(failure):
    net, call, inputs = failure()
    with pytest.raises((mx.MXNetError, RuntimeError, ValueError, AssertionError, TypeError)) as caught:
        call()
    paths = ik.resolve_shapes(net)
    assert not any(row.path in str(caught.value) for row in paths)  # MXNet names no path
    before = [(param._deferred_init, param._shape) for param in net.collect_params().values()]
    error = ik.explain(net, *inputs, error=caught.value).error
    assert [(param._deferred_init, param._shape) for param in net.collect_params().values()] == before
    assert isinstance(error, ik.DeferredInitError)
    compare(failure.__name__, str(error))


@pytest.mark.filterwarnings("ignore")
def test_what_a_trace_raises_of_each():
    """The same words; nobody tells it the inputs of a pass that was before it."""
    texts = []
    for failure in FAILURES:
        net, call, _ = failure()
        with pytest.raises(RuntimeError if failure is not too_few_arguments else TypeError) as caught, ik.trace(net):
            call()
        texts.append(f"{failure.__name__}: {type(caught.value).__name__}\n{caught.value}")
    compare("traced", "\n\n".join(texts))


@pytest.mark.parametrize("name, net, inputs", [
    ("materialize_code_that_needs_numbers", initialized(Counts()), [(2, 5)]),
    ("materialize_a_block_never_reached", initialized(Branches()), [(2, 5), (2, 5)]),
    ("materialize_a_contradiction", initialized(Branches()), [(2, 5), (2, 7)]),
    ("materialize_without_inputs", initialized(mlp()), []),
    ("materialize_never_initialized", mlp(), [(2, 5)]),
], ids=lambda value: value if isinstance(value, str) else "")  # fmt: skip
def test_what_materialize_says(name, net, inputs):
    with pytest.raises(ik.DeferredInitError) as caught:
        ik.materialize(net, *inputs)
    compare(name, str(caught.value))
    assert caught.value.unresolved


def test_the_tutorial_section(monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    net = nn.HybridSequential()
    net.add(nn.Conv2D(8, 3, groups=1, padding=1), nn.BatchNorm(), nn.Conv2DTranspose(4, 2, strides=2), nn.Flatten(),
            nn.Dense(6, activation="tanh"), Own(), nn.Dense(2))  # fmt: skip
    net.initialize()
    compare("explained", "\n\n".join([str(ik.explain(net)), str(ik.explain(net, (1, 3, 8, 8)))]))
