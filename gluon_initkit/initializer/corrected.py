"""`corrected`: the corrected dispatch for an initializer whose class one cannot edit."""

from collections.abc import Mapping
from numbers import Real
from typing import Any

import numpy

from .._mxnet import backend, mx
from ..display import printable
from ..parameters import did_you_mean
from .initializer import Initializer
from .serialization import initializer_text

__all__ = ["as_initializer", "corrected"]


def corrected(initializer: Any) -> Initializer:
    """An initializer that calls every hook which `initializer`'s class defines, and its weight hook for weights only.

    Parameters
    ----------
    initializer : mx.init.Initializer or str
        Any of MXNet's, a user's own, a registered name, or the JSON of ``dumps()``. One of the kit's is returned as is.

    Examples
    --------
    >>> net = mx.gluon.nn.BatchNorm(in_channels=2)
    >>> net.initialize(corrected(mx.init.Xavier()))
    >>> net.running_var.data().asnumpy().tolist()
    [1.0, 1.0]
    """
    initializer = as_initializer(initializer)
    return initializer if isinstance(initializer, Initializer) else Corrected(initializer)


class Corrected(Initializer):
    """What `corrected` returns: the inner initializer's own hooks, and the corrected base class's for the rest."""

    _registered_name = "gluon_initkit.corrected"

    def __init__(self, initializer: Any) -> None:
        super().__init__()
        self.initializer = self._wrapped = as_initializer(initializer)

    def __repr__(self) -> str:
        return f"corrected({initializer_text(self.initializer)})"


mx.init.alias(Corrected._registered_name)(Corrected)


def as_initializer(value: Any) -> Any:
    """The initializer that an instance, a registered name or its JSON stands for; a clear error for anything else."""
    if isinstance(value, mx.init.Initializer):
        return value
    if isinstance(value, str):
        try:
            return mx.init.create(value)
        except Exception as error:
            raise ValueError(
                f"no initializer is registered under the name {value!r} ({printable(str(error))}); "
                f"{printable(_did_you_mean(value))} Register a class of your own with @mx.init.register, or pass an "
                f"instance such as mx.init.Xavier()."
            ) from error
    text = f"the network {type(value).__name__}" if isinstance(value, mx.gluon.Block) else f"{value!r:.200}"
    found = printable(f"{text}.{_instead_of(value)}")
    raise TypeError(f"expected an initializer (an instance, a registered name or its JSON), found {found}")


# Parts of what other libraries call their initializers, and what these are here.
_ELSEWHERE = {
    "xavier": "mx.init.Xavier()",
    "glorot": "mx.init.Xavier()",
    "kaiming": "mx.init.MSRAPrelu()",
    "he_": "mx.init.MSRAPrelu()",
    "lecun": "gluon_initkit.VarianceScaling(1, 'fan_in')",
    "trunc": "gluon_initkit.TruncatedNormal()",
    "variance": "gluon_initkit.VarianceScaling()",
    "eye": "gluon_initkit.Identity()",
    "const": "mx.init.Constant(value)",
}


def _did_you_mean(name: str) -> str:
    for word, here in _ELSEWHERE.items():
        if word in name.lower():
            return f"did you mean {here}?"
    return did_you_mean(name.lower(), sorted(mx.registry.get_registry(mx.init.Initializer)))


def _instead_of(value: Any) -> str:
    """What to write instead of a value that is no initializer."""
    if isinstance(value, (mx.init.Mixed, mx.init.Load)):
        return (f" mx.init.{type(value).__name__} is no Initializer and Gluon refuses it; write "
                f"gluon_initkit.Rules([(selector, initializer or array), ...], default=...) instead.")  # fmt: skip
    if isinstance(value, type):
        return " It is a class: make an instance of it."
    pairs = list(value.items()) if isinstance(value, Mapping) else value
    if isinstance(pairs, (list, tuple)) and pairs and all(map(_is_rule, pairs)):
        text = repr(pairs)
        text = text if len(text) <= 80 else "[(selector, initializer), ...]"
        return f" For initializers by parameter, write gluon_initkit.Rules({text}, default=...)."
    if isinstance(value, Real) and not isinstance(value, bool):
        return f" For one number everywhere, write mx.init.Constant({float(value)!r})."
    if isinstance(value, (list, tuple, numpy.ndarray, mx.nd.NDArray)):
        return (" For values of one parameter, write gluon_initkit.Rules([(path, mx.init.Constant(array)), ...], "
                "default=...).")  # fmt: skip
    if isinstance(value, backend.Context):
        return " It says where: write ctx= before it."
    if callable(value) and not isinstance(value, mx.gluon.Block):
        return (" For a function of your own, derive a class from gluon_initkit.Initializer, with "
                "_init_weight(self, desc, arr).")  # fmt: skip
    return ""


def _is_rule(value: Any) -> bool:
    return isinstance(value, (list, tuple)) and len(value) == 2 and not isinstance(value[0], (Real, list))
