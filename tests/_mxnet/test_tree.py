"""Places: paths are those of save_parameters, for every block that names its parameters otherwise too."""

import gluon_initkit  # noqa: F401
from gluon_initkit._mxnet.tree import parameters_by_path, path_clashes, places, places_and_blocks
import mxnet as mx
from mxnet.gluon import nn, rnn
import pytest
from vocabulary import tied

NETWORKS = {
    "resnet": lambda: mx.gluon.model_zoo.vision.resnet18_v1(),
    "lstm": lambda: rnn.LSTM(4, num_layers=2, input_size=3),
    "bidirectional": lambda: rnn.GRU(4, num_layers=2, bidirectional=True),
    "cells": lambda: rnn.BidirectionalCell(rnn.LSTMCell(3), rnn.GRUCell(3)),
    "sequential": lambda: nn.Sequential(),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_paths_are_those_of_save_parameters(name):
    net = NETWORKS[name]()
    found = {path: param for param, place in places(net).items() for path in place.paths}
    expected = net._collect_params_with_prefix()
    assert list(found) == list(expected) and all(found[path] is expected[path] for path in expected)


@pytest.mark.zoo
def test_paths_of_a_bert_cell():
    from gluonnlp.model import BERTEncoder

    net = BERTEncoder(units=8, hidden_size=8, num_layers=1, num_heads=2)
    found = {path: param for param, place in places(net).items() for path in place.paths}
    assert found == net._collect_params_with_prefix() and any("proj_query.weight" in path for path in found)


@pytest.mark.mxnet1("parameters of their own for an RNN's layers")
def test_an_rnn_of_eleven_layers_has_paths_though_mxnet_cannot_name_them():
    net = rnn.LSTM(2, num_layers=11, input_size=2)
    with pytest.raises(AttributeError):
        net._collect_params_with_prefix()
    paths = [place.paths[0] for place in places(net).values()]
    assert len(paths) == 44 and "l10_i2h_weight" in paths


def test_a_shared_parameter_has_one_place_with_aliases():
    net = nn.HybridSequential()
    net.add(nn.Dense(2, in_units=2))
    net.add(tied(nn.Dense, net[0], 2, in_units=2), net[0])
    assert [place.paths for place in places(net).values()] == [
        ("0.weight", "1.weight", "2.weight"), ("0.bias", "1.bias", "2.bias")]  # fmt: skip


@pytest.mark.mxnet1("parameters that no attribute holds")
def test_parameters_that_no_attribute_holds_are_found():
    net = nn.HybridSequential()
    inner = nn.HybridBlock(prefix="inner_")
    inner.params.get("loose", shape=(2,))
    net.add(inner)
    ((param, place),) = places(net).items()
    assert place.paths == ("0.loose",) and param.name == "inner_loose"


def test_owners_and_symbols():
    symbol = mx.sym.FullyConnected(mx.sym.var("data"), mx.sym.var("fc_weight", init="ones"), num_hidden=2, name="fc")
    net = nn.HybridSequential()
    net.add(mx.gluon.SymbolBlock(symbol, mx.sym.var("data")))
    # MXNet 1 takes the common beginning off the names of a SymbolBlock's parameters.
    found = {place.paths[0].replace("fc_", ""): place for place in places(net).values()}
    assert found["0.weight"].symbol_init == "ones" and found["0.bias"].symbol_init is None
    assert found["0.weight"].owner is mx.gluon.SymbolBlock and found["0.weight"].owner_path == "0"
    assert nn.HybridSequential in found["0.weight"].inside


def test_one_walk_lays_out_parameters_and_blocks():
    net = nn.HybridSequential()
    net.add(nn.Dense(2), nn.HybridSequential())
    net[1].add(nn.BatchNorm())
    found, blocks = places_and_blocks(net)
    assert list(found.items()) == list(places(net).items())
    assert blocks == [("", net), ("0", net[0]), ("1", net[1]), ("1.0", net[1][0])]


def dotted():
    """A network whose child has a dot in its name, and another child's child that has the same path."""
    net, inner = nn.HybridSequential(), nn.HybridSequential()
    setattr(net, "a.b", nn.Dense(2, in_units=2))
    net.a, inner.b = inner, nn.Dense(2, in_units=2)
    return net


def test_two_parameters_of_one_path_are_found_and_refused_where_paths_are_keys():
    net = dotted()
    assert path_clashes(net) == ["a.b.weight", "a.b.bias"] and path_clashes(net.a) == []
    with pytest.raises(ValueError, match="two parameters have the path 'a.b.weight', 'a.b.bias': values are drawn"):
        parameters_by_path(net)
    assert list(parameters_by_path(net.a)) == ["b.weight", "b.bias"]
    net.a.b = getattr(net, "a.b")  # one parameter at one path, twice
    assert path_clashes(net) == [] and list(parameters_by_path(net)) == ["a.b.weight", "a.b.bias"]


@pytest.mark.mxnet1("parameters that no attribute holds")
def test_what_another_parameter_took_the_place_of_has_no_path_of_its_own():
    net = nn.Dense(2, in_units=2)
    net._reg_params["weight"] = mx.gluon.Parameter("other_weight", shape=(2, 2))
    assert path_clashes(net) == [] and list(parameters_by_path(net)) == ["weight", "bias"]
    net = dotted()
    for child in (getattr(net, "a.b"), net.a.b):
        child.params.get("table", shape=(2,))
    assert path_clashes(net) == ["a.b.weight", "a.b.bias", "a.b.table"]


def test_traversed_has_every_path_in_the_order_of_save_parameters():
    layer, net = nn.Dense(2, in_units=2), nn.HybridSequential()
    net.add(layer, nn.Dense(3, in_units=2), layer)
    assert list(parameters_by_path(net).items()) == list(net._collect_params_with_prefix().items())


@pytest.mark.mxnet1("parameters that no attribute holds")
def test_traversed_adds_what_no_attribute_holds_unless_another_stands_there():
    net, donor = nn.Dense(2, in_units=2), nn.Dense(2, in_units=2)
    hidden = net.params.get("hidden", shape=(1,))
    net._reg_params["weight"] = donor.weight  # a swap by hand, which leaves the old one in net.params
    assert parameters_by_path(net) == {"weight": donor.weight, "bias": net.bias, "hidden": hidden}
    assert parameters_by_path(net, unregistered=False) == {"weight": donor.weight, "bias": net.bias}


@pytest.mark.parametrize("numpy_mode", [False, True])
def test_axes_of_transposed_convolutions(numpy_mode):
    if numpy_mode:
        mx.npx.set_np()
    net = nn.HybridSequential()
    net.add(nn.Conv2D(8, 3, in_channels=4), nn.Conv2DTranspose(8, 3, in_channels=4), nn.Dense(2, in_units=3))
    found = [place.axes for place in places(net).values() if place.paths[0].endswith("weight")]
    assert found == ["OIHW", "IOHW", "OI"]
