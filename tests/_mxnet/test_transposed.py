"""One parameter seen transposed: in blocks of every kind, in the graph, in files, and in tables."""


import gluon_initkit as ik
from gluon_initkit._mxnet.arrays import context_of
from gluon_initkit._mxnet.parameter import source_of
import mxnet as mx
from mxnet.gluon import nn
import numpy as np
import pytest
from vocabulary import GLUON_2, contexts, declared, initialize_all, nd


class Plain(mx.gluon.Block):
    """A Block that is not hybrid and reads its parameters itself."""

    def __init__(self):
        super().__init__()
        self.into = declared(self, "into", shape=(3, 4))
        self.back = declared(self, "back", shape=(4, 3))

    def forward(self, x):
        ctx = context_of(x)
        return nd.dot(nd.tanh(nd.dot(x, self.into.data(ctx).T)), self.back.data(ctx).T)


def loss_of(net, x):
    with mx.autograd.record():
        out = net(x)
        loss = (out * out).sum()
    loss.backward()
    return loss.asnumpy().item()


def collected(net):
    """What `collect_params` gives; MXNet 2's also gives what stands transposed, which leads to the same."""
    params = list(net.collect_params().values())
    return {source_of(param) for param in params} if GLUON_2 else set(params)


@pytest.mark.parametrize("to, other", [("into", "back"), ("back", "into")])
def test_in_a_plain_block_by_finite_differences(to, other):
    net = Plain()
    net.initialize(mx.init.Uniform(0.5))
    ik.Sharing(net).tie(other, to=to, transpose=True).apply()
    x = nd.array([[1, 2, 3, 4], [0, 1, 0, -1]])
    loss_of(net, x)
    kept = getattr(net, to)
    gradient = kept.grad().asnumpy()
    assert (getattr(net, other).grad().asnumpy() == gradient.T).all()
    assert collected(net) == {kept}
    value = kept.data().asnumpy()
    for index in [(0, 0), (2, 1), (1, 2)]:
        sides = []
        for step in (1e-2, -1e-2):
            moved = value.copy()
            moved[index] += step
            kept.set_data(nd.array(moved))
            sides.append(loss_of(net, x))
        assert abs((sides[0] - sides[1]) / 2e-2 - gradient[index]) < 2e-2 * max(1, abs(gradient[index]))


def tied():
    net = nn.HybridSequential()
    net.add(nn.Dense(3, in_units=4), nn.Dense(4, in_units=3), nn.Dense(3, in_units=4))
    return net


def test_a_view_named_as_canonical_keeps_what_it_shows():
    net = tied()
    ik.Sharing(net).tie("1.weight", to="0.weight", transpose=True).apply()
    report = ik.Sharing(net).tie("2.weight", to="1.weight", transpose=True).apply()
    assert report.groups == (ik.SharedGroup("0.weight", ("1.weight", "2.weight"), ("1.weight",)),)
    ik.check_sharing(net, report)


@pytest.mark.parametrize("targets, to", [(("*.weight",), None), (("0.weight", "1.weight", "2.weight"), None),
                                         (("0.weight", "1.weight"), "2.weight")])  # fmt: skip
def test_two_targets(targets, to):
    with pytest.raises(ik.SharingError, match="expected two targets, the first the transpose of the second"):
        ik.Sharing(tied()).tie(*targets, to=to, transpose=True).apply()


def test_it_is_a_parameter_like_another():
    net = tied()
    net.initialize()
    ik.Sharing(net).tie("1.weight", "0.weight", transpose=True).apply()
    shown, kept = net[1].weight, net[0].weight
    assert isinstance(shown, mx.gluon.Parameter) and "Transposed(Parameter" in repr(shown)
    assert shown.shape == (4, 3) and shown.name == kept.name and contexts(shown) == contexts(kept)
    shown.set_data(nd.arange(12).reshape((4, 3)))
    assert (kept.data().asnumpy() == np.arange(12).reshape(4, 3).T).all()
    assert shown.list_data()[0].shape == shown.list_grad()[0].shape == (4, 3)
    for name, value in (("lr_mult", 0.5), ("wd_mult", 0.25), ("grad_req", "add"), ("init", mx.init.One())):
        setattr(shown, name, value)
        assert getattr(kept, name) == value == getattr(shown, name)
    shown.initialize(force_reinit=True)
    assert kept.data().shape == (3, 4) and kept.data().asnumpy().all()
    shown.cast("float16")
    assert kept.dtype == shown.dtype == "float16" and kept.data().dtype == np.float16
    shown.grad_req = "write"
    shown.grad()[:] = 3
    (net if GLUON_2 else shown).zero_grad()  # that of MXNet 2's Parameter fails on np arrays
    assert not kept.grad().asnumpy().any()


def test_a_trainer_that_could_not_update_it():
    """Its `list_data()` are copies: a step would be lost."""
    net = tied()
    net.initialize()
    ik.Sharing(net).tie("1.weight", "0.weight", transpose=True).apply()
    if GLUON_2:  # where `collect_params` gives it, and a Trainer is let have the one that holds the values
        assert mx.gluon.Trainer([net[1].weight], "sgd")._params == [net[0].weight]
        return
    with pytest.raises(TypeError, match="holds no values of its own: give it the parameters of `collect_params"):
        mx.gluon.Trainer([net[1].weight], "sgd")


def test_its_shape_may_be_told_through_either():
    net = nn.HybridSequential()
    net.add(nn.Dense(3), nn.Dense(4))
    net[0].weight._shape = None
    ik.Sharing(net).tie("1.weight", "0.weight", transpose=True).apply()
    net[1].weight.shape = (4, 3)
    assert net[0].weight.shape == (3, 4)


@pytest.mark.parametrize("hybridize", [False, True])
def test_a_weight_drop_parameter_stays_one(hybridize):
    """What a special Parameter makes of its values is seen transposed too, and hybridized its data() is asked."""

    class Doubled(mx.gluon.Parameter):
        def data(self, ctx=None):
            return super().data(ctx) * 2

    net = nn.HybridSequential()
    block = nn.HybridSequential()
    block.weight = Doubled("special_weight", shape=(3, 4))
    net.add(nn.Dense(4, in_units=3), block)
    ik.Sharing(net).tie("0.weight", to="1.weight", transpose=True).apply()
    initialize_all(net, mx.init.One())
    assert net[0](nd.ones((1, 3))).asnumpy().tolist() == [[6, 6, 6, 6]]
    if hybridize:
        net[0].hybridize()
        assert net[0](nd.ones((1, 3))).asnumpy().tolist() == [[6, 6, 6, 6]]


def test_plain_saving_writes_each_path_as_it_is_seen(tmp_path):
    net = nn.HybridSequential()
    net.add(nn.Dense(3, in_units=4), nn.Dense(4, in_units=3))
    net.initialize(mx.init.Normal())
    ik.Sharing(net).tie("1.weight", "0.weight", transpose=True).apply()
    net.save_parameters(str(tmp_path / "x.params"))
    written = mx.nd.load(str(tmp_path / "x.params"))
    assert written["0.weight"].shape == (3, 4) and written["1.weight"].shape == (4, 3)
    assert (written["1.weight"].asnumpy() == written["0.weight"].asnumpy().T).all()
    assert (written["0.weight"].asnumpy() == net[0].weight.data().asnumpy()).all()


@pytest.mark.parametrize("flags", [{}, {"static_alloc": True}, {"static_alloc": True, "static_shape": True}])
def test_a_layer_that_is_hybridized_alone(flags, tmp_path):
    """Its graph does not know the parameter that it sees; values and gradients are that one's all the same."""

    def network():
        net = nn.Sequential()
        net.add(nn.Dense(3), nn.HybridSequential())
        net[1].add(nn.Activation("tanh"), nn.Dense(4))
        ik.Sharing(net).tie("1.1.weight", "0.weight", transpose=True).apply()
        ik.initialize(net, mx.init.Uniform(0.5), seed=3)
        return net

    plain, net = network(), network()
    net[1].hybridize(**flags)
    x = nd.array([[1, 2, 3, 4], [0, 1, 0, -1]])
    for each in (plain, net):
        trainer = mx.gluon.Trainer(each.collect_params(), "sgd", {"learning_rate": 0.1})
        for _ in range(3):
            each.loss = loss_of(each, x)
            trainer.step(1)
    assert plain.loss == pytest.approx(net.loss, rel=1e-5)
    for one, other in zip((plain[0].weight, plain[1][1].bias), (net[0].weight, net[1][1].bias)):
        np.testing.assert_allclose(one.data().asnumpy(), other.data().asnumpy(), rtol=1e-5)
        np.testing.assert_allclose(one.grad().asnumpy(), other.grad().asnumpy(), rtol=1e-4)
    assert net[0].weight.grad().asnumpy().any()
    net[1].export(str(tmp_path / "part"))
    names = (["data"], str(tmp_path / "part-0000.params"))
    alone = mx.gluon.SymbolBlock.imports(str(tmp_path / "part-symbol.json"), *names)
    np.testing.assert_allclose(alone(net[0](x)).asnumpy(), net(x).asnumpy(), rtol=1e-5)


def plus(array):
    array += 1


def times(array):
    array *= 2


def over(array):
    array /= 2


WRITES = {
    "all": lambda array: array.__setitem__(slice(None), 5),
    "a row": lambda array: array.__setitem__(1, 5),
    "a row, by a slice": lambda array: array[1].__setitem__(slice(None), 5),
    "some": lambda array: array.__setitem__((slice(1), 2), 5),
    "by indices": lambda array: array.__setitem__([0, 1], 5),
    "from NumPy": lambda array: array.__setitem__(slice(None), np.zeros((4, 3), "float32")),
    "plus": plus,
    "times": times,
    "over": over,
}


@pytest.mark.parametrize("numpy_mode", [GLUON_2, True])
@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_a_write_into_a_copy_is_refused(write, numpy_mode):
    if numpy_mode:
        mx.npx.set_np()
    net = tied()
    net.initialize(mx.init.Uniform(1), ctx=[mx.cpu(0), mx.cpu(1)])
    ik.Sharing(net).tie("1.weight", "0.weight", transpose=True).apply()
    before = net[0].weight.data(mx.cpu(0)).asnumpy()
    seen = net[1].weight
    arrays = [seen.data(mx.cpu(1)), *seen.list_data()]
    for array in arrays:
        with pytest.raises(ValueError, match=r"is a copy: .* stands transposed (?s:.*)set_data\(...\)"):
            write(array)
    assert (net[0].weight.data(mx.cpu(0)).asnumpy() == before).all()
    seen.set_data(net[1].weight.data(mx.cpu(0)) * 0 + 5)
    assert (net[0].weight.data(mx.cpu(1)).asnumpy() == 5).all()


@pytest.mark.parametrize("numpy_mode", [GLUON_2, True])
def test_what_refuses_writes_is_an_array_for_everything_else(numpy_mode):
    import copy
    import pickle

    if numpy_mode:
        mx.npx.set_np()
    net = tied()
    net.initialize(mx.init.Uniform(1))
    ik.Sharing(net).tie("1.weight", "0.weight", transpose=True).apply()
    array, values = net[1].weight.data(), net[0].weight.data().asnumpy().T
    other = (mx.np if numpy_mode else mx.nd).zeros((4, 3))
    other[:] = array
    made = [array + 0, array.copy(), copy.copy(array), copy.deepcopy(array), pickle.loads(pickle.dumps(array)),
            array.as_in_context(mx.cpu(1)), array.astype("float32"), array.reshape((4, 3)), array.detach()]  # fmt: skip
    for each in (other, *made):
        assert (each.asnumpy() == values).all()
    mine = array.copy()
    mine[:] = 0
    mine += 1
    assert (mine.asnumpy() == 1).all() and (array[1].asnumpy() == values[1]).all()
    assert repr(array) == repr(array.copy()) and isinstance(array, type(other))
