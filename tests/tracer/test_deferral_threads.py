"""Public threads about deferred initialization: plain MXNet as it was reported, then the kit's answer."""

import subprocess
import sys
import threading

import gluon_initkit as ik
import mxnet as mx
from mxnet.gluon import nn, rnn
import pytest
from vocabulary import GLUON_2, VERSION, HybridBlock, nd, uniform

Deferred = mx.gluon.parameter.DeferredInitializationError
X = nd.ones((2, 3, 16, 16))


class Finetuned(HybridBlock):
    """GluonCV's ResNet v1b in small: its head is called `fc`, and the recipe replaced `output`."""

    def __init__(self, parts=()):
        super().__init__()
        self.features = nn.HybridSequential()
        self.features.add(nn.Conv2D(4, 3), nn.GlobalAvgPool2D())
        self.fc = nn.Dense(10)
        for name, part in parts:
            setattr(self, name, part)

    def hybrid_forward(self, F, x):
        return self.fc(self.features(x))


def trained_once(net):
    """Up to the trainer's step, which raises."""
    trainer = mx.gluon.Trainer(net.collect_params(), "sgd")
    with mx.autograd.record():
        loss = net(X).sum()
    loss.backward()
    with pytest.raises(Deferred) as caught:
        trainer.step(1)
    return caught.value


@pytest.mark.parametrize("parts, unreached", [
    ([("output", nn.Dense(23))], {"output"}),  # dmlc/gluon-cv#406: the recipe's new head, under the wrong name
    ([("classifier", nn.Dense(5))], {"classifier"}),  # xiaolai-sqlai/gluon-reid#6: resnet0_dense0 is left out
    ([("down", nn.Conv2D(4, 3)), ("up", nn.Conv2DTranspose(4, 3))], {"down", "up"}),  # apache/mxnet#8419: a U-Net
], ids=["gluon_cv_406", "gluon_reid_6", "mxnet_8419"])  # fmt: skip
def test_trainer_step_raises_after_a_forward_pass(parts, unreached):
    net = Finetuned(parts)
    net.initialize()
    error = trained_once(net)
    assert not any(f"{path}.weight" in str(error) for path in unreached)
    answer = ik.explain(net, X, error=error).error
    assert "Trainer.step was called while" in str(answer)
    assert {row.path: row.reason for row in answer.unresolved} == {
        f"{path}.weight": f"no forward pass reaches {path}" for path in unreached}  # fmt: skip
    assert {row.block_path for row in ik.explain(net, (2, 3, 16, 16))} == unreached
    with pytest.raises(ik.DeferredInitError, match="call it in forward, or remove it"):
        ik.materialize(net, (2, 3, 16, 16))


def test_mxnet_9226():
    """A detector whose class predictors stand in a list of blocks, of which the forward uses some."""

    class Detector(mx.gluon.Block):
        def __init__(self):
            super().__init__()
            self.body, self.heads = nn.Conv2D(4, 3), nn.Sequential()
            self.heads.add(*(nn.Conv2D(2, 3, padding=1) for _ in range(4)))

        def forward(self, x):
            x = self.body(x)
            return self.heads[0](x) + self.heads[1](x)

    net = Detector()
    net.initialize()
    trained_once(net)
    assert [row.path for row in ik.explain(net, X)] == ["heads.2.weight", "heads.3.weight"]


@pytest.mark.mxnet1("inference over a whole graph, which a Constant makes fail")
def test_mxnet_15470():
    """A Constant that the code does not use makes the deferral of another parameter fail, once hybridized."""

    class Generator(mx.gluon.HybridBlock):
        def __init__(self):
            super().__init__()
            with self.name_scope():
                self.block = nn.HybridSequential()
                self.block.add(nn.Conv2D(4, 3, padding=1), nn.BatchNorm(), nn.LeakyReLU(0.2))
                self.anchors = self.params.get_constant("anchor_1", uniform((5, 5)))

        def hybrid_forward(self, F, x, anchors):
            return self.block(x)

    net = Generator()
    net.initialize()
    net.hybridize()
    with pytest.raises(ValueError, match="Deferred initialization failed because shape cannot be inferred"):
        net(X)
    net = Generator()
    net.initialize()
    net.hybridize()
    report = ik.materialize(net, (2, 3, 16, 16))
    assert report["block.0.weight"].shape == (4, 3, 3, 3) and report["anchors"].state == "initialized"
    assert net(X).shape == (2, 4, 16, 16)


@pytest.mark.mxnet1("recurrent layers but the LSTM that take a `sequence_length`")
@pytest.mark.parametrize("layer", [rnn.GRU, rnn.RNN])
def test_mxnet_21146(layer):
    """Deferred initialization of a recurrent layer with `sequence_length` (and apache/mxnet#20524)."""
    x, lengths = nd.ones((3, 2, 5)), nd.array([1, 2])
    net = layer(4, use_sequence_length=True)
    net.initialize()
    with pytest.raises(ValueError, match="Deferred initialization failed because shape cannot be inferred"):
        net(x, sequence_length=lengths)
    net = layer(4, use_sequence_length=True)
    net.initialize()
    ik.materialize(net, x, None, lengths)
    if VERSION >= (1, 7):  # before, its operator ran on cuDNN only
        assert net(x, sequence_length=lengths).shape == (3, 2, 4)


def test_st_metanet_13():
    """A global name such as seq2seq_encoder_g0_in_mlp0_dense0_weight, and the question how to debug it."""

    class Meta(mx.gluon.Block):
        def __init__(self):
            super().__init__()
            self.encoder, self.decoder = nn.HybridSequential(), nn.Dense(2)
            self.encoder.add(nn.Dense(8, activation="relu"), nn.Dense(4))

        def forward(self, x):
            scale = self.encoder[0].weight.data().abs().max()  # reads what no forward pass has resolved
            return self.decoder(self.encoder(x) * scale)

    net = Meta()
    net.initialize()
    with pytest.raises(Deferred) as caught:
        net(nd.ones((2, 3)))
    assert "encoder.0.weight" not in str(caught.value)
    answer = ik.explain(net, (2, 3), error=caught.value).error
    first = str(answer).splitlines()[0]
    assert first.startswith("encoder.0.weight was read by data() before it holds values, at ")
    assert "test_deferral_threads.py" in first and "scale = self.encoder[0].weight.data()" in first
    assert ik.explain(net).fixes[0] == "encoder.0: nn.Dense(8, activation='relu', in_units=?)"


CUSTOM = """
import os

import gluon_initkit as ik
import mxnet as mx
from mxnet.gluon import nn

class Square(mx.autograd.Function):
    def forward(self, x):
        return x * x

    def backward(self, dy):
        return dy

class Custom(mx.gluon.HybridBlock):
    def __init__(self):
        super().__init__()
        with self.name_scope():
            self.scale = self.params.get("scale", shape=(4, 0), allow_deferred_init=True)

    def hybrid_forward(self, F, x, scale):
        return F.FullyConnected(Square()(x), scale, no_bias=True, num_hidden=4)

net = nn.HybridSequential()
net.add(nn.Dense(3), Custom())
net.initialize()
x = mx.nd.ones((2, 5))
with mx.autograd.record():
    {materialize}
    net(x).sum().backward()
print(net[1].scale.shape, net[1].scale.grad().shape, flush=True)
os._exit(0)  # MXNet 1.6 and 1.7 abort as Python ends, wherever such a function ran
"""


@pytest.mark.mxnet1("inference over a whole graph, which a function of one's own makes fail")
def test_mxnet_9842():
    """A function of the user's own before a parameter: as its shape is inferred, MXNet 1.9.1 dies of a bad pointer."""
    plain, ours = (
        subprocess.Popen([sys.executable, "-c", CUSTOM.format(materialize=code)], stdout=subprocess.PIPE,
                         stderr=subprocess.PIPE, text=True)
        for code in ("", "ik.materialize(net, (2, 5))")
    )  # fmt: skip
    said = [process.communicate()[0] for process in (plain, ours)]
    assert said == ["", "(4, 3) (4, 3)\n"]
    assert plain.returncode != 0 and ours.returncode == 0


def contradicting():
    net = nn.HybridSequential()
    net.add(nn.Dense(4, in_units=5), nn.HybridSequential())
    net[1].add(nn.Dense(3, in_units=9), nn.Dense(2))
    net.initialize()
    return net


@pytest.mark.parametrize("thread", ["mxnet_18537", "mxnet_14373"])
def test_an_inference_error_without_a_parameter(thread):
    """apache/mxnet#18537 adds the parameter's global name to one assertion; most such errors name an operator alone."""
    net = contradicting()
    if thread == "mxnet_14373":
        net.hybridize()
    with pytest.raises((mx.MXNetError, ValueError, AssertionError)) as plain:
        net(nd.ones((2, 5)))
        mx.nd.waitall()
    assert "1.0" not in str(plain.value).split("Stack trace")[0]
    answer = ik.explain(net, (2, 5), error=plain.value).error
    assert answer.unresolved[0].path == "1.0.weight" and answer.unresolved[0].fix == "1.0: nn.Dense(3, in_units=4)"
    assert "it has to be (3, 4) in 1.0, given (2, 4), and was (3, 9) before" in answer.unresolved[0].reason


@pytest.mark.skipif(VERSION < (1, 7), reason="MXNet 1.6 makes no cached graph of an operator without a gradient")
def test_mxnet_18105():
    """An operator whose output's shape depends on numbers: MXNet cannot defer behind it once it is hybridized."""
    mx.npx.set_np()

    class Foo(HybridBlock):
        def __init__(self):
            super().__init__()
            self.dense = nn.Dense(8, flatten=False)

        def hybrid_forward(self, F, a, b):
            return self.dense(F.np.take(b, F.np.unique(a), axis=0))

    a, b = mx.np.array([[0, 1, 2], [1, 2, 3]], dtype="int32"), mx.np.ones((6, 4))
    net = Foo()
    net.initialize()
    net.hybridize()
    if not GLUON_2:  # which computes what it has to know
        with pytest.raises(ValueError, match="Deferred initialization failed because shape cannot be inferred"):
            net(a, b)
    net = Foo()
    net.initialize()
    net.hybridize()
    says = r"np\.unique\(a\).*\n.*which depends on numbers" if GLUON_2 else r"dense.weight .*: its size does not follow"
    with pytest.raises(ik.DeferredInitError, match=says):
        ik.materialize(net, a, b)
    ik.materialize(net, a, b, run_forward=True)
    assert net(a, b).shape == (4, 8)


def test_byteps_44():
    """Broadcasting reads data() of every parameter; the deferred ones raise, caught or not."""
    net = Finetuned()
    net.initialize()
    with pytest.raises(Deferred):
        [param.data() for param in net.collect_params().values()]
    report = ik.materialize(net, (2, 3, 16, 16))
    assert {param.name: param.data().shape for param in net.collect_params().values()} == {
        param.name: report[path].shape for path, param in net._collect_params_with_prefix().items()
    }


def test_horovod_895():
    """Workers of other seeds start apart where parameters are deferred (#915, apache/mxnet#14431)."""
    plain, prints = set(), set()
    for seed in (1, 2):
        mx.random.seed(seed)
        net = Finetuned()
        net.initialize(mx.init.Xavier())
        assert all(param._deferred_init for name, param in net.collect_params().items() if name.endswith("weight"))
        net(X)  # what is broadcast before has no weights in it, and each worker draws its own
        plain.add(ik.fingerprint(net))
        net = Finetuned()
        ik.initialize(net, mx.init.Xavier(), seed=5)
        ik.materialize(net, (2, 3, 16, 16))
        prints.add(ik.fingerprint(net))
        assert ik.check_workers(net, mx.kv.create("local")) in prints
    assert len(plain) == 2 and len(prints) == 1


class Slow(mx.init.Initializer):
    """Waits in the middle of filling, as a large array does."""

    def __init__(self):
        super().__init__()
        self.begun, self.go_on = threading.Event(), threading.Event()

    def dumps(self):
        return '["slow", {}]'

    def _init_weight(self, desc, arr):
        self.begun.set()
        self.go_on.wait(20)
        arr[:] = 1


def test_mxnet_17612():
    """Two threads, one deferred network: the second finds a parameter that is neither pending nor there."""
    net, init = nn.Dense(3), Slow()
    net.initialize(init)
    first = threading.Thread(target=net, args=(nd.ones((2, 5)),))
    first.start()
    assert init.begun.wait(20)
    with pytest.raises(RuntimeError, match="has not been initialized"):
        net(nd.ones((2, 5)))
    init.go_on.set()
    first.join()

    net = nn.Dense(3)
    net.initialize(mx.init.One())
    ik.materialize(net, (2, 5))
    if GLUON_2:  # whose parameters make their variables when they are first read, in whatever thread
        net(nd.ones((2, 5)))
    assert answers(net, nd.ones((2, 5))) == [[[5.0] * 3] * 2] * 8


def test_mxnet_13199():
    """Many threads run one hybridized network: materialized, and its graph made, before they start."""
    net = nn.HybridSequential()
    net.add(nn.Dense(4), nn.BatchNorm(), nn.Dense(2))
    ik.initialize(net, mx.init.One(), seed=1)
    ik.materialize(net, (2, 5))
    net.hybridize()
    expected = net(nd.ones((2, 5))).asnumpy().tolist()
    assert answers(net, nd.ones((2, 5))) == [expected] * 8


def answers(net, x):
    found, errors = [], []

    def work():
        try:
            found.append(net(x).asnumpy().tolist())
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    return found


def test_threads_that_ask_for_one_network():
    net = nn.HybridSequential()
    net.add(nn.Dense(4), nn.Dense(2))
    ik.initialize(net, mx.init.Xavier(), seed=3)
    errors, done = [], []

    def work():
        try:
            ik.explain(net, (2, 5))
            done.extend(row.path for row in ik.materialize(net, (2, 5)) if row.state == "materialized")
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors and sorted(done) == ["0.weight", "1.weight"]
    assert "forward" not in net.__dict__ and "forward" not in net[0].__dict__ and net[0].weight.data().shape == (4, 5)


@pytest.mark.parametrize("sizes", [{}, {"input_size": 3}], ids=["deferred", "eager"])
def test_mxnet_10609(sizes):
    """A cell's state that is no list: MXNet speaks of a weight's shape, and hybridized MXNet 1 takes it."""
    inputs, state = nd.ones((2, 3)), nd.ones((2, 5))
    cell = mx.gluon.rnn.GRUCell(5, **sizes)
    cell.initialize()
    with pytest.raises(Exception, match="(?i)shape|initialization was deferred") as plain:
        cell(inputs, state)
    assert " state" not in str(plain.value).splitlines()[0]
    cell = mx.gluon.rnn.GRUCell(5, **sizes)
    cell.initialize()
    first = r"^the network \(rnn.GRUCell\) takes a list of 1 state, and was given an array \(2, 5\), at .*test_deferral"
    with pytest.raises(ik.DeferredInitError, match=first) as error, ik.trace(cell):
        cell(inputs, state)
    assert "Pass the states as one flat list, [state]" in str(error.value)
    assert str(error.value.__cause__).splitlines()[0] in str(error.value)
    ik.materialize(cell, inputs, [state])  # which MXNet 2 does not, of a cell that is called by itself
    with ik.trace(cell):
        assert cell(inputs, [state])[0].shape == (2, 5)
