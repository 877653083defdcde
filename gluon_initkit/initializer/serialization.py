"""An initializer's configuration: the arguments it was constructed with, as JSON.

MXNet compares and writes initializers by what they passed to ``super().__init__``, which most classes forget; and an
array among it breaks `hybridize` ("not JSON serializable"). Here the arguments are recorded when the object is made.
"""

import inspect
import json
from typing import Any, Dict, Optional

import numpy

from .._mxnet import mx

__all__ = ["as_json", "call_of", "constructor_arguments", "shown", "writable", "written"]


def constructor_arguments(cls: type, args: tuple, kwargs: dict) -> Optional[Dict[str, Any]]:
    """The keyword arguments that would construct the same object again; None where keywords cannot say it."""
    try:
        signature = inspect.signature(getattr(cls, "__init__"))  # noqa: B009
        bound = signature.bind(None, *args, **kwargs)
    except (TypeError, ValueError):
        return None  # copy and pickle make the object without arguments; a wrong call fails in __init__, clearer
    bound.apply_defaults()
    arguments: Dict[str, Any] = {}
    for name, parameter in list(signature.parameters.items())[1:]:
        value = bound.arguments[name]
        if parameter.kind is parameter.VAR_KEYWORD:
            arguments.update(value)
        elif parameter.kind in (parameter.VAR_POSITIONAL, parameter.POSITIONAL_ONLY):
            if value:
                return None
        else:
            arguments[name] = value
    return arguments


def as_json(value: Any) -> str:
    """JSON of a configuration: arrays as nested lists, initializers as their own dumps, anything else by its repr."""
    return json.dumps(value, default=_plain)


def _plain(value: Any) -> Any:
    if isinstance(value, mx.nd.NDArray):
        return value.asnumpy().tolist()
    if isinstance(value, (numpy.ndarray, numpy.generic)):
        return value.tolist()
    if isinstance(value, mx.init.Initializer):
        return written(value) if isinstance(value, mx.init.Constant) else value.dumps()
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    return repr(value)


def written(initializer: Any) -> str:
    """What an initializer, MXNet's or ours, is compared and shown by.

    Not MXNet's ``Constant.dumps``, which replaces the array that it holds by a list; nor a dumps that raises.
    """
    if isinstance(initializer, mx.init.Constant):
        return as_json(["constant", {"value": initializer.value}])
    try:
        return initializer.dumps()
    except TypeError:
        return as_json([type(initializer).__name__.lower(), vars(initializer)])


class Constant(mx.init.Constant):
    """MXNet's, with a `dumps` that writes lists and NumPy's numbers too, and an array more than once.

    A layer's own initializer is written when it is hybridized or exported, and on MXNet 2 whenever its values are read.
    """

    def dumps(self) -> str:
        """The JSON of MXNet's ``Constant``."""
        return written(self)


def writable(initializer: Any) -> Any:
    """The same initializer, where MXNet's `Constant` could not be written."""
    if type(initializer) is mx.init.Constant and not isinstance(initializer.value, (int, float)):
        return Constant(initializer.value)
    return initializer


def shown(initializer: Any) -> str:
    """An initializer as a reader would type it, ``Normal(sigma=0.01)``; long arguments are shortened."""
    if "__repr__" in {name for cls in type(initializer).__mro__[:-1] for name in vars(cls)}:
        return repr(initializer)
    return call_of(type(initializer).__name__, json.loads(written(initializer))[1])


def call_of(name: str, arguments: Dict[str, Any]) -> str:
    """``name(key=value, ...)``."""
    texts = ((key, repr(value)) for key, value in arguments.items())
    return f"{name}({', '.join(f'{key}={text if len(text) <= 40 else text[:37] + chr(8230)}' for key, text in texts)})"
