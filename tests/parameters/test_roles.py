"""Roles are read from the end of a name, as MXNet's own Initializer.__call__ reads them."""

import gluon_initkit as ik
import mxnet as mx
import pytest


@pytest.mark.parametrize(
    ("name", "role"),
    [
        ("dense0_weight", "weight"),
        ("lstm.i2h_bias", "bias"),
        ("_unfused.0.h2h_weight", "weight"),
        ("expand_bn0_moving_var", "running_var"),
        ("bn.moving_mean", "running_mean"),
        ("1.running_mean", "running_mean"),
        ("gamma", "gamma"),
        ("ln.beta", "beta"),
        ("prelu0_alpha", "default"),
        ("_", "default"),
        ("", "default"),
    ],
)
def test_a_role_is_read_from_the_end_of_a_name(name, role, tmp_path):
    assert role_in_a_file(tmp_path, name) == role


def role_in_a_file(folder, name):
    """The role of an array of this name: a file has nothing but names."""
    path = str(folder / "named.params")
    mx.nd.save(path, {name: mx.nd.ones(2)})
    return ik.inspect(path).records[0].role


@pytest.mark.parametrize("ending", ["weight", "bias", "gamma", "beta"])
def test_mxnets_own_call_agrees(ending, tmp_path):
    class Asked(mx.init.Initializer):
        def __getattribute__(self, name):
            if name.startswith("_init_"):
                return lambda desc, arr: arr.__setitem__(slice(None), hash(name) % 1000)
            return super().__getattribute__(name)

    arr = mx.nd.zeros(3)
    Asked()(mx.init.InitDesc(f"layer0_{ending}"), arr)
    assert (arr.asnumpy() == hash(f"_init_{role_in_a_file(tmp_path, f'layer0_{ending}')}") % 1000).all()
