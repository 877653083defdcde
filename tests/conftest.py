"""What every test shares."""
import gluon_initkit  # noqa: F401  (before mxnet, which it makes importable)
import mxnet as mx
import pytest


@pytest.fixture(autouse=True)
def _back_to_classic():
    yield
    mx.npx.reset_np()
