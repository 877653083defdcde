"""Everything of MXNet that is private to it, or differs between its versions, and nothing else.

The only folder that touches a private attribute of MXNet. Importing it imports MXNet, repaired where that is needed.
"""

from typing import Any

from ..importing import import_mxnet

mx: Any = import_mxnet()

from .arrays import bits_of, classic, dtype_name, is_numpy_array, prefill, unwritten  # noqa: E402
from .blocks import Place, blocks_of, laid_out, places, traversed, walk  # noqa: E402
from .calls import network_of, parameter_being_filled, place_of, remember  # noqa: E402
from .constructors import channel_axis, class_name, construction  # noqa: E402
from .containers import blocks_in_containers  # noqa: E402
from .donors import (  # noqa: E402
    averaged,
    declared,
    extras_of,
    fixes_gamma,
    forget_trainers,
    own_copy,
    redeclare,
    renew,
    restoring,
    take_over,
    trained,
)
from .files import (  # noqa: E402
    contexts_for,
    forget_graphs,
    put,
    read_arrays,
    recast,
    saved_value,
    stored_as,
    write_arrays,
)
from .finishing import finish, pending_contexts, run_forward  # noqa: E402
from .inference import run_on_symbols  # noqa: E402
from .initializers import base_arguments, is_verbose, say_filled  # noqa: E402
from .interrupts import interrupts_held  # noqa: E402
from .loading import loaded_by_path, unknown_size  # noqa: E402
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
from .names import fresh_names  # noqa: E402
from .parameters import (  # noqa: E402
    contexts_asked,
    contexts_of,
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
from .reading import (  # noqa: E402
    freshness,
    holds_gradients,
    host_values,
    memory_of,
    pending_data,
    storage_of,
    trained_by,
    updates_of,
)
from .scopes import blocks_built  # noqa: E402
from .seen import see  # noqa: E402
from .strict import NeedsNumbers  # noqa: E402
from .symbolic_run import Call, Shapes, SymbolicRun  # noqa: E402
from .telling import quietly, tell  # noqa: E402
from .transposed import Transposed, source_of  # noqa: E402
from .tying import Move, Slot, exchange, in_containers, slots  # noqa: E402
from .underway import ArrayGiven, BlockCall, ValueGiven, given_to, is_plain_forward  # noqa: E402
from .undisturbed import one_at_a_time, undisturbed  # noqa: E402
from .version import (  # noqa: E402
    RESET,
    Context,
    FusedRNN,
    completed,
    contexts_held,
    current_context,
    declaration,
    defers_always,
    fused_parts,
    infers_shapes,
    loaded_by_name,
    loaded_onto,
    loading_renamed,
    part_named,
    prefix_of,
    refusal,
    said_role,
    unnamed,
)
from .warning import warn  # noqa: E402
from .watching import Watch  # noqa: E402

__all__ = [
    "RESET",
    "ArrayGiven",
    "BlockCall",
    "Call",
    "Context",
    "FusedRNN",
    "Move",
    "NeedsNumbers",
    "Place",
    "Shapes",
    "Slot",
    "SymbolicRun",
    "Transposed",
    "ValueGiven",
    "Watch",
    "averaged",
    "base_arguments",
    "bits_of",
    "blocks_built",
    "blocks_in_containers",
    "blocks_of",
    "channel_axis",
    "class_name",
    "classic",
    "commit",
    "completed",
    "construction",
    "context_of",
    "contexts_asked",
    "contexts_for",
    "contexts_held",
    "contexts_of",
    "current_context",
    "declaration",
    "declared",
    "defers_always",
    "draw_seed",
    "dtype_name",
    "empty",
    "exchange",
    "extras_of",
    "finish",
    "fits",
    "fixes_gamma",
    "forget_graphs",
    "forget_trainers",
    "fresh_names",
    "freshness",
    "fused_parts",
    "given_to",
    "gradients",
    "hand_over",
    "holds_data",
    "holds_gradients",
    "host_values",
    "in_containers",
    "in_mode",
    "infers_shapes",
    "interrupts_held",
    "is_constant",
    "is_host",
    "is_layer_default",
    "is_numpy_array",
    "is_plain_forward",
    "is_verbose",
    "keyed_generators",
    "known_sizes",
    "kvstore_of",
    "laid_out",
    "leave_pending",
    "loaded_by_name",
    "loaded_by_path",
    "loaded_onto",
    "loading_renamed",
    "may_defer",
    "memory_of",
    "mx",
    "network_of",
    "one_at_a_time",
    "own_copy",
    "parameter_being_filled",
    "part_named",
    "pending_contexts",
    "pending_data",
    "pending_initializer",
    "place_of",
    "places",
    "prefill",
    "prefix_of",
    "put",
    "quietly",
    "read_arrays",
    "recast",
    "redeclare",
    "refilled",
    "refusal",
    "refuses_context",
    "remember",
    "renew",
    "restore",
    "restoring",
    "run_forward",
    "run_on_symbols",
    "said_role",
    "saved_value",
    "say_filled",
    "see",
    "shape_of",
    "slots",
    "snapshot",
    "source_of",
    "stale_gradients",
    "state_of",
    "storage_of",
    "stored_as",
    "take_over",
    "tell",
    "trained",
    "trained_by",
    "traversed",
    "undisturbed",
    "unknown_size",
    "unnamed",
    "unwritten",
    "updates_of",
    "view",
    "walk",
    "warn",
    "write_arrays",
]
