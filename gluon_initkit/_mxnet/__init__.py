"""Everything of MXNet that is private to it, or differs between its versions, and nothing else.

The only folder that touches a private attribute of MXNet. Importing it imports MXNet, repaired where that is needed.
"""

from typing import Any

from .importing import import_mxnet

mx: Any = import_mxnet()

from .arrays import classic, is_numpy_array, prefill, unwritten  # noqa: E402
from .blocks import Place, places  # noqa: E402
from .calls import network_of, parameter_being_filled, place_of  # noqa: E402
from .memory import (  # noqa: E402
    commit,
    context_of,
    empty,
    fits,
    gradients,
    hand_over,
    in_mode,
    is_host,
    leave_pending,
    refilled,
    restore,
    snapshot,
    stale_gradients,
    view,
)
from .parameters import (  # noqa: E402
    holds_data,
    is_constant,
    is_layer_default,
    kvstore_of,
    may_defer,
    pending_initializer,
    refuses_context,
    shape_of,
    state_of,
)
from .randomness import draw_seed, keyed_generators  # noqa: E402
from .version import Context, FusedRNN, completed, current_context, fused_parts, part_named, said_role  # noqa: E402

__all__ = [
    "Context",
    "FusedRNN",
    "Place",
    "classic",
    "commit",
    "completed",
    "context_of",
    "current_context",
    "draw_seed",
    "empty",
    "fits",
    "fused_parts",
    "gradients",
    "hand_over",
    "holds_data",
    "import_mxnet",
    "in_mode",
    "is_constant",
    "is_host",
    "is_layer_default",
    "is_numpy_array",
    "keyed_generators",
    "kvstore_of",
    "leave_pending",
    "may_defer",
    "mx",
    "network_of",
    "parameter_being_filled",
    "part_named",
    "pending_initializer",
    "place_of",
    "places",
    "prefill",
    "refilled",
    "refuses_context",
    "restore",
    "said_role",
    "shape_of",
    "snapshot",
    "stale_gradients",
    "state_of",
    "unwritten",
    "view",
]
