"""A network's own code run on arrays without memory: what it reaches, what follows, and that nothing stays."""

from gluon_initkit._mxnet import backend, mx
from gluon_initkit._mxnet.inference import run_without_memory
from gluon_initkit._mxnet.instrument.call_stack import ArrayArgument
from gluon_initkit._mxnet.parameter import shape_of
from mxnet.gluon import nn, rnn
import pytest
from vocabulary import GLUON_2, HybridBlock

NAMED = pytest.mark.mxnet1("names that layers are given as prefixes")


def run(net, *shapes):
    return run_without_memory(net, [ArrayArgument(shape, "float32") for shape in shapes])


def two_layers():
    net = nn.HybridSequential()
    net.add(nn.Dense(4), nn.Dense(2))
    return net


def test_shapes_of_parameters_and_of_what_blocks_are_given():
    net = two_layers()
    found = run(net, (3, 5))
    assert found.error is None
    assert found.shapes[net[0].weight] == (4, 5) and found.shapes[net[1].weight] == (2, 4)
    given = {call.path: call.given for call in found.entered}
    assert given == {"": ((3, 5),), "0": ((3, 5),), "1": ((3, 4),)}
    assert [call.path for call in found.finished] == ["0", "1", ""]
    assert list(found.order) == [net[0].weight, net[0].bias, net[1].weight, net[1].bias]


@pytest.mark.parametrize("hybridize", [False, True])
def test_nothing_stays(hybridize):
    net = two_layers()
    if hybridize:
        net.hybridize()
    manager = mx.name.current() if GLUON_2 else mx.name.NameManager._current.value
    names = dict(manager._counter)
    blocks = [net, net[0], net[1]]
    before = [dict(block.__dict__) for block in blocks]
    run(net, (3, 5))
    assert [dict(block.__dict__) for block in blocks] == before
    assert manager._counter == names
    assert net[0].weight._var is None and shape_of(net[0].weight) == (4, None)


def test_hooks_are_not_run():
    net, called = two_layers(), []
    net[0].register_forward_hook(lambda *_: called.append("after"))
    net[0].register_forward_pre_hook(lambda *_: called.append("before"))
    run(net, (3, 5))
    assert not called and len(net[0]._forward_hooks) == len(net[0]._forward_pre_hooks) == 1


@NAMED
def test_parameters_of_one_name_are_not_mixed_up():
    net = nn.HybridSequential(prefix="")
    net.add(nn.Dense(4, prefix="dense0_"), nn.Dense(2, prefix="dense0_"))  # as two threads make them
    shapes = run(net, (3, 5)).shapes
    assert shapes[net[0].weight] == (4, 5) and shapes[net[1].weight] == (2, 4)


@NAMED
def test_a_parameter_called_data():
    net = nn.HybridSequential(prefix="")
    net.add(nn.Dense(4, prefix="data0"))
    assert run(net, (3, 5)).shapes[net[0].weight] == (4, 5)


def test_a_dead_branch_is_inferred_too():
    class Dead(HybridBlock):
        def __init__(self):
            super().__init__()
            self.used, self.dead = nn.Dense(4), nn.Dense(2)

        def hybrid_forward(self, F, x):
            self.dead(x)
            return self.used(x)

    net = Dead()
    assert run(net, (3, 5)).shapes[net.dead.weight] == (2, 5)


def test_a_symbol_block_twice_in_one_network():
    data = mx.sym.var("data")
    block = mx.gluon.SymbolBlock(mx.sym.FullyConnected(data, num_hidden=5, name="fc"), data)
    net = nn.HybridSequential()
    net.add(block, nn.Activation("relu"), block)
    assert run(net, (3, 5)).shapes[block.params["fc_weight"]] == (5, 5)
    assert isinstance(run(net, (3, 6)).conflict, mx.MXNetError)


def test_symbol_blocks_of_several_inputs_and_outputs():
    a, b = mx.sym.var("a"), mx.sym.var("b")
    outputs = [mx.sym.FullyConnected(a, num_hidden=4, name="one"), mx.sym.FullyConnected(b, num_hidden=2, name="two")]
    block = mx.gluon.SymbolBlock(mx.sym.Group(outputs), [a, b])
    shapes = run(block, (3, 5), (3, 7)).shapes
    assert shapes[block.params["one_weight"]] == (4, 5) and shapes[block.params["two_weight"]] == (2, 7)
    assert "takes 2 inputs (a, b), and was given 1" in str(run(block, (3, 5)).error)
    block = mx.gluon.SymbolBlock(outputs[0], [a])
    assert "takes 1 input (a), and was given 2" in str(run(block, (3, 5), (3, 5)).error)


@pytest.mark.parametrize("layer", [rnn.LSTM, rnn.GRU, rnn.RNN])
@pytest.mark.parametrize("layout", ["TNC", "NTC"])
def test_fused_layers(layer, layout):
    net = layer(4, num_layers=2, bidirectional=True, layout=layout)
    gates = {rnn.LSTM: 4, rnn.GRU: 3, rnn.RNN: 1}[layer]
    shapes = run(net, (3, 2, 5)).shapes
    if GLUON_2:  # all in one vector
        assert backend.rnn_input_size(net, shapes.get) == 5
        assert shapes[net.rnn_param] == (2 * gates * 4 * (5 + 6 + 8 + 6),)
        return
    assert shapes[net.l0_i2h_weight] == shapes[net.r0_i2h_weight] == (4 * gates, 5)
    assert shapes[net.l1_i2h_weight] == (4 * gates, 8)


def test_cells_unrolled():
    class Unrolled(HybridBlock):
        def __init__(self):
            super().__init__()
            self.cell = rnn.HybridSequentialRNNCell()
            self.cell.add(rnn.ZoneoutCell(rnn.LSTMCell(3), 0.5, 0.5))
            self.cell.add(rnn.ResidualCell(rnn.GRUCell(3)))

        def hybrid_forward(self, F, x):
            return self.cell.unroll(4, x, layout="NTC", merge_outputs=True)[0]

    net = Unrolled()
    shapes = run(net, (2, 4, 5)).shapes
    assert shapes[net.cell[0].base_cell.i2h_weight] == (12, 5)
    assert shapes[net.cell[1].base_cell.i2h_weight] == (9, 3)
    assert net.cell[0]._prev_output is None and net.cell._counter == -1


def test_an_error_ends_the_run_where_it_was():
    class Stops(mx.gluon.Block):
        def __init__(self):
            super().__init__()
            self.first, self.second = nn.Dense(4), nn.Dense(2)

        def forward(self, x):
            x = self.first(x)
            return self.second(x * float(x.asnumpy().sum()))

    net = Stops()
    found = run(net, (3, 5))
    assert found.unfinished().path == "" and "asked for its numbers" in str(found.error)
    assert found.shapes[net.first.weight] == (4, 5)
    assert net.second.weight not in found.order


@pytest.mark.parametrize("hybridized", [False, True])
def test_the_first_contradiction_is_found(hybridized):
    net = nn.HybridSequential()
    net.hybridize(hybridized)
    net.add(*(nn.Dense(4) for _ in range(5)), nn.Dense(4, in_units=9), *(nn.Dense(4) for _ in range(5)))
    found = run(net, (3, 5))
    call = found.unfinished()
    assert found.conflict is not None and call.path == "5" and call.given == ((3, 4),)
    assert found.shapes[net[4].weight] == (4, 4)


def test_a_contradiction_between_blocks_is_the_code_around_them():
    class Sums(HybridBlock):
        def __init__(self):
            super().__init__()
            self.a, self.b, self.c = nn.Dense(4), nn.Dense(3), nn.Dense(2)

        def hybrid_forward(self, F, x):
            return self.c(F.elemwise_add(self.a(x), self.b(x)))

    found = run(Sums(), (3, 5))
    assert found.conflict is not None and found.unfinished().path == ""


@pytest.mark.parametrize("hybridized", [False, True])
def test_a_size_that_is_not_known(hybridized):
    net = two_layers()
    net.hybridize(hybridized)
    found = run(net, (None, 5))
    assert found.shapes[net[0].weight] == (4, 5) and found.entered[-1].given == ((None, 4),)
    found = run(net, (3, None))
    assert found.shapes[net[0].weight] == (4, None) and found.shapes[net[1].weight] == (2, 4)
    assert not found.operators or found.operators[0].inputs[0] == (3, None)


def test_numpy_mode():
    mx.npx.set_np()
    net = nn.HybridSequential()
    net.add(nn.Conv2D(4, 3), nn.BatchNorm(), nn.Dense(2))
    shapes = run(net, (2, 3, 8, 8)).shapes
    assert shapes[net[0].weight] == (4, 3, 3, 3) and shapes[net[1].running_var] == (4,)
    assert shapes[net[2].weight] == (2, 144)


def test_np_shape_without_np_arrays():
    with mx.util.np_shape(True):
        net = two_layers()
        assert run(net, (3, 5)).shapes[net[1].weight] == (2, 4)
