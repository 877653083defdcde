"""Making several parameters one: whose values and initializer the kept one has afterwards, and the change itself.

The decision is taken once, from what the members hold and declare; the report tells it and the change carries it out.
"""

import gc
from typing import Any, List, Optional, Sequence, Tuple

import numpy

from .._mxnet.arrays import bits_of, wait_to_read
from .._mxnet.interrupts import interrupts_held
from .._mxnet.parameter import allows_deferral, arrays_of, contexts_of, state_of
from .._mxnet.state import restoring
from .._mxnet.ties import copy_state, exchange, mean_arrays, redeclare, replace_arrays
from ..parameters import named_memory_errors
from .checks import explicit, shape_together
from .errors import SharingError
from .merged import Member, Merged
from .report import SharingRow

__all__ = ["change", "row_of"]


def row_of(each: Merged, values: str) -> SharingRow:
    """What will become of one group, that nothing speaks against."""
    shape, _ = shape_together(each)
    source = _source(each)
    others = _others(each)
    mean = values == "average" and bool(others)
    dtype = numpy.dtype(each.kept.param.dtype)
    size = dtype.itemsize
    for each_size in (0,) if shape is None else shape:
        size *= each_size or 0  # not known yet
    return SharingRow(
        group=each.group,
        shape=shape,
        dtype=dtype.name,
        saved=size * sum(len(contexts_of(member.param) or (None,)) for member in each.dropped),
        dropped=tuple(member.path for member in others),
        values_from=None if source is None or mean else source.path,
    )


def change(net: Any, groups: Sequence[Merged], values: str) -> Tuple[str, ...]:
    """Make the members of every group one parameter; where anything fails, nothing has changed.

    Returns the paths whose own Parameters another network still has.
    """
    groups = [each for each in groups if each.dropped]  # the others are as they shall be
    if not groups:
        return ()
    moves = [move for each in groups for move in each.moves()]
    # What is raised between the two would put values back, and leave the ties.
    with interrupts_held(), restoring([each.kept.param for each in groups]), exchange(net, moves) as outside:
        for each in groups:
            with named_memory_errors(each.kept.path, each.kept.param, SharingError):
                _settle(each, values)
                wait_to_read(arrays_of(each.kept.param))
    if outside:
        gc.collect()  # what was only waiting for it is no network
    return tuple(member.path for each in groups for member in each.dropped
                 if member.param in outside and outside[member.param]() is not None)  # fmt: skip


def _settle(each: Merged, values: str) -> None:
    """Give the kept parameter the shape, initializer and values of the group."""
    kept = each.kept.param
    source = _source(each)
    shape, _ = shape_together(each)
    mean = [(member.param, member.turned) for member in _initialized(each)] if values == "average" else []
    init = _initializer(each)
    defer = any(allows_deferral(member.param) for member in each.members)
    redeclare(kept, shape, kept.init if init is None else init.param.init, defer)
    if source is not None and source is not each.kept:
        copy_state(kept, source.param, source.turned)
    if mean and _others(each):
        replace_arrays(kept, mean_arrays(mean))


def _source(each: Merged) -> Optional[Member]:
    """Whose values the group has: the kept one's, else the first's that has any, else the first's that will have."""
    initialized = _initialized(each)
    if initialized:
        return initialized[0]
    pending = [member for member in each.members if state_of(member.param) == "deferred"]
    chosen = _initializer(each)
    return chosen if chosen in pending else next(iter(pending), None)


def _initializer(each: Merged) -> Optional[Member]:
    """Whose initializer the group has: one that somebody chose, else a layer's default."""
    declared = [member for member in each.members if member.param.init is not None]
    return next((member for member in declared if explicit(member.param)), next(iter(declared), None))


def _initialized(each: Merged) -> List[Member]:
    return [member for member in each.members if arrays_of(member.param)]


def _others(each: Merged) -> Tuple[Member, ...]:
    """The initialized members whose values are not the first's."""
    initialized = _initialized(each)
    if len(initialized) < 2:
        return ()
    first, *others = initialized
    same = bits_of(arrays_of(first.param)[0], first.turned)
    return tuple(member for member in others if bits_of(arrays_of(member.param)[0], member.turned) != same)
