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
    known_sizes,
    kvstore_of,
    may_defer,
    pending_initializer,
    refuses_context,
    shape_of,
    state_of,
)
from .randomness import draw_seed, keyed_generators  # noqa: E402
from .telling import quietly, tell  # noqa: E402
from .underway import BlockCall, is_plain_forward  # noqa: E402
from .watching import Watch  # noqa: E402

__all__ = [
    "BlockCall",
    "Place",
    "Watch",
    "classic",
    "commit",
    "context_of",
    "draw_seed",
    "empty",
    "fits",
    "gradients",
    "hand_over",
    "holds_data",
    "import_mxnet",
    "in_mode",
    "is_constant",
    "is_host",
    "is_layer_default",
    "is_numpy_array",
    "is_plain_forward",
    "keyed_generators",
    "known_sizes",
    "kvstore_of",
    "leave_pending",
    "may_defer",
    "mx",
    "network_of",
    "parameter_being_filled",
    "pending_initializer",
    "place_of",
    "places",
    "prefill",
    "quietly",
    "refilled",
    "refuses_context",
    "restore",
    "shape_of",
    "snapshot",
    "stale_gradients",
    "state_of",
    "tell",
    "unwritten",
    "view",
]
