"""Every code has a network that shows it, and one close to it that does not; ignoring, sorting and raising."""

import pickle

import gluon_initkit as ik
from gluon_initkit.inspector import CODES, Finding, FindingsError, ParameterRecord, findings_of, raise_for
import mxnet as mx
from mxnet.gluon import nn
import numpy as np
import pytest
from vocabulary import GLUON_2, constant, convolution, declared, nd, uniform

X = mx.init.Xavier()


def dense(*sizes, init=X, ctx=None, inputs=4, **options):
    net = nn.HybridSequential()
    for size in sizes:
        net.add(nn.Dense(size, in_units=inputs, **options))
        inputs = size
    ik.initialize(net, init, ctx=ctx, seed=3)
    return net


def put(param, where, value):
    values = param.data().asnumpy()
    values[where] = value
    param.set_data(nd.array(values, dtype=values.dtype))


def backward(net, inputs=4, batch=3, call=None):
    with mx.autograd.record():
        loss = (call or net)(uniform((batch, inputs))).sum()
    loss.backward()


def nan(bad):
    net = dense(3)
    if bad:
        put(net[0].weight, (0, 0), np.nan)
    return net, {"stats": True}


def nan_gradient(bad):
    net = dense(3)
    with mx.autograd.record():
        loss = (net(nd.ones((2, 4))) * (np.nan if bad else 1)).sum()
    loss.backward()
    return net, {"grads": True}


def inf(bad):
    net = dense(3)
    put(net[0].weight, (0, 0), -np.inf if bad else -1e30)
    return net, {"stats": True}


def plus_inf(bad):
    net = dense(3)
    put(net[0].weight, (slice(None), 0), np.inf if bad else 1e30)
    return net, {"stats": True}


def both_infs(bad):
    net, how = plus_inf(bad)
    put(net[0].weight, (0, 1), -np.inf if bad else -1e30)
    return net, how


def bad_variance(bad):
    net = nn.BatchNorm(in_channels=3)
    net.initialize()
    put(net.running_var, 1, -0.5 if bad else 1e-3)
    return net, {"stats": True}


def variance_of_a_constant_channel(bad):
    net = nn.BatchNorm(in_channels=3, momentum=0)
    net.initialize()
    x = uniform((4, 3))
    if bad:
        x[:, 1] = 1
    with mx.autograd.record():
        loss = net(x).sum()
    loss.backward()  # on a CPU, what writes the statistics
    return net, {"stats": True}


UNKNOWN = (-1,) if GLUON_2 else (0,)


class Plain(mx.gluon.Block):
    """Its own parameter: no forward pass of a plain Block infers a shape."""

    def __init__(self):
        super().__init__()
        self.scale = declared(self, "scale", shape=UNKNOWN, allow_deferred_init=True, init="ones")


class Hybrid(mx.gluon.HybridBlock):
    def __init__(self, allow=True):
        super().__init__()
        self.scale = declared(self, "scale", shape=UNKNOWN, allow_deferred_init=allow, init="ones")

    def infer_shape(self, x):
        self.scale.shape = x.shape[-1:]


def unresolvable(bad):
    net = Plain() if bad else Hybrid()
    net.initialize()
    return net, {}


def unresolvable_without_deferring(bad):
    return Hybrid(allow=not bad), {}


def uninitialized(bad):
    net = nn.HybridSequential()
    net.add(nn.Dense(2, in_units=2), nn.Dense(2, in_units=2))
    (net[0] if bad else net).initialize()
    return net, {}


def replicas_differ(bad):
    net = dense(3, ctx=[mx.cpu(0), mx.cpu(1)])
    net[0].weight.data(mx.cpu(1))[0, 0] += 1 if bad else 0
    return net, {"stats": True}


def zero_weight(bad):
    net = dense(3)
    net[0].weight.set_data(nd.zeros((3, 4)))
    if not bad:
        put(net[0].weight, (0, 0), 1e-9)
    return net, {"stats": True}


def constant_weight(bad):
    net = dense(3)
    net[0].weight.set_data(nd.full((3, 4), 0.25))
    if not bad:
        net[0].weight.grad_req = "null"  # a fixed filter is meant to be one
    return net, {"stats": True}


def identical_rows(bad):
    net = dense(3)
    net[0].weight.set_data(nd.array([[1, 2, 3, 4]] * 3))
    if not bad:
        put(net[0].weight, (2, 3), 5)
    return net, {"stats": True}


def untrained(bad):
    net = dense(3, 2)
    trainer = mx.gluon.Trainer((net[0] if bad else net).collect_params(), "sgd")
    return net, {"trainer": trainer}


def stale_gradient(bad):
    net = dense(3, 2)
    backward(net, call=net[0] if bad else net)
    return net, {"grads": True}


def stale_on_one_context(bad):
    net = dense(3, ctx=[mx.cpu(0), mx.cpu(1)])
    for ctx in [mx.cpu(0)] + [mx.cpu(1)] * (not bad):
        backward(net, call=lambda x, ctx=ctx: net(x.as_in_context(ctx)))
    return net, {"grads": True}


def zero_gradient(bad):
    net = dense(3, 2, activation="relu")
    put(net[0].bias, slice(None), -100 if bad else 1)
    put(net[1].bias, slice(None), 1)
    backward(net)
    return net, {"grads": True}


def mixed_dtype(bad):
    net = dense(3, 2)
    net[0].bias.cast("float16")
    if not bad:
        net[0].weight.cast("float16")
    return net, {}


def broken_tie(bad):
    net = dense(4, 4)
    net[1].weight.set_data(net[0].weight.data())
    if not bad:
        put(net[1].weight, (0, 0), 1)
    return net, {"stats": True}


def frozen_lr_mult(bad):
    net = dense(3)
    net[0].weight.lr_mult = 10
    if bad:
        net[0].weight.grad_req = "null"
    return net, {}


def frozen_and_switched_off(bad):
    net = dense(3)
    net[0].weight.lr_mult, net[0].weight.grad_req = 0.1 if bad else 0, "null"
    return net, {}


def shifted(mean, units):
    """Values of the deviation that is declared, and of this mean, in deviations."""
    net = nn.Dense(units, in_units=units, weight_initializer=mx.init.Normal(0.1))
    net.initialize()
    values = np.random.RandomState(0).standard_normal((units, units))
    net.weight.set_data(nd.array(0.1 * ((values - values.mean()) / values.std() + mean)))
    return net, {"stats": True}


def off_by_some_standard_errors(bad):
    return shifted((6.5 if bad else 5.5) / 40, 40)


def off_by_what_matters(bad):
    return shifted(0.011 if bad else 0.009, 1000)  # 11 and 9 standard errors


def not_as_declared(bad):
    net = nn.Dense(40, in_units=30, weight_initializer=mx.init.Normal(0.1))
    net.initialize()
    net.weight.set_data(net.weight.data() * (2 if bad else 1))
    return net, {"stats": True}


def mixed_context(bad, in_units=2):
    net = nn.HybridSequential()
    net.add(nn.Dense(3, in_units=in_units), nn.Dense(2, in_units=3))
    net[0].initialize(ctx=mx.cpu(1))
    net[1].initialize(ctx=mx.cpu(0) if bad else mx.cpu(1))
    return net, {}


def mixed_context_of_deferred(bad):
    return mixed_context(bad, 0)


def not_as_told(bad):
    net = dense(40, 40)
    return net, {"stats": True, "init": mx.init.Normal(0.5) if bad else X}


class Held(mx.gluon.Block):
    """It keeps things in containers inside a container, and registers them or not."""

    def __init__(self, things, registered):
        super().__init__()
        self.first = nn.Dense(3, in_units=3)
        self.layers = [{"body": (things,)}]
        for number, thing in enumerate(things if registered else ()):
            setattr(self, f"layer{number}", thing)


def unregistered_block(bad):
    return Held([nn.Dense(2, in_units=2)], not bad), {}


def unregistered_parameter(bad):
    return Held([mx.gluon.Parameter("table", shape=(2,))], not bad), {}


def colliding_path(bad):
    net = nn.HybridSequential()
    setattr(net, "a.b" if bad else "a_b", nn.Dense(2, in_units=2))
    net.a = nn.HybridSequential()
    net.a.b = nn.Dense(2, in_units=2)
    return net, {}


def colliding_name(bad):
    net = nn.HybridSequential()
    net.add(*(nn.Dense(2, in_units=2, prefix=prefix) for prefix in ("same_", "same_" if bad else "other_")))
    return net, {}


def stale_graph(bad):
    top = nn.HybridSequential()
    top.add(nn.HybridSequential())
    top[0].add(nn.Dense(3, in_units=2), nn.Dense(2, in_units=3))
    top.initialize()
    top.hybridize()
    top(nd.ones((1, 2)))
    new = nn.Dense(4, in_units=3)
    setattr(top[0], "1", new)
    if not bad:
        top.hybridize()
    new.initialize()
    return top, {}


CASES = {
    "nan": [nan, nan_gradient],
    "inf": [inf, plus_inf, both_infs],
    "bad-variance": [bad_variance, variance_of_a_constant_channel],
    "unresolvable": [unresolvable, unresolvable_without_deferring],
    "uninitialized": [uninitialized],
    "replicas-differ": [replicas_differ],
    "zero-weight": [zero_weight],
    "constant-weight": [constant_weight],
    "identical-rows": [identical_rows],
    "untrained": [untrained],
    "stale-gradient": [stale_gradient, stale_on_one_context],
    "zero-gradient": [zero_gradient],
    "mixed-dtype": [mixed_dtype],
    "stale-graph": [stale_graph],
    "mixed-context": [mixed_context, mixed_context_of_deferred],
    "broken-tie": [broken_tie],
    "frozen-lr-mult": [frozen_lr_mult, frozen_and_switched_off],
    "unregistered-block": [unregistered_block, unregistered_parameter],
    "colliding-path": [colliding_path],
    "colliding-name": [colliding_name],
    "not-as-declared": [not_as_declared, not_as_told, off_by_some_standard_errors, off_by_what_matters],
}


@pytest.mark.parametrize("code", [
    pytest.param(code, marks=[pytest.mark.mxnet1("global names")] if code == "colliding-name" else []) for code in CODES
])  # fmt: skip
def test_a_network_that_shows_it_and_one_close_to_it_that_does_not(code):
    assert CASES.get(code), f"{code} needs a network that shows it, and one close to it that does not"
    for case in CASES[code]:
        net, how = case(True)
        found = [each for each in ik.inspect(net, **how).findings if each.code == code]
        assert found, case.__name__
        paths = {path for record in ik.inspect(net).records for path in (record.path, *record.aliases)}
        for each in found:
            assert each.paths and (set(each.paths) <= paths or code == "unregistered-block")
            assert each.severity in ("error", "warning", "info") and each.evidence and each.hint
        net, how = case(False)
        assert code not in {each.code for each in ik.inspect(net, **how).findings}, case.__name__


def test_every_code_is_documented():
    assert set(CASES) == set(CODES)
    for code, meaning in CODES.items():
        assert code == code.lower() and meaning.endswith(".") and len(meaning) > 20


@pytest.mark.parametrize("case, found", [
    (nan, "1 of 12 values is NaN"),
    (nan_gradient, "12 of 12 gradients are NaN"),
    (inf, "1 of 12 values is -inf"),
    (plus_inf, "3 of 12 values are +inf"),
    (both_infs, "3 of 12 values are +inf, 1 of 12 values is -inf"),
    (bad_variance, "the smallest of 3 variances is -0.5, and a normalization divides by its root"),
    (variance_of_a_constant_channel,
     "the smallest of 3 variances is -7.8125e-13, and a normalization divides by the root of its epsilon alone"),
    (unresolvable, "its shape ('?',) is not known, and no forward pass of Plain can tell it"),
    (uninitialized, "it was never initialized, or lost its turn in a forward pass that failed; 2 others are"),
    (replicas_differ, "its values on cpu(0), cpu(1) differ"),
    (zero_weight, "all 12 values are 0"),
    (constant_weight, "all 12 values are 0.25"),
    (identical_rows, "all 3 rows are the same"),
    (untrained, "it has gradients (grad_req='write'), and the Trainer does not update it"),
    (stale_gradient, "no backward pass wrote it since the last update, as one wrote those of 2 others"),
    (stale_on_one_context, "no backward pass wrote it on cpu(1), on cpu(0) one did"),
    (mixed_dtype, "the Dense at 0 mixes dtypes: 0.weight float32, 0.bias float16"),
    (broken_tie, "2 weights hold the same values, each in memory of its own"),
    (frozen_lr_mult, "lr_mult is 10, but with grad_req='null' nothing updates it"),
    (unregistered_block, "the list layers of Held holds Blocks (Dense): they are no part of the network, and nothing "
     "initializes, saves or trains their parameters"),
    (colliding_path, "two parameters have this path: values are drawn, saved and loaded by path"),
], ids=lambda value: getattr(value, "__name__", ""))  # fmt: skip
def test_the_evidence_has_numbers(case, found):
    net, how = case(True)
    assert found in [each.evidence for each in ik.inspect(net, **how).findings]


def test_what_mxnet_forgot_after_a_failure_is_told_from_what_is_deferred():
    net = nn.HybridSequential()
    net.add(nn.Dense(3), nn.Dense(2, in_units=3))
    net.initialize()
    assert ik.inspect(net).findings == ()
    with pytest.raises(AssertionError, match="invalid shape"):
        net[0].weight._finish_deferred_init()  # what a forward pass calls; it forgets what was pending, then checks
    (found,) = ik.inspect(net).findings
    assert (found.code, found.paths) == ("uninitialized", ("0.weight",)) and "3 others are" in found.evidence


def test_nothing_is_stale_where_nobody_trained():
    """After a step, or before the first backward pass, all are stale: that is said once, and is no fault."""
    net = dense(3, 2)
    (found,) = ik.inspect(net, grads=True).findings
    assert (found.code, found.severity, len(found.paths)) == ("stale-gradient", "info", 4)
    raise_for([found])
    backward(net)
    assert ik.inspect(net, grads=True).findings == ()
    mx.gluon.Trainer(net.collect_params(), "sgd", update_on_kvstore=False).step(3)
    (found,) = ik.inspect(net, grads=True).findings
    assert (found.code, found.severity) == ("stale-gradient", "info")


def test_only_a_negative_variance_is_an_error():
    cases = (bad_variance, variance_of_a_constant_channel)
    found = [ik.inspect(case(True)[0], stats=True).findings[0] for case in cases]
    assert [each.severity for each in found] == ["error", "warning"] and "epsilon" in found[1].hint


def test_mxnet_18751():
    """Batches of one row have variance 0, which momentum brings to the running one; plain MXNet says nothing."""
    net = nn.HybridSequential()
    net.add(nn.Dense(3, in_units=4), nn.BatchNorm(in_channels=3, momentum=0), nn.Dense(2, in_units=3))
    ik.initialize(net, mx.init.Xavier(), seed=1)
    backward(net, batch=1)
    assert (abs(net[1].running_var.data().asnumpy()) < 1e-9).all()  # by rounding, even negative
    (found,) = ik.inspect(net, stats=True).findings
    assert (found.code, found.severity, found.paths) == ("bad-variance", "warning", ("1.running_var",))
    assert "divides by the root of its epsilon alone" in found.evidence and "batches of one value" in found.hint
    net[1].running_var.set_data(nd.zeros(3))
    (found,) = ik.inspect(net, stats=True).findings
    assert (found.severity, found.evidence[:35]) == ("warning", "the smallest of 3 variances is 0, a")


def half_trained(*trained):
    """A network, a backward pass of it, and a Trainer for each of some of its layers."""
    net = dense(3, 2, 2)
    trainers = [mx.gluon.Trainer(net[layer].collect_params(), "sgd", update_on_kvstore=False) for layer in trained]
    backward(net)
    return net, trainers


def test_a_trainer_s_parameters_are_stale_among_themselves():
    """After a step of the head's only Trainer its gradients are stale, and those of the body fresh: that is right."""
    net, (trainer,) = half_trained(2)
    assert ik.inspect(net, grads=True).findings == ()
    trainer.step(3)
    found = ik.inspect(net, grads=True).findings
    assert [(each.code, each.severity, each.paths) for each in found] == [
        ("stale-gradient", "info", ("2.weight", "2.bias"))
    ]
    stale = [each for each in ik.inspect(net, grads=True, trainer=trainer).findings if each.code == "stale-gradient"]
    assert stale == list(found)


def test_between_the_steps_of_two_trainers_neither_is_blamed():
    net, (first, second) = half_trained(0, 2)
    net[1].collect_params().setattr("grad_req", "null") if not GLUON_2 else net[1].setattr("grad_req", "null")
    first.step(3)
    for trainer, expected in ((first, [("stale-gradient", "info")]), (second, [])):
        found = ik.inspect(net, grads=True, trainer=trainer).findings
        assert [(each.code, each.severity) for each in found] == expected  # nor is the other's untrained
    assert [each.severity for each in ik.inspect(net, grads=True).findings] == ["info"]


def test_what_a_trainer_left_out_is_blamed_by_name():
    net, (trainer,) = half_trained(2)
    untrained = [each.paths for each in ik.inspect(net, trainer=trainer).findings if each.code == "untrained"]
    assert untrained == [("0.weight",), ("0.bias",), ("1.weight",), ("1.bias",)]


def test_a_multiplier_that_was_set_for_all_is_no_finding():
    """Running statistics, `scale=False` and frozen layers are among all."""
    net = nn.HybridSequential()
    net.add(nn.Dense(3, in_units=3), nn.BatchNorm(in_channels=3, scale=False), nn.Dense(2, in_units=3))
    net[0].weight.grad_req = "null"
    for param in net.collect_params().values():
        param.lr_mult = 10
    assert ik.inspect(net).findings == ()
    net[1].running_mean.lr_mult = 5
    assert ik.inspect(net).findings == ()
    net[0].weight.lr_mult = 5
    assert [(each.code, each.paths) for each in ik.inspect(net).findings] == [("frozen-lr-mult", ("0.weight",))]


@pytest.mark.parametrize("init, code", [("zeros", "zero-weight"), (mx.init.Constant(0.5), "constant-weight")])
def test_what_a_layer_itself_declares_is_no_finding(init, code):
    """As a DeformableConvolution's offsets, which begin as 0."""
    net = nn.Dense(4, in_units=4, weight_initializer=init)
    net.initialize()
    assert ik.inspect(net, stats=True).findings == ()
    put(net.weight, slice(None), 0.25)
    assert "constant-weight" in [each.code for each in ik.inspect(net, stats=True).findings]
    net = nn.Dense(4, in_units=4)
    net.initialize(init)
    for how in ({}, {"init": init}):
        assert [each.code for each in ik.inspect(net, stats=True, **how).findings] == [code]


def test_a_mask_may_hold_infinities():
    net = nn.Dense(2, in_units=2)
    net.mask = constant(net, "mask", [[0.0, -np.inf]])
    net.initialize()
    assert ik.inspect(net, stats=True).findings == ()


def test_running_statistics_may_differ_between_contexts():
    net = nn.BatchNorm(in_channels=2)
    net.initialize(ctx=[mx.cpu(0), mx.cpu(1)])
    net.running_mean.data(mx.cpu(1))[:] = 1
    report = ik.inspect(net, stats=True)
    assert {record.role: record.replicas_agree for record in report.records}["running_mean"] is False
    assert report.findings == ()


def test_a_quantized_block_mixes_nothing():
    net = nn.HybridBlock()
    for name, dtype in (("weight", "int8"), ("min", "float32"), ("max", "float32")):
        setattr(net, name, declared(net, name, shape=(2,), dtype=dtype, init="ones"))
    net.initialize()
    assert ik.inspect(net).findings == ()


def test_bilinear_kernels_are_alike_on_purpose():
    options = {"in_channels": 3, "groups": 3, "weight_initializer": mx.init.Bilinear(), "use_bias": False}
    net = convolution(nn.Conv2DTranspose, 3, 4, **options)
    net.initialize()
    report = ik.inspect(net, stats=True)
    assert report.records[0].stats.identical_rows and report.findings == ()


def test_what_is_unregistered_is_ignored_by_the_path_of_its_attribute_and_shown_with_its_block():
    net = nn.Sequential()
    net.add(nn.Dense(2, in_units=2), unregistered_block(True)[0])
    report = ik.inspect(net)
    (found,) = report.findings
    assert (found.code, found.severity, found.paths) == ("unregistered-block", "warning", ("1.layers",))
    assert found.evidence in " ".join(str(report).split()) and "1.layers" in report.to_html()
    assert report["1"].findings == (found,) and report["0"].findings == ()
    for ignored in ("unregistered-block", ("unregistered-block", "1.*")):
        assert ik.inspect(net, ignore=[ignored]).findings == ()
    for other in ("0.*", nn.Dense, "weight"):
        assert ik.inspect(net, ignore=[("unregistered-block", other)]).findings == (found,)


@pytest.mark.mxnet1("global names")
def test_straight_dope_238_and_321():
    """Layers of one prefix: `collect_params` raises, and with it `net.initialize`, far from the layers."""
    net, _ = colliding_name(True)
    with pytest.raises(AssertionError, match="different Parameters with the same name 'same_weight'"):
        net.initialize()
    first, second = ik.inspect(net).findings
    assert first.code == second.code == "colliding-name" and first.severity == "warning"
    assert first.paths == ("0.weight", "1.weight") and second.paths == ("0.bias", "1.bias")
    assert first.evidence.startswith("they have one global name, 'same_weight'") and "prefix" in first.hint
    assert ik.inspect(net, select="bias").findings == (second,)
    ik.initialize(net, seed=1)  # which goes by paths
    assert (net[0].weight.data() != net[1].weight.data()).asnumpy().all()


def test_the_gravest_come_first_then_in_order_of_traversal():
    net = dense(3, 3, 3)
    for layer in (2, 0):
        put(net[layer].bias, 0, np.nan)
    net[1].weight.set_data(nd.zeros((3, 3)))
    found = [(each.severity, each.code, each.paths) for each in ik.inspect(net, stats=True).findings]
    assert found == [
        ("error", "nan", ("0.bias",)),
        ("error", "nan", ("2.bias",)),
        ("warning", "zero-weight", ("1.weight",)),
    ]


def two():
    return (
        Finding("nan", "error", ("a.weight",), "seen", "do"),
        Finding("broken-tie", "warning", ("a.weight", "b.weight"), "seen", "do"),
        Finding("stale-gradient", "info", ("b.weight",), "seen", "do"),
    )


@pytest.mark.parametrize("ignore, left", [
    ((), ["broken-tie"]),
    (["nan"], ["broken-tie"]),
    (["nan", "broken-tie"], []),
    ([("broken-tie", "1.*")], []),  # a finding about several parameters is ignored where any of them is selected
    ([("broken-tie", "2.*")], ["broken-tie"]),
    ([("nan", "0.*")], ["broken-tie"]),
])  # fmt: skip
def test_what_is_ignored(ignore, left):
    net = dense(4, 4, 4)
    net[1].weight.set_data(net[0].weight.data())
    assert [each.code for each in ik.inspect(net, stats=True, ignore=ignore).findings] == left


def test_what_cannot_be_ignored():
    for ignore, error, message in (
        (["broken-ties"], ValueError, "'broken-ties', which no finding has; did you mean 'broken-tie'"),
        ("nan", TypeError, r"ignore is 'nan': expected a list of codes, such as \['nan'\]"),
        ([3], TypeError, "ignore holds 3: expected a code, or a pair"),
    ):
        with pytest.raises(error, match=message):
            ik.inspect(dense(4), ignore=ignore)


def test_ignoring_by_code_and_selector():
    net = dense(3, 3)
    for layer in net:
        put(layer.bias, 0, np.nan)
    for ignore, left in ((["nan"], []), ([("nan", "0.*")], ["1.bias"]), ([("nan", nn.Dense)], []),
                         ([("nan", "weight")], ["0.bias", "1.bias"])):  # fmt: skip
        found = ik.inspect(net, stats=True, ignore=ignore).findings
        assert [each.paths[0] for each in found] == left


def test_raising_lists_all_of_them():
    raise_for(())
    raise_for(two()[2:])
    for findings, strict in ((two(), False), (two()[2:], True)):
        with pytest.raises(FindingsError) as caught:
            raise_for(findings, strict)
        assert caught.value.findings == findings
        assert all(f"{each.severity} {each.code}: {', '.join(each.paths)}" in str(caught.value) for each in findings)
        assert pickle.loads(pickle.dumps(caught.value)).findings == findings
    with pytest.raises(FindingsError, match="^1 finding:\n  info stale-gradient: b.weight: seen; do$"):
        raise_for(two()[2:], strict=True)


def test_records_of_files_are_judged_alike():
    stats = ik.inspect(nan(True)[0], stats=True).records[0].stats
    record = ParameterRecord("fc.weight", "fc.weight", "weight", (3, 4), "float32", stats=stats)
    (found,) = findings_of([record])
    assert (found.code, found.paths) == ("nan", ("fc.weight",))
