"""A warning points at whoever called, past MXNet and the kit."""

from gluon_initkit.display import warn
import pytest


def calling(module):
    """A function of a module that calls what it is given, in a file that is named like the module."""
    return eval(compile("lambda call, *more: call(*more)", f"{module}.py", "eval"), {"__name__": module})


def where(call, *more):
    with pytest.warns(UserWarning, match="^said$") as caught:
        call(*more)
    return [each.filename for each in caught]


def test_mxnet_and_the_kit_are_passed_by_in_any_order():
    mxnet, kit = calling("mxnet.gluon.block"), calling("gluon_initkit.initializer.rules")
    assert where(warn, "said") == where(kit, warn, "said") == where(mxnet, kit, mxnet, warn, "said") == [__file__]


@pytest.mark.parametrize("module", ["their_layers", "mxnetlike", "gluon_initkit_tests", "__main__", ""])
def test_whatever_is_not_ours_is_the_user_s(module):
    assert where(calling("mxnet"), calling(module), calling("mxnet"), warn, "said") == [f"{module}.py"]
