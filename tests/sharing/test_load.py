"""Loading over the matrix of files and networks: bit-exact, or an error that names the paths; all or nothing."""

from functools import partial
import re
import signal
import sys
import warnings

import gluon_initkit as ik
from gluon_initkit._mxnet.state import set_values
from gluon_initkit.files import written_ties
import mxnet as mx
from mxnet.gluon import nn
import numpy
import pytest
from vocabulary import GLUON_2, contexts, nd, tied

A, B, C = (numpy.array([[number, -number]], dtype="float32") / 3 for number in (1, 2, 7))


def network(*pairs, units=1):
    """Three layers, those in `pairs` tied."""
    net = nn.HybridSequential()
    for number in range(3):
        donor = next((net[one] for one, other in pairs if other == number), None)
        layer = nn.Dense if donor is None else partial(tied, nn.Dense, donor)
        net.add(layer(units, in_units=2, use_bias=False))
    return net


NETWORKS = {"tied": [(0, 1)], "untied": [], "otherwise": [(1, 2)], "crossed": [(0, 2)]}


def filled(pairs, *values):
    net = network(*pairs)
    net.initialize()
    for layer, value in zip(net, values):
        layer.weight.set_data(nd.array(value))
    return net


def values(net):
    return [layer.weight.data().asnumpy().tobytes() for layer in net]


def write(path, arrays, *groups):
    mx.nd.save(path, {name: mx.nd.array(value) for name, value in arrays.items()})
    with open(path, "ab") as file:
        file.write(written_ties(groups))


RENAMED = ik.SharedGroup("1.weight", ("0.weight",))
PAIR = ik.SharedGroup("0.weight", ("1.weight",))
FILES = {
    "once": lambda path: ik.save(filled([(0, 1)], A, A, C), path),
    "once by plain MXNet": lambda path: filled([(0, 1)], A, A, C).save_parameters(path, deduplicate=True),
    "for every name": lambda path: filled([(0, 1)], A, A, C).save_parameters(path),
    "other canonical": lambda path: write(path, {"1.weight": A, "2.weight": C}, RENAMED),
    "conflicting": lambda path: write(path, {"0.weight": A, "1.weight": B, "2.weight": C}),
}  # fmt: skip

LOST = r"'[01].weight' should share the parameter of '[01].weight', and is another parameter(.|\n)*\nties='apply'"
MISSING = r"'0.weight' is missing in the file\n(.|\n)*A file that plain MXNet wrote with deduplicate=True .* tie the"
FIRST = r"'0.weight' and '1.weight' share one parameter in the network, and the file holds different values for them"
LAST = r"'1.weight' and '2.weight' share one parameter in the network, and the file holds different values for them"
CROSS = r"'0.weight' and '2.weight' share one parameter in the network, and the file holds different values for them"
UNTOLD = r"'0.weight' is missing in the file, which has no tie map, .* tied to '[12].weight', .*\n(.|\n)*ties='ignore'"

MATRIX = {
    ("once", "tied"): [A, A, C],
    ("once", "untied"): {"check": [LOST], "ignore": [A, A, C], "apply": [A, A, C]},
    ("once", "otherwise"): {"check": [LOST, LAST], "ignore": [LAST], "apply": [LAST]},
    ("once by plain MXNet", "tied"): [A, A, C],  # with a warning: names and their order are this network's own
    # A file of the network crossed has the same names in another order. Who ignores ties is warned.
    ("once by plain MXNet", "crossed"): {"check": [UNTOLD], "ignore": [C, A, C], "apply": [UNTOLD]},
    ("once by plain MXNet", "untied"): [MISSING],
    ("once by plain MXNet", "otherwise"): [MISSING, LAST],
    ("once", "crossed"): {"check": [LOST, CROSS], "ignore": [CROSS], "apply": [CROSS]},
    ("for every name", "crossed"): [CROSS],
    ("other canonical", "crossed"): {"check": [LOST, CROSS], "ignore": [CROSS], "apply": [CROSS]},
    ("conflicting", "crossed"): [CROSS],
    ("for every name", "tied"): [A, A, C],
    ("for every name", "untied"): [A, A, C],
    ("for every name", "otherwise"): [LAST],
    ("other canonical", "tied"): [A, A, C],
    ("other canonical", "untied"): {"check": [LOST], "ignore": [A, A, C], "apply": [A, A, C]},
    ("other canonical", "otherwise"): {"check": [LOST, LAST], "ignore": [LAST], "apply": [LAST]},
    ("conflicting", "tied"): [FIRST],
    ("conflicting", "untied"): [A, B, C],
    ("conflicting", "otherwise"): [LAST],
}
CASES = [(file, net, ties, expected if isinstance(expected, list) else expected[ties])
         for (file, net), expected in MATRIX.items() for ties in ("check", "ignore", "apply")]  # fmt: skip


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "x.params")


@pytest.mark.parametrize("state", ["initialized", "uninitialized"])
@pytest.mark.parametrize("file, kind, ties, expected", CASES, ids=lambda each: each if isinstance(each, str) else "")
def test_the_matrix(path, file, kind, ties, expected, state):
    FILES[file](path)
    pairs = NETWORKS[kind]
    net = filled(pairs, B, C, A) if state == "initialized" else network(*pairs)
    before = state == "initialized" and values(net)
    shared = ik.shared_groups(net)
    if isinstance(expected[0], str):
        with pytest.raises(ik.SharingError) as caught:
            ik.load(net, path, ties=ties)
        for pattern in (*expected, "which is left as it was"):
            assert re.search(pattern, str(caught.value)), str(caught.value)
        assert len(str(caught.value).splitlines()) >= 1 + len(expected)
        assert values(net) == before if before else all(layer.weight._data is None for layer in net)
    else:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            ik.load(net, path, ties=ties)
        believed = [str(each.message) for each in caught if "believed" in str(each.message)]
        assert len(believed) == (file == "once by plain MXNet")
        assert values(net) == [value.tobytes() for value in expected]
    mapped = file in ("once", "other canonical")
    assert ik.shared_groups(net) == ((PAIR,) if (mapped, kind, ties) == (True, "untied", "apply") else shared)


def test_plain_mxnet_takes_the_last_of_conflicting_values_silently(path):
    FILES["conflicting"](path)
    net = network((0, 1))
    net.load_parameters(path)
    assert values(net)[0] == B.tobytes()
    with pytest.raises(ik.SharingError, match=FIRST):
        ik.load(net, path)


def test_mxnet_18717(path):
    """A file saved with deduplicate=True does not load into a network without those ties, or without the alias."""
    saved = filled([(0, 1)], A, A, C)
    saved.save_parameters(path, deduplicate=True)
    with pytest.raises(AssertionError, match=r"Parameter '0.weight' is missing in '?file"):
        network().load_parameters(path)
    with pytest.raises(ik.SharingError, match=MISSING):  # from such a file nobody can know
        ik.load(network(), path)
    ik.save(saved, path)
    net, part = network(), nn.HybridSequential()
    ik.load(net, path, ties="ignore")
    assert values(net) == values(saved)
    part.add(nn.Dense(1, in_units=2, use_bias=False))
    ik.load(part, path, ignore_extra=True)
    assert values(part) == values(saved)[:1]


def test_mxnet_18717_the_part_that_has_the_alias_alone(path):
    ik.save(filled([(0, 1)], A, A, C), path)
    part = nn.HybridSequential()
    layer = nn.Dense(1, in_units=2, use_bias=False)
    part.register_child(layer, "1")
    ik.load(part, path, ignore_extra=True)
    assert layer.weight.data().asnumpy().tobytes() == A.tobytes()


@pytest.mark.mxnet1("prefixes")
def test_mxnet_18116(path):
    """Files go by attribute, whatever prefixes say: the error names what each side calls it."""

    class Named(nn.HybridBlock):
        def __init__(self, name):
            super().__init__(prefix="same_")
            with self.name_scope():
                setattr(self, name, nn.Dense(1, in_units=2, prefix="layer_", use_bias=False))

    saved, net = Named("l1"), Named("l2")
    saved.initialize()
    ik.save(saved, path)
    with pytest.raises(AssertionError, match="'l2.weight' is missing"):
        net.load_parameters(path)
    with pytest.raises(ik.SharingError, match=r"'l2.weight' is missing in the file(.|\n)*'l1.weight' is in the file, "
                                              r"and the network has no such path(.|\n)*ignore_extra=True"):  # fmt: skip
        ik.load(net, path)


def test_a_path_that_the_file_says_nothing_of_is_missing_though_the_network_ties_it(path):
    ik.save(filled([(0, 1)], A, A, C), path)
    wider = network((0, 1))
    wider.add(tied(nn.Dense, wider[0], 1, in_units=2, use_bias=False))
    with pytest.raises(ik.SharingError, match="'3.weight' is missing in the file, which does not tie it to '0.weight'"):
        ik.load(wider, path)
    ik.load(wider, path, allow_missing=True)
    assert values(wider) == [A.tobytes(), A.tobytes(), C.tobytes(), A.tobytes()]


def test_missing_and_extra_may_be_allowed(path):
    write(path, {"0.weight": A, "9.weight": B})
    net = filled([], B, B, C)
    with pytest.raises(ik.SharingError, match=r"(?s)'1.weight' is missing.*'2.weight' is missing.*'9.weight' is in"):
        ik.load(net, path)
    ik.load(net, path, allow_missing=True, ignore_extra=True)
    assert values(net) == [A.tobytes(), B.tobytes(), C.tobytes()]


def test_all_problems_stand_in_one_error(path):
    net = filled([], A, B, C)
    before = values(net)
    mx.nd.save(path, {"0.weight": mx.nd.ones((3, 2)), "1.weight": mx.nd.ones((1, 2), dtype="float16"),
                      "2.weight": mx.nd.ones((2,)), "3.weight": mx.nd.ones((1,))})  # fmt: skip
    with pytest.raises(ik.SharingError) as caught:
        ik.load(net, path)
    assert str(caught.value).splitlines()[1:] == [
        "  '0.weight' has shape (3, 2) in the file, expected (1, 2)",
        "  '1.weight' is float16 in the file, expected float32",
        "  '2.weight' has shape (2,) in the file, expected (1, 2)",
        "  '3.weight' is in the file, and the network has no such path",
        "mismatched='skip' leaves what has another shape as it is.",
        "cast_dtype=True lets dtypes differ.",
        "ignore_extra=True passes over what the network has not.",
    ]
    assert values(net) == before


def test_what_mends_several_problems_is_said_once(path):
    mx.nd.save(path, {f"{number}.bias": mx.nd.ones((1,)) for number in range(3)})
    with pytest.raises(ik.SharingError) as caught:
        ik.load(filled([], A, B, C), path)
    said = str(caught.value)
    assert said.count("is missing in the file\n") == said.count("the network has no such path\n") == 3
    assert said.count("allow_missing=True") == said.count("ignore_extra=True") == said.count("plain MXNet wrote") == 1


@pytest.mark.parametrize("size", [None, 2])
def test_deferred_layers_take_the_shapes_of_the_file(path, size):
    ik.save(filled([], A, B, C), path)
    net = nn.HybridSequential()
    net.add(*(nn.Dense(1, use_bias=False) for _ in range(3)))
    if size is None:
        net.initialize()
    ik.load(net, path)
    assert values(net) == [A.tobytes(), B.tobytes(), C.tobytes()]
    assert net[0].weight.shape == (1, 2) and not net[0].weight._deferred_init


def test_an_error_leaves_deferred_layers_pending(path):
    mx.nd.save(path, {"0.weight": mx.nd.ones((1, 2)), "1.weight": mx.nd.ones((5, 5))})
    net = nn.HybridSequential()
    net.add(nn.Dense(1, use_bias=False), nn.Dense(1, use_bias=False))
    net.initialize(mx.init.One())
    with pytest.raises(ik.SharingError, match=r"'1.weight' has shape \(5, 5\) in the file, expected \(1, \?\)"):
        ik.load(net, path)
    assert net[0].weight._deferred_init and net[0].weight.shape == (1, -1 if GLUON_2 else 0)
    assert net(nd.ones((1, 3))).asnumpy().tolist() == [[3]]


@pytest.mark.mxnet1("sparse gradients")
def test_what_mxnet_refuses_halfway_is_undone(path):
    """In NumPy mode a sparse gradient raises when the parameter is initialized; the layer before it already is then."""
    mx.nd.save(path, {"0.weight": mx.nd.ones((1, 2)), "1.weight": mx.nd.ones((4, 2))})
    net = nn.HybridSequential()
    net.add(nn.Dense(1, use_bias=False), nn.Embedding(4, 2, sparse_grad=True))
    mx.npx.set_np()
    with pytest.raises(ValueError, match="does not support stype"):
        ik.load(net, path)
    first = net[0].weight
    assert first._data is None and first._grad is None and not first._deferred_init and first._shape == (1, 0)


@pytest.mark.mxnet1("a classic mode")
@pytest.mark.parametrize("saved_in, loaded_in", [("np", "classic"), ("classic", "np"), ("np", "np")])
def test_files_cross_between_numpy_mode_and_classic_mode(path, saved_in, loaded_in):
    def turn(mode):
        (mx.npx.set_np if mode == "np" else mx.npx.reset_np)()

    turn(saved_in)
    saved = network((0, 1))
    saved.initialize()
    ik.save(saved, path)
    turn(loaded_in)
    for net in (network((0, 1)), network((0, 1))):
        net.initialize()
        kind = type(net[0].weight.data())
        ik.load(net, path)
        assert values(net) == values(saved) and type(net[0].weight.data()) is kind
    fresh = network((0, 1))
    ik.load(fresh, path)
    assert type(fresh[0].weight.data()) is kind
    assert values(fresh) == values(saved)


class CastsAndFails(mx.gluon.Parameter):
    def cast(self, dtype):
        super().cast(dtype)
        raise RuntimeError("no luck")


@pytest.mark.parametrize("last", [True, False])
def test_a_failure_at_any_parameter_leaves_all_as_they_were(path, last):
    saved, net = filled([], A, B, C), filled([], C, B, A)
    saved.cast("float64")
    ik.save(saved, path)
    net[2 if last else 0].weight.__class__ = CastsAndFails
    before = [(layer.weight.data(), layer.weight.grad(), layer.weight.dtype) for layer in net]
    with pytest.raises(RuntimeError, match="no luck"):
        ik.load(net, path, cast_dtype=True, dtype_source="saved")
    for layer, (data, grad, dtype) in zip(net, before):
        assert layer.weight.data() is data and layer.weight.grad() is grad and layer.weight.dtype == dtype
    assert values(net) == [C.tobytes(), B.tobytes(), A.tobytes()]


def test_applied_ties_hold_in_a_hybridized_network_and_train(path):
    net = nn.HybridSequential()
    net.add(nn.Dense(2, in_units=2, use_bias=False), nn.Dense(2, in_units=2, use_bias=False))
    net.initialize()
    net.hybridize(static_alloc=True, static_shape=True)
    net(nd.ones((1, 2))).wait_to_read()
    write(path, {"0.weight": numpy.eye(2) * 2}, PAIR)
    ik.load(net, path, ties="apply")
    assert net[0].weight is net[1].weight
    with mx.autograd.record():
        out = net(nd.ones((1, 2)))
    out.backward()
    assert out.asnumpy().tolist() == [[4, 4]] and net[0].weight.grad().asnumpy().tolist() == [[4, 4], [4, 4]]


def test_what_is_nowhere_yet_is_tied_to_where_the_other_is(path):
    ik.save(filled([(0, 1)], A, A, C), path)
    net = network()
    net[1].initialize(ctx=mx.cpu(1))
    ik.load(net, path, ties="apply")
    assert net[0].weight is net[1].weight and contexts(net[0].weight) == [mx.cpu(1)]
    assert net[0].weight.data(mx.cpu(1)).asnumpy().tobytes() == A.tobytes()


def test_a_transposed_tie_is_applied(path):
    def pair():
        net = nn.HybridSequential()
        net.add(nn.Embedding(5, 3), nn.Dense(5, in_units=3, use_bias=False), nn.Dense(3, in_units=5, use_bias=False))
        return net

    saved, net = pair(), pair()
    saved.initialize()
    groups = ik.Sharing(saved).tie("1.weight", "0.weight").tie("2.weight", "0.weight", transpose=True).apply().groups
    ik.save(saved, path)
    assert list(mx.nd.load(path)) == ["0.weight"]
    ik.load(net, path, ties="apply")
    ik.check_sharing(net, groups)
    for one, other in zip(saved, net):
        assert one.weight.data().asnumpy().tobytes() == other.weight.data().asnumpy().tobytes()
    again = pair()
    ik.Sharing(again).tie("1.weight", "0.weight").tie("2.weight", "0.weight", transpose=True).apply()
    ik.load(again, path)
    assert again[0].weight.data().asnumpy().tobytes() == net[0].weight.data().asnumpy().tobytes()
    with pytest.raises(AssertionError, match="'2.weight' is missing"):  # as the docstring of save says
        again.load_parameters(path)


def test_what_the_builder_refuses_is_refused_before_anything_is_loaded(path):
    ik.save(filled([(0, 1)], A, A, C), path)
    net = filled([], B, B, B)
    trainer = mx.gluon.Trainer(net.collect_params(), "sgd")
    before = values(net)
    with pytest.raises(ik.SharingError, match="'1.weight' cannot be tied to '0.weight': a Trainer updates it"):
        ik.load(net, path, ties="apply")
    assert values(net) == before and ik.shared_groups(net) == () and trainer


def test_the_builder_and_params_give_the_same_file(tmp_path):
    """The seed's example: ``nn.Dense(4, in_units=4, params=net[-1].params)``."""

    def layers(shared):
        net = nn.HybridSequential()
        net.add(nn.Dense(4, in_units=4))
        net.add(tied(nn.Dense, net[-1], 4, in_units=4) if shared else nn.Dense(4, in_units=4))
        return net

    nets = layers(True), layers(False)
    ik.Sharing(nets[1]).tie_blocks("0", "1").apply()
    for number, net in enumerate(nets):
        mx.random.seed(5)
        net.initialize(mx.init.Normal())
        ik.save(net, tmp_path / str(number))
    assert (tmp_path / "0").read_bytes() == (tmp_path / "1").read_bytes()


@pytest.mark.mxnet1("parameters for each layer of an RNN")
def test_an_rnn_of_eleven_layers_which_mxnet_cannot_save(path):
    def layer():
        return mx.gluon.rnn.LSTM(2, num_layers=11, input_size=2)

    saved, net = layer(), layer()
    saved.initialize()
    with pytest.raises(AttributeError):
        saved.save_parameters(path)
    ik.save(saved, path)
    ik.load(net, path)
    assert ik.fingerprint(net) == ik.fingerprint(saved)


def test_an_exported_network(path, tmp_path):
    net = filled([(0, 1)], numpy.ones((1, 2)), numpy.ones((1, 2)), C)
    one = nn.HybridSequential()
    one.add(net[0])
    one.hybridize()
    one(nd.ones((1, 2))).wait_to_read()
    one.export(str(tmp_path / "one"))

    def imported(params=None):
        return mx.gluon.SymbolBlock.imports(str(tmp_path / "one-symbol.json"), ["data"], params)

    saved, other = imported(str(tmp_path / "one-0000.params")), imported()
    ik.save(saved, path)
    ik.load(other, path)
    assert ik.fingerprint(other) == ik.fingerprint(saved)
    assert other(nd.ones((1, 2))).asnumpy().tolist() == [[2]]


@pytest.mark.parametrize("ties", ["check", "ignore"])
def test_a_path_that_the_tie_map_does_not_tie_is_missing(path, ties):
    write(path, {"0.weight": A, "1.weight": B}, ik.SharedGroup("0.weight", ("9.weight",)))
    net = filled([(1, 2)], C, C, C)
    with pytest.raises(ik.SharingError, match="'2.weight' is missing in the file, which does not tie it to '1.weight'"):
        ik.load(net, path, ties=ties, ignore_extra=True)
    assert values(net) == [C.tobytes()] * 3


def test_a_graph_of_the_old_dtype_is_not_run_again(path):
    saved, net = network(units=2), network(units=2)
    for each in (saved, net):
        each.initialize()
    saved.cast("float64")
    ik.save(saved, path)
    net.hybridize()
    net(nd.ones((1, 2)))
    ik.load(net, path, cast_dtype=True, dtype_source="saved")
    x = nd.ones((1, 2), dtype="float64")
    assert numpy.dtype(net(x).dtype) == "float64" and numpy.allclose(net(x).asnumpy(), saved(x).asnumpy())
    net.export(path)  # writes the graph that is there
    nodes = mx.sym.load(f"{path}-symbol.json").attr_dict()
    assert [each["__dtype__"] for each in nodes.values() if "__dtype__" in each] == ["1"] * 3  # which is float64


@pytest.mark.parametrize("content", [b"", b"no parameters"])
def test_a_file_that_is_none(content, tmp_path):
    """The error names the file, and what tells more; not the line of MXNet's C++ source alone."""
    path = tmp_path / "net.params"
    path.write_bytes(content)
    with pytest.raises(ik.CheckpointError, match=r"net\.params: at byte 0: "):
        ik.load(nn.Dense(2, in_units=2), path)


def test_a_transposed_tie_that_keeps_the_later_parameter_is_applied_so(path):
    def autoencoder():
        net = nn.HybridSequential()
        net.add(nn.Dense(2, in_units=3), nn.Dense(3, in_units=2))
        return net

    saved, loaded = autoencoder(), autoencoder()
    ik.Sharing(saved).tie("0.weight", "1.weight", to="1.weight", transpose=True).apply()
    ik.initialize(saved, mx.init.Xavier(), seed=3)
    ik.save(saved, path)
    ik.load(loaded, path, ties="apply")
    assert ik.shared_groups(loaded) == ik.shared_groups(saved)
    assert ik.fingerprint(loaded) == ik.fingerprint(saved)


def test_inside_record_as_outside(path):
    ik.save(filled([], A, B, C), path)
    net = filled([], C, C, A)
    with mx.autograd.record():
        ik.load(net, path)
    assert values(net) == [each.tobytes() for each in (A, B, C)]


def test_ctrl_c_while_loading_comes_after_tying(path, monkeypatch):
    ik.save(filled([(0, 1)], A, A, C), path)
    net = filled([], B, C, A)

    def pressed(param, array, ctxs):
        if param is net[2].weight:
            signal.raise_signal(signal.SIGINT)
        set_values(param, array, ctxs)

    monkeypatch.setattr(sys.modules["gluon_initkit.sharing.load"], "set_values", pressed)
    with pytest.raises(KeyboardInterrupt):
        ik.load(net, path, ties="apply")
    assert values(net) == [each.tobytes() for each in (A, A, C)]
    ik.check_sharing(net, PAIR)
