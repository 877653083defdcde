"""The assertions: what passes, what fails, and the table that a failure prints."""

import gluon_initkit as ik
from gluon_initkit.testing import (
    assert_all_finite,
    assert_initialized,
    assert_no_findings,
    assert_same_init,
    assert_shared,
)
import mxnet as mx
from mxnet.gluon import nn
import numpy as np
import pytest
from vocabulary import nd, tied

ON_A_NETWORK = [assert_initialized, assert_all_finite, assert_no_findings]


@pytest.fixture(autouse=True)
def width(monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")


def two_layers(init=None, **options):
    net = nn.HybridSequential()
    net.add(nn.Dense(4, in_units=3), nn.Dense(4, in_units=4))
    if init is not None:
        ik.initialize(net, init, seed=1, **options)
    return net


def message(call, *arguments, **options):
    with pytest.raises(AssertionError) as caught:
        call(*arguments, **options)
    return str(caught.value)


@pytest.mark.parametrize("call", [*ON_A_NETWORK, lambda net: assert_same_init(net, net)])
def test_a_drawn_network_passes_and_is_left_alone(call):
    net = two_layers(mx.init.Xavier())
    net.hybridize()
    mx.random.seed(3)
    before, state = ik.fingerprint(net), np.random.get_state()[1].tolist()
    expected = mx.nd.random.uniform(shape=3).asnumpy().tolist()
    mx.random.seed(3)
    call(net)
    assert (ik.fingerprint(net), np.random.get_state()[1].tolist()) == (before, state)
    assert mx.nd.random.uniform(shape=3).asnumpy().tolist() == expected


@pytest.mark.parametrize("call", [assert_initialized, assert_all_finite, lambda net: assert_same_init(net, net)])
def test_a_pending_network_fails_and_stays_pending(call):
    net = nn.HybridSequential()
    net.add(nn.Dense(4), nn.Dense(4, in_units=4))
    net.initialize()
    said = message(call, net)
    assert "0.weight" in said and "1.weight" not in said
    assert [info.state for info in ik.inspect(net)] == ["deferred"] + 3 * ["initialized"]
    net(nd.ones((2, 3)))
    call(net)


@pytest.mark.parametrize("call", [*ON_A_NETWORK, lambda it: assert_same_init(it, two_layers("zeros")),
                                  lambda it: assert_shared(it, "0.weight", "1.weight")])  # fmt: skip
def test_what_is_no_network_is_refused(call):
    for wrong in (None, 3, [two_layers()], two_layers().collect_params()):
        with pytest.raises(TypeError, match=r"mxnet\.gluon\.Block"):
            call(wrong)


def test_initialized_names_all_that_are_not_and_what_to_write():
    net = two_layers()
    net[1].initialize()
    assert message(assert_initialized, net).splitlines() == [
        "2 of 4 parameters hold no values yet",
        "parameter  shape   block     why",
        "────────────────────────────────────────────────────────────────────────────────────",
        "0.weight   (4, 3)  nn.Dense  initialize was never called on it, or filling it failed",
        "0.bias     (4)     nn.Dense  initialize was never called on it, or filling it failed",
        "",
        "To avoid it, write",
        "  0: net.initialize(...)",
    ]


def test_finite_counts_by_parameter():
    net = two_layers("ones")
    net[0].weight.data()[0] = float("nan")
    net[0].bias.data()[1] = -float("inf")
    net[1].bias.data()[1:3] = float("inf")
    assert message(assert_all_finite, net).splitlines() == [
        "Not finite in HybridSequential: 3 of 4 parameters",
        "parameter  on      values  nan  +inf  -inf",
        "──────────────────────────────────────────",
        "0.weight   cpu(0)      12    3     0     0",
        "0.bias     cpu(0)       4    0     0     1",
        "1.bias     cpu(0)       4    0     2     0",
    ]


def test_finite_looks_at_every_context_and_at_what_has_no_values():
    net = two_layers("ones", ctx=[mx.cpu(0), mx.cpu(1)])
    assert_all_finite(net)
    net.add(nn.Dense(2, in_units=4))
    net[0].bias.data(mx.cpu(1))[2] = float("nan")
    assert [line.split() for line in message(assert_all_finite, net).splitlines()[3:]] == [
        ["0.bias", "cpu(1)", "4", "1", "0", "0"],
        ["2.weight", "uninitialized"],
        ["2.bias", "uninitialized"],
    ]


def test_shared_by_whatever_made_it():
    net = nn.HybridSequential()
    net.add(nn.Dense(4, in_units=4))
    net.add(tied(nn.Dense, net[0], 4, in_units=4), nn.Dense(4, in_units=4))
    ik.Sharing(net).tie("2.weight", "0.weight", transpose=True).apply()
    for pair in (("0.weight", "1.weight"), ("1.bias", "0.bias"), ("1.weight", "2.weight"), ("2.weight", "0.weight")):
        assert_shared(net, *pair)
    assert "'0.bias' and '2.bias'" in message(assert_shared, net, "0.bias", "2.bias")


def test_a_tie_that_broke_shows_both_and_how_to_tie_them():
    net = two_layers(mx.init.Xavier())
    net.add(tied(nn.Dense, net[1], 4, in_units=4))
    said = message(assert_shared, net, "0.bias", "2.bias")
    assert said.splitlines() == [
        "'0.bias' and '2.bias' of HybridSequential are two parameters",
        "parameter  shape  dtype    state        mean  std",
        "─────────────────────────────────────────────────",
        "0.bias     (4)    float32  initialized     0    0",
        "1.bias     (4)    float32  initialized     0    0",
        "= 2.bias",
        "To tie them: gluon_initkit.Sharing(net).tie('2.bias', '0.bias').apply()",
    ]
    exec(said.splitlines()[-1].split(": ")[1], {"gluon_initkit": ik, "net": net})
    assert_shared(net, "0.bias", "2.bias")


def test_shared_wants_two_paths_that_there_are():
    with pytest.raises(KeyError, match=r"no parameter has the path '1\.wieght'; did you mean '1\.weight'"):
        assert_shared(two_layers(), "0.weight", "1.wieght")
    with pytest.raises(KeyError, match="'0'"):
        assert_shared(two_layers(), "0", "1.weight")
    with pytest.raises(ValueError, match=r"both paths are '0\.bias': expected two"):
        assert_shared(two_layers(), "0.bias", "0.bias")


def test_findings_are_told_unless_ignored():
    net = two_layers(mx.init.Xavier())
    net[1].weight.set_data(nd.zeros((4, 4)))
    said = message(assert_no_findings, net)
    assert said.startswith("1 finding in HybridSequential\n")
    assert all(each in said for each in ("warning", "zero-weight", "1.weight", "all 16 values are 0", "what to do"))
    assert_no_findings(net, ["zero-weight"])
    assert_no_findings(net, ignore=[("zero-weight", "1.*")])
    assert "zero-weight" in message(assert_no_findings, net, ignore=[("zero-weight", "0.*")])
    with pytest.raises(ValueError, match="did you mean 'zero-weight'"):
        assert_no_findings(net, ignore=["zero-wieght"])


def test_findings_that_need_more_are_told_where_more_is_given():
    net = two_layers(mx.init.Xavier())
    assert_no_findings(net)
    assert "stale-gradient" in message(assert_no_findings, net, grads=True)  # only worth knowing, and told all the same
    trainer = mx.gluon.Trainer(net[1].collect_params(), "sgd")
    assert "untrained" in message(assert_no_findings, net, trainer=trainer)
    net[1].weight.set_data(net[1].weight.data() * 50)
    assert "not-as-declared" in message(assert_no_findings, net, init=mx.init.Xavier())


def test_same_init_tells_what_differs():
    a, b = two_layers("ones"), two_layers("ones")
    assert_same_init(a, b)
    b[1].weight.set_data(b[1].weight.data() * 1.5)
    assert message(assert_same_init, a, b).splitlines() == [
        "HybridSequential -> HybridSequential: 3 equal, 1 changed · float32",
        "status   parameter  shape   change  cosine  flips",
        "─────────────────────────────────────────────────",
        "changed  1.weight   (4, 4)     0.5  1.0000      0",
    ]
    b.add(nn.Dense(1, in_units=4))
    assert "added" in message(assert_same_init, a, b) and "removed" in message(assert_same_init, b, a)


def test_same_init_wants_values():
    a, b = two_layers("ones"), two_layers()
    assert message(assert_same_init, a, b) == (
        "No values to compare in the second: 0.weight, 0.bias, 1.weight, 1.bias."
    )
    assert "in the first: 0.weight" in message(assert_same_init, b, a)


def test_same_init_wants_the_same_shared():
    a, b = two_layers("ones"), two_layers("ones")
    ik.Sharing(b).tie("1.bias", "0.bias").apply()
    assert message(assert_same_init, a, b) == "Shared in the second only: 0.bias, 1.bias."
    assert message(assert_same_init, b, a) == "Shared in the first only: 0.bias, 1.bias."
    ik.Sharing(a).tie("1.bias", "0.bias").apply()
    assert_same_init(a, b)


def test_a_failure_in_pytest_is_the_table_without_the_kit_s_own_lines(pytester):
    pytester.makepyfile("""
        from gluon_initkit.testing import assert_initialized
        from mxnet.gluon import nn

        def test_it():
            assert_initialized(nn.Dense(2, in_units=3))
    """)
    result = pytester.runpytest_inprocess()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([">*assert_initialized(nn.Dense(2, in_units=3))",
                                "E*initialize was never called on this network*",
                                 "E*weight*(2, 3)*nn.Dense*"])  # fmt: skip
    result.stdout.no_fnmatch_line("*__tracebackhide__*")
