"""Whose values, shape and initializer the one parameter has; and that nothing has changed where anything fails."""

import signal

import gluon_initkit as ik
from gluon_initkit._mxnet import backend
import mxnet as mx
from mxnet.gluon import nn
import pytest
from test_sharing_refusals import dense, run, state
from vocabulary import nd, tied

TWO = [mx.cpu(0), mx.cpu(1)]


def constant(net, *values):
    """Weights of these constant values; None leaves one uninitialized."""
    for layer, value in zip(net, values):
        if value is not None:
            layer.initialize(mx.init.Constant(value))
    return net


def number(param):
    (value,) = set(param.data().asnumpy().ravel().tolist())
    return value


@pytest.mark.parametrize("values, to, expected", [("keep", None, 1), ("keep", "2.weight", 6), ("average", None, 3),
                                                  ("average", "1.weight", 3)])  # fmt: skip
def test_values_that_differ(values, to, expected):
    net = constant(dense(4, 4, 4), 1, 2, 6)
    report = ik.Sharing(net).tie("*.weight", to=to).apply(values=values)
    kept = to or "0.weight"
    others = tuple(path for path in ("0.weight", "1.weight", "2.weight") if path != kept)
    assert number(net[0].weight) == number(net[2].weight) == expected
    assert report.groups == (ik.SharedGroup(kept, others),)
    assert report.dropped == others and report.saved == 2 * 4 * 4 * 4
    assert report.rows[0].values_from == (None if values == "average" else kept)
    assert ("were averaged" if values == "average" else "are dropped") in str(report)


def test_equal_values_are_not_dropped():
    net = constant(dense(4, 4), 2, 2)
    for values in ("keep", "average"):
        report = ik.Sharing(net).tie("*.weight").apply(values=values, dry_run=True)
        assert report.dropped == () and report.rows[0].values_from == "0.weight"


@pytest.mark.parametrize("transpose", [False, True])
def test_the_average_context_by_context(transpose):
    net = nn.HybridSequential()
    net.add(nn.Dense(3, in_units=4), nn.Dense(*((4,) if transpose else (3,)), in_units=3 if transpose else 4))
    net.initialize(mx.init.Uniform(1), ctx=TWO)
    net[0].weight.data(mx.cpu(1))[:] = 5  # replicas may differ, as running statistics do
    one, other = ([array.asnumpy() for array in layer.weight.list_data()] for layer in net)
    ik.Sharing(net).tie("1.weight", "0.weight", transpose=transpose).apply(values="average")
    for ctx, left, right in zip(TWO, one, other):
        mean = ((left.astype("float64") + (right.T if transpose else right)) / 2).astype("float32")
        assert (net[0].weight.data(ctx).asnumpy() == mean).all()
        assert (net[1].weight.data(ctx).asnumpy() == (mean.T if transpose else mean)).all()
        assert not net[0].weight.grad(ctx).asnumpy().any()


@pytest.mark.parametrize("transpose", [False, True])
def test_equal_values_are_not_dropped_where_they_stand_transposed(transpose):
    net = dense(4, 4)
    net.initialize(mx.init.Uniform(1))
    net[1].weight.set_data(net[0].weight.data().transpose())
    report = ik.Sharing(net).tie("1.weight", "0.weight", transpose=transpose).apply(dry_run=True)
    assert report.dropped == (() if transpose else ("1.weight",))


def test_the_average_does_not_overflow():
    net = constant(dense(4, 4), 61440, 40960)
    net.cast("float16")
    ik.Sharing(net).tie("*.weight").apply(values="average")
    assert number(net[0].weight) == 51200


@pytest.mark.parametrize("transpose", [False, True])
@pytest.mark.parametrize("values", ["keep", "average"])
def test_the_kept_one_without_values_takes_the_first_that_are_there(values, transpose):
    net = nn.HybridSequential()
    net.add(nn.Dense(3, in_units=4), nn.Dense(3, in_units=4) if not transpose else nn.Dense(4, in_units=3))
    net[1].initialize(mx.init.Uniform(1), ctx=TWO)
    there = net[1].weight.data(mx.cpu(0)).asnumpy()
    report = ik.Sharing(net).tie("1.weight", "0.weight", transpose=transpose).apply(values=values)
    assert report.rows[0].values_from == "1.weight" and report.dropped == ()
    for ctx in TWO:
        assert (net[1].weight.data(ctx).asnumpy() == there).all()
        assert net[0].weight.data(ctx).shape == net[0].weight.grad(ctx).shape == (3, 4)


def test_what_is_taken_over_is_a_copy():
    """The dropped parameter may live on in another network."""
    layer = nn.Dense(4, in_units=4)
    net, other = nn.HybridSequential(), nn.HybridSequential()
    net.add(nn.Dense(4, in_units=4), layer)
    layer.initialize(mx.init.One())
    alone = layer.weight
    other.add(tied(nn.Dense, layer, 4, in_units=4))
    ik.Sharing(net).tie("*.weight").apply()
    net[0].weight.set_data(nd.zeros((4, 4)))
    assert number(alone) == 1 and other[0].weight is alone


@pytest.mark.parametrize("first", [0, 1])
def test_deferred_parameters_unify(first):
    """The shape that one place finds is that of all places; a second one that contradicts it is an error."""
    net = nn.HybridSequential()
    net.add(nn.Dense(4, flatten=False), nn.Dense(4, flatten=False))
    net.initialize(mx.init.One())
    report = ik.Sharing(net).tie("*.weight").apply()
    assert report.rows[0].shape == (4, None) and report.saved == 0 and report.rows[0].values_from == "0.weight"
    net[first](nd.ones((1, 7)))
    assert net[1 - first].weight.data().shape == (4, 7)
    with pytest.raises(Exception, match="(?i)shape"):
        net[1 - first](nd.ones((1, 5)))
    mx.nd.waitall()


def test_a_pending_promise_goes_with_the_initializer_that_somebody_chose():
    net = nn.HybridSequential()
    net.add(nn.Dense(4), nn.Dense(4, weight_initializer=mx.init.Constant(3)))
    net.initialize(mx.init.One())
    ik.Sharing(net).tie("*.weight").apply()
    net(nd.ones((1, 4)))
    assert number(net[0].weight) == 3


@pytest.mark.parametrize("transpose", [False, True])
def test_a_keyed_promise_is_kept(transpose):
    """What `ik.initialize` left pending in the dropped parameter is drawn for the kept one."""
    net = nn.HybridSequential()
    net.add(nn.Dense(4), nn.Dense(4))
    ik.initialize(net[1], mx.init.One(), seed=1)
    ik.Sharing(net).tie("1.weight", "0.weight", transpose=transpose).apply()
    net[0].bias.initialize()
    assert net(nd.ones((1, 4))).asnumpy().tolist() == [[16] * 4] and number(net[0].weight) == 1


def test_a_shared_parameter_is_tied_with_all_its_paths():
    """Two paths of one parameter: tying either takes both along, and tying them to each other changes nothing."""
    net = nn.HybridSequential()
    net.add(nn.Dense(4, in_units=4), nn.Dense(4, in_units=4))
    net.add(tied(nn.Dense, net[1], 4, in_units=4))
    before = state(net)
    assert ik.Sharing(net).tie("1.weight", "2.weight").apply().saved == 0
    assert state(net) == before
    report = ik.Sharing(net).tie("2.weight", "0.weight").apply()
    assert report.groups == (ik.SharedGroup("0.weight", ("1.weight", "2.weight")),)
    assert net[0].weight is net[1].weight is net[2].weight and net[1].bias is net[2].bias


def test_applying_again_changes_nothing():
    net = run(dense(4, 4))
    first = ik.Sharing(net).tie("*.weight").apply()
    net(nd.ones((1, 4)))
    before = state(net)
    again = ik.Sharing(net).tie("*.weight").apply()
    assert again.groups == first.groups and again.saved == 0 and state(net) == before


def test_a_tie_that_holds_already_leaves_its_trainer_alone():
    net = run(dense(4, 4))
    ik.Sharing(net).tie("*.weight").apply()
    trainer = mx.gluon.Trainer(net.collect_params(), "sgd")
    before = state(net)
    ik.Sharing(net).tie("*.weight").apply()
    assert state(net) == before and backend.trainer_of(net[0].weight) is trainer


def test_dry_run_changes_nothing():
    net = run(dense(4, 4))
    before = state(net)
    sharing = ik.Sharing(net).tie("*.weight")
    report = sharing.apply(dry_run=True)
    assert state(net) == before and not report.applied and "dry run" in str(report)
    assert sharing.apply().groups == report.groups and net[0].weight is net[1].weight


class Failing(nn.HybridSequential):
    """Fails in the middle of the change, where the cached graphs are cleared."""

    fails = False

    def _clear_cached_op(self):
        super()._clear_cached_op()
        if self.fails:
            raise KeyboardInterrupt


@pytest.mark.parametrize("what", ["keep", "average", "untie", "transpose"])
def test_a_failure_in_the_middle_undoes_everything(what):
    net = Failing()
    net.add(nn.Dense(4, in_units=4), nn.Dense(4, in_units=4), nn.Dense(4, in_units=4))
    net[0].weight.init = mx.init.One()
    net.initialize()
    ik.Sharing(net).tie("1.weight", "2.weight").apply()
    net.hybridize()
    net(nd.ones((1, 4)))
    before = state(net)
    Failing.fails = True
    with pytest.raises(KeyboardInterrupt):
        if what == "untie":
            ik.untie(net, "2.weight")
        elif what == "transpose":
            ik.Sharing(net).tie("0.weight", "1.weight", transpose=True).apply()
        else:
            ik.Sharing(net).tie("*.weight", to="2.weight").apply(values=what)
    Failing.fails = False
    assert state(net) == before
    assert ik.Sharing(net).tie("*.weight").apply(values="average").saved == 64


def test_values_is_keep_or_average():
    with pytest.raises(ValueError, match="values='mean': expected 'keep' or 'average'"):
        ik.Sharing(dense(4, 4)).tie("*.weight").apply(values="mean")


def test_ctrl_c_comes_after_all_is_done():
    net = constant(dense(4, 4), 1, 3)
    kept = net[0].weight
    make = kept._init_grad

    def pressed():
        signal.raise_signal(signal.SIGINT)
        make()

    kept._init_grad = pressed  # which is called when the mean is put in
    with pytest.raises(KeyboardInterrupt):
        ik.Sharing(net).tie("*.weight").apply(values="average")
    assert net[1].weight is net[0].weight is kept and number(kept) == 2
