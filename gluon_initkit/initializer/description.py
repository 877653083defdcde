"""`Description`: what a hook is told of the parameter it fills. MXNet's `InitDesc`, with a role and a path.

It also is the mark that the role has been read already: MXNet itself only ever makes plain `InitDesc`s, so a hook that
gets one comes straight from Gluon, and one that gets a `Description` was chosen by us or called through ``super()``.
"""

from typing import Any, Optional

import numpy

from .._mxnet import mx
from .._mxnet.frames import place_of
from .._mxnet.rng import draw_seed
from .._mxnet.tree import Place
from ..parameters import ParameterInfo
from .random.streams import generator, key_of

__all__ = ["Description"]


class Description(mx.init.InitDesc):
    """MXNet's name of a parameter (a `str`), with what else is known of it.

    Attributes
    ----------
    role : str
        What the parameter is for: ``'weight'``, ``'bias'``, ...
    path : str or None
        Its canonical path, ``'features.0.weight'``; None where it stands in no network.
    rng : numpy.random.Generator
        Random numbers that are the parameter's own: under ``ik.initialize`` a function of the seed and its path, the
        same on every machine; elsewhere seeded from MXNet's generator.
    key : bytes
        What `rng` starts from.
    param : Parameter or None
        The Gluon Parameter itself.
    axes : str
        What a weight's axes are: ``'OIHW'``, output, input, space.
    attrs : dict
        MXNet's attributes of the variable, without ``__init__``, which has been obeyed. For a class's own ``__call__``
        there stands what its ``super().__call__`` does.
    global_init : Initializer
        The network-level initializer.
    """

    role: str
    key: bytes
    _info: ParameterInfo
    _param: Any
    _rng: Optional[numpy.random.Generator] = None

    def __new__(cls, desc: Any, info: ParameterInfo, param: Any, key: Optional[bytes] = None) -> "Description":
        attrs = {key: value for key, value in desc.attrs.items() if key != "__init__"}
        made = super().__new__(cls, desc, attrs, desc.global_init)
        made.role, made._info, made._param = info.role, info, param
        if key is not None:
            made.key = key
        return made

    def __getattr__(self, name: str) -> Any:
        if name != "key":
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        self.key = key_of("drawn", draw_seed())
        return self.key

    @property
    def rng(self) -> numpy.random.Generator:
        """Random numbers that are the parameter's own."""
        if self._rng is None:
            self._rng = generator(self.key)
        return self._rng

    @property
    def param(self) -> Any:
        """The Gluon Parameter that is being filled; None where that is not known."""
        return self._param

    @property
    def path(self) -> Optional[str]:
        """The canonical path. Looked for when asked: a parameter initialized by itself leads to no network."""
        place = self._place()
        return self._info.path if place is None else place.paths[0]

    @property
    def axes(self) -> str:
        """What a weight's axes are."""
        place = self._place()
        return self._info.axes if place is None else place.axes

    def _place(self) -> Optional[Place]:
        return place_of(self._param) if self._info.path is None and self._param is not None else None

    @property
    def label(self) -> str:
        """How messages call the parameter: by path, else by MXNet's name."""
        return self.path or str(self)
