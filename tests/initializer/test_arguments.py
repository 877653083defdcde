"""Our own initializers say at once what is wrong with an argument; what MXNet's registry and JSON carry they take."""

import math

import gluon_initkit as ik
import mxnet as mx
import numpy as np
import pytest


@pytest.mark.parametrize("wrong, error, says", [
    (lambda: ik.TruncatedNormal("x"), TypeError, "mean is 'x': expected a number"),
    (lambda: ik.TruncatedNormal("0.5"), TypeError, "mean is '0.5': expected a number"),
    (lambda: ik.TruncatedNormal(None), TypeError, "mean is None: expected a number"),
    (lambda: ik.TruncatedNormal(math.nan), ValueError, "mean is nan: expected a finite number"),
    (lambda: ik.TruncatedNormal(-math.inf), ValueError, "mean is -inf: expected a finite number"),
    (lambda: ik.TruncatedNormal(1j), TypeError, "mean is 1j: expected a number"),
    (lambda: ik.TruncatedNormal([0.0, 1.0]), TypeError, r"mean is \[0.0, 1.0\]: expected a number"),
    (lambda: ik.TruncatedNormal(np.zeros(2)), TypeError, r"mean is array\(\[0., 0.\]\): expected a number"),
    (lambda: ik.TruncatedNormal(mx.init.Zero()), TypeError, "mean is .*Zero.*: expected a number"),
    (lambda: ik.TruncatedNormal(0, None), TypeError, "stdev is None: expected a number above 0"),
    (lambda: ik.TruncatedNormal(stdev=True), TypeError, "stdev is True: expected a number above 0"),
    (lambda: ik.TruncatedNormal(stdev=-1), ValueError, "stdev is -1: expected a number above 0"),
    (lambda: ik.TruncatedNormal(stdev=math.nan), ValueError, "stdev is nan: expected a number above 0"),
    (lambda: ik.TruncatedNormal(stdev=math.inf), ValueError, "stdev is inf: expected a finite number"),
    (lambda: ik.TruncatedNormal(low="-1"), TypeError, "low is '-1': expected a number"),
    (lambda: ik.TruncatedNormal(high=math.nan), ValueError, "high is nan: expected a number"),
    (lambda: ik.TruncatedNormal(10**400), TypeError, "expected a number"),
    (lambda: ik.VarianceScaling("fan_in"), TypeError, "scale is 'fan_in': expected a number above 0"),
    (lambda: ik.VarianceScaling(0), ValueError, "scale is 0: expected a number above 0"),
    (lambda: ik.VarianceScaling(math.inf), ValueError, "scale is inf: expected a finite number"),
    (lambda: ik.VarianceScaling(1, ["fan_in"]), ValueError, r"mode is \['fan_in'\], expected one of fan_in, fan_out"),
    (lambda: ik.VarianceScaling(1, "fan_in", None), ValueError, "distribution is None, expected one of truncated_n"),
    (lambda: ik.Identity("2"), TypeError, "gain is '2': expected a number"),
    (lambda: ik.Identity(math.nan), ValueError, "gain is nan: expected a finite number"),
    (lambda: ik.Dirac("x"), TypeError, "groups is 'x': expected an integer, 1 or more"),
    (lambda: ik.Dirac(2.0), TypeError, "groups is 2.0: expected an integer, 1 or more"),
    (lambda: ik.Dirac(True), TypeError, "groups is True: expected an integer, 1 or more"),
    (lambda: ik.Dirac(None), TypeError, "groups is None: expected an integer, 1 or more"),
    (lambda: ik.Dirac(0), ValueError, "groups is 0: expected an integer, 1 or more"),
    (lambda: ik.Dirac(-2), ValueError, "groups is -2: expected an integer, 1 or more"),
    (lambda: mx.init.create('["gluon_initkit.dirac", {"groups": "x"}]'), TypeError, "groups is 'x'"),
])  # fmt: skip
def test_wrong_arguments(wrong, error, says):
    with pytest.raises(error, match=says):
        wrong()


@pytest.mark.parametrize("init", [
    ik.TruncatedNormal(-1), ik.TruncatedNormal(np.float32(0.5), np.array(2)),
    ik.TruncatedNormal(low=-math.inf), ik.TruncatedNormal(0, 1, -math.inf, math.inf), ik.Identity(0), ik.Identity(-2),
    ik.VarianceScaling(np.float64(2), "fan_avg", "uniform"), ik.Dirac(2), ik.Dirac(np.int64(2)),
], ids=repr)  # fmt: skip
def test_what_is_a_number_passes_and_survives_the_registry(init):
    assert mx.init.create(init.dumps()) == init
    shape = (4, 2, 3) if isinstance(init, ik.Dirac) else (4, 3)
    net = mx.gluon.nn.HybridSequential()
    net.weight = mx.gluon.Parameter("weight", shape=shape)
    ik.initialize(net, init, seed=1)
    assert np.isfinite(net.weight.data().asnumpy()).all()
