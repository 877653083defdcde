"""`corrected`: the corrected dispatch for an initializer whose class one cannot edit."""

from typing import Any, List

from .._mxnet import mx
from ..naming import ParameterInfo
from .base import Initializer
from .choosing import Decision, base_choice
from .configuration import shown

__all__ = ["Corrected", "as_initializer", "corrected"]


def corrected(initializer: Any) -> Initializer:
    """An initializer that calls every hook which `initializer`'s class defines, and its weight hook for weights only.

    Parameters
    ----------
    initializer : mx.init.Initializer or str
        Any of MXNet's, a user's own, a registered name, or the JSON of ``dumps()``.

    Returns
    -------
    gluon_initkit.Initializer
        `initializer` itself where it is one of ours already.

    Raises
    ------
    TypeError
        It is no initializer (``mx.init.Mixed`` and ``mx.init.Load`` are none: use `Rules`).
    ValueError
        No initializer is registered under that name.

    Examples
    --------
    >>> net = mx.gluon.nn.BatchNorm(in_channels=2)
    >>> net.initialize(corrected(mx.init.Xavier()))
    >>> net.running_var.data().asnumpy().tolist()
    [1.0, 1.0]
    """
    made = as_initializer(initializer)
    return made if isinstance(made, Initializer) else Corrected(made)


class Corrected(Initializer):
    """What `corrected` returns: the inner initializer's own hooks, the corrected base's for the rest."""

    _registered_name = "gluon_initkit.corrected"

    def __init__(self, initializer: Any) -> None:
        super().__init__()
        self.initializer = as_initializer(initializer)

    def _choose(self, info: ParameterInfo, layer_default: Any) -> Decision:
        return base_choice(self, self.initializer, info, layer_default)

    def _targets(self) -> List[Any]:
        return [self.initializer]

    def __repr__(self) -> str:
        return f"corrected({shown(self.initializer)})"


mx.init.alias(Corrected._registered_name)(Corrected)


def as_initializer(value: Any) -> Any:
    """An MXNet initializer from an instance, a registered name or its JSON; a clear error otherwise."""
    if isinstance(value, mx.init.Initializer):
        return value
    if isinstance(value, str):
        try:
            return mx.init.create(value)
        except Exception as error:
            raise ValueError(
                f"no initializer is registered under the name {value!r} ({error}). "
                f"Register its class with @mx.init.register, or pass an instance such as mx.init.Xavier()."
            ) from error
    if isinstance(value, (mx.init.Mixed, mx.init.Load)):
        raise TypeError(
            f"mx.init.{type(value).__name__} is no Initializer and Gluon refuses it; "
            f"write gluon_initkit.Rules([(selector, initializer or array), ...], default=...) instead."
        )
    hint = " It is a class: make an instance of it." if isinstance(value, type) else ""
    text = f"the network {type(value).__name__}" if isinstance(value, mx.gluon.Block) else f"{value!r:.200}"
    raise TypeError(f"expected an initializer (an instance, a registered name or its JSON), found {text}.{hint}")
