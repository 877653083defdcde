"""Making several parameters one: whose values and initializer the kept one has afterwards, and the change itself."""

import math
from typing import Any, List, NamedTuple, Optional, Sequence, Tuple

import numpy

from .._mxnet.arrays import bits_of, wait_for
from .._mxnet.interrupts import interrupts_held
from .._mxnet.parameter import allows_deferral, arrays_of, contexts_of, state_of
from .._mxnet.state import restoring
from .._mxnet.ties import copy_state, exchange, mean_arrays, redeclare, replace_arrays
from ..parameters import named_memory_errors
from .checks import has_chosen_initializer, merged_shape
from .errors import SharingError
from .merge import Member, TieGroup
from .report import SharingRow

__all__ = ["apply_ties", "report_row"]


class _Outcome(NamedTuple):
    """What a group's parameter will be."""

    shape: Optional[Tuple[Optional[int], ...]]
    initialized: List[Member]
    differing: Tuple[Member, ...]  # the initialized members whose values are not the first's
    chosen: Optional[Member]  # whose initializer it has: one that somebody chose, else a layer's default
    source: Optional[Member]  # whose values it has: the first that has any, else the first that will have


def _outcome(group: TieGroup) -> _Outcome:
    initialized = [member for member in group.members if arrays_of(member.param)]
    differing = []
    if len(initialized) > 1:
        first, *others = ((member, bits_of(arrays_of(member.param)[0], member.transposed)) for member in initialized)
        differing = [member for member, bits in others if bits != first[1]]
    declared = [member for member in group.members if member.param.init is not None]
    chosen = next((member for member in declared if has_chosen_initializer(member.param)), next(iter(declared), None))
    pending = [member for member in group.members if state_of(member.param) == "deferred"]
    source = initialized[0] if initialized else chosen if chosen in pending else next(iter(pending), None)
    return _Outcome(merged_shape(group)[0], initialized, tuple(differing), chosen, source)


def report_row(group: TieGroup, values: str) -> SharingRow:
    """What will become of a group that nothing speaks against."""
    outcome = _outcome(group)
    averaged = values == "average" and bool(outcome.differing)
    dtype = numpy.dtype(group.kept.param.dtype)
    size = dtype.itemsize * math.prod(size or 0 for size in (outcome.shape if outcome.shape is not None else (0,)))
    return SharingRow(
        group=group.group,
        shape=outcome.shape,
        dtype=dtype.name,
        saved=size * sum(len(contexts_of(member.param) or (None,)) for member in group.dropped),
        dropped=tuple(member.path for member in outcome.differing),
        values_from=None if outcome.source is None or averaged else outcome.source.path,
    )


def apply_ties(net: Any, groups: Sequence[TieGroup], values: str) -> None:
    """Make the members of every group one parameter; where anything fails, nothing has changed."""
    groups = [group for group in groups if group.dropped]  # the others are as they shall be
    if not groups:
        return
    moves = [move for group in groups for move in group.moves()]
    # An interrupt between the two would put values back, and leave the ties.
    with interrupts_held(), restoring([group.kept.param for group in groups]), exchange(net, moves):
        for group in groups:
            kept = group.kept
            with named_memory_errors(kept.path, kept.param, SharingError):
                outcome = _outcome(group)
                init = kept.param.init if outcome.chosen is None else outcome.chosen.param.init
                redeclare(kept.param, outcome.shape, init, any(allows_deferral(each.param) for each in group.members))
                if outcome.source is not None and outcome.source is not kept:
                    copy_state(kept.param, outcome.source.param, outcome.source.transposed)
                if values == "average" and outcome.differing:
                    means = mean_arrays([(member.param, member.transposed) for member in outcome.initialized])
                    replace_arrays(kept.param, means)
                wait_for(arrays_of(kept.param))
