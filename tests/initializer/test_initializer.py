"""The corrected base: every hook is reached, by every way into an initializer, and by no other."""

import copy
import json
import logging
import pickle
import threading

import gluon_initkit as ik  # before mxnet: it makes mxnet importable
import mxnet as mx
from mxnet.gluon import nn
import numpy as np
import pytest
from vocabulary import VERSION, HybridBlock, constant, declared, initialize_all, nd, uniform


class PlainInit(mx.init.Initializer):
    def _init_weight(self, desc, arr):
        arr[:] = 5 + 5 * uniform(arr.shape)

    def _init_bias(self, desc, arr):
        arr[:] = 2


class MyInit(ik.Initializer):
    def _init_weight(self, desc, arr):
        mx.nd.random.uniform(5, 10, out=arr)

    def _init_bias(self, desc, arr):
        arr[:] = 2


SENTINELS = {"weight": 11, "bias": 12, "gamma": 13, "beta": 14, "running_mean": 15, "running_var": 16, "alpha": 17,
             "default": 18}  # fmt: skip


@mx.init.register
class SentinelInit(ik.Initializer):
    """Each hook writes a number of its own, so a value tells the hook that wrote it."""

    def _init_weight(self, desc, arr):
        arr[:] = SENTINELS["weight"]

    def _init_bias(self, desc, arr):
        arr[:] = SENTINELS["bias"]

    def _init_gamma(self, desc, arr):
        arr[:] = SENTINELS["gamma"]

    def _init_beta(self, desc, arr):
        arr[:] = SENTINELS["beta"]

    def _init_running_mean(self, desc, arr):
        arr[:] = SENTINELS["running_mean"]

    def _init_running_var(self, desc, arr):
        arr[:] = SENTINELS["running_var"]

    def _init_alpha(self, desc, arr):
        arr[:] = SENTINELS["alpha"]

    def _init_default(self, desc, arr):
        arr[:] = SENTINELS["default"]


class Scaled(HybridBlock):
    """A block with a parameter of no conventional name."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.scale = declared(self, "scale", shape=(1,))

    def hybrid_forward(self, F, x, scale):
        return F.broadcast_mul(x, scale)


def every_role(deferred=True, **inits):
    """A network with a parameter of every role; `inits` go to the layers' own initializer arguments."""
    net = nn.HybridSequential()
    given = {name: inits.get(name) for name in ("weight", "bias", "gamma", "beta", "running_mean", "running_var")}
    for name, default in (("bias", "zeros"), ("gamma", "ones"), ("beta", "zeros"), ("running_mean", "zeros"),
                          ("running_var", "ones")):  # fmt: skip
        given[name] = given[name] or default
    alpha = {"alpha_initializer": inits["alpha"]} if "alpha" in inits else {}
    net.add(
        nn.Dense(3, in_units=0 if deferred else 4, weight_initializer=given["weight"], bias_initializer=given["bias"]),
        nn.BatchNorm(
            in_channels=0 if deferred else 3,
            gamma_initializer=given["gamma"],
            beta_initializer=given["beta"],
            running_mean_initializer=given["running_mean"],
            running_variance_initializer=given["running_var"],
        ),
        nn.PReLU(**alpha),
        Scaled(),
    )
    if "default" in inits:
        net[3].scale.init = inits["default"]
    return net


EVERY_PATH = {"0.weight": "weight", "0.bias": "bias", "1.gamma": "gamma", "1.beta": "beta",
              "1.running_mean": "running_mean", "1.running_var": "running_var", "2.alpha": "alpha",
              "3.scale": "default"}  # fmt: skip


def value_of(net, path):
    block = net
    *names, last = path.split(".")
    for name in names:
        block = block[int(name)]
    return getattr(block, last).data().asnumpy()


def by_network(net):
    net.initialize(SentinelInit())


def by_collect_params(net):
    net.initialize()
    initialize_all(net, SentinelInit(), force_reinit=True)


def by_parameter(net):
    for param in net.collect_params().values():
        param.initialize(init=SentinelInit())


def by_registered_name(net):
    net.initialize("sentinelinit")


def by_json(net):
    net.initialize(SentinelInit().dumps())


def by_corrected_foreign(net):
    plain = type("Foreign", (mx.init.Initializer,), {k: v for k, v in vars(SentinelInit).items() if "_init_" in k})
    plain._init_weight = SentinelInit._init_weight.__wrapped__
    net.initialize(ik.corrected(plain()))


def by_rules(net):
    net.initialize(ik.Rules([("*", SentinelInit())]))


def by_rules_default(net):
    net.initialize(ik.Rules([], default=SentinelInit()))


WAYS = [by_network, by_collect_params, by_parameter, by_registered_name, by_json, by_corrected_foreign, by_rules,
        by_rules_default]  # fmt: skip


@pytest.mark.parametrize("numpy_mode", [False, True], ids=["classic", "numpy"])
@pytest.mark.parametrize("hybridize", [False, True], ids=["imperative", "hybridized"])
@pytest.mark.parametrize("deferred", [False, True], ids=["eager", "deferred"])
@pytest.mark.parametrize("way", WAYS)
def test_every_role_by_every_way_gets_its_own_hook(way, deferred, hybridize, numpy_mode):
    if numpy_mode:
        mx.npx.set_np()
        check_in_numpy_mode(way, deferred, hybridize)
        return
    net = every_role(deferred)
    if hybridize:
        net.hybridize()
    way(net)
    net(nd.ones((2, 4)))
    for path, role in EVERY_PATH.items():
        found = value_of(net, path)
        assert (found == SENTINELS[role]).all(), (path, found)


if VERSION == (1, 6):

    class NumpyPReLU(nn.PReLU):
        """MXNet 1.6's own answers a forward pass in NumPy mode with a TypeError: its operator is a classic one."""

        def hybrid_forward(self, F, x, alpha):
            return F.np.maximum(x, 0) + alpha * F.np.minimum(x, 0)

else:
    NumpyPReLU = nn.PReLU


def check_in_numpy_mode(way, deferred, hybridize):
    net = nn.HybridSequential()
    net.add(nn.Dense(3, in_units=0 if deferred else 4), nn.BatchNorm(in_channels=0 if deferred else 3), NumpyPReLU())
    if hybridize:
        net.hybridize()
    way(net)
    net(mx.np.ones((2, 4)))
    for path, role in list(EVERY_PATH.items())[:-1]:
        assert (value_of(net, path) == SENTINELS[role]).all(), path


@pytest.mark.parametrize("form", [SentinelInit(), "sentinelinit", SentinelInit().dumps()],
                         ids=["instance", "name", "json"])  # fmt: skip
@pytest.mark.parametrize("deferred", [False, True], ids=["eager", "deferred"])
def test_a_layers_own_initializer_gets_to_the_role_it_was_given_for(deferred, form):
    net = every_role(deferred, **dict.fromkeys(SENTINELS, form))
    net.initialize()  # MXNet's own Uniform at the network level: it must not show anywhere
    net(nd.ones((2, 4)))
    for path, role in EVERY_PATH.items():
        assert (value_of(net, path) == SENTINELS[role]).all(), path


@pytest.mark.mxnet1("Module API")
def test_the_symbol_api_reaches_every_role():
    x = mx.sym.BatchNorm(mx.sym.FullyConnected(mx.sym.Variable("x"), num_hidden=3, name="fc"), name="bn")
    x = mx.sym.LeakyReLU(x, act_type="prelu", name="act", gamma=mx.sym.Variable("act_alpha"))
    module = mx.mod.Module(x, data_names=["x"], label_names=None)
    module.bind([("x", (2, 4))], for_training=False)
    module.init_params(SentinelInit())
    args, aux = module.get_params()
    values = {name: set(array.asnumpy().ravel()) for name, array in {**args, **aux}.items()}
    assert values == {"fc_weight": {11}, "fc_bias": {12}, "bn_gamma": {13}, "bn_beta": {14}, "bn_moving_mean": {15},
                      "bn_moving_var": {16}, "act_alpha": {17}}  # fmt: skip


@pytest.mark.mxnet1("Module API")
def test_the_symbol_api_obeys_a_variables_own_initializer():
    weight = mx.sym.Variable("fc_weight", init=mx.init.Constant(7))
    x = mx.sym.FullyConnected(mx.sym.Variable("x"), weight=weight, num_hidden=3, name="fc")
    module = mx.mod.Module(x, data_names=["x"], label_names=None)
    module.bind([("x", (2, 4))], for_training=False)
    module.init_params(SentinelInit())
    args, _ = module.get_params()
    assert (args["fc_weight"].asnumpy() == 7).all() and (args["fc_bias"].asnumpy() == 12).all()


def test_the_seed_case_plain_mxnet_leaves_the_bias_at_zero_and_the_kit_does_not():
    for init, bias in ((PlainInit(), 0), (MyInit(), 2)):
        net = every_role()
        net[3].scale.init = "ones"
        net.initialize(init)
        net(nd.ones((2, 4)))
        assert (value_of(net, "0.bias") == bias).all()
        weight = value_of(net, "0.weight")
        assert (weight >= 5).all() and (weight <= 10).all()
        for path, kept in (("1.gamma", 1), ("1.beta", 0), ("1.running_mean", 0), ("1.running_var", 1)):
            assert (value_of(net, path) == kept).all()


def test_numpy_mode_serves_a_classic_class_and_one_of_the_book():
    class OfTheBook(ik.Initializer):
        def _init_weight(self, desc, data):
            data[:] = mx.np.random.uniform(-10, 10, data.shape)
            data *= mx.np.abs(data) >= 5

    mx.npx.set_np()
    classic, book = nn.Dense(3, in_units=2), nn.Dense(30, in_units=20)
    classic.initialize(MyInit())
    book.initialize(OfTheBook())
    assert (classic.weight.data().asnumpy() >= 5).all() and (classic.bias.data().asnumpy() == 2).all()
    values = book.weight.data().asnumpy()
    assert ((values == 0) | (abs(values) >= 5)).all() and (values != 0).any()


def test_a_constant_keeps_its_value():
    class WithConstant(nn.HybridBlock):
        def __init__(self):
            super().__init__()
            self.table = constant(self, "table_weight", np.arange(6).reshape(2, 3))

    for init in (SentinelInit(), ik.Rules([("*", 5)], override_layers=True), ik.corrected(mx.init.One())):
        net = WithConstant()
        net.initialize(init)
        assert (net.table.data().asnumpy() == np.arange(6).reshape(2, 3)).all()


def test_explicit_layers_win_and_their_defaults_do_not():
    net = nn.HybridSequential()
    net.add(nn.Dense(2, in_units=2, bias_initializer="ones"), nn.Dense(2, in_units=2, bias_initializer="zeros"),
            nn.Dense(2, in_units=2, bias_initializer=mx.init.Zero()))  # fmt: skip
    net.initialize(SentinelInit())
    assert [value_of(net, f"{n}.bias")[0] for n in range(3)] == [1, 12, 0]


def test_the_longest_ending_wins():
    class Gates(SentinelInit):
        def _init_i2h_bias(self, desc, arr):
            arr[:] = 21

        def _init_h_scale(self, desc, arr):
            arr[:] = 22

        def _init_scale(self, desc, arr):
            arr[:] = 23

    cell = mx.gluon.rnn.LSTMCell(2, input_size=2)
    cell.initialize(Gates())
    assert (cell.i2h_bias.data().asnumpy() == 21).all() and (cell.h2h_bias.data().asnumpy() == 12).all()
    net = Scaled()
    net.h_scale = declared(net, "h_scale", shape=(1,))
    net.initialize(Gates())
    assert [float(param.data().asnumpy()[0]) for param in (net.h_scale, net.scale)] == [22, 23]


def test_super_works_at_any_depth():
    class Half(SentinelInit):
        def _init_weight(self, desc, arr):
            super()._init_weight(desc, arr)
            arr[:] /= 2

    class Again(Half):
        def _init_weight(self, desc, arr):
            super()._init_weight(desc, arr)
            arr[:] += 1

        def _init_bias(self, desc, arr):
            super()._init_bias(desc, arr)
            self._init_weight(desc, arr)  # a plain call is what it says: the weight hook

    class Mixin:
        def _init_weight(self, desc, arr):
            arr[:] = 3

    for init, weight, bias in ((Half(), 5.5, 12), (Again(), 6.5, 6.5), (type("M", (Mixin, Half), {})(), 3, 12)):
        net = nn.Dense(2, in_units=3)
        net.initialize(init)
        assert (net.weight.data().asnumpy() == weight).all() and (net.bias.data().asnumpy() == bias).all()


def test_a_mixed_base_takes_mxnets_weight_hook():
    both = type("Both", (ik.Initializer, mx.init.Xavier), {})(magnitude=3)
    net = nn.Dense(4, in_units=4)
    net.initialize(both)
    bound = np.sqrt(3 / 4)
    values = net.weight.data().asnumpy()
    assert abs(values).max() <= bound and values.std() > 0 and (net.bias.data().asnumpy() == 0).all()


def test_two_threads_share_one_instance():
    init, failures = SentinelInit(), []

    def work(number):
        try:
            for _ in range(20):
                net = nn.HybridSequential()
                net.add(nn.Dense(3, in_units=4), nn.BatchNorm(in_channels=3))
                net.initialize(init)
                for path in list(EVERY_PATH)[:6]:
                    assert (value_of(net, path) == SENTINELS[EVERY_PATH[path]]).all(), path
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


def test_the_description_is_mxnets_with_role_and_path():
    seen = []

    class Watching(ik.Initializer):
        def _init_weight(self, desc, arr):
            seen.append(desc)
            arr[:] = 0

        _init_bias = _init_weight

    net = nn.HybridSequential()
    net.add(nn.Dense(2, in_units=2), nn.Dense(2))
    init = Watching()
    net.initialize(init)
    net(nd.ones((1, 2)))
    assert [(desc.path, desc.role) for desc in sorted(seen, key=lambda desc: desc.path)] == [
        ("0.bias", "bias"), ("0.weight", "weight"), ("1.bias", "bias"), ("1.weight", "weight")]  # fmt: skip
    assert all(isinstance(desc, mx.init.InitDesc) and desc.endswith(desc.role) for desc in seen)
    assert all(desc.global_init is init for desc in seen)


def test_a_path_is_known_by_collect_params_and_by_a_later_forward_pass():
    seen = []

    class Watching(ik.Initializer):
        def _init_weight(self, desc, arr):
            seen.append(desc.path)
            arr[:] = 0

    inner = nn.HybridSequential()
    inner.add(nn.Dense(2))
    outer = nn.HybridSequential()
    outer.add(inner)
    initialize_all(outer, Watching())
    outer(nd.ones((1, 2)))
    inner.initialize(Watching(), force_reinit=True)  # now asked by the inner network
    assert seen == ["0.0.weight", "0.weight"]


class Recorded(ik.Initializer):
    def __init__(self, value, scale=1.0):
        super().__init__()  # passes nothing on, as most classes do
        self.value, self.scale = value, scale

    def _init_weight(self, desc, arr):
        arr[:] = mx.nd.array(self.value) * self.scale


mx.init.register(Recorded)


def test_dumps_holds_the_constructors_arguments_and_creates_the_same_again():
    for init in (Recorded(1), Recorded([1, 2], scale=3), Recorded(np.ones((2, 2))), Recorded(nd.ones((2, 2)))):
        again = mx.init.create(init.dumps())
        assert again == init and hash(again) == hash(init) and again.dumps() == init.dumps()
    assert json.loads(Recorded(nd.ones((1, 2))).dumps()) == ["recorded", {"value": [[1.0, 1.0]], "scale": 1.0}]


def test_equality_tells_arguments_apart_where_mxnet_does_not():
    class Bad(mx.init.Initializer):
        def __init__(self, value):
            super().__init__()

    assert Bad(1) == Bad(2)  # MXNet's
    assert Recorded(1) != Recorded(2) and Recorded(1) == Recorded(1)
    assert Recorded(np.zeros(2)) != Recorded(np.ones(2))
    assert Recorded(1) != mx.init.Zero() and Recorded(1) != 1


@pytest.mark.parametrize("twin", [copy.deepcopy, copy.copy, lambda init: pickle.loads(pickle.dumps(init))])
def test_copies_are_equal_and_work(twin):
    for init in (Recorded([[1.0, 2.0]]), SentinelInit().set_verbosity(True), ik.corrected(mx.init.Normal(2)),
                 ik.Rules([("*.bias", 1), (nn.Dense, "normal")], default=SentinelInit())):  # fmt: skip
        again = twin(init)
        assert again == init
    net = nn.Dense(1, in_units=2)
    net.initialize(twin(Recorded([[1.0, 2.0]])))
    assert net.weight.data().asnumpy().tolist() == [[1, 2]]


def test_verbosity_logs_a_line_a_parameter(caplog):
    net = nn.Dense(1, in_units=2)
    with caplog.at_level(logging.INFO):
        net.initialize(SentinelInit(), verbose=True)
    assert [record.getMessage().split(" as ")[1] for record in caplog.records] == ["weight: 11.0", "bias: 12.0"]


def test_hybridize_export_and_import_work_with_instances_on_layers(tmp_path):
    net = nn.HybridSequential()
    net.add(nn.Dense(2, weight_initializer=Recorded(np.full((2, 3), 4.0)), bias_initializer=SentinelInit()))
    net.initialize()
    net.hybridize()
    x = nd.ones((1, 3))
    answer = net(x).asnumpy()
    assert (answer == 24).all()
    net.export(str(tmp_path / "net"))
    again = mx.gluon.SymbolBlock.imports(str(tmp_path / "net-symbol.json"), ["data"], str(tmp_path / "net-0000.params"))
    assert (again(x).asnumpy() == answer).all()
    fresh = mx.gluon.SymbolBlock.imports(str(tmp_path / "net-symbol.json"), ["data"])
    fresh.initialize(ik.corrected(mx.init.Zero()))  # the symbol still says what the layers were told
    assert (fresh(x).asnumpy() == answer).all()


def test_check_reports_an_untouched_array_and_changes_no_value(monkeypatch):
    class Forgetful(ik.Initializer):
        def _init_weight(self, desc, arr):
            arr = nd.ones(arr.shape)

    class Identity(ik.Initializer):
        def _init_weight(self, desc, arr):
            arr[0, 0] = 1

        def _init_bias(self, desc, arr):
            arr[:] = np.nan

    forgetful = nn.HybridSequential()
    forgetful.add(nn.Dense(2, in_units=2))
    forgetful.initialize(Forgetful())  # not seen without check
    monkeypatch.setattr(ik.Initializer, "check", True)
    with pytest.raises(ik.InitializationError, match=r"'0\.weight'.*untouched by Forgetful\._init_weight"):
        forgetful.initialize(Forgetful(), force_reinit=True)
    for dtype in ("float16", "float32", "float64"):
        net = nn.Dense(2, in_units=2, dtype=dtype)
        net.initialize(Identity())
        assert net.weight.data().asnumpy().tolist() == [[1, 0], [0, 0]]
        assert np.isnan(net.bias.data().asnumpy()).all()  # a NaN that the hook wrote is a value


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_check_knows_each_dtype(dtype):
    class Nothing(ik.Initializer):
        def _init_weight(self, desc, arr):
            pass

    class First(ik.Initializer):
        check = True

        def _init_weight(self, desc, arr):
            arr[0] = 0

    param = mx.gluon.Parameter("some_weight", shape=(2, 2), dtype=dtype)
    param.initialize(init=First())  # it wrote a part
    Nothing.check = True
    with pytest.raises(ik.InitializationError, match="some_weight.*untouched"):
        param.initialize(init=Nothing(), force_reinit=True)
