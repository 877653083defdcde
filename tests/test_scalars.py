"""A shape is known or not, in one word; and so a scalar, which NumPy mode allows, goes through all of the kit."""

import json

import gluon_initkit as ik
from gluon_initkit.shapes import agree, is_known
import mxnet as mx
import pytest
from vocabulary import HybridBlock, classic, constant, declared


@pytest.mark.parametrize("shape, known", [
    ((2, 3), True), ((), True), ((0, 3), True), ((2, None), False), ((None,), False), (None, False),
])  # fmt: skip
def test_known(shape, known):
    assert is_known(shape) is known


@pytest.mark.parametrize("a, b, expected", [
    ((), (), True), ((), None, True), ((), (None,), False), ((2, None), (None, 3), True), ((2,), (3,), False),
    ((2,), (2, 3), False), (None, None, True),
])  # fmt: skip
def test_agree(a, b, expected):
    assert agree(a, b) is agree(b, a) is expected


class Scaled(HybridBlock):
    """What goes through is multiplied by two numbers, and another is added."""

    def __init__(self, init=None, known=True):
        super().__init__()
        shape = () if known else None
        self.weight = declared(self, "weight", shape=shape, init=init or mx.init.Uniform(), allow_deferred_init=True)
        self.bias = declared(self, "bias", shape=shape, init="zeros", allow_deferred_init=True)
        self.half = constant(self, "half", mx.np.array(0.5))

    def hybrid_forward(self, F, x, weight, bias, half):
        return x * weight * half + bias

    def infer_shape(self, *args):
        self.weight.shape = self.bias.shape = ()


PATHS = ["weight", "bias", "half"]
X = (2, 3)


@pytest.fixture(autouse=True)
def _numpy_mode():
    mx.npx.set_np()


def value(param):
    return (param.data() if isinstance(param, mx.gluon.Parameter) else param).asnumpy()


def filled(seed=7, **arguments):
    net = Scaled(**arguments)
    ik.initialize(net, seed=seed)
    return net


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("init, expected", [
    (mx.init.One(), 1), (mx.init.Constant(3), 3), ("zeros", 0), (mx.init.Uniform(), None), (mx.init.Normal(), None),
    (ik.TruncatedNormal(), None),
])  # fmt: skip
def test_a_scalar_is_initialized(init, expected, dtype):
    net = Scaled(init)
    net.cast(dtype)
    report = ik.initialize(net, seed=7)
    assert [(row.path, row.shape, row.state) for row in report] == [(path, (), "initialized") for path in PATHS]
    found = value(net.weight)
    assert found.shape == () and found.dtype == dtype and type(net.weight.data()) is mx.np.ndarray
    assert found == expected if expected is not None else 0 < abs(found) < 0.1
    assert net.weight.grad().shape == () and (value(net.bias), value(net.half)) == (0, 0.5)


class Written(ik.Initializer):
    """A hook of a user's own."""

    def _init_weight(self, desc, arr):
        arr[()] = desc.rng.uniform(1, 2)


class Sliced(ik.Initializer):
    """One that writes as MXNet's do, which MXNet refuses on a scalar."""

    def _init_weight(self, desc, arr):
        arr[:] = 5


@pytest.mark.parametrize("init, low, high", [(Written(), 1, 2), (Sliced(), 5, 5)])
def test_a_hook_of_ones_own_fills_a_scalar(init, low, high):
    net = filled(init=init)
    assert low <= value(net.weight) <= high
    net.weight.initialize(force_reinit=True)  # MXNet's own door to ours
    assert low <= value(net.weight) <= high


def test_again_in_place_and_on_several_contexts():
    net = filled()
    data, before = net.weight.data(), ik.fingerprint(net)
    ik.initialize(net, seed=8, force_reinit=True)
    assert net.weight.data() is data and ik.fingerprint(net) != before
    ik.initialize(net, ctx=[mx.cpu(0), mx.cpu(1)], seed=7, force_reinit=True)
    assert ik.fingerprint(net) == before
    first, second = (each.asnumpy() for each in net.weight.list_data())
    assert first == second and first.shape == ()


def test_deferred_the_same_bits():
    net = Scaled(known=False)
    report = ik.initialize(net, seed=7)
    assert [(row.shape, row.state) for row in report] == [(None, "deferred")] * 2 + [((), "initialized")]
    net(mx.np.ones(X))
    assert ik.fingerprint(net) == ik.fingerprint(filled())


def test_without_numpys_shapes_nothing_is_known_of_it():
    """() is MXNet's word for an unknown shape in its own mode; a scalar that has its value stays one."""
    net, number = Scaled(), filled()
    with classic():
        assert [row.shape for row in ik.plan(net, "zeros")] == [None] * 3
        assert [record.shape for record in ik.inspect(number)] == [()] * 3


def test_a_size_of_zero_is_mxnets_unknown_one():
    """Parameters of size 0 there are none, in NumPy mode either: MXNet reads 0 as not known yet."""
    net = HybridBlock()
    net.weight = mx.gluon.Parameter("weight", shape=(0, 3))
    with pytest.raises(ValueError, match=r"invalid shape: \(-1, 3\)"):
        net.weight.initialize()
    with pytest.raises(ik.InitializationError, match=r"weight: its shape is \(\?, 3\) and it may not be deferred"):
        ik.initialize(net)
    assert ik.inspect(net)["weight"].shape == (None, 3)


def test_with_a_trainer():
    net = filled()
    before = ik.fingerprint(net)
    trainer = mx.gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 1})
    with mx.autograd.record():
        loss = net(mx.np.ones(X)).sum()
    loss.backward()
    trainer.step(1)
    assert value(net.bias) == -6
    ik.initialize(net, seed=7, force_reinit=True)
    assert ik.fingerprint(net) == before and value(net.bias.grad()) == 0


def test_plan():
    plan = ik.plan(Scaled(), mx.init.Xavier())
    assert [(row.path, row.shape, row.error) for row in plan] == [(path, (), None) for path in PATHS]
    assert "()" in str(plan)


def test_what_serves_no_scalar_says_so():
    class Odd(HybridBlock):
        def __init__(self):
            super().__init__()
            self.odd = declared(self, "odd", shape=())
            self.weight = declared(self, "weight", shape=())

    net = Odd()
    with pytest.raises(ik.InitializationError, match=r"odd: Xavier needs a fan-in .* an array of shape \(\)"):
        ik.initialize(net, mx.init.Xavier())
    net.odd.init = "ones"
    with pytest.raises(ik.InitializationError, match=r"'weight' of shape \(\) .*Xavier: .*at least 2 dimensions"):
        ik.initialize(net, mx.init.Xavier())
    assert net.odd._data is None


def test_inspect():
    net = filled()
    report = ik.inspect(net, stats=True)
    record = report["weight"]
    assert (record.shape, record.size, record.bytes) == ((), 1, 4)
    assert record.stats.count == 1 and record.stats.mean == pytest.approx(float(value(net.weight)))
    assert all("()" in text for text in (str(report), report._repr_html_()))
    assert [each["shape"] for each in json.loads(report.to_json())["records"]] == [[]] * 3
    assert ik.inspect(Scaled())["weight"].size == 1
    report.check()


def test_compare():
    a, b = filled(7), filled(8)
    assert ik.compare(a, filled(7)).same
    comparison = ik.compare(a, b)
    assert [row.path for row in comparison.differences] == ["weight"] and "()" in str(comparison)


@pytest.mark.parametrize("known", [True, False])
def test_save_and_load(known, tmp_path):
    net, path = filled(), str(tmp_path / "scalars.params")
    ik.save(net, path)
    other = Scaled(known=known)
    ik.load(other, path)
    assert ik.fingerprint(other) == ik.fingerprint(net)
    again = filled(8)
    ik.load(again, path)
    assert ik.fingerprint(again) == ik.fingerprint(net)
    records = ik.inspect(path, stats=True).records
    assert [(record.shape, record.size, record.stats.count) for record in records] == [((), 1, 1)] * 3
    assert ik.compare(net, path).same


def test_materialize_and_explain():
    net = Scaled(known=False)
    ik.initialize(net, seed=7)
    rows = ik.materialize(net, X, run_forward=True)
    assert [(row.path, row.shape) for row in rows] == [(path, ()) for path in PATHS]
    assert ik.fingerprint(net) == ik.fingerprint(filled())
    net = Scaled()
    assert [row.shape for row in ik.resolve_shapes(net, X)] == [()] * 3
    assert {row.reason for row in ik.explain(net, X)} == {"initialize was never called on it, or filling it failed"}


def test_trace():
    net = Scaled(known=False)
    with ik.trace(net) as trace:
        ik.initialize(net, seed=7)
        net(mx.np.ones(X))
    assert trace.events[-1].shape == ()


def test_shared():
    net = mx.gluon.nn.HybridSequential()
    net.add(Scaled(), Scaled())
    with pytest.raises(ik.SharingError, match=r"cannot be transposes of each other: found \(\)"):
        ik.Sharing(net).tie("0.weight", "1.weight", transpose=True).apply()
    ik.Sharing(net).tie("0.weight", "1.weight").apply()
    ik.initialize(net, seed=7)
    assert net[0].weight is net[1].weight
    assert [group.paths for group in ik.shared_groups(net)] == [("0.weight", "1.weight")]
    ik.untie(net, "1.weight")
    assert value(net[1].weight) == value(net[0].weight) and value(net[1].weight).shape == ()
