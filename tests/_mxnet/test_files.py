"""Parameter files in either mode, and values on their way to parameters."""

from gluon_initkit._mxnet.arrays import address_of, array_from_file, saved_values
from gluon_initkit._mxnet.state import recast
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


@pytest.mark.parametrize("mode", ["classic", "np"])
@pytest.mark.parametrize("shape", [(), (0, 2), (3,), (2, 3)])
@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "uint8", "int32", "int8", "int64", "bool"])
def test_arrays_of_every_shape_and_type_are_made_in_either_mode(mode, shape, dtype):
    (mx.npx.set_np if mode == "np" else mx.npx.reset_np)()
    values = numpy.arange(int(numpy.prod(shape)), dtype="uint8").reshape(shape).astype(dtype)
    array = array_from_file("default", shape, (values,))
    with mx.util.np_shape(True):
        assert type(array) is mx.nd.NDArray and array.shape == shape and array.dtype == values.dtype
        assert array.asnumpy().tobytes() == values.tobytes()
    assert mx.util.is_np_array() is mx.util.is_np_shape() is (mode == "np")


@pytest.mark.mxnet1("sparse arrays")
def test_sparse_arrays_are_made_without_being_dense_once():
    values, rows = numpy.ones((2, 3), "float32"), numpy.array([1, 10**9])
    array = array_from_file("row_sparse", (2**31, 3), (values, rows))
    assert array.stype == "row_sparse" and array.indices.asnumpy().tolist() == [1, 10**9]
    array = array_from_file("csr", (2, 3), (numpy.array([5.0], "float32"), numpy.array([0, 0, 1]), numpy.array([2])))
    assert array.asnumpy().tolist() == [[0, 0, 0], [0, 0, 5]]
    assert array_from_file("csr", (2, 3), (numpy.empty(0, "float32"),) * 3).asnumpy().tolist() == [[0] * 3] * 2


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


def test_recast_forgets_the_symbol_of_the_old_dtype():
    param = parameter(mx.cpu())
    assert param.var().attr("__dtype__") == "0"  # float32; plain cast keeps it in MXNet 1
    param.cast("float16")
    assert param.var().attr("__dtype__") == ("2" if GLUON_2 else "0")
    recast(param, numpy.float64)
    assert param.var().attr("__dtype__") == "1" and param.data().dtype == numpy.float64
