"""Files of `save`: each shared parameter once, read by plain MXNet, whole or not there."""

import os
import stat

import gluon_initkit as ik
import mxnet as mx
from mxnet.gluon import nn
import numpy
import pytest
from vocabulary import GLUON_2, nd, tied


def network(ties=True, **kwargs):
    net = nn.HybridSequential()
    first = nn.Dense(3, in_units=3, **kwargs)
    net.add(first, tied(nn.Dense, first, 3, in_units=3, **kwargs) if ties else nn.Dense(3, in_units=3, **kwargs))
    return net


def initialized(net, ctx=None):
    mx.random.seed(3)
    net.initialize(mx.init.Normal(), ctx=ctx)
    return net


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "x.params")


def content(path):
    with open(path, "rb") as file:
        return file.read()


def test_each_shared_parameter_stands_once_with_its_ties(path):
    net = initialized(network())
    ik.save(net, path)
    loaded = mx.nd.load(path)
    assert list(loaded) == ["0.weight", "0.bias"]
    assert loaded["0.weight"].asnumpy().tobytes() == net[0].weight.data().asnumpy().tobytes()
    assert [(each.path, each.aliases) for each in ik.inspect(path)] == [(each.canonical, each.aliases)
                                                                        for each in ik.shared_groups(net)]  # fmt: skip


def test_plain_load_parameters_reads_it_into_an_equally_tied_network(path):
    net, other = initialized(network()), network()
    ik.save(net, path)
    other.load_parameters(path)
    assert ik.fingerprint(other) == ik.fingerprint(net)


@pytest.mark.parametrize("ctx", [mx.cpu(0), mx.cpu(1)])
def test_without_ties_the_bytes_are_those_of_plain_mxnet(path, tmp_path, ctx):
    net = initialized(network(ties=False), ctx=ctx)
    ik.save(net, path)
    if GLUON_2:  # whose save_parameters writes a zip file, in which no ties can stand
        arrays = {name: param._reduce().as_nd_ndarray() for name, param in net.collect_params().items()}
        mx.nd.save(str(tmp_path / "plain"), arrays)
    else:
        net.save_parameters(str(tmp_path / "plain"))
    assert content(path) == content(tmp_path / "plain")


def test_the_seeds_example_and_one_block_twice_give_the_same_file(tmp_path):
    """``nn.Dense(4, in_units=4, params=net[-1].params)``, and the layer itself added again."""
    ways = {"params": lambda layer: tied(nn.Dense, layer, 4, in_units=4), "twice": lambda layer: layer}
    for name, again in ways.items():
        net = nn.HybridSequential()
        net.add(nn.Dense(4, in_units=4))
        net.add(again(net[-1]))
        ik.save(initialized(net), tmp_path / name)
    assert content(tmp_path / "params") == content(tmp_path / "twice")


def test_in_numpy_mode(path):
    mx.npx.set_np()
    net, other = initialized(network()), network()
    ik.save(net, path)
    other.load_parameters(path)
    assert ik.fingerprint(other) == ik.fingerprint(net)
    assert list(mx.npx.load(path)) == ["0.weight", "0.bias"]


def test_replicas_that_agree_are_written_to_the_bit(path):
    """Plain MXNet's mean rounds (a third of three times a number) and overflows (float16)."""
    net = initialized(network(ties=False), ctx=[mx.cpu(0), mx.cpu(1), mx.cpu(2)])
    value = numpy.linspace(0.1, 0.9, 9, dtype="float32").reshape(3, 3)
    net[0].weight.set_data(nd.array(value))
    assert net[0].weight._reduce().asnumpy().tobytes() != value.tobytes()
    ik.save(net, path)
    assert mx.nd.load(path)["0.weight"].asnumpy().tobytes() == value.tobytes()
    net.cast("float16")
    net[0].weight.set_data(nd.full((3, 3), 40000, dtype="float16"))
    assert numpy.isinf(net[0].weight._reduce().asnumpy()).all()
    ik.save(net, path)
    assert (mx.nd.load(path)["0.weight"].asnumpy() == 40000).all()


def test_replicas_that_differ_are_averaged_as_plain_mxnet_does(path):
    net = initialized(network(ties=False), ctx=[mx.cpu(0), mx.cpu(1)])
    net[0].weight.data(mx.cpu(1))[:] = 5
    ik.save(net, path)
    assert mx.nd.load(path)["0.weight"].asnumpy().tobytes() == net[0].weight._reduce().asnumpy().tobytes()


class Holder(nn.HybridBlock):
    """A block with the parameters that it is given."""

    def __init__(self, **params):
        super().__init__()
        for name, param in params.items():
            setattr(self, name, param)


@pytest.mark.mxnet1("sparse parameters")
def test_sparse_values_need_no_trainer(path):
    param = mx.gluon.Parameter("w", shape=(3, 2), stype="row_sparse", init=mx.init.One())
    net = Holder(one=param, two=param)
    param.initialize()
    with pytest.raises(AttributeError):
        net.save_parameters(path)
    ik.save(net, path)
    plainly = mx.nd.ones((3, 2)).tostype("row_sparse")
    mx.nd.waitall()  # before that MXNet may write the shape of an array without rows
    mx.nd.save(path + ".plain", {"one": plainly})
    plain = content(path + ".plain")
    assert content(path).startswith(plain) and content(path)[len(plain) :].endswith(b"GIKTIES\0")
    (array,) = mx.nd.load(path).values()
    assert array.stype == "row_sparse" and array.asnumpy().tolist() == [[1, 1]] * 3
    with mx.util.np_shape(True):  # in which MXNet has no sparse files
        ik.save(net, path)
        assert mx.nd.load(path)["one"].asnumpy().tolist() == [[1, 1]] * 3


@pytest.mark.zoo
def test_a_parameter_that_drops_weights_is_written_whole(path):
    """GluonNLP's `WeightDropParameter.data()` goes through Dropout, which plain saving reads in training mode."""
    from gluonnlp.model.parameter import WeightDropParameter

    dropped = WeightDropParameter(mx.gluon.Parameter("w", shape=(50, 50), init=mx.init.One()), 0.5)
    net = Holder(weight=dropped)
    dropped.initialize()
    with mx.autograd.train_mode():
        assert (dropped._reduce().asnumpy() == 0).any()
        ik.save(net, path)
    assert (mx.nd.load(path)["weight"].asnumpy() == 1).all()


@pytest.mark.zoo
def test_a_language_model_that_ties_its_decoder(path):
    import gluonnlp

    def model():
        return gluonnlp.model.train.StandardRNN("lstm", 30, embed_size=8, hidden_size=8, num_layers=1, dropout=0,
                                         tie_weights=True)  # fmt: skip

    net, plain, kit = initialized(model()), model(), model()
    ik.save(net, path)
    assert len(mx.nd.load(path)) == len(net.collect_params().keys())
    plain.load_parameters(path)
    ik.load(kit, path)
    assert ik.fingerprint(net) == ik.fingerprint(plain) == ik.fingerprint(kit)


def test_parameters_without_values_are_all_named_and_nothing_is_written(path):
    net = nn.HybridSequential()
    net.add(nn.Dense(2), nn.Dense(2, in_units=2, use_bias=False))
    net[0].initialize()
    with open(path, "wb") as file:
        file.write(b"before")
    with pytest.raises(ik.SharingError, match=r"2 parameters have no values to save: 0.weight is deferred, "
                                              r"1.weight is uninitialized. Initialize the network"):  # fmt: skip
        ik.save(net, path)
    assert content(path) == b"before" and os.listdir(os.path.dirname(path)) == ["x.params"]


@pytest.mark.mxnet1("parameters that are no attribute")
def test_what_plain_mxnet_leaves_out_is_said(path):
    class Hidden(nn.HybridBlock):
        def __init__(self):
            super().__init__()
            self.weight = self.params.get("weight", shape=(1,))
            self.params.get("unheld", shape=(1,))

    net = Hidden()
    net.initialize()
    with pytest.warns(UserWarning, match="unheld: held by no attribute of a Block, so not written") as caught:
        ik.save(net, path)
    assert caught[0].filename == __file__ and list(mx.nd.load(path)) == ["weight"]


def test_a_failure_leaves_what_was_there_and_no_rest(tmp_path):
    net = initialized(network())
    with pytest.raises(FileNotFoundError, match="in folder '.*missing'.*Nothing was saved"):
        ik.save(net, tmp_path / "missing" / "x.params")
    taken = tmp_path / "folder"
    taken.mkdir()
    with pytest.raises(OSError):
        ik.save(net, taken)
    assert os.listdir(tmp_path) == ["folder"]


def test_a_link_stays_a_link_and_permissions_stay(tmp_path):
    net = initialized(network())
    target, link = tmp_path / "x.params", tmp_path / "latest"
    ik.save(net, target)
    umask = os.umask(0)
    os.umask(umask)
    assert stat.S_IMODE(target.stat().st_mode) == 0o666 & ~umask
    target.chmod(0o640)
    link.symlink_to(target)
    ik.save(net, link)
    assert link.is_symlink() and stat.S_IMODE(target.stat().st_mode) == 0o640


def test_saving_changes_nothing(path):
    net = initialized(network())
    net.hybridize()
    net(nd.ones((1, 3))).wait_to_read()
    cached, before = net._cached_op, ik.fingerprint(net)
    ik.save(net, path)
    assert net._cached_op is cached and ik.fingerprint(net) == before


def test_only_networks_are_saved(path):
    with pytest.raises(TypeError, match="expected a network"):
        ik.save(network().collect_params(), path)


def test_a_part_of_a_network_in_which_all_stand_transposed(path):
    net = nn.HybridSequential()
    net.add(nn.Dense(3, in_units=4), nn.Dense(4, in_units=3))
    initialized(net)
    ik.Sharing(net).tie("1.weight", to="0.weight", transpose=True).apply()
    ik.save(net[1], path)
    assert (mx.nd.load(path)["weight"].asnumpy() == net[0].weight.data().asnumpy().T).all()
    alone = nn.Dense(4, in_units=3)
    alone.load_parameters(path)
    x = nd.ones((1, 3))
    assert (alone(x) == net[1](x)).asnumpy().all()


def test_the_error_of_a_large_network_is_short(tmp_path):
    net = mx.gluon.nn.HybridSequential()
    net.add(*(mx.gluon.nn.Dense(1, in_units=1) for _ in range(50)))
    with pytest.raises(ik.SharingError, match=r"^100 parameters .* 3\.bias is uninitialized and 92 more\. Init"):
        ik.save(net, tmp_path / "net.params")


def test_two_parameters_of_one_path_are_refused_before_anything_is_written_or_loaded(path):
    """Plain MXNet writes one of them, and loads it into one of them."""
    net, inner = nn.HybridSequential(), nn.HybridSequential()
    setattr(net, "a.b", nn.Dense(2, in_units=2))
    inner.b = nn.Dense(2, in_units=2)
    net.a = inner
    initialized(net)
    net.save_parameters(path)
    before = content(path)
    for call in (lambda: ik.save(net, path), lambda: ik.load(net, path), lambda: ik.shared_groups(net),
                 lambda: ik.Sharing(net).tie("a.b.weight", "a.b.bias").apply(), lambda: ik.untie(net, "a.b.bias")):
        with pytest.raises(ValueError, match="two parameters have the path 'a.b.weight', 'a.b.bias'"):
            call()
    assert content(path) == before
