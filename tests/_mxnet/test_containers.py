"""Which Blocks stand where Gluon does not look."""

from gluon_initkit._mxnet import blocks_in_containers
import mxnet as mx

nn = mx.gluon.nn


class Stack(mx.gluon.Block):
    def __init__(self, layers):
        super().__init__()
        self.first = nn.Dense(2, in_units=2)
        self.layers = layers


def test_nested_containers_are_told_by_path():
    net = nn.Sequential()
    net.add(Stack([1, {"a": (nn.Dense(2),)}]), Stack({"b": nn.Dense(2)}), Stack(["a", (1, 2)]))
    assert blocks_in_containers(net) == ["0.layers", "1.layers"]


def test_what_is_registered_anywhere_in_the_network_is_a_part_of_it():
    net, layer = nn.Sequential(), nn.Dense(2)
    net.add(Stack([layer]), layer)
    assert blocks_in_containers(net) == []
    assert blocks_in_containers(net[0]) == ["layers"]


def test_gluon_s_own_blocks_hold_none():
    for net in (mx.gluon.model_zoo.vision.squeezenet1_0(), mx.gluon.rnn.LSTM(2), nn.HybridLambda("relu")):
        assert blocks_in_containers(net) == []
