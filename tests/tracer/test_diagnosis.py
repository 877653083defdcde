"""What stands in the one error of what MXNet raised, or of what a network was given."""

import gluon_initkit as ik
from mxnet.gluon import nn
import pytest
from vocabulary import HybridBlock, contexts


def net_of(*layers):
    net = nn.HybridSequential()
    net.add(*layers)
    net.initialize()
    return net


def test_an_error_that_is_none_of_the_known_ones():
    net = net_of(nn.Dense(4))
    with pytest.raises(ZeroDivisionError) as caught:
        _ = 1 / 0
    said = ik.explain(net, error=caught.value).message
    assert said.startswith("MXNet raised ZeroDivisionError: division by zero, at ")


def test_where_it_lies_is_asked_too_early():
    net = net_of(nn.Dense(2))
    net[0].weight._deferred_init = ()
    with pytest.raises(RuntimeError) as caught:
        contexts(net[0].weight)
    assert "0.weight was read, and initialize was never called on it" in str(ik.explain(net, error=caught.value).error)


def test_a_block_that_calls_wrongly_is_named_with_its_line():
    class Wrong(HybridBlock):
        def __init__(self):
            super().__init__()
            self.dense, self.after = nn.Dense(2), nn.Dense(2)

        def hybrid_forward(self, F, x):
            return self.after(self.dense(x, x, x))

    net = net_of(Wrong())
    with pytest.raises(ik.DeferredInitError, match=r"return self.after\(self.dense\(x, x, x\)\)"):
        ik.materialize(net, (2, 5))


def test_a_call_of_ones_own_that_never_reaches_forward():
    class Calls(nn.Dense):
        def __call__(self, x):
            raise ZeroDivisionError("in the call")

    with pytest.raises(ik.DeferredInitError, match=r"the network \(Calls\) stops, .*\n.*in the call"):
        net = Calls(2)
        net.initialize()
        ik.materialize(net, (2, 5))


@pytest.mark.parametrize("given", ["x", 3, None, {"a": "x"}, ["x", 2.5], (2.0, 5)])
def test_what_holds_no_array_and_no_shape_is_said_and_what_an_argument_may_be(given):
    for ask in (ik.materialize, ik.resolve_shapes, lambda net, given: ik.materialize(net, given, run_forward=True)):
        with pytest.raises(ik.DeferredInitError) as caught:
            ask(net_of(nn.Dense(4)), given)
        first, *_, last = str(caught.value).splitlines()
        hint = " (a shape is a tuple: did you mean (3,)?)" if given == 3 else ""
        assert first.startswith(f"the network was given {given!r}, with no array or shape in it{hint}, and stopped at ")
        assert last.startswith("Give arrays or their shapes, gluon_initkit.materialize(net, (2, 5)), with a dtype ")
