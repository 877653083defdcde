"""Parameter files in either mode, and values on their way to parameters."""

from gluon_initkit._mxnet import contexts_for, put, read_arrays, recast, saved_values, stored_as, write_arrays
from gluon_initkit._mxnet.memory import address_of
import mxnet as mx
import numpy
import pytest
from vocabulary import GLUON_2


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "x.params")


def parameter(ctx=None, **kwargs):
    param = mx.gluon.Parameter("w", shape=(2,), **kwargs)
    if ctx is not None:
        param.initialize(mx.init.Zero(), ctx=ctx)
    return param


@pytest.mark.parametrize("written_in", ["classic", "np"])
@pytest.mark.parametrize("read_in", ["classic", "np"])
def test_a_file_of_either_mode_is_read_in_either(path, written_in, read_in):
    for mode, act in ((written_in, lambda: write_arrays(path, {"a": mx.nd.array([1, 2])})), (read_in, lambda: None)):
        (mx.npx.set_np if mode == "np" else mx.npx.reset_np)()
        act()
    arrays = read_arrays(path)
    assert type(arrays["a"]) is mx.nd.NDArray and arrays["a"].asnumpy().tolist() == [1, 2]
    assert mx.util.is_np_array() is mx.util.is_np_shape() is (read_in == "np")


def test_what_is_no_parameter_file_raises_mxnets_error(path):
    with open(path, "wb") as file:
        file.write(b"nothing of the kind")
    with pytest.raises(mx.MXNetError, match="Invalid NDArray file format"):
        read_arrays(path)


def test_the_saved_value_is_a_copy_of_the_first_replica_or_the_mean():
    one, two = parameter(mx.cpu()), parameter([mx.cpu(0), mx.cpu(1)])
    for param in (one, two):
        saved, first = saved_values([param])[0], param._data[0]
        assert type(saved) is mx.nd.NDArray and address_of(saved) != address_of(first)
        assert (saved.asnumpy() == first.asnumpy()).all()
    two._data[1][:] = 3
    assert saved_values([two])[0].asnumpy().tolist() == [1.5, 1.5]
    three = parameter([mx.cpu(number) for number in range(3)])
    three._data[2][:] = 3
    assert saved_values([three])[0].asnumpy().tolist() == [1, 1]


def test_where_values_go():
    assert contexts_for(parameter(), None) == [mx.cpu(0)]
    assert contexts_for(parameter(), [mx.cpu(1)]) == [mx.cpu(1)]
    there = parameter([mx.cpu(1), mx.cpu(0)])
    assert contexts_for(there, None) == contexts_for(there, [mx.cpu(0), mx.cpu(1)]) == [mx.cpu(1), mx.cpu(0)]
    assert contexts_for(there, [mx.cpu(0)]) is None
    pending = mx.gluon.Parameter("w", shape=(0,), allow_deferred_init=True)
    pending.initialize(ctx=mx.cpu(1))
    assert contexts_for(pending, None) == [mx.cpu(1)] and contexts_for(pending, [mx.cpu(0)]) is None


def test_put_initializes_or_refills():
    param = parameter()
    put(param, mx.nd.array([1, 2]), [mx.cpu(0), mx.cpu(1)])
    assert [each.asnumpy().tolist() for each in param.list_data()] == [[1, 2]] * 2
    assert param.grad(mx.cpu(1)).shape == (2,)
    first = param._data[0]
    put(param, mx.nd.array([3, 4]), [mx.cpu(0), mx.cpu(1)])
    assert param._data[0] is first and [each.asnumpy().tolist() for each in param.list_data()] == [[3, 4]] * 2


def test_recast_forgets_the_symbol_of_the_old_dtype():
    param = parameter(mx.cpu())
    assert param.var().attr("__dtype__") == "0"  # float32; plain cast keeps it in MXNet 1
    param.cast("float16")
    assert param.var().attr("__dtype__") == ("2" if GLUON_2 else "0")
    recast(param, numpy.float64)
    assert param.var().attr("__dtype__") == "1" and param.data().dtype == numpy.float64


def test_storage():
    sparse, dense = parameter(stype="row_sparse"), parameter()
    array = mx.nd.array([[1, 0], [0, 0]])
    assert stored_as(dense, array) is array
    assert stored_as(sparse, array).stype == "row_sparse"
    assert stored_as(dense, array.tostype("row_sparse")).stype == "default"
