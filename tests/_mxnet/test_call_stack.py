"""Calls under way: where blocks stand, what symbolic children are given, where an error came up."""

from gluon_initkit._mxnet.instrument.call_stack import ArrayArgument, BlockCall, innermost
from gluon_initkit._mxnet.tree import blocks_by_path
import mxnet as mx
from mxnet.gluon import nn
import pytest
from vocabulary import nd


def network():
    shared, inner, net = nn.Dense(3), nn.HybridSequential(), nn.HybridSequential()
    inner.add(nn.Dense(2), shared)
    net.add(inner, shared)
    return net


@pytest.mark.mxnet1("layers that take Symbols, from which shapes would follow")
def test_the_shapes_of_symbolic_calls_are_inferred_one_by_one_where_some_contradict():
    net = nn.HybridSequential()
    net.add(nn.Dense(4), nn.Dense(3, in_units=9), nn.Dense(2))
    graph = mx.sym.var("data")
    net._cached_graph = ([graph], graph)
    home = BlockCall(net, "", "forward", (nd.ones((2, 5)),), None)
    for path, layer in (("0", net[0]), ("1", net[1]), ("2", net[2])):
        home.symbolic[path] = BlockCall(layer, path, "forward", (graph,), home).symbols
        graph = layer(graph)
    assert home.inferred() == {"0": ((2, 5),), "1": ((2, 4),), "2": (None,)}


def test_an_error_is_placed_in_the_innermost_block():
    net = network()
    paths = {block: path for path, block in blocks_by_path(net).items()}
    net.initialize()
    net[0](nd.ones((1, 4)))
    with pytest.raises(mx.MXNetError) as raised:
        net[0](nd.ones((1, 5)))
    found = innermost(raised.value, paths)
    assert (found["block"], found["inputs"]) == ("0.0", ((1, 5),)) and found["failing"][:2] == ("0.0", net[0][0])
    assert innermost(KeyError("x"), paths)["block"] is None


@pytest.mark.mxnet1("operators that are called by their block's name")
def test_an_error_of_a_graph_is_placed_by_its_operator():
    net = network()
    paths = {block: path for path, block in blocks_by_path(net).items()}
    named = mx.MXNetError(f"Error in operator {net[0][0].prefix}fwd: no")
    call = BlockCall(net, "", "forward", (nd.ones((1, 5)),), None)
    found = innermost(named, paths, call)
    assert found == {"block": "0.0", "inputs": (), "failing": ("", net, (ArrayArgument((1, 5), "float32"),))}
