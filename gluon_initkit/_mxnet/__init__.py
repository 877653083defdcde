"""Everything of MXNet that is private to it, or differs between its versions, and nothing else.

The only folder that touches a private attribute of MXNet. Importing it imports MXNet, repaired where that is needed.
"""

from typing import Any

from .importing import import_mxnet

mx: Any = import_mxnet()

from .arrays import classic, is_numpy_array, prefill, unwritten  # noqa: E402
from .blocks import Place, places  # noqa: E402
from .calls import network_of, parameter_being_filled, place_of  # noqa: E402
from .constructors import channel_axis, class_name, construction  # noqa: E402
from .finishing import finish, pending_contexts, run_forward  # noqa: E402
from .inference import run_on_symbols  # noqa: E402
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
from .strict import NeedsNumbers  # noqa: E402
from .symbolic_run import Call, Shapes, SymbolicRun  # noqa: E402
from .undisturbed import blocks_of, undisturbed  # noqa: E402

__all__ = [
    "Call",
    "NeedsNumbers",
    "Place",
    "Shapes",
    "SymbolicRun",
    "blocks_of",
    "channel_axis",
    "class_name",
    "classic",
    "commit",
    "construction",
    "context_of",
    "draw_seed",
    "empty",
    "finish",
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
    "keyed_generators",
    "kvstore_of",
    "leave_pending",
    "may_defer",
    "mx",
    "network_of",
    "parameter_being_filled",
    "pending_contexts",
    "pending_initializer",
    "place_of",
    "places",
    "prefill",
    "refilled",
    "refuses_context",
    "restore",
    "run_forward",
    "run_on_symbols",
    "shape_of",
    "snapshot",
    "stale_gradients",
    "state_of",
    "undisturbed",
    "unwritten",
    "view",
]
