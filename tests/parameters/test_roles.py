"""Roles are read from the end of a name, as MXNet's own Initializer.__call__ reads them."""

import gluon_initkit  # noqa: F401
from gluon_initkit.parameters import ROLES, role_of
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
        ("", "default"),
    ],
)
def test_role_of(name, role):
    assert role_of(name) == role and role in ROLES


@pytest.mark.parametrize("ending", ["weight", "bias", "gamma", "beta"])
def test_mxnets_own_call_agrees(ending):
    class Asked(mx.init.Initializer):
        def __getattribute__(self, name):
            if name.startswith("_init_"):
                return lambda desc, arr: arr.__setitem__(slice(None), hash(name) % 1000)
            return super().__getattribute__(name)

    arr = mx.nd.zeros(3)
    Asked()(mx.init.InitDesc(f"layer0_{ending}"), arr)
    assert (arr.asnumpy() == hash(f"_init_{role_of(f'layer0_{ending}')}") % 1000).all()
