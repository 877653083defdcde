"""Our own initializers say at once what is wrong with an argument; what MXNet's registry and JSON carry they take."""

import math

import gluon_initkit as ik
import mxnet as mx
from mxnet.gluon import nn
import numpy as np
import pytest
from vocabulary import GLUON_2, nd


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
    (lambda: ik.Dirac(np.ones(2, int)), TypeError, r"groups is array\(\[1, 1\]\): expected an integer, 1 or more"),
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


LISTS = {
    "list": [[1.0, 2.0], [3.0, 4.0]],
    "tuple": ((1.0, 2.0), (3.0, 4.0)),
    "array": np.array([[1.0, 2.0], [3.0, 4.0]]),
    "row": [1.0, 2.0],
    "NumPy's number": np.float32(2),
}


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("hybridize", [True, False])
@pytest.mark.parametrize("value", LISTS)
@pytest.mark.parametrize("how", ["layer", "network", "corrected", "rules"])
def test_a_constant_of_whatever_is_filled_hybridized_and_exported(how, value, hybridize, known, tmp_path):
    """MXNet's ``Constant.dumps`` fails for a list, for NumPy's numbers, and for any array at the second time."""
    given = mx.init.Constant(LISTS[value])
    net = nn.HybridSequential()
    for _ in range(2):  # one object for two layers
        net.add(nn.Dense(2, in_units=2 if known else 0, use_bias=False,
                         weight_initializer=given if how == "layer" else None))  # fmt: skip
    init = {"layer": mx.init.Zero(), "network": given, "corrected": ik.corrected(given),
            "rules": ik.Rules([("weight", given)])}[how]  # fmt: skip
    ik.initialize(net, init)
    if hybridize:
        net.hybridize()
    net(nd.ones((1, 2)))
    for layer in net:
        np.testing.assert_array_equal(layer.weight.data().asnumpy(), np.broadcast_to(LISTS[value], (2, 2)))
    if hybridize:
        net.export(str(tmp_path / "net"))
    if how in ("corrected", "rules"):
        assert mx.init.create(init.dumps()).dumps() == init.dumps()


@pytest.mark.parametrize("init", [{"bias": 0.1}, [("bias", 0.1)], 0.02, np.ones(3), mx.nd.ones(3), mx.cpu()])
@pytest.mark.parametrize("call", [lambda init: ik.initialize(nn.Dense(2), init), ik.corrected,
                                  lambda init: ik.plan(nn.Dense(2), init)])  # fmt: skip
def test_what_is_no_initializer_is_answered_by_rules(init, call):
    with pytest.raises(TypeError, match=r"expected an initializer (?s:.*)gluon_initkit\.Rules\(\[\(selector, value\)"):
        call(init)


@pytest.mark.parametrize(("name", "meant"), [("normall", "'normal'"), ("othogonal", "'orthogonal'")])
def test_a_name_that_is_not_registered_is_answered_by_the_nearest(name, meant):
    for call in (lambda: ik.initialize(nn.Dense(2), name), lambda: ik.Rules([("weight", name)])):
        with pytest.raises(ValueError) as caught:
            call()
        assert f"did you mean {meant}?" in str(caught.value)


def test_mxnets_own_order_of_arguments():
    net = nn.Dense(2, in_units=2)
    for verbose in (False, True):
        with pytest.raises(TypeError, match=f"seed is {verbose}: .*verbose.*: write force_reinit=True"):
            ik.initialize(net, mx.init.One(), mx.cpu(), verbose, True)
    with pytest.raises(TypeError, match="force_reinit is 'yes': expected True or False"):
        ik.initialize(net, mx.init.One(), force_reinit="yes")


@pytest.mark.parametrize("look", [lambda net: ik.plan(net), lambda net: ik.initialize(net, seed=1),
                                  lambda net: ik.resolve_shapes(net, (1, 2)), lambda net: ik.inspect(net)])  # fmt: skip
def test_every_report_answers_an_unknown_path_alike(look):
    net = nn.HybridSequential()
    net.add(nn.Dense(2, in_units=2), nn.Dense(2, in_units=2))
    rows = look(net)
    assert rows["1.bias"].path == "1.bias"
    with pytest.raises(KeyError, match=r"the path '1\.wieght'; did you mean '1\.weight'"):
        rows["1.wieght"]
    if not GLUON_2:
        with pytest.raises(KeyError, match=rf"the path '{net[1].bias.name}'; that is Gluon's name of '1\.bias'"):
            rows[net[1].bias.name]
