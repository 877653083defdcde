"""`Description`: what a hook is told of the parameter it fills. MXNet's `InitDesc`, with a role and a path.

It also is the mark that the role has been read already: MXNet itself only ever makes plain `InitDesc`s, so a hook that
gets one comes straight from Gluon, and one that gets a `Description` was chosen by us or called through ``super()``.
"""

from typing import Any, Optional

from .._mxnet import mx, place_of
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
    _info: ParameterInfo
    _param: Any

    def __new__(cls, desc: Any, info: ParameterInfo, param: Any) -> "Description":
        attrs = {key: value for key, value in desc.attrs.items() if key != "__init__"}
        made = super().__new__(cls, desc, attrs, desc.global_init)
        made.role, made._info, made._param = info.role, info, param
        return made

    @property
    def path(self) -> Optional[str]:
        """The canonical path. Looked for when asked: a parameter initialized by itself leads to no network."""
        if self._info.path is None and self._param is not None:
            place = place_of(self._param)
            return None if place is None else place.paths[0]
        return self._info.path

    @property
    def label(self) -> str:
        """How messages call the parameter: by path, else by MXNet's name."""
        return self.path or str(self)
