"""Everything of MXNet that is private to it, or differs between its versions, and nothing else.

The only folder that touches a private attribute of MXNet. Importing it imports MXNet, repaired where that is needed.
"""

from typing import Any

from .importing import import_mxnet

mx: Any = import_mxnet()

from .arrays import classic, is_numpy_array, prefill, unwritten  # noqa: E402
from .blocks import Place, places  # noqa: E402
from .calls import network_of, parameter_being_filled, place_of  # noqa: E402
from .parameters import is_constant, is_layer_default, pending_initializer, shape_of, state_of  # noqa: E402

__all__ = [
    "Place",
    "classic",
    "import_mxnet",
    "is_constant",
    "is_layer_default",
    "is_numpy_array",
    "mx",
    "network_of",
    "parameter_being_filled",
    "pending_initializer",
    "place_of",
    "places",
    "prefill",
    "shape_of",
    "state_of",
    "unwritten",
]
