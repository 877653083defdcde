"""What stands in containers, where Gluon does not look."""

from collections import OrderedDict

from gluon_initkit._mxnet.tree import parameters_in_containers, unregistered_blocks, walk
import mxnet as mx
import pytest
from vocabulary import declared, nd

nn = mx.gluon.nn


class Stack(mx.gluon.Block):
    def __init__(self, layers):
        super().__init__()
        self.first = nn.Dense(2, in_units=2)
        self.layers = layers


def unregistered(net):
    return [each.path for each in unregistered_blocks(walk(net))]


def test_nested_containers_are_told_by_path():
    net = nn.Sequential()
    net.add(Stack([1, {"a": (nn.Dense(2),)}]), Stack({"b": nn.Dense(2)}), Stack(["a", (1, 2)]))
    assert unregistered(net) == ["0.layers", "1.layers"]


@pytest.mark.parametrize("container", [
    list, tuple, set, frozenset, lambda held: {"a": held}, lambda held: [{1: (held,)}],
    lambda held: OrderedDict(a=[held, held]),
])  # fmt: skip
@pytest.mark.parametrize("make", [lambda: nn.Dense(2), lambda: mx.gluon.Parameter("w", shape=(2,))])
def test_a_container_of_any_kind_is_looked_into(container, make):
    held = make()
    net = Stack(container([held]))
    if isinstance(held, nn.Block):
        (found,) = unregistered_blocks(walk(net))
        assert set(found.parameters) == set(held.collect_params().values())
    else:
        (found,) = unregistered_blocks(walk(net))
        assert found.parameters == (held,)
        net.held = held  # as an attribute it is registered
        assert parameters_in_containers(walk(net)) == {held: "layers"} and unregistered(net) == []


def test_the_sentence_names_attribute_class_and_what_it_holds():
    net = nn.Sequential()
    net.add(Stack([nn.Dense(2), nn.Dense(3), nn.BatchNorm()]), Stack((mx.gluon.Parameter("w", shape=(2,)),)))
    blocks, params = map(str, unregistered_blocks(walk(net)))
    assert blocks == (
        "The list 0.layers of Stack holds Blocks (Dense, BatchNorm): they are no part of the network, and nothing "
        "initializes, saves or trains their parameters; put them into an nn.Sequential, or call register_child for "
        "each."
    )
    assert params == (
        "The tuple 1.layers of Stack holds Parameters (w): they are no part of the network, and nothing initializes, "
        "saves or trains them; make each of them an attribute of its own."
    )


def test_a_container_that_holds_itself():
    layers = [nn.Dense(2)]
    layers.append(layers)
    assert unregistered(Stack(layers)) == ["layers"]


def test_what_is_registered_anywhere_in_the_network_is_a_part_of_it():
    net, layer = nn.Sequential(), nn.Dense(2)
    net.add(Stack([layer]), layer)
    assert unregistered(net) == []
    assert unregistered(net[0]) == ["layers"]


def test_blocks_without_parameters_of_their_own_need_no_registering():
    net = Stack([nn.Activation("relu"), nn.Flatten()])
    assert unregistered(net) == []
    shared = nn.Sequential()
    shared._children.update(net.first._children)
    shared.weight = net.first.weight  # a parameter that the network registers
    net.layers.append(shared)
    assert unregistered(net) == []


def test_gluon_s_own_blocks_hold_none():
    for net in (mx.gluon.model_zoo.vision.squeezenet1_0(), mx.gluon.rnn.LSTM(2), nn.HybridLambda("relu")):
        assert unregistered(net) == []
    net = nn.HybridSequential()
    net.add(nn.Dense(2, in_units=2))
    net.initialize()
    net.hybridize()
    net(nd.ones((1, 2)))
    assert net._cached_op_args and parameters_in_containers(walk(net)) == {} and unregistered(net) == []


def test_parameters_in_containers_are_found_however_deep():
    block = nn.HybridSequential()
    block.weight = declared(block, "weight", shape=(2,))
    assert parameters_in_containers(walk(block)) == {}
    block.add(nn.Dense(2))
    for held in ({"here": block.weight, "there": 1}, [[block.weight]], ({"a": {"b": block.weight}},), {block.weight}):
        block[0].kept = held
        assert parameters_in_containers(walk(block)) == {block.weight: "0.kept"}
