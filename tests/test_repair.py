"""MXNet on NumPy 2 and on Pythons that it was not written for: what broke there is as on NumPy 1.23 and Python 3.11.

Every test holds on old NumPys too. Where MXNet is repaired, a process without the repairs shows that each test fails.
"""

import ast
import ctypes
import importlib.util
from pathlib import Path
import re
import subprocess
import sys
import warnings

import gluon_initkit  # noqa: F401
from gluon_initkit.importing import repair, stand_ins
import mxnet as mx
import numpy as np
import pytest
from vocabulary import GLUON_2, VERSION

NUMPY = stand_ins.version_of(np.__version__)
on_numpy_2 = pytest.mark.skipif(NUMPY < (2,), reason="older NumPys need no such repair")
metrics = mx.gluon.metric if GLUON_2 else mx.metric
numpy_arrays = pytest.mark.skipif(VERSION < (1, 7), reason="MXNet 1.6 has few of NumPy's functions")


def sizes(*values):
    """A tuple of NumPy's integers, as `array.shape[:2]` is none and `tuple(array)` is one."""
    return tuple(np.array(values))


@numpy_arrays
def test_names_that_numpy_2_has_dropped():
    mx.npx.set_np()
    zero = [mx.np.PZERO, mx.np.NZERO]
    assert zero == [0, 0] and np.signbit(zero).tolist() == [False, True]
    assert mx.np.PINF == -mx.np.NINF == np.inf and np.isnan([mx.np.NAN, mx.np.NaN]).all()
    array = mx.np.array([[3.0, 1.0], [2.0, 2.5]])
    assert mx.np.product(array).item() == 15 and mx.np.round_(array).sum().item() == 8
    assert bool(mx.np.alltrue(array > 0)) and bool(mx.np.sometrue(array > 2.9))
    assert mx.np.msort(array).tolist() == [[2, 1], [3, 2.5]]
    assert mx.np.in1d(array, mx.np.array([1.0, 2.0])).tolist() == [False, True, True, False]
    assert mx.np.trapz(array).tolist() == [2, 2.25]
    assert mx.np.nanpercentile(array, 50, interpolation="lower").item() == 2
    assert mx.np.nanquantile(array, 0.5, interpolation="lower").item() == 2
    if NUMPY >= (1, 20):
        with pytest.raises(RuntimeError, match="numpy_financial"):
            mx.np.npv(0.1, array)


def test_pythons_bool_is_mxnets():
    mx.npx.set_np()
    array = mx.np.array([1.0, 2.0, 3.0])
    assert np.dtype(mx.np.bool) == np.dtype(bool) and (GLUON_2 or mx.np.bool is bool)
    assert mx.np.zeros(2, dtype=bool).dtype == np.dtype(bool)
    assert array[array > 1.5].tolist() == [2, 3]


@numpy_arrays
def test_pad_asks_for_the_basestring_of_old_numpys():
    mx.npx.set_np()
    assert mx.np.pad(mx.np.ones((2, 2)), ((1, 1), (0, 0)), mode="constant").shape == (4, 2)


def test_every_name_of_numpy_that_mxnet_reads_is_there():
    """Also at places that no test reaches: the estimator's `np.Inf`, `np.int` of `test_utils`, `np.float` of ONNX."""
    numpy, names = sys.modules["mxnet.base"]._np, set()
    for file in Path(mx.__file__).parent.rglob("*.py"):
        text = file.read_text(encoding="utf-8")
        if "import numpy" not in text or "tools" in file.parts:
            continue
        nodes = list(ast.walk(ast.parse(text)))
        aliases = {alias.asname or alias.name for node in nodes if isinstance(node, ast.Import)
                   for alias in node.names if alias.name == "numpy"}  # fmt: skip
        names |= {node.attr for node in nodes if isinstance(node, ast.Attribute)
                  and isinstance(node.value, ast.Name) and node.value.id in aliases}  # fmt: skip
    assert len(names) > 50 and {"Inf", "int", "bool"} <= names
    assert [name for name in sorted(names) if not hasattr(numpy, name)] == []


def test_sizes_of_numpys_integers_are_sizes():
    shape = sizes(2, 3)
    assert mx.nd.zeros(shape).shape == mx.nd.ones((3, 2)).reshape(shape).shape == (2, 3)
    assert mx.nd.tile(mx.nd.ones(2), reps=shape).shape == (2, 6)


def test_sizes_of_numpys_integers_are_sizes_of_a_symbol():
    assert mx.sym.zeros(shape=sizes(2, 3)).infer_shape()[1] == [(2, 3)]


def test_layers_take_numpys_integers():
    nd = mx.np if GLUON_2 else mx.nd
    dense = mx.gluon.nn.Dense(np.int64(3), in_units=np.int64(2))
    convolution = mx.gluon.nn.Conv2D(np.int64(4), kernel_size=sizes(3, 3), strides=sizes(1, 1), in_channels=np.int64(2))
    for layer, data in ((dense, nd.ones((1, 2))), (convolution, nd.ones((1, 2, 5, 5)))):
        layer.initialize()
        eager = layer(data)
        layer.hybridize()
        assert layer(data).shape == eager.shape


def test_the_shape_of_a_variable_is_written_as_c_reads_it():
    assert mx.sym.var("x", shape=sizes(2, 3)).attr("__shape__") == "(2, 3)"


def test_an_attribute_of_a_variable_is_written_as_c_reads_it():
    assert mx.sym.var("x", __size__=sizes(2, 3)).attr("__size__") == "(2, 3)"
    nested = (np.float32(0.5), [np.bool_(True)], "np.int64(1)")
    assert mx.sym.var("x", __nested__=nested).attr("__nested__") == "(0.5, [True], 'np.int64(1)')"


def test_an_iterator_takes_numpys_integers(tmp_path):
    (tmp_path / "data.csv").write_text("1,2\n3,4\n")
    rows = mx.io.CSVIter(data_csv=str(tmp_path / "data.csv"), data_shape=sizes(1, 2), batch_size=2)
    assert next(rows).data[0].shape == (2, 1, 2)


@pytest.mark.mxnet1("metrics that sum NumPy's numbers")
@pytest.mark.parametrize("name", ["Loss", "MAE", "MSE", "Perplexity"])
def test_a_metric_goes_on_counting_beyond_float32(name):
    """A sum of 2**24 and ten ones; where it was a `numpy.float32`, it stayed 2**24."""
    metric = getattr(metrics, name)(*[None] * (name == "Perplexity"))
    for value in [2.0**24] + [1.0] * 10:
        root = value**0.5 if name == "MSE" else value
        label, pred = mx.nd.zeros((1, 1)), mx.nd.array([[root]])
        if name == "Perplexity":
            pred = mx.nd.array([[np.exp(-1)]])
            metric.sum_metric += 2.0**24 if value > 1 else 0.0
        metric.update([label], [pred])
    expected = 2**24 + (11 if name == "Perplexity" else 10)
    assert abs(float(metric.sum_metric) - expected) < 1e-3


def test_a_function_as_a_metric_goes_on_counting_beyond_float32():
    metric = metrics.CustomMetric(lambda label, pred: np.float32(np.abs(label - pred).max()))
    nd = mx.np if GLUON_2 else mx.nd
    for value in [2.0**24] + [1.0] * 10:
        metric.update([nd.zeros((1, 1))], [nd.ones((1, 1)) * value])
    assert float(metric.sum_metric) == 2**24 + 10


@pytest.mark.parametrize("given, kept", [([-1], [255]), ([300, 2.7], [44, 2]), (-1, 255)])
def test_integers_wrap_around_in_the_type_that_was_asked_for(given, kept):
    assert mx.nd.array(given, dtype="uint8").asnumpy().tolist() == kept
    assert mx.nd.array(given, dtype="uint8").dtype == np.uint8


def test_a_record_is_packed_with_several_labels():
    record = mx.recordio.pack(mx.recordio.IRHeader(0, [1.0, 2.5], 7, 0), b"abc")
    header, data = mx.recordio.unpack(record)
    assert header.label.tolist() == [1, 2.5] and data == b"abc"


@numpy_arrays
def test_linear_algebra_of_mxnets_arrays():
    mx.npx.set_np()
    array = mx.np.array([[2.0, 0.0], [0.0, 3.0]])
    for module in (mx.np.linalg, np.linalg):
        assert [part.shape for part in module.qr(array)] == [(2, 2), (2, 2)]
        assert [part.shape for part in module.svd(array)] == [(2, 2), (2,), (2, 2)]
        sign, logarithm = module.slogdet(array)
        assert abs(float(sign) - 1) < 1e-6 and abs(float(logarithm) - np.log(6)) < 1e-6


def test_a_threshold_of_quantization_is_a_number():
    """NumPy 1.25 to 2.3 warn where C is given an array of one value, and later ones raise."""
    quantization = mx.contrib.quantization
    best = (quantization._LayerHistogramCollector.get_optimal_threshold if GLUON_2
            else quantization._get_optimal_threshold)  # fmt: skip
    counts, edges = np.histogram(np.linspace(-10, 20, 8000, dtype="float32"), bins=8001, range=(-20, 20))
    threshold = best((counts, edges, -10.0, 20.0, 20.0), "int8")[2]
    with warnings.catch_warnings():
        warnings.simplefilter("error" if NUMPY >= (2,) else "ignore")
        assert 19 < ctypes.c_float(threshold).value <= 20


@on_numpy_2
def test_numpy_reads_mxnets_arrays():
    for nd in (mx.nd, mx.np):
        array = nd.array([[1.0, 2.0], [3.0, 4.5]])
        assert np.asarray(array).dtype == np.float32 and np.asarray(array).tolist() == [[1, 2], [3, 4.5]]
        assert np.asarray(array, dtype="int32").tolist() == [[1, 2], [3, 4]]
        assert np.mean([array, array]) == 2.625 and np.array([array[0], array[1]]).shape == (2, 2)
    assert np.all(mx.nd.ones(2)) and not np.all(mx.nd.zeros(2))
    assert type(np.float32(2) * mx.nd.ones(2)) is mx.nd.NDArray
    with pytest.raises(ValueError, match="copy"):
        np.asarray(array, copy=False)


# Which test fails without which replacement. Each is about one replacement alone.
WITNESSES = {
    "mxnet._ctypes.ndarray": ["test_sizes_of_numpys_integers_are_sizes()"],
    "mxnet._ctypes.symbol": ["test_sizes_of_numpys_integers_are_sizes_of_a_symbol()"],
    "mxnet.symbol.symbol": [
        "test_the_shape_of_a_variable_is_written_as_c_reads_it()",
        "test_an_attribute_of_a_variable_is_written_as_c_reads_it()",
    ],
    "mxnet.io.io": ["test_an_iterator_takes_numpys_integers(folder)"],
    "mxnet.metric": ["test_a_metric_goes_on_counting_beyond_float32('Loss')"],
    "mxnet.gluon.metric": ["test_a_function_as_a_metric_goes_on_counting_beyond_float32()"],
    "mxnet.contrib.quantization": ["test_a_threshold_of_quantization_is_a_number()"],
    "mxnet.recordio": ["test_a_record_is_packed_with_several_labels()"],
    "mxnet.ndarray.ndarray": ["test_numpy_reads_mxnets_arrays()"],
    "mxnet.numpy.multiarray": ["test_linear_algebra_of_mxnets_arrays()"],  # the last one: it sets NumPy's mode
}


def source_of(module):
    spec = importlib.util.find_spec(module)
    return None if spec is None else spec.loader.get_source(module)


@pytest.mark.parametrize("module", repair.EDITS)
def test_what_is_replaced_stands_in_this_mxnet(module):
    source = source_of(module)
    if source is None:
        assert module == ("mxnet.metric" if GLUON_2 else "mxnet.gluon.metric")
        return
    edited = repair.edited(source, repair.EDITS[module], module)
    assert edited.count("\n") == source.count("\n")
    compile(edited, module, "exec")


def test_a_text_that_is_not_there_is_an_error():
    for module, edits in repair.EDITS.items():
        if min(edit.since for edit in edits) > VERSION:
            continue
        with pytest.raises(ImportError, match=re.escape(module)) as caught:
            repair.edited("import numpy\n", edits, module)
        assert "pip install --no-deps mxnet==1.9.1" in str(caught.value)


@on_numpy_2
def test_without_the_replacements_their_tests_fail(tmp_path):
    assert {module: len(tests) for module, tests in WITNESSES.items()} == {m: len(e) for m, e in repair.EDITS.items()}
    calls = [test for module, tests in WITNESSES.items() if source_of(module)
             for test, edit in zip(tests, repair.EDITS[module]) if edit.since <= VERSION]  # fmt: skip
    with warnings.catch_warnings():
        warnings.filterwarnings("error", "tostring", DeprecationWarning)  # which is gone in NumPy 2.3
        for call in calls:
            eval(call, globals(), {"folder": tmp_path})
    code = f"""
import pathlib, sys, warnings
sys.path.insert(0, {str(Path(__file__).parent)!r}); folder = pathlib.Path({str(tmp_path)!r})
from gluon_initkit.importing import repair
repair.EDITS.clear()
from test_repair import *
warnings.filterwarnings("error", "tostring", DeprecationWarning)
for call in sys.argv[1:]:
    try:
        eval(call)
    except Exception:
        print(call)
"""
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code, *calls], capture_output=True, text=True)
    assert done.stdout.splitlines() == calls, done.stderr


def test_distutils_is_not_needed():
    version = sys.modules["mxnet.numpy_dispatch_protocol"].with_array_function_protocol
    assert callable(version)
    loose = stand_ins.distutils_version().LooseVersion
    assert loose("1.9.1") < loose("1.17") == loose("1.17.0") <= loose("1.17.3") < loose("2.5.5")


def test_a_stand_in_sees_later_changes(monkeypatch):
    stand_in = stand_ins.StandIn(np, stand_ins.numpy_names(np))
    monkeypatch.setattr(np, "gluon_initkit_was_here", 1, raising=False)
    assert stand_in.gluon_initkit_was_here == 1 and stand_in.bool is bool and "bool" in dir(stand_in)
    assert stand_in.random is np.random and stand_in.__version__ == np.__version__
    with pytest.raises(AttributeError):
        _ = stand_in.no_such_name


CHILDREN = """
import gluon_initkit, mxnet as mx, multiprocessing, numpy as np
if __name__ == "__main__":
    data = mx.gluon.data.ArrayDataset(mx.nd.arange(6)).transform(lambda value: value * 2)
    loader = mx.gluon.data.DataLoader(data, batch_size=3, num_workers=2)
    print([batch.asnumpy().tolist() for batch in loader])
    for method in ("spawn", "forkserver"):
        child = multiprocessing.get_context(method).Process(target=mx.nd.waitall)
        child.start(); child.join(); print(method, child.exitcode)
"""


def test_children_have_mxnet_too():
    """A DataLoader's workers, whatever cannot be pickled; and processes that import MXNet before any code of theirs."""
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", CHILDREN], capture_output=True, text=True)
    assert done.stdout.splitlines() == ["[[0.0, 2.0, 4.0], [6.0, 8.0, 10.0]]", "spawn 0", "forkserver 0"], done.stderr
