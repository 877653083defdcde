"""`Description`: what a hook is told of the parameter it fills. MXNet's `InitDesc`, with a role and a path.

It also is the mark that the role has been read already: MXNet itself only ever makes plain `InitDesc`s, so a hook that
gets one comes straight from Gluon, and one that gets a `Description` was chosen by us or called through ``super()``.
"""

from typing import Any

from .._mxnet import mx
from ..naming import ParameterInfo

__all__ = ["Description"]


class Description(mx.init.InitDesc):
    """MXNet's name of a parameter (a `str`), with what else is known of it.

    Attributes
    ----------
    role : str
        What the parameter is for: ``'weight'``, ``'bias'``, ...
    path : str or None
        Its canonical path, ``'features.0.weight'``; None where it stands in no network.
    attrs : dict
        MXNet's attributes of the variable, without ``__init__``, which has been obeyed.
    global_init : Initializer
        The network-level initializer.
    """

    role: str
    path: Any

    def __new__(cls, name: str, info: ParameterInfo, attrs: Any = None, global_init: Any = None) -> "Description":
        attrs = {key: value for key, value in (attrs or {}).items() if key != "__init__"}
        made = super().__new__(cls, name, attrs, global_init)
        made.role, made.path = info.role, info.path
        return made
