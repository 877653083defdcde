"""What a hook is given, what it may leave, how it may be spelt, and a class's own `__call__`."""

import warnings

import gluon_initkit as ik
import mxnet as mx
from mxnet.gluon import nn
import numpy as np
import pytest
from vocabulary import HybridBlock, constant, declared, nd


class Nothing(mx.init.Initializer):
    """Relies on zeros in all that it does not write: everything."""

    def _init_weight(self, desc, arr):
        pass


class Diagonal(mx.init.Initializer):
    def _init_weight(self, desc, arr):
        for index in range(3):
            arr[index, index] = 1


@mx.init.register
class AddedTo(mx.init.Initializer):
    def _init_weight(self, desc, arr):
        arr += 1

    _init_bias = _init_weight


class FirstRows(mx.init.Initializer):
    """Vectors for the first words of a vocabulary."""

    def _init_weight(self, desc, arr):
        arr[:2] = nd.ones((2, *arr.shape[1:]))


def leave_sevens(shape, dtype="float32"):
    """Memory of this size, freed with sevens in it: what the next array of the size may lie on."""
    arrays = [mx.nd.full(shape, 7, dtype=dtype) for _ in range(40)]
    mx.nd.waitall()
    del arrays


WRITTEN = {
    Nothing: np.zeros((300, 300)),
    Diagonal: np.diag([1.0] * 3 + [0.0] * 297),
    AddedTo: np.ones((300, 300)),
    FirstRows: np.repeat([1.0, 0.0], [2, 298])[:, None] * np.ones(300),
}


class Table(HybridBlock):
    def __init__(self, dtype="float32", **arguments):
        super().__init__()
        self.weight = declared(self, "weight", shape=(300, 300), dtype=dtype, **arguments)


@pytest.mark.filterwarnings("ignore:Parameter 'weight' is all zero")
@pytest.mark.parametrize("dtype", ["float16", "float32", "int32"])
@pytest.mark.parametrize("corrected", [False, True], ids=["", "corrected"])
@pytest.mark.parametrize("kind, check", [(kind, False) for kind in WRITTEN] + [(kind, True) for kind in WRITTEN][1:])
def test_a_hook_is_given_zeros(kind, corrected, dtype, check, monkeypatch):
    monkeypatch.setattr(ik.Initializer, "check", check)
    net = Table(dtype)
    for _ in range(2):
        leave_sevens((300, 300), dtype)
        ik.initialize(net, ik.corrected(kind()) if corrected else kind(), force_reinit=True)
        assert (net.weight.data().asnumpy() == WRITTEN[kind]).all()


@pytest.mark.filterwarnings("ignore:Parameter 'weight' is all zero")
@pytest.mark.parametrize("hybridize", [False, True], ids=["imperative", "hybridized"])
@pytest.mark.parametrize("numpy_mode", [False, True], ids=["classic", "numpy"])
@pytest.mark.parametrize("kind", WRITTEN)
def test_a_hook_of_a_deferred_parameter_is_given_zeros(kind, numpy_mode, hybridize):
    if numpy_mode:
        mx.npx.set_np()
    net = nn.Dense(300, use_bias=False)
    if hybridize:
        net.hybridize()
    ik.initialize(net, kind(), ctx=[mx.cpu(0), mx.cpu(1)])
    leave_sevens((300, 300))
    net((mx.np if numpy_mode else nd).ones((1, 300)))
    for array in net.weight.list_data():
        assert (array.asnumpy() == WRITTEN[kind]).all()


@pytest.mark.mxnet1("row_sparse parameters")
@pytest.mark.parametrize("kind", [Nothing, AddedTo, FirstRows])
def test_a_hook_of_a_row_sparse_parameter_is_given_zeros(kind):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        net = Table(stype="row_sparse")
        leave_sevens((300, 300))
        ik.initialize(net, kind())
    assert (net.weight._data[0].asnumpy() == WRITTEN[kind]).all()


def test_a_hook_that_fills_a_scalar_is_given_zero():
    mx.npx.set_np()
    for _ in range(3):
        leave_sevens(())
        net = HybridBlock()
        net.weight = declared(net, "weight", shape=())
        ik.initialize(net, AddedTo())
        assert net.weight.data() == 1


@pytest.mark.mxnet1("FusedRNN")
def test_a_hook_for_a_part_of_a_fused_rnn_is_given_zeros():
    size = 5 * (3 + 5 + 2)
    net = HybridBlock()
    net.weight = declared(net, "weight", shape=(size,), init=mx.init.FusedRNN(AddedTo(), 5, 1, "rnn_tanh"))
    leave_sevens((size,))
    ik.initialize(net)
    assert (net.weight.data().asnumpy() == 1).all()


def test_check_calls_a_hook_again_only_where_all_is_zero():
    given = []

    class Half(ik.Initializer):
        check = True

        def _init_weight(self, desc, arr):
            given.append(arr.asnumpy().copy())
            arr[0] = 1

        def _init_bias(self, desc, arr):
            given.append(arr.asnumpy().copy())
            arr[:] = 0

    for initialize in (lambda net: net.initialize(Half()), lambda net: ik.initialize(net, Half())):
        net, given[:] = nn.Dense(2, in_units=2), []
        initialize(net)
        assert len(given) == 3 and not given[0].any() and not given[1].any() and np.isnan(given[2]).all()
        assert net.weight.data().asnumpy().tolist() == [[1, 1], [0, 0]] and not net.bias.data().asnumpy().any()


def test_d2l_custom_initializer():
    """The book's class, of the chapter on parameters, with the mistake that its readers make."""

    class MyInit(mx.init.Initializer):
        def _init_weight(self, name, data):
            data = mx.np.random.uniform(-10, 10, data.shape)
            data *= mx.np.abs(data) >= 5

    mx.npx.set_np()
    net = nn.Dense(300, in_units=300)
    leave_sevens((300, 300))
    net.initialize(MyInit())
    assert not net.weight.data().asnumpy().any()  # plain MXNet: all zero, and no word
    leave_sevens((300, 300))
    with pytest.warns(UserWarning, match=r"Parameter 'weight' is all zero after MyInit\._init_weight.*arr\[:\] = "):
        ik.initialize(net, MyInit(), force_reinit=True)
    assert not net.weight.data().asnumpy().any()


def zeros_warned(call):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        call()
    return [each for each in caught if "is all zero" in str(each.message)]


def forgetful(base, hook="_init_weight"):
    def rebinds(self, desc, arr):
        arr = nd.ones(arr.shape)
        return arr

    return type("Forgetful", (base,), {hook: rebinds})


def two_layers(deferred=False, **arguments):
    net = nn.HybridSequential()
    net.add(nn.Dense(2, in_units=0 if deferred else 2, **arguments), nn.Dense(2, in_units=2, **arguments))
    return net


WAYS = {
    "ik.initialize": lambda kind: ik.initialize(two_layers(), kind()),
    "initialize of ours": lambda kind: two_layers().initialize(ik.corrected(kind())),
    "of one layer": lambda kind: ik.initialize(two_layers(weight_initializer=kind())),
    "a rule": lambda kind: ik.initialize(two_layers(), ik.Rules([("*", kind())])),
    "force_reinit": lambda kind: [ik.initialize(net, kind(), force_reinit=True) for net in [two_layers()] * 2],
}


@pytest.mark.parametrize("base", [mx.init.Initializer, mx.init.Xavier, ik.Initializer, ik.TruncatedNormal])
@pytest.mark.parametrize("way", WAYS)
def test_a_weight_hook_that_leaves_zeros_is_warned_of_once_a_class(way, base):
    kind = forgetful(base)
    (warning,) = zeros_warned(lambda: WAYS[way](kind))
    assert str(warning.message).startswith("Parameter '0.weight' is all zero after Forgetful._init_weight.")
    assert (warning.filename, warning.lineno) == (__file__, WAYS[way].__code__.co_firstlineno)
    assert not zeros_warned(lambda: WAYS[way](kind)) and zeros_warned(lambda: WAYS[way](forgetful(base)))


@pytest.mark.parametrize("hybridize", [False, True])
def test_the_warning_of_zeros_points_at_the_forward_pass_that_draws(hybridize):
    net = nn.Dense(2)
    net.hybridize(hybridize)
    ik.initialize(net, forgetful(mx.init.Initializer)())
    call = lambda: net(nd.ones((1, 3)))  # noqa: E731
    (warning,) = zeros_warned(call)
    assert (warning.filename, warning.lineno) == (__file__, call.__code__.co_firstlineno)


@pytest.mark.parametrize("init", [
    mx.init.Zero(), mx.init.Constant(0), "zeros", ik.Rules([("*", 0)]), mx.init.Uniform(0), ik.corrected("zeros"),
    type("Renamed", (mx.init.Zero,), {})(), mx.init.Constant(np.zeros((2, 2))),
])  # fmt: skip
def test_who_says_zero_is_not_warned(init):
    assert not zeros_warned(lambda: ik.initialize(two_layers(), init, seed=1))
    if not isinstance(init, str):
        assert not zeros_warned(lambda: two_layers().initialize(ik.corrected(init)))


def test_a_bias_of_zero_is_no_mistake():
    class Sound(ik.Initializer):
        def _init_weight(self, desc, arr):
            arr[:] = 1

        def _init_bias(self, desc, arr):
            arr[:] = 0

    assert not zeros_warned(lambda: ik.initialize(two_layers(), Sound()))


def test_a_warning_that_is_an_error_changes_nothing():
    net = two_layers()
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message="Parameter")
        with pytest.raises(UserWarning, match="all zero"):
            ik.initialize(net, forgetful(mx.init.Initializer)())
    assert all(param._data is None for param in net.collect_params().values())


def calls_its_own(base):
    """A class that overrides `__call__`, as users reach biases in plain Gluon."""

    class Calls(base):
        def __call__(self, name, arr):
            if name.endswith("bias"):
                arr[:] = 2.5
            else:
                super().__call__(name, arr)

    return Calls()


class Every(nn.HybridSequential):
    """Defaults, explicit layers and a Constant."""

    def __init__(self, deferred):
        super().__init__()
        self.add(nn.Dense(3, in_units=0 if deferred else 2), nn.BatchNorm(in_channels=0 if deferred else 3))
        explicit = {"weight_initializer": mx.init.Constant(4), "bias_initializer": "ones"}
        self.add(nn.Dense(3, in_units=0 if deferred else 3, **explicit))

    def values(self):
        self(nd.ones((1, 2)))
        found = {}
        for path, param in (("0.weight", self[0].weight), ("0.bias", self[0].bias), ("1.gamma", self[1].gamma),
                            ("1.running_var", self[1].running_var), ("2.weight", self[2].weight),
                            ("2.bias", self[2].bias)):  # fmt: skip
            unique = set(param.data().asnumpy().ravel().tolist())
            found[path] = unique.pop() if len(unique) == 1 else "many"
        return found


BY_CALL = {"0.weight": "many", "0.bias": 2.5, "1.gamma": 1, "1.running_var": 1, "2.weight": 4, "2.bias": 1}
CALL_WAYS = {
    "ik.initialize": lambda net, init: ik.initialize(net, init),
    "corrected": lambda net, init: net.initialize(ik.corrected(init)),
    "rules' default": lambda net, init: net.initialize(ik.Rules([], default=init)),
    "a rule for layers": lambda net, init: ik.initialize(net, ik.Rules([("*", init)])),
    "a rule for biases": lambda net, init: ik.initialize(net, ik.Rules([("bias", init)], default="xavier")),
}


@pytest.mark.parametrize("hybridize", [False, True], ids=["imperative", "hybridized"])
@pytest.mark.parametrize("deferred", [False, True], ids=["eager", "deferred"])
@pytest.mark.parametrize("base", [mx.init.Xavier, ik.VarianceScaling])
@pytest.mark.parametrize("way", CALL_WAYS)
def test_a_class_s_own_call_serves_all_roles_after_explicit_layers(way, base, deferred, hybridize):
    net = Every(deferred)
    net.hybridize(hybridize)
    CALL_WAYS[way](net, calls_its_own(base))
    assert net.values() == BY_CALL


def test_plain_gluon_obeys_a_class_s_own_call_over_explicit_layers():
    for deferred in (False, True):
        net = Every(deferred)
        net.initialize(calls_its_own(mx.init.Xavier))
        assert net.values() == {**BY_CALL, "2.bias": 2.5}
    net = Every(False)
    net.initialize(calls_its_own(ik.VarianceScaling))  # a class of ours keeps the order of the kit by every way
    assert net.values() == BY_CALL


def test_the_plan_of_a_class_s_own_call_shows_where_plain_gluon_differs():
    planned = ik.plan(Every(False), calls_its_own(mx.init.Xavier))
    assert [(row.path, row.hook, row.why, row.plain) for row in planned if row.differs] == [
        ("2.weight", "_init_weight", "layer", "Calls.__call__"), ("2.bias", "_init_weight", "layer", "Calls.__call__")
    ]  # fmt: skip
    assert all(row.hook == "__call__" and row.why == "hook" for row in planned.rows[:6])
    assert ik.initialize(Every(False), calls_its_own(mx.init.Xavier))["0.bias"].hook == "__call__"


def test_what_super_call_does_is_the_rest_of_the_order():
    class Calls(mx.init.Xavier):
        def __call__(self, name, arr):
            super().__call__(name, arr)
            arr += 10

        def _init_gamma(self, desc, arr):
            arr[:] = 3

    net = Every(False)
    ik.initialize(net, Calls())
    found = net.values()
    assert (found["0.bias"], found["1.gamma"], found["1.running_var"], found["2.bias"]) == (10, 13, 11, 1)
    assert ik.plan(Every(False), Calls())["1.gamma"].differs  # plain Gluon's super() goes to the layer's default


def test_a_class_s_own_call_that_goes_on_to_nothing_names_the_parameter():
    class Calls(ik.Initializer):
        def __call__(self, desc, arr):
            super().__call__(desc, arr)

    with pytest.raises(ik.InitializationError, match=r"'0\.weight' has no initializer: Calls defines no _init_weight"):
        ik.initialize(two_layers(), Calls())


def test_a_class_s_own_call_may_call_another_initializer():
    class Inner(ik.Initializer):
        def __call__(self, desc, arr):
            super().__call__(desc, arr)
            arr += 1

        def _init_weight(self, desc, arr):
            arr[:] = 5

        def _init_bias(self, desc, arr):
            arr[:] = 6

    class Calls(ik.Initializer):
        def __call__(self, desc, arr):
            Inner()(desc, arr)

    for way in (lambda net: net.initialize(Calls()), lambda net: ik.initialize(net, ik.corrected(Calls()))):
        net = nn.Dense(2, in_units=2)
        way(net)
        assert (net.weight.data().asnumpy() == 6).all() and (net.bias.data().asnumpy() == 7).all()


def test_a_constant_keeps_its_value_from_a_class_s_own_call():
    class Calls(mx.init.Xavier):
        def __call__(self, name, arr):
            arr[:] = 9

    net = Table()
    net.half = constant(net, "half", nd.ones(2) / 2)
    net.initialize(Calls())
    assert (net.half.data().asnumpy() == 9).all()  # plain Gluon overwrites it
    for way in (lambda: ik.initialize(net, Calls(), force_reinit=True),
                lambda: net.initialize(ik.corrected(Calls()), force_reinit=True)):  # fmt: skip
        way()
        assert (net.half.data().asnumpy() == 0.5).all() and (net.weight.data().asnumpy() == 9).all()
    assert ik.plan(net, Calls())["half"].differs


class Misspelt(ik.Initializer):
    def _init_weight(self, desc, arr):
        arr[:] = 1

    def _init_biases(self, desc, arr):
        arr[:] = 2


MISSPELT = "Misspelt._init_biases serves no parameter of the network; did you mean _init_bias?"
MISSPELT_WAYS = {
    "ik.initialize": lambda net: ik.initialize(net, Misspelt()),
    "initialize": lambda net: net.initialize(Misspelt()),
    "corrected": lambda net: net.initialize(ik.corrected(like(Misspelt, mx.init.Initializer))),
    "a rule": lambda net: net.initialize(ik.Rules([("*", Misspelt())])),
    "rules' default": lambda net: ik.initialize(net, ik.Rules([], default=ik.Rules([], default=Misspelt()))),
}


def like(kind, base):
    """An instance of a class of the same name with the same hooks, on another base."""
    hooks = {name: getattr(hook, "__wrapped__", hook) for name, hook in vars(kind).items() if name.startswith("_init_")}
    return type(kind.__name__, (base,), hooks)()


def misspelt_warned(call):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        call()
    return [each for each in caught if "serves no parameter" in str(each.message)]


@pytest.mark.parametrize("deferred", [False, True], ids=["eager", "deferred"])
@pytest.mark.parametrize("way", MISSPELT_WAYS)
def test_a_misspelt_hook_is_warned_of(way, deferred):
    (warning,) = misspelt_warned(lambda: MISSPELT_WAYS[way](two_layers(deferred)))
    assert str(warning.message) == MISSPELT
    assert (warning.filename, warning.lineno) == (__file__, MISSPELT_WAYS[way].__code__.co_firstlineno)


@pytest.mark.parametrize("ending, meant", [
    ("biases", "bias"), ("bais", "bias"), ("gama", "gamma"), ("Weight", "weight"), ("weights", "weight"),
    ("runing_mean", "running_mean"), ("running_variance", "running_var"), ("scales", "scale"), ("defualt", "default"),
])  # fmt: skip
def test_the_nearest_role_or_parameter_is_named(ending, meant):
    net = nn.HybridSequential()
    net.add(nn.Dense(2, in_units=2), nn.BatchNorm(in_channels=2))
    net.scale = declared(net, "scale", shape=(2, 2), init="ones")
    kind = forgetful(mx.init.Initializer if meant == "weight" else mx.init.Normal, f"_init_{ending}")
    (warning,) = misspelt_warned(lambda: ik.initialize(net, ik.Rules([("weight", 1)], default=kind())))
    assert str(warning.message).endswith(f"did you mean _init_{meant}?")


def test_hooks_that_serve_something_or_resemble_nothing_are_no_mistake():
    class Sound(ik.Initializer):
        def _init_weight(self, desc, arr):
            self._init_weights(arr)

        def _init_weights(self, arr):  # a method of its own
            arr[:] = 1

        def _init_alpha(self, desc, arr):  # for networks with a PReLU
            arr[:] = 2

        def _init_i2h_bias(self, desc, arr):  # for networks with a recurrent layer
            arr[:] = 3

        def _init_scales(self, desc, arr):
            arr[:] = 4

    net = two_layers()
    net.scales = declared(net, "scales", shape=(3,))
    assert not misspelt_warned(lambda: ik.initialize(net, Sound()))
    assert (net.scales.data().asnumpy() == 4).all()


def test_the_plan_says_below_its_table_which_hooks_serve_nothing():
    net = two_layers()
    planned = ik.plan(net, Misspelt())
    assert planned.idle_hooks == (MISSPELT,) and not planned.notes
    assert " ".join(str(planned).split()).endswith(MISSPELT)
    assert "serves no parameter" in planned._repr_html_().rpartition("</table>")[2]

    class All(ik.Initializer):
        def _init_weight(self, desc, arr):
            arr[:] = 1

        _init_bias = _init_gamma = _init_alpha = _init_weight

    assert ik.plan(net, ik.Rules([("*", All())])).idle_hooks == (
        "All._init_gamma serves no parameter of the network.", "All._init_alpha serves no parameter of the network.",
    )  # fmt: skip
    net = two_layers(bias_initializer="ones")
    assert ik.plan(net, All()).idle_hooks[0] == "All._init_bias serves no parameter of the network."


V = {"vector": (4,), "matrix": (4, 3), "row": (1,)}


class OfNoRole(HybridBlock):
    """Parameters whose names tell no role."""

    def __init__(self, shapes, **arguments):
        super().__init__()
        for name, shape in shapes.items():
            setattr(self, name, declared(self, name, shape=shape, **arguments))

    def values(self):
        return {name: getattr(self, name).data().asnumpy() for name in V if hasattr(self, name)}


def no_role_ways(init):
    return [lambda net: net.initialize(init), lambda net: ik.initialize(net, init, seed=1),
            lambda net: net.initialize(ik.corrected(init)), lambda net: ik.initialize(net, ik.Rules([("*", init)])),
            lambda net: net.initialize(ik.Rules([], default=init))]  # fmt: skip


@pytest.mark.parametrize("init, low, high", [
    (mx.init.Zero(), 0, 0), (mx.init.One(), 1, 1), (mx.init.Constant(3), 3, 3), (mx.init.Uniform(2), -2, 2),
    (mx.init.Normal(0.1), -1, 1), (ik.TruncatedNormal(0, 1), -2, 2),
])  # fmt: skip
def test_a_parameter_whose_name_tells_no_role_goes_to_the_weight_hook(init, low, high):
    for way in no_role_ways(init):  # the first is plain MXNet's
        net = OfNoRole(V)
        way(net)
        for values in net.values().values():
            assert (values >= low).all() and (values <= high).all() and (low == high or values.any())
    assert not ik.plan(OfNoRole(V), init).errors


def test_a_scalar_and_an_unknown_shape_of_no_role_go_to_the_weight_hook():
    mx.npx.set_np()
    for init, value in ((mx.init.One(), 1), (mx.init.Constant(3), 3)):
        net = OfNoRole({"row": ()})
        ik.initialize(net, init)
        assert net.row.data().asnumpy() == value
        later = OfNoRole({"row": None}, allow_deferred_init=True)
        ik.initialize(later, init)
        later.row.shape = (5,)
        later.row._finish_deferred_init()
        assert (later.row.data().asnumpy() == value).all()


@pytest.mark.parametrize("init", [mx.init.Xavier(), mx.init.MSRAPrelu(), ik.VarianceScaling()])
def test_what_needs_fans_and_has_none_is_an_error_before_anything_is_filled(init):
    name = type(init).__name__
    expected = (rf"vector: {name} needs a fan-in and a fan-out, which an array of shape \(4,\) has not; add a rule "
                rf"for it \(gluon_initkit\.Rules\), give the parameter its own init=, or define _init_vec")  # fmt: skip
    for way in (lambda net: ik.initialize(net, init), lambda net: net.initialize(ik.Rules([("*", init)]))):
        net = OfNoRole(V)
        with pytest.raises(ik.InitializationError, match=rf"(?s)2 parameters are.*{expected}.*row: {name} needs"):
            way(net)
        assert net.matrix._data is None
    with pytest.raises(ik.InitializationError, match=f"'vector' has no initializer: {name} needs"):
        OfNoRole(V).initialize(ik.corrected(init))
    assert [row.path for row in ik.plan(OfNoRole(V), init).errors] == ["vector", "row"]
    net = OfNoRole(V)
    ik.initialize(net, ik.Rules([("vector", 2), ("row", mx.init.Uniform())], default=init))
    assert (net.vector.data().asnumpy() == 2).all() and net.matrix.data().asnumpy().any()


def test_a_vector_of_no_role_whose_shape_comes_later_says_so_in_the_forward_pass():
    net = OfNoRole({"row": None}, allow_deferred_init=True)
    ik.initialize(net, mx.init.Xavier())
    net.row.shape = (5,)
    with pytest.raises(ik.InitializationError, match=r"'row' of shape \(5,\).*Xavier.*initializer, or add a rule"):
        net.row._finish_deferred_init()


def test_a_weight_hook_of_a_user_s_own_fills_a_vector_of_no_role():
    class Own(mx.init.Xavier):
        def _init_weight(self, desc, arr):
            arr[:] = len(arr.shape)

    net = OfNoRole(V)
    ik.initialize(net, Own())
    assert {name: values.max() for name, values in net.values().items()} == {"vector": 1, "matrix": 2, "row": 1}


@pytest.mark.mxnet1("plain names in Parameters")
def test_a_name_that_ends_in_max_is_no_quantized_one_in_gluon():
    net = OfNoRole({"x_max": (3,)})
    ik.initialize(net, mx.init.Constant(4))
    assert (net.x_max.data().asnumpy() == 4).all()  # as in plain Gluon
    x = mx.sym.broadcast_mul(mx.sym.var("data"), mx.sym.var("x_max")) + mx.sym.var("y_weight")
    block = mx.gluon.SymbolBlock(x, mx.sym.var("data"))
    assert ik.plan(block, mx.init.Xavier())["x_max"].hook == "_init_one"  # the Symbol API's range of quantized numbers


def test_github_davidham3_astgcn():
    """Attention in a graph network has parameters called `U_1` and `b_e`; its author wrote an initializer."""
    shapes = {"U_1": (5,), "U_2": (3, 5), "b_e": (1, 4, 4), "V_e": (4, 4)}
    net = OfNoRole(shapes)
    with pytest.raises(ValueError, match="cannot be applied to vector"):
        net.initialize(mx.init.Xavier())
    net = OfNoRole(shapes)
    ik.initialize(net, mx.init.Normal(0.1), seed=3)  # refused until now
    again = ik.fingerprint(net)
    ik.initialize(net, mx.init.Normal(0.1), seed=3, force_reinit=True)
    assert ik.fingerprint(net) == again
    rules = ik.Rules([(lambda info: len(info.shape) < 2, mx.init.Uniform())], default=mx.init.Xavier())
    ik.initialize(net, rules, force_reinit=True)
    assert all(getattr(net, name).data().asnumpy().any() for name in shapes)


@pytest.mark.parametrize("deferred", [False, True])
def test_a_misspelt_hook_of_a_class_that_one_layer_alone_names_is_warned_of(deferred):
    kind = forgetful(mx.init.Normal, "_init_biases")
    net = nn.HybridSequential()
    net.add(nn.Dense(2, in_units=0 if deferred else 2, weight_initializer=kind()), nn.Dense(2, in_units=2))
    (warning,) = misspelt_warned(lambda: ik.initialize(net, mx.init.Xavier()))
    assert str(warning.message).endswith("._init_biases serves no parameter of the network; did you mean _init_bias?")
