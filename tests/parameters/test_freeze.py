"""`freeze`, `unfreeze`, `set_attributes`: what is frozen keeps its bits, what is not learns, whatever trains it."""

import copy
import itertools

import gluon_initkit as ik
import mxnet as mx
from mxnet.gluon import nn
import numpy as np
import pytest
from vocabulary import GLUON_2, contexts, declared, nd

CONTEXTS = {1: [mx.cpu(0)], 2: [mx.cpu(0), mx.cpu(1)]}


def network(ctx=None, hybridize=None):
    net = nn.HybridSequential()
    net.add(nn.Dense(6, in_units=4, activation="relu"), nn.BatchNorm(in_channels=6), nn.Dense(2, in_units=6))
    ik.initialize(net, mx.init.Xavier(), ctx=ctx, seed=3)
    if hybridize is not None:
        net.hybridize(**hybridize)
    return net


class Scale(nn.Sequential):
    """A layer of parameters alone, which a CPU computes in float16 too."""

    def __init__(self):
        super().__init__()
        self.weight = declared(self, "weight", shape=(4,))
        self.bias = declared(self, "bias", shape=(4,))

    def forward(self, x):
        ctx = x.ctx if GLUON_2 else x.context
        return x * self.weight.data(ctx) + self.bias.data(ctx)


def train(net, trainer, steps=3):
    ctxs = contexts(net[0].weight)
    rng = np.random.RandomState(1)
    for _ in range(steps):
        data = [nd.array(rng.randn(3, 4), ctx=ctx, dtype=net[0].weight.dtype) for ctx in ctxs]
        with mx.autograd.record():
            losses = [((net(x) - 0.5) ** 2).sum() for x in data]
        mx.autograd.backward(losses)
        trainer.step(2)


def parameters(net):
    return net.collect_params() if GLUON_2 else net._collect_params_with_prefix()


def values(net):
    return {path: [array.asnumpy() for array in param.list_data()] for path, param in parameters(net).items()}


def moved(before, after):
    return {path for path in before if not np.array_equal(before[path], after[path])}


TRAINED = {"0.weight", "0.bias", "1.gamma", "1.beta", "2.weight", "2.bias"}
STATISTICS = {"1.running_mean", "1.running_var"}
HYBRIDIZED = [None, {}, {"static_alloc": True, "static_shape": True}]
# Kvstore, whether it updates (None: MXNet decides), contexts; a kvstore of one context exists in name only.
TRAINERS = [(None, None, 1), ("device", None, 1), (None, None, 2), ("local", None, 2), ("device", True, 2),
            ("device", False, 2)]  # fmt: skip


@pytest.mark.parametrize(("hybridize", "trained"), itertools.product(HYBRIDIZED, TRAINERS))
def test_frozen_bits_stay_and_the_others_learn(hybridize, trained):
    kind, on_kvstore, count = trained
    net = network(CONTEXTS[count], hybridize)
    trainer = mx.gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.1, "momentum": 0.9, "wd": 0.1},
                               kvstore=kind, update_on_kvstore=on_kvstore)  # fmt: skip
    train(net, trainer)
    start = values(net)
    report = ik.freeze(net, "0.*")
    assert [row.path for row in report] == ["0.weight", "0.bias"] and report["0.bias"].before == "write"
    train(net, trainer)
    middle = values(net)
    assert moved(start, middle) == TRAINED - {"0.weight", "0.bias"} | STATISTICS
    assert [row.path for row in ik.unfreeze(net)] == ["0.weight", "0.bias"]
    train(net, trainer)
    assert moved(middle, values(net)) == TRAINED | STATISTICS


@pytest.mark.parametrize("trained", TRAINERS)
def test_master_copies_of_float16_stay_too(trained):
    kind, on_kvstore, count = trained
    net = nn.Sequential()
    net.add(Scale(), Scale())
    net.cast("float16")
    net.initialize(mx.init.One(), ctx=CONTEXTS[count])
    trainer = mx.gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.001, "momentum": 0.9, "wd": 0.1,
                               "multi_precision": True}, kvstore=kind, update_on_kvstore=on_kvstore)  # fmt: skip
    train(net, trainer)
    start = values(net)
    ik.freeze(net, "0.*")
    train(net, trainer)
    middle = values(net)
    assert moved(start, middle) == {"1.weight", "1.bias"}
    ik.unfreeze(net)
    train(net, trainer, 1)
    after = values(net)
    assert moved(middle, after) == {"0.weight", "0.bias", "1.weight", "1.bias"}
    assert np.abs(after["0.weight"][0] - middle["0.weight"][0]).max() < 0.1  # it goes on from where it stood


@pytest.mark.parametrize("hybridize", [None, {}])
def test_deferred_parameters_are_frozen_before_they_exist(hybridize):
    net = nn.HybridSequential()
    net.add(nn.Dense(6), nn.Dense(2))
    if hybridize is not None:
        net.hybridize()
    report = ik.freeze(net, "0.*")
    assert len(report) == 2
    net.initialize()
    trainer = mx.gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.1})
    net(nd.ones((2, 4)))
    before = values(net)
    train(net, trainer)
    assert moved(before, values(net)) == {"1.weight", "1.bias"}
    ik.unfreeze(net)
    before = values(net)
    train(net, trainer)
    assert "0.weight" in moved(before, values(net))


def test_momentum_stands_still_and_goes_on():
    net = network()
    trainer = mx.gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.1, "momentum": 0.9, "wd": 0})
    train(net, trainer)
    ik.freeze(net, "0.weight")
    number = next(number for number, param in enumerate(trainer._params) if param is net[0].weight)
    momentum = trainer._updaters[0].states[number].asnumpy()
    train(net, trainer)
    assert np.array_equal(trainer._updaters[0].states[number].asnumpy(), momentum) and np.any(momentum)
    ik.unfreeze(net)
    before = net[0].weight.data().asnumpy()
    with mx.autograd.record():
        loss = (net(nd.ones((1, 4))) * 0).sum()
    loss.backward()
    trainer.step(1)  # no gradient: the momentum alone
    assert np.allclose(net[0].weight.data().asnumpy(), before + 0.9 * momentum, atol=1e-6)


def test_unfreeze_gives_back_what_was_there_and_leaves_what_the_user_froze():
    net = network()
    net[0].weight.grad_req = "add"
    net[0].bias.grad_req = "null"
    ik.freeze(net)
    report = ik.unfreeze(net)
    assert {row.path: row.after for row in report} == {
        "0.weight": "add", "1.gamma": "write", "1.beta": "write", "2.weight": "write", "2.bias": "write"}  # fmt: skip
    assert net[0].bias.grad_req == "null" and net[1].running_mean.grad_req == "null"
    assert len(ik.unfreeze(net)) == 0


@pytest.mark.parametrize("hybridize", [False, True])
def test_running_statistics_change_where_a_backward_pass_goes_through_their_layer(hybridize):
    net = network(hybridize={} if hybridize else None)
    trainer = mx.gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.1})
    for frozen, expected in (("[01].*", set()), ("1.*", {"1.running_mean", "1.running_var"})):
        ik.unfreeze(net)
        ik.freeze(net, frozen)
        before = values(net)
        train(net, trainer)
        assert {path for path in moved(before, values(net)) if path.startswith("1.")} == expected


def test_freezing_twice_forgets_nothing():
    net = network()
    ik.freeze(net, "2.*")
    assert len(ik.freeze(net, "2.*")) == 0
    assert [row.path for row in ik.unfreeze(net, "2.weight")] == ["2.weight"] and net[2].bias.grad_req == "null"


def test_a_copy_can_be_unfrozen():
    net = network()
    ik.freeze(net)
    assert len(ik.unfreeze(copy.deepcopy(net))) == 6


def test_what_the_user_thaws_by_hand_is_not_frozen_by_the_kit_any_more():
    net = network()
    ik.freeze(net, "0.weight")
    net[0].weight.grad_req = "add"
    assert len(ik.unfreeze(net)) == 0 and net[0].weight.grad_req == "add"


def test_a_shared_parameter_is_frozen_once_by_any_of_its_paths():
    net = nn.HybridSequential()
    net.add(nn.Dense(4, in_units=4), nn.Dense(4, in_units=4))
    ik.Sharing(net).tie("*.weight").apply()
    report = ik.freeze(net, "1.weight")
    assert [(row.path, row.aliases) for row in report] == [("0.weight", ("1.weight",))]
    assert "= 1.weight" in str(report)


@pytest.mark.parametrize("trained", TRAINERS)
def test_multipliers_are_obeyed_by_a_trainer_that_exists(trained):
    kind, on_kvstore, count = trained
    net = network(CONTEXTS[count])
    trainer = mx.gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.1, "wd": 0.1},
                               kvstore=kind, update_on_kvstore=on_kvstore)  # fmt: skip
    train(net, trainer, 1)
    report = ik.set_attributes(net, [("0.*", {"lr_mult": 0}), ("*", {"wd_mult": 0.5}), ("bias", {"wd_mult": 0})])
    assert report["0.weight"].attribute == "lr_mult" and net[2].bias.wd_mult == 0 and net[2].weight.wd_mult == 0.5
    before = values(net)
    train(net, trainer, 1)
    assert moved(before, values(net)) == TRAINED - {"0.weight", "0.bias"} | STATISTICS


def test_layer_decay_gives_the_learning_rates_of_timm():
    """The recipe of the docstring, by what a step really changes; timm.optim.param_groups_layer_decay has the scales
    ``layer_decay ** (layer_max - i)``: the last layer's is 1, each before it has 0.75 of the next one's."""
    net = nn.HybridSequential()
    net.add(*(nn.Dense(4, in_units=4) for _ in range(12)), nn.Dense(2, in_units=4))
    ik.initialize(net, mx.init.Orthogonal(scale=1), seed=3)
    decay, last = 0.75, len(net) - 1
    ik.set_attributes(net, [(f"{i}.*", {"lr_mult": decay ** (last - i)}) for i in range(len(net))])
    trainer = mx.gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.5})
    before = values(net)
    with mx.autograd.record():
        loss = net(nd.ones((1, 4))).sum()
    loss.backward()
    gradients = {path: param.grad().asnumpy() for path, param in parameters(net).items()}
    trainer.step(1)
    scale = 1
    for number in reversed(range(len(net))):
        for path in (f"{number}.weight", f"{number}.bias"):
            assert np.abs(gradients[path]).max() > 0.01
            step = before[path][0] - values(net)[path][0]
            np.testing.assert_allclose(step, 0.5 * scale * gradients[path], rtol=1e-4, atol=1e-6)
        scale *= 0.75


@pytest.mark.parametrize(("settings", "error", "says"), [
    ([("0.*", {"lr_mult": 0.1}), ("*.wieght", {"wd_mult": 0})], ValueError,
     r"'\*\.wieght' selects no parameter; did you mean '\*\.weight'"),
    ([("0.*", {"lr_mult": 0.1, "lr_mul": 2})], ValueError, "'lr_mul' is no attribute.*did you mean 'lr_mult'"),
    ([("0.*", {"lr_mult": 0.1, "wd_mult": -1})], ValueError, "wd_mult is -1: expected a finite number of at least 0"),
    ([("0.*", {"lr_mult": float("nan")})], ValueError, "lr_mult is nan"),
    ([("0.*", {"lr_mult": True})], ValueError, "lr_mult is True"),
    ([("0.*", {"lr_mult": "0.1"})], ValueError, "lr_mult is '0.1'"),
    ([("0.*", {"grad_req": "none"})], ValueError, "grad_req is 'none': expected 'write', 'add' or 'null'"),
    ([("running_mean", {"grad_req": "write"})], ValueError, "running statistics alone: 1.running_mean"),
    ("0.*", TypeError, "expected pairs of a selector and a dict"),
    ([("0.*", 0.1)], TypeError, "expected pairs of a selector and a dict"),
    ([(3, {"lr_mult": 1})], TypeError, "3 is no selector"),
])  # fmt: skip
def test_a_wrong_setting_changes_nothing(settings, error, says):
    net = network()
    before = [(p.grad_req, p.lr_mult, p.wd_mult) for p in net.collect_params().values()]
    with pytest.raises(error, match=says):
        ik.set_attributes(net, settings)
    assert [(p.grad_req, p.lr_mult, p.wd_mult) for p in net.collect_params().values()] == before


@pytest.mark.parametrize("verb", [ik.freeze, ik.unfreeze])
@pytest.mark.parametrize(("selector", "says"), [
    ("0.wieght", "no parameter has the path '0.wieght'; did you mean '0.weight'"),
    ("2", r"which is a block's; '2\.\*' selects all"),
    ("features.*", "'features.*' selects no parameter"),
    (nn.Conv2D, "Conv2D selects no parameter"),
])  # fmt: skip
def test_a_selector_that_selects_nothing_is_an_error_that_names_what_is_near(verb, selector, says):
    with pytest.raises(ValueError, match=says):
        verb(network(), selector)


def test_a_grad_req_is_set_where_there_is_a_gradient_and_left_where_there_is_none():
    net = network()
    report = ik.set_attributes(net, [("1.*", {"grad_req": "add"})])
    assert [row.path for row in report] == ["1.gamma", "1.beta"] and report.selected == 4
    assert net[1].running_var.grad_req == "null"


def test_the_later_setting_wins():
    net = network()
    report = ik.set_attributes(net, {"*": {"lr_mult": 0.1}, "2.*": {"lr_mult": 1}})
    assert net[0].weight.lr_mult == 0.1 and net[2].weight.lr_mult == 1
    assert "2.weight" not in [row.path for row in report]


def test_it_prints_as_a_table():
    text = str(ik.freeze(network(), "2.*"))
    assert text.startswith("2 parameters changed, 2 selected") and "2.weight" in text and "write" in text


def test_no_block_is_refused():
    with pytest.raises(TypeError, match="expected a network"):
        ik.freeze(network().collect_params())


def test_multipliers_that_the_servers_of_a_kvstore_never_read_are_refused():
    net = network()
    trainer = mx.gluon.Trainer(net.collect_params(), "sgd", kvstore="dist_sync")
    with pytest.raises(ValueError, match=r"^2\.weight: lr_mult would have no effect.*update_on_kvstore=False"):
        ik.set_attributes(net, [("0.*", {"grad_req": "null"}), ("2.*", {"lr_mult": 0.1})])
    assert net[0].weight.grad_req == "write" and trainer is not None
    ik.release(net)
    mx.gluon.Trainer(net.collect_params(), "sgd", kvstore="dist_sync", update_on_kvstore=False)
    assert len(ik.set_attributes(net, [("2.*", {"lr_mult": 0.1})])) == 2
