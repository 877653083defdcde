"""An initializer's configuration: the arguments that it was constructed with, as JSON and as a reader would type them.

MXNet compares and writes initializers by what they passed to ``super().__init__``, which most classes forget; and an
array among it breaks `hybridize` ("not JSON serializable"). Here the arguments are recorded when the object is made.
"""

import inspect
import json
from typing import Any, Dict, Optional

import numpy

from .._mxnet import mx


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
    return json.dumps(value, default=_as_plain)


def _as_plain(value: Any) -> Any:
    if isinstance(value, mx.nd.NDArray):
        return value.asnumpy().tolist()
    if isinstance(value, (numpy.ndarray, numpy.generic)):
        return value.tolist()
    if isinstance(value, mx.init.Initializer):
        return dump(value) if isinstance(value, mx.init.Constant) else value.dumps()
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    return repr(value)


def dump(initializer: Any) -> str:
    """The JSON by which an initializer, MXNet's or the kit's, is compared and shown.

    MXNet's ``Constant.dumps`` is not used: it replaces the array that it holds by a list. Some ``dumps`` raise.
    """
    if isinstance(initializer, mx.init.Constant):
        return as_json(["constant", {"value": initializer.value}])
    try:
        return initializer.dumps()
    except TypeError:
        return as_json([type(initializer).__name__.lower(), vars(initializer)])


class Constant(mx.init.Constant):
    """MXNet's, with a `dumps` that writes lists and NumPy's numbers too, and an array more than once.

    MXNet writes a layer's own initializer when the layer is hybridized; MXNet 2 whenever its values are read.
    """

    def dumps(self) -> str:
        """The JSON of MXNet's ``Constant``."""
        return dump(self)


def serializable(initializer: Any) -> Any:
    """The same initializer, as the kit's `Constant` where MXNet's could not be written."""
    if type(initializer) is mx.init.Constant and not isinstance(initializer.value, (int, float)):
        return Constant(initializer.value)
    return initializer


def initializer_text(initializer: Any) -> str:
    """An initializer as a reader would type it, ``Normal(sigma=0.01)``; long arguments are shortened."""
    if any("__repr__" in vars(cls) for cls in type(initializer).__mro__[:-1]):
        return repr(initializer)
    return call_text(type(initializer).__name__, json.loads(dump(initializer))[1])


def call_text(name: str, arguments: Dict[str, Any]) -> str:
    """``name(key=value, ...)``."""
    texts = ((key, repr(value)) for key, value in arguments.items())
    return f"{name}({', '.join(f'{key}={text if len(text) <= 40 else text[:37] + chr(8230)}' for key, text in texts)})"
