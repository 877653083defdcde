"""The one error of this module."""

from .._mxnet import mx

__all__ = ["SharingError"]


class SharingError(mx.MXNetError, ValueError):
    """Parameters cannot be shared as asked, or are not shared as expected; nothing was changed.

    It is an `MXNetError` and a `ValueError`. The message names both paths, what was found, and what mends it.

    Examples
    --------
    >>> issubclass(SharingError, ValueError)
    True
    """
