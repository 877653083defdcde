"""`DeferredInitError` and `Unresolved`: what old code catches, and what crosses a process."""

import pickle

import gluon_initkit as ik
import mxnet as mx
import pytest

ROW = ik.Unresolved("0.weight", (4, None), "nn.Dense", "0", ((2, 5),), "0: nn.Dense(4, in_units=5)", "deferred")


OLD = [mx.gluon.parameter.DeferredInitializationError, mx.MXNetError, RuntimeError, ValueError, AssertionError]


@pytest.mark.parametrize("old", OLD)
def test_old_except_clauses_catch_it(old):
    with pytest.raises(old, match="nothing yet"):
        raise ik.DeferredInitError("nothing yet", (ROW,))


def test_it_crosses_a_process_with_its_rows():
    error = pickle.loads(pickle.dumps(ik.DeferredInitError("nothing yet", [ROW])))
    assert str(error) == "nothing yet" and error.unresolved == (ROW,)


def test_rows_are_frozen():
    with pytest.raises(AttributeError):
        ROW.path = "other"
