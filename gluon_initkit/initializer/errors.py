"""The one error of this module."""

from .._mxnet import mx
from ..display import KitError

__all__ = ["InitializationError"]


class InitializationError(KitError, mx.MXNetError, ValueError):
    """A parameter could not be filled: nothing serves it, or the hook that does failed.

    It is an `MXNetError` and a `ValueError`, which plain MXNet raises in the same places, so older ``except`` clauses
    go on working. The message names the parameter's path, what was found, and what mends it.

    Examples
    --------
    >>> issubclass(InitializationError, ValueError)
    True
    """
