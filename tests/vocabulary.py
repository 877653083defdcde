"""MXNet's words as the tests speak them, where versions say the same thing differently."""

import mxnet as mx

__all__ = ["VERSION"]

VERSION = tuple(int(part) for part in mx.__version__.split(".")[:2])
