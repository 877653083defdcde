"""The forecast is true: each is held against what `load_parameters` then really does, and each proposal is executed."""

from contextlib import nullcontext
import os

import gluon_initkit as ik
from gluon_initkit._mxnet.parameter import arrays_of, shape_of, state_of
from gluon_initkit._mxnet.tree import places
from gluon_initkit.inspector import inspect
import mxnet as mx
from mxnet.gluon import nn, rnn
import numpy as np
import pytest
from vocabulary import GLUON_2, classic, nd, tied


def mlp(units=(4, 2), in_units=3, prefix=None, deferred=False):
    net = nn.HybridSequential() if GLUON_2 else nn.HybridSequential(prefix=prefix)
    with nullcontext() if GLUON_2 else net.name_scope():
        for unit in units:
            net.add(nn.Dense(unit, in_units=0 if deferred else in_units))
            in_units = unit
    return net


def filled(net, value=3.0):
    net.initialize(mx.init.Constant(value), force_reinit=True)
    return net


def state(net):
    return {
        place.paths[0]: (shape_of(param), state_of(param), [array.asnumpy().tobytes() for array in arrays_of(param)])
        for param, place in places(net).items()
    }


def values(net):
    return {
        path: arrays_of(param)[0].asnumpy()
        for param, place in places(net).items()
        for path in place.paths
        if arrays_of(param)
    }


def foretold_and_done(net, path, **flags):
    """The forecast, after `load_parameters` was seen to do just that."""
    before, old, prefix = state(net), values(net), "" if GLUON_2 else net.prefix
    forecast = ik.compare(net, path, **flags).load
    assert state(net) == before, "looking changed something"
    try:
        net.load_parameters(path, **flags)
        raised = None
    except Exception as error:
        raised = error
    mx.nd.waitall()
    assert forecast.error == (type(raised).__name__ if raised is not None else None), (raised, forecast)
    if raised is not None and "'" in forecast.reason:
        called = forecast.reason.split("'")[1]
        (param,) = [each for each, place in places(net).items() if called in place.paths] or [None]
        said = str(raised)
        # What MXNet says of another number of dimensions, and of arrays that it cannot write into.
        nameless = said.startswith(("Expected shape", "scalar tensor", "Cannot assign"))
        assert nameless or called in said or param.name in said or param.name[len(prefix) :] in said
    new, stored = values(net), inspect(path).live
    by_file = {name: stored.values(name) for name in stored}
    loaded = forecast.partial if raised is not None else [path for path, each in forecast.verdicts if each == "loads"]
    for param, place in places(net).items():
        names = {*place.paths} if GLUON_2 else {*place.paths, param.name, param.name[len(prefix) :]}
        (found,) = [array for name, array in by_file.items() if name.split(":")[-1] in names][:1] or [None]
        if set(place.paths) & set(loaded):
            assert np.array_equal(new[place.paths[0]], found.astype(new[place.paths[0]].dtype)), place.paths
        elif place.paths[0] in old:
            assert np.array_equal(new[place.paths[0]], old[place.paths[0]]), place.paths
        else:
            assert place.paths[0] not in new, place.paths
    return forecast


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "a.params")


def save(net, path):
    net.save_parameters(path)
    return dict((mx.npx if GLUON_2 else mx.nd).load(path))


def write(path, arrays):
    """A file of these arrays, as this MXNet writes it."""
    if GLUON_2:
        mx.npx.savez(path, **arrays)
    else:
        mx.nd.save(path, arrays)


def ordered(*paths):
    """In the order in which MXNet loads them: that of the file; MXNet 2's goes by the alphabet."""
    return tuple(sorted(paths)) if GLUON_2 else paths


STATES = {"uninitialized": lambda net: net, "initialized": lambda net: filled(net, 7.0)}


@pytest.mark.parametrize("state_name", STATES)
def test_it_loads(state_name, path):
    save(filled(mlp()), path)
    forecast = foretold_and_done(STATES[state_name](mlp()), path)
    assert forecast.loads and set(dict(forecast.verdicts).values()) == {"loads"} and forecast.prefixes == ()


@pytest.mark.parametrize("initialized", [False, True])
def test_deferred_shapes_that_fit(initialized, path):
    save(filled(mlp()), path)
    net = mlp(deferred=True)
    if initialized:
        net.initialize()
    assert ik.compare(net, path)["0.weight"].status == "unread"
    assert foretold_and_done(net, path).loads
    assert net[0].weight.shape == (4, 3)


def test_deferred_shapes_that_do_not_fit(path):
    save(filled(mlp(units=(5, 2))), path)
    net = mlp(deferred=True)
    forecast = foretold_and_done(net, path)
    assert dict(forecast.verdicts)["0.weight"] == "shape" and dict(forecast.verdicts)["1.bias"] == "loads"
    first = "(5,) in the file, (4,)" if GLUON_2 else "(5, 3) in the file, (4, 0)"  # it goes by the alphabet
    assert first in forecast.reason


@pytest.mark.parametrize("allowed", [False, True])
def test_missing(allowed, path):
    arrays = save(filled(mlp()), path)
    del arrays["1.bias"]
    write(path, arrays)
    forecast = foretold_and_done(filled(mlp(), 7.0), path, allow_missing=allowed)
    assert dict(forecast.verdicts)["1.bias"] == ("kept" if allowed else "missing")
    assert forecast.loads == allowed


@pytest.mark.parametrize("allowed", [False, True])
def test_extra(allowed, path):
    save(filled(mlp(units=(4, 2, 2))), path)
    forecast = foretold_and_done(filled(mlp(), 7.0), path, ignore_extra=allowed)
    assert dict(forecast.verdicts)["2.weight"] == ("ignored" if allowed else "extra")
    assert forecast.loads == allowed
    assert allowed or forecast.partial == ordered("0.weight", "0.bias", "1.weight", "1.bias")


@pytest.mark.parametrize("state_name", STATES)
def test_another_shape(state_name, path):
    save(filled(mlp(units=(4, 5))), path)
    forecast = foretold_and_done(STATES[state_name](mlp()), path)
    assert dict(forecast.verdicts) == {"0.weight": "loads", "0.bias": "loads", "1.weight": "shape", "1.bias": "shape"}
    assert forecast.error == "AssertionError" and forecast.partial == ordered("0.weight", "0.bias")


@pytest.mark.parametrize("cast", [False, True])
def test_another_type(cast, path):
    half = filled(mlp())
    half.cast("float16")
    save(half, path)
    forecast = foretold_and_done(filled(mlp(), 7.0), path, cast_dtype=cast)
    assert set(dict(forecast.verdicts).values()) == {"loads" if cast else "dtype"} and forecast.loads == cast


@pytest.mark.parametrize("ctxs", [mx.cpu(1), [mx.cpu(0), mx.cpu(1)]])
@pytest.mark.parametrize("deferred", [False, True])
def test_another_context(deferred, ctxs, path):
    """MXNet 2 insists on the current one."""
    save(filled(mlp()), path)
    net = mlp(deferred=deferred)
    net.initialize(ctx=ctxs)
    forecast = foretold_and_done(net, path)
    assert forecast.loads == (not GLUON_2)
    if GLUON_2:
        asked = "device=[" + ", ".join(f"mx.{ctx}" for ctx in (ctxs if isinstance(ctxs, list) else [ctxs])) + "]"
        assert "'0.bias': on cpu(" in forecast.reason and f"{asked} must say so" in forecast.reason
        (fitting,) = forecast.prefixes
        assert fitting.call == f"net.load_parameters({path!r}, {asked})"
        exec(fitting.call, {"net": net, "mx": mx})
        assert net[0].bias.list_device() == (ctxs if isinstance(ctxs, list) else [ctxs])


@pytest.mark.mxnet2("devices that a file must be loaded onto")
def test_a_part_on_another_device_and_parts_on_several(path):
    save(filled(mlp()), path)
    part, apart = mlp()[0], mlp()
    part.initialize(ctx=mx.cpu(1))
    apart.initialize()
    apart[1].initialize(ctx=mx.cpu(1), force_reinit=True)
    (fitting,) = ik.compare(part, path).load.prefixes
    assert fitting.call.endswith(", device=[mx.cpu(1)])")
    exec(fitting.call, {"net": part, "mx": mx})
    assert "must say so" in ik.compare(apart, path).load.reason and ik.compare(apart, path).load.prefixes == ()


@pytest.mark.parametrize("shape", [(4, 3, 1), (4,)])
def test_another_number_of_dimensions(shape, path):
    write(path, {**save(filled(mlp()), path), "0.weight": nd.ones(shape)})
    forecast = foretold_and_done(filled(mlp(), 7.0), path)
    assert dict(forecast.verdicts)["0.weight"] == "shape" and not forecast.loads


@pytest.mark.mxnet1("imported parameters without a shape")
@pytest.mark.parametrize("shape, verdict", [((4, 3), "loads"), ((5, 3), "shape"), ((4,), "shape")])
def test_an_imported_symbol_block(shape, verdict, path):
    inner = filled(mlp())
    inner.hybridize()
    inner(nd.ones((1, 3)))
    inner.export(path)
    net = mx.gluon.SymbolBlock.imports(f"{path}-symbol.json", ["data"], f"{path}-0000.params")
    arrays = {param.name: param.data() for param in net.collect_params().values()}
    write(path, {**arrays, next(iter(arrays)): nd.full(shape, 7.0)})
    comparison = ik.compare(net, path)
    assert comparison.rows[0].status == ("changed" if verdict == "loads" else "reshaped")
    assert comparison.load.verdicts[0][1] == verdict and comparison.load.loads == (verdict == "loads")
    with pytest.raises(ValueError, match="broadcast") if verdict == "shape" else nullcontext():
        net.load_parameters(path)


def test_a_tied_parameter_needs_one_of_its_paths(path):
    def sharing():
        net = nn.HybridSequential()
        net.add(nn.Dense(3, in_units=3))
        net.add(tied(nn.Dense, net[0], 3, in_units=3))
        return net

    filled(sharing()).save_parameters(path, deduplicate=True)
    assert list(inspect(path).live) == ["1.weight", "1.bias"]
    assert foretold_and_done(filled(sharing(), 7.0), path).loads
    forecast = foretold_and_done(filled(mlp(units=(3, 3)), 7.0), path)
    assert [verdict for _, verdict in forecast.verdicts] == ["missing", "missing", "loads", "loads"]


@pytest.mark.mxnet1("global names of parameters")
def test_the_old_way_by_global_names(path):
    """`save_params` wrote names without the network's prefix; `load_parameters` puts it before them."""
    net = filled(mlp(prefix="old_"))
    net.collect_params().save(path, strip_prefix="old_")
    assert sorted(inspect(path).live) == ["dense0_bias", "dense0_weight", "dense1_bias", "dense1_weight"]
    comparison = ik.compare(net, path)
    assert comparison.same and comparison["1.bias"].other == "dense1_bias"
    assert foretold_and_done(filled(mlp(), 7.0), path).loads
    forecast = foretold_and_done(filled(mlp(units=(4, 2, 2)), 7.0), path)
    assert dict(forecast.verdicts)["2.weight"] == "missing" and "would be called 'dense2_weight'" in forecast.reason
    forecast = foretold_and_done(filled(mlp(units=(4,)), 7.0), path)
    assert dict(forecast.verdicts)["dense1_weight"] == "extra" and forecast.error == "AssertionError"
    forecast = foretold_and_done(filled(mlp(units=(4,)), 7.0), path, ignore_extra=True)
    assert dict(forecast.verdicts)["dense1_weight"] == "ignored"


def test_a_single_layer(path):
    save(filled(nn.Dense(2, in_units=3)), path)
    assert foretold_and_done(nn.Dense(2, in_units=3), path).loads
    assert foretold_and_done(nn.Dense(4, in_units=3), path).error == "AssertionError"


@pytest.mark.mxnet1("global names of parameters")
def test_a_parameter_outside_of_the_prefix(path):
    shared = nn.Dense(3, in_units=3, prefix="elsewhere_")
    net = nn.HybridSequential(prefix="net_")
    with net.name_scope():
        net.add(tied(nn.Dense, shared, 3, in_units=3))
    filled(net)
    mx.nd.save(path, {"dense0_weight": nd.ones((3, 3))})
    forecast = foretold_and_done(net, path)
    assert "does not begin with 'net_'" in forecast.reason


def test_an_empty_file(path):
    write(path, {})
    assert foretold_and_done(nn.HybridSequential(), path).loads
    forecast = foretold_and_done(filled(mlp()), path)
    # To MXNet 1 it is a list; MXNet 2 loads nothing, and says nothing.
    assert forecast.error == (None if GLUON_2 else "AttributeError")
    assert {verdict for _, verdict in forecast.verdicts} == ({"kept"} if GLUON_2 else set())


def test_a_list_without_names(path):
    with classic():
        mx.nd.save(path, [mx.nd.ones((4, 3))])
    assert foretold_and_done(filled(mlp()), path).error == ("AssertionError" if GLUON_2 else "AttributeError")
    for count in (1, 2):
        mx.nd.save(path, [mx.nd.ones((4, 3))] * count)
        expected = "ValueError" if GLUON_2 and count == 1 else "AttributeError"
        assert foretold_and_done(filled(mlp()), path).error == expected


@pytest.mark.mxnet1("parameters of their own for an RNN's layers")
def test_an_rnn_that_mxnet_cannot_name(path):
    mx.nd.save(path, {"0.weight": nd.ones((2,))})
    net = nn.HybridSequential()
    net.add(rnn.LSTM(2, num_layers=11, input_size=2))
    forecast = foretold_and_done(filled(net), path)
    assert forecast.error == "AttributeError" and "eleven layers" in forecast.reason


def test_rnn_layers_are_loaded_by_the_names_that_they_are_saved_by(path):
    def run(value):
        net = filled(rnn.LSTM(2, num_layers=2, input_size=3), value)
        net(nd.ones((1, 1, 3)))
        return net

    save(run(3.0), path)
    assert foretold_and_done(run(7.0), path).loads


def test_files_of_numpys_shapes(path):
    old = path + ".classic"
    with classic():
        mx.nd.save(old, {name: mx.nd.array(values) for name, values in values(filled(mlp())).items()})
    mx.npx.set_np()
    save(filled(mlp()), path)
    assert foretold_and_done(filled(mlp(), 7.0), path).loads
    assert foretold_and_done(mlp(deferred=True), path).loads
    assert foretold_and_done(filled(mlp(), 7.0), old).loads


@pytest.mark.mxnet1("global names of parameters")
@pytest.mark.parametrize("where", [None, mx.cpu(0), mx.cpu(1), [mx.cpu(0), mx.cpu(1)]])
@pytest.mark.parametrize("deferred", [False, True])
def test_dgl_829(path, where, deferred):
    """A classic file of global names in NumPy mode: `load_parameters` raises, whatever the network holds and where."""
    source = filled(mlp(prefix="net_"))
    source.collect_params().save(path, strip_prefix="net_")
    mx.npx.set_np()
    net = mlp(prefix="net_", deferred=deferred)
    if where is not None:
        net.initialize(ctx=where)
    forecast = ik.compare(net, path).load
    with pytest.raises(mx.base.MXNetError, match="np shape semantics"):
        net.load_parameters(path)
    assert forecast.error == "MXNetError" and "no dot in any name" in forecast.reason and forecast.verdicts == ()


@pytest.mark.mxnet1("classic mode of Gluon's")
@pytest.mark.parametrize("file_in_numpy_mode", [False, True])
@pytest.mark.parametrize("numpy_mode", [False, True])
@pytest.mark.parametrize("where", ["nowhere", mx.cpu(0), mx.cpu(1)])
def test_files_of_either_mode_in_either_mode(path, file_in_numpy_mode, numpy_mode, where):
    (mx.npx.set_np if file_in_numpy_mode else mx.npx.reset_np)()
    save(filled(mlp()), path)
    (mx.npx.set_np if numpy_mode else mx.npx.reset_np)()
    for deferred in (False, True):
        net = mlp(deferred=deferred)
        if where != "nowhere":
            net.initialize(ctx=where)
        forecast = ik.compare(net, path).load
        with nullcontext() if forecast.loads else pytest.raises(Exception) as caught:
            net.load_parameters(path)
        mx.nd.waitall()
        assert forecast.loads or caught.typename == forecast.error


@pytest.mark.mxnet1("global names of parameters")
def test_global_names_that_collide(path):
    """Plain MXNet loads a file of paths into it, and cannot collect its parameters for a file of names."""

    def net():
        made = nn.HybridSequential()
        made.add(*(nn.Dense(2, in_units=2, prefix="same_") for _ in range(2)))
        for number, layer in enumerate(made):
            layer.initialize(mx.init.Constant(number + 1))
        return made

    net().save_parameters(path)
    comparison = ik.compare(net(), path)
    assert comparison.same and comparison.load.loads
    net().load_parameters(path)
    mx.nd.save(path, {"same_weight": mx.nd.ones((2, 2)), "same_bias": mx.nd.ones(2)})
    forecast = ik.compare(net(), path).load
    with pytest.raises(AssertionError, match="different Parameters with the same name 'same_weight'"):
        net().load_parameters(path)
    assert forecast.error == "AssertionError" and "global name 'same_weight', 'same_bias'" in forecast.reason
    made = nn.HybridSequential()
    made.add(net())
    made.save_parameters(path)  # one level too deep: what is proposed goes by paths
    (fitting,) = ik.compare(net(), path).load.prefixes
    assert "net.load_parameters" in fitting.call


@pytest.mark.mxnet1("classic mode of Gluon's")
def test_files_of_numpys_shapes_without_its_mode(path):
    mx.npx.set_np()
    save(filled(mlp()), path)
    mx.npx.reset_np()
    net = filled(mlp(), 7.0)
    forecast = ik.compare(net, path).load
    with pytest.raises(mx.base.MXNetError, match="np shape semantics"):
        net.load_parameters(path)
    assert forecast.error == "MXNetError" and "set_np" in forecast.reason


# Prefixes


def proposed(net, path, **flags):
    """The proposals, after each was seen to load the file."""
    forecast = foretold_and_done(net, path, **flags)
    assert not forecast.loads and forecast.prefixes
    return forecast.prefixes


def executed(call, net, path):
    before = os.getcwd()
    os.chdir(os.path.dirname(path))
    try:
        exec(call, {"net": net, "mx": mx})
    finally:
        os.chdir(before)
    mx.nd.waitall()
    return {name: array.tolist() for name, array in values(net).items()}


def constant(net, value):
    return {name: np.full(shape_of(param), value if "weight" in name else 0.0).tolist()
            for param, place in places(net).items() for name in place.paths}  # fmt: skip


def test_mxnet_18116(path):
    """apache/mxnet#18116: the same layer under another attribute; `load_parameters` knows no prefix."""

    named = {} if GLUON_2 else {"prefix": "layer_"}

    def holding(attribute):
        class Foo(mx.gluon.HybridBlock):
            def __init__(self):
                super().__init__()
                with nullcontext() if GLUON_2 else self.name_scope():
                    setattr(self, attribute, nn.Dense(2, in_units=3, **named))

        return Foo()

    save(filled(holding("l1")), path)
    (first, *_) = proposed(holding("l2"), path)
    assert (first.strip, first.add, first.scheme, first.fits, first.of) == ("l1.", "l2.", "paths", 2, 2)
    net = holding("l2")
    assert executed(first.call, net, path) == constant(net, 3.0)


def test_a_file_of_the_whole_for_a_part_of_it(path):
    whole = nn.HybridSequential()
    whole.add(mlp(), nn.Dense(1, in_units=2))
    save(filled(whole), path)
    (first, *_) = proposed(mlp(), path)
    assert (first.strip, first.add, first.scheme) == ("0.", "", "paths")
    net = mlp()
    assert executed(first.call, net, path) == constant(net, 3.0)


def test_a_file_of_a_part_for_the_whole(path):
    """apache/mxnet#12334: the features of another network; their file goes into the child."""

    def whole():
        net = nn.HybridSequential()
        net.add(mlp(), nn.Dense(1, in_units=2))
        return net

    save(filled(mlp()), path)
    first = next(each for each in proposed(whole(), path) if each.scheme == "paths")
    assert first.call == f"net[0].load_parameters({path!r})" and (first.fits, first.of) == (4, 6)
    net = whole()
    assert executed(first.call, net, path) == {k: v for k, v in constant(net, 3.0).items() if k.startswith("0.")}


@pytest.mark.mxnet1("global names of parameters")
def test_mxnet_10601_19257(path):
    """apache/mxnet#10601, #19257: `load_parameters` puts the prefix a second time before what `export` wrote."""
    net = filled(mlp(prefix="net_"))
    net.hybridize()
    net(nd.ones((1, 3)))
    net.export(path)
    exported = path + "-0000.params"
    assert all(name.startswith("arg:net_") for name in inspect(exported).live)
    assert ik.compare(net, exported).same
    (first, *_) = proposed(mlp(prefix="net_"), exported)
    assert first.call == f"net.collect_params().load({exported!r})"
    again = mlp(prefix="net_")
    assert executed(first.call, again, path) == constant(again, 3.0)
    (first, *_) = proposed(mlp(prefix="other_"), exported)
    assert (first.strip, first.add, first.scheme) == ("net_", "other_", "names")
    again = mlp(prefix="other_")
    assert executed(first.call, again, path) == constant(again, 3.0)


def test_a_file_of_paths_with_too_much_for_a_renamed_child(path):
    whole = nn.HybridSequential()
    whole.add(nn.Dense(1, in_units=2), mlp())
    save(filled(whole), path)

    class Wrapped(mx.gluon.HybridBlock):
        def __init__(self):
            super().__init__()
            self.body = mlp()

    (first, *_) = proposed(Wrapped(), path)
    assert (first.strip, first.add) == ("1.", "body.")
    net = Wrapped()
    assert executed(first.call, net, path) == constant(net, 3.0)


def test_a_proposal_casts_where_it_must_and_ignores_what_is_left(path):
    net = filled(mlp(units=(4, 2, 2)))
    net.cast("float16")
    whole = nn.HybridSequential()
    whole.add(net)
    save(whole, path)
    (first, *_) = proposed(mlp(), path)
    assert first.call.endswith(", ignore_extra=True, cast_dtype=True)")
    net = mlp()
    assert executed(first.call, net, path) == constant(net, 3.0)


def test_nothing_is_proposed_where_nothing_fits(path):
    save(filled(mlp(units=(9,))), path)
    assert ik.compare(mlp(), path).load.prefixes == ()


def test_mxnet_19635_gluon_cv_1561(path):
    """apache/mxnet#19635, dmlc/gluon-cv#1561: "Parameter 'data1' is missing in file": an input that nobody named."""
    out = mx.sym.FullyConnected(mx.sym.var("data0"), num_hidden=2, name="fc") + mx.sym.var("data1")
    with classic():
        mx.nd.save(path, {"arg:fc_weight": mx.nd.ones((2, 3)), "arg:fc_bias": mx.nd.ones((2,))})
    out.save(path + ".json")
    with pytest.raises(AssertionError, match="Parameter 'data1' is missing in '?file"):
        mx.gluon.SymbolBlock.imports(path + ".json", ["data0"], path)
    net = mx.gluon.SymbolBlock(out, [mx.sym.var("data0")])
    forecast = foretold_and_done(net, path)
    assert dict(forecast.verdicts) == {"data1": "missing", "fc_weight": "loads", "fc_bias": "loads"}
    assert "inputs" in forecast.reason
    assert foretold_and_done(mx.gluon.SymbolBlock(out, [mx.sym.var("data0"), mx.sym.var("data1")]), path).loads


def test_real_networks(path):
    """A backbone for 1000 classes into a network for 10: what would be refused, before anything is touched."""
    vision = mx.gluon.model_zoo.vision
    source = filled(vision.mobilenet_v2_0_25())
    source(nd.ones((1, 3, 32, 32)))
    save(source, path)
    net = vision.mobilenet_v2_0_25(classes=10)
    forecast = foretold_and_done(net, path)
    refused = [name for name, verdict in forecast.verdicts if verdict != "loads"]
    assert refused == ["output.0.weight"]
    assert len(forecast.partial) == len(forecast.verdicts) - 1
    net = vision.mobilenet_v2_0_25()
    assert foretold_and_done(net, path).loads and ik.compare(net, path).same


@pytest.mark.parametrize("make", [lambda: mlp(), lambda: nn.Dense(4, in_units=3)])
def test_what_only_has_to_be_cast_needs_no_other_file(make, tmp_path):
    path = str(tmp_path / "half.params")
    half, net = filled(make(), 2.0), filled(make(), 7.0)
    half.cast("float16")
    half.save_parameters(path)
    (first, *_) = ik.compare(net, path).load.prefixes
    assert first.call == f"net.load_parameters({path!r}, cast_dtype=True)"
    assert executed(first.call, net, path) == constant(net, 2.0)
