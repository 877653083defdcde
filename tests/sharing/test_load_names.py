"""Files that plain MXNet loads, whatever they call their arrays."""

import os
import re

import gluon_initkit as ik
import mxnet as mx
from mxnet.gluon import nn
import numpy as np
import pytest
from vocabulary import classic, nd, tied

NAMES = pytest.mark.mxnet1("global names of parameters")


def network(prefix=None, scope=True, units=2):
    """A convolution, a normalization and two dense layers; inside the name scope of the network, or outside."""
    net = nn.HybridSequential(prefix=prefix)
    layers = (lambda: nn.Conv2D(2, 1, in_channels=1), lambda: nn.BatchNorm(in_channels=2),
              lambda: nn.Dense(2, in_units=2), lambda: nn.Dense(units, in_units=2))  # fmt: skip
    if scope:
        with net.name_scope():
            net.add(*(layer() for layer in layers))
    else:
        net.add(*(layer() for layer in layers))
    return net


def filled(net):
    """The network with values, no two alike."""
    net.initialize()
    for number, param in enumerate(net.collect_params().values()):
        param.set_data(nd.array(np.arange(param.data().size).reshape(param.shape) + 100 * number))
    return net


def exported(net, path):
    net.hybridize()
    net(nd.ones((1, 1, 1, 1)))
    net.export(path)
    return path + "-0000.params"


def by_module(net, path):
    """The same arrays as Module writes them."""
    net.hybridize()
    net(nd.ones((1, 1, 1, 1)))
    net.export(path)
    symbol, args, aux = mx.model.load_checkpoint(path, 0)
    module = mx.mod.Module(symbol, label_names=None)
    module.bind([("data", (1, 1, 1, 1))], for_training=False)
    module.set_params(args, aux)
    module.save_checkpoint(path, 7)
    return path + "-0007.params"


def written(write):
    def act(net, path):
        write(net, path)
        return path

    return act


WAYS = {
    "export": exported,
    "Module": by_module,
    "save_params": written(lambda net, path: net.save_params(path)),
    "save_parameters": written(lambda net, path: net.save_parameters(path)),
    "collect_params().save": written(lambda net, path: net.collect_params().save(path)),
    "strip_prefix": written(lambda net, path: net.collect_params().save(path, strip_prefix=net.prefix)),
}  # fmt: skip


def same(net, other):
    return ik.fingerprint(net) == ik.fingerprint(other)


@NAMES
@pytest.mark.parametrize("scope", [True, False])
@pytest.mark.parametrize("prefixes", [("net_", "net_"), ("net_", "other_"), ("a_", "longer_"), (None, None)])
@pytest.mark.parametrize("way", WAYS)
def test_what_plain_mxnet_writes_is_loaded(way, prefixes, scope, tmp_path):
    """The second network has other global names: those of another process, or of another prefix."""
    if not scope and way in ("save_params", "strip_prefix"):
        way = "collect_params().save"  # MXNet strips no prefix that its names have not
    source, net = filled(network(prefixes[0], scope)), network(prefixes[1], scope)
    path = WAYS[way](source, str(tmp_path / "x.params"))
    assert ik.compare(net, path).load.loads
    for _ in range(2):  # without values, and in place
        assert len(ik.load(net, path).loaded) == 10
        assert same(net, source)


@NAMES
def test_mxnet_10601(tmp_path):
    """`load_parameters` puts the prefix a second time before what `export` wrote."""
    source = filled(network("net_"))
    path = exported(source, str(tmp_path / "x"))
    net = network("net_")
    with pytest.raises(AssertionError, match="is missing in"):
        net.load_parameters(path)
    ik.load(net, path)
    assert same(net, source)


@NAMES
def test_mxnet_14017(tmp_path):
    """What fits of another network's file is loaded, and the rest is filled: its last layer has other classes."""
    source, net = filled(network("net_", units=3)), network("net_")
    path = exported(source, str(tmp_path / "x"))
    with pytest.raises(AssertionError, match="is missing in"):
        net.load_parameters(path, ignore_extra=True)
    with pytest.raises(ik.LoadError, match=r"'3.weight' has shape \(3, 2\) in the file \(as 'arg:net_dense1_weight'\)"):
        ik.load(net, path, allow_missing=True, ignore_extra=True)
    part = nn.HybridSequential(prefix="net_")
    with part.name_scope():
        part.add(nn.Conv2D(2, 1, in_channels=1), nn.BatchNorm(in_channels=2), nn.Dense(2, in_units=2),
                 nn.Dense(5, in_units=2, prefix="classes_"))  # fmt: skip
    ik.load(part, path, allow_missing=True, ignore_extra=True)
    ik.initialize(part[3], mx.init.One())
    assert (part[2].weight.data() == source[2].weight.data()).asnumpy().all()
    assert part[3].weight.data().asnumpy().tolist() == [[1, 1]] * 5


@NAMES
def test_mxnet_15103(tmp_path):
    """A file of `export` into a SymbolBlock that was made of a symbol, of the same names or of other prefixes."""
    source = filled(network("net_"))
    path = exported(source, str(tmp_path / "x"))
    data = mx.sym.var("data")
    with pytest.raises(AssertionError, match="is missing in"):
        mx.gluon.SymbolBlock(network("other_")(data), [data]).load_parameters(path)
    for prefix in ("net_", "other_"):
        block = mx.gluon.SymbolBlock(network(prefix)(data), [data])
        ik.load(block, path)
        x = nd.ones((1, 1, 1, 1))
        assert (block(x) == source(x)).asnumpy().all()


@NAMES
def test_a_tied_network_takes_one_array_for_all_its_paths(tmp_path):
    def pair(prefix):
        net = nn.HybridSequential(prefix=prefix)
        with net.name_scope():
            first = nn.Dense(2, in_units=2)
            net.add(first, tied(nn.Dense, first, 2, in_units=2), nn.Dense(3, in_units=2), nn.Dense(2, in_units=3))
        ik.Sharing(net).tie("3.weight", "2.weight", transpose=True).apply()
        return net

    source, path = filled(pair("net_")), str(tmp_path / "x.params")
    source.collect_params().save(path)
    for prefix in ("net_", "other_"):
        net = pair(prefix)
        ik.load(net, path)
        assert same(net, source) and (net[3].weight.data() == net[2].weight.data().T).asnumpy().all()


@pytest.mark.parametrize("flags", [{}, {"allow_missing": True, "ignore_extra": True}])
def test_loading_nothing_is_an_error_whatever_the_flags(flags, tmp_path):
    path = str(tmp_path / "x.params")
    mx.nd.save(path, {"encoder.weight": mx.nd.ones((2, 2)), "encoder.bias": mx.nd.ones((2,))})
    net = nn.HybridSequential()
    net.add(nn.Dense(2, in_units=2))
    net.initialize()
    before = ik.fingerprint(net)
    with pytest.raises(ik.LoadError, match="nothing would be loaded: the network has '0.we" if flags else "0.weight"):
        ik.load(net, path, **flags)
    with pytest.raises(ik.LoadError, match="nothing would be loaded: the network has nothing, the file has 'enc"):
        ik.load(nn.HybridSequential(), path, **{**flags, "ignore_extra": True})
    with classic():
        mx.nd.save(path, {})
    with pytest.raises(ik.LoadError, match="the file has nothing" if flags else "'0.weight' is missing"):
        ik.load(net, path, **flags)
    assert ik.fingerprint(net) == before


@NAMES
def test_where_two_changes_fit_none_is_made(tmp_path):
    path = str(tmp_path / "x.params")
    mx.nd.save(path, {f"{name}_dense0_{kind}": mx.nd.ones(shape) for name in "ab"
                      for kind, shape in (("weight", (2, 2)), ("bias", (2,)))})  # fmt: skip
    net = nn.HybridSequential(prefix="c_")
    with net.name_scope():
        net.add(nn.Dense(2, in_units=2))
    with pytest.raises(ik.LoadError, match="'0.weight' is missing"):
        ik.load(net, path, ignore_extra=True)
    assert net[0].weight._data is None


def test_a_prefix_is_never_a_part_of_a_number_or_word(tmp_path):
    """Layers 10 and 11 are not layers 0 and 1 of another network, although both begin with "layer1"."""
    net, path = nn.HybridSequential(), str(tmp_path / "x.params")
    net.add(nn.Dense(2, in_units=2), nn.Dense(2, in_units=2))
    mx.nd.save(path, {f"layer{number}.{name}": mx.nd.ones((2, 2)[: 2 - (name == "bias")])
                      for number in (10, 11) for name in ("weight", "bias")})  # fmt: skip
    assert not ik.compare(net, path).load.loads
    with pytest.raises(ik.LoadError, match=re.escape("rename={'layer10.': '0.', 'layer11.': '1.'} finds 4 of 4")):
        ik.load(net, path)


@NAMES
def test_numbers_are_not_changed_where_the_file_has_more_than_the_network(tmp_path):
    """Of three layers in the file, which two would they be?"""
    path = str(tmp_path / "x.params")
    mx.nd.save(path, {f"dense{number}_weight": mx.nd.ones((2, 2)) * number for number in (3, 4, 5)})
    net = nn.HybridSequential()
    net.add(*(nn.Dense(2, in_units=2, use_bias=False, prefix=f"dense{number}_") for number in (7, 9)))
    with pytest.raises(ik.LoadError, match="'0.weight' is missing"):
        ik.load(net, path, ignore_extra=True)
    mx.nd.save(path, {f"dense{number}_weight": mx.nd.ones((2, 2)) * number for number in (9, 10)})
    ik.load(net, path)
    assert [layer.weight.data()[0, 0].asscalar() for layer in net] == [9, 10]


@NAMES
def test_global_names_that_overlap_are_not_taken_one_by_one(tmp_path):
    """The file's dense1_ is the network's dense2_; plain MXNet would load it into dense1_."""
    path = str(tmp_path / "x.params")
    mx.nd.save(path, {f"dense{number}_weight": mx.nd.ones((2, 2)) * number for number in (0, 1)})
    net = nn.HybridSequential()
    net.add(*(nn.Dense(2, in_units=2, use_bias=False, prefix=f"dense{number}_") for number in (1, 2)))
    ik.load(net, path)
    assert [layer.weight.data()[0, 0].asscalar() for layer in net] == [0, 1]


@NAMES
def test_what_a_network_creates_and_holds_in_no_attribute_is_loaded_by_its_name(tmp_path):
    class Hidden(nn.HybridBlock):
        def __init__(self):
            super().__init__(prefix="hidden_")
            self.weight = self.params.get("weight", shape=(1,), init="ones")
            self.params.get("unheld", shape=(1,), init="ones")

    path = str(tmp_path / "x.params")
    source, net = Hidden(), Hidden()
    source.initialize()
    source.collect_params().save(path)
    ik.load(net, path)
    assert all(param.data().asscalar() == 1 for param in net.collect_params().values())


def test_errors_are_caught_by_old_clauses_and_new_ones(tmp_path):
    path = str(tmp_path / "x.params")
    mx.nd.save(path, {"weight": mx.nd.ones((3, 3))})
    for kind in (ik.LoadError, ik.SharingError, ValueError, mx.MXNetError):
        with pytest.raises(kind, match=r"has shape \(3, 3\) in the file, expected \(2, 2\)(.|\n)*'bias' is missing"):
            ik.load(nn.Dense(2, in_units=2), path)
    assert not issubclass(ik.SharingError, ik.LoadError)


def test_many_problems_are_cut_to_ten(tmp_path):
    path = str(tmp_path / "x.params")
    net = nn.HybridSequential()
    net.add(*(nn.Dense(2, in_units=2) for _ in range(20)))
    mx.nd.save(path, {"0.weight": mx.nd.ones((2, 2))})
    with pytest.raises(ik.LoadError) as caught:
        ik.load(net, path)
    assert len(str(caught.value).splitlines()) == 1 + 10 + 1 + 1 and "  and 29 more" in str(caught.value)


@pytest.mark.mxnet1("sparse parameters")
def test_indices_outside_an_array_never_reach_mxnet(tmp_path):
    """MXNet's own reader believes them, and writes where they lead."""
    path = str(tmp_path / "x.params")
    array = mx.nd.sparse.row_sparse_array((mx.nd.ones((1, 2)), [1]), shape=(3, 2))
    mx.nd.save(path, {"weight": array})
    with open(path, "rb") as file:
        data = file.read()
    at = data.rindex((1).to_bytes(8, "little"), 0, data.index(b"weight") - 16)  # the one index
    for index in (3, 1 << 40, -1):
        with open(path, "wb") as file:
            file.write(data[:at] + index.to_bytes(8, "little", signed=True) + data[at + 8 :])
        with pytest.raises(ik.CheckpointError, match="the indices of 'weight' do not fit its shape"):
            ik.load(nn.Embedding(3, 2), path)
        with pytest.raises(ik.CheckpointError, match="the indices of 'weight' do not fit its shape"):
            ik.inspect(path)["weight"].data()


def test_two_arrays_of_one_name_are_refused_by_all(tmp_path):
    path = str(tmp_path / "x.params")
    mx.nd.save(path, {"weight": mx.nd.ones((2, 2)), "wEight": mx.nd.zeros((2, 2))})
    with open(path, "rb") as file:
        data = file.read()
    with open(path, "wb") as file:
        file.write(data.replace(b"wEight", b"weight"))
    assert mx.nd.load(path)["weight"].asnumpy().sum() == 0  # the last one, in silence
    net = nn.Dense(2, in_units=2, use_bias=False)
    for act in (ik.inspect, lambda path: ik.load(net, path), lambda path: ik.compare(net, path)):
        with pytest.raises(ik.CheckpointError, match="a second array is called 'weight'"):
            act(path)


def test_a_long_name_in_a_short_file_costs_no_memory(tmp_path):
    path = str(tmp_path / "x.params")
    mx.nd.save(path, {"weight": mx.nd.ones((2, 2))})
    size = os.path.getsize(path)
    with open(path, "r+b") as file:
        file.seek(size - 6 - 8)
        file.write((1 << 31).to_bytes(8, "little"))
    with pytest.raises(ik.CheckpointError):
        ik.load(nn.Dense(2, in_units=2, use_bias=False), path)


@pytest.mark.parametrize("state", ["uninitialized", "initialized"])
def test_paths_with_arg_and_aux_before_them(state, tmp_path):
    """As MXNet 2 exports."""
    path = str(tmp_path / "x.params")
    net = nn.HybridSequential()
    net.add(nn.Dense(2, in_units=2, use_bias=False), nn.BatchNorm(in_channels=2, scale=False, center=False))
    if state == "initialized":
        net.initialize()
    ones = mx.nd.ones((2,))
    with classic():
        mx.nd.save(path, {"arg:0.weight": mx.nd.array([[1, 2], [3, 4]]), "arg:1.gamma": ones, "arg:1.beta": ones,
                          "aux:1.running_mean": ones, "aux:1.running_var": ones})  # fmt: skip
    ik.load(net, path)
    assert net[0].weight.data().asnumpy().tolist() == [[1, 2], [3, 4]]
    assert net[1].running_mean.data().asnumpy().tolist() == [1, 1]
