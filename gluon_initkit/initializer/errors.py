"""The error of `initialize` and of everything around it."""

from .._mxnet import mx
from ..display import KitError


class InitializationError(KitError, mx.MXNetError, ValueError):
    """A parameter could not be filled: no initializer serves it, or the hook that serves it failed.

    Plain MXNet raises `MXNetError` and `ValueError` in the same places, so older ``except`` clauses go on working. The
    message names the parameter's path, what was found, and what mends it.
    """
