"""What all parameters of a report come to, each counted once, however many paths lead to it and whoever else holds its
buffer. The values play no part: parameters of equal values in memory of their own are as many as they are.
"""

from dataclasses import dataclass
from typing import FrozenSet, Iterable, Sequence, Set

from ..display import counted, size_text
from .records import ParameterRecord, SharedValues


@dataclass(frozen=True)
class Totals:
    """What all parameters come to. ``str()`` says it in a line.

    Attributes
    ----------
    parameters : int
        How many there are, one over several paths counted once, two over one buffer counted twice.
    size, bytes : int
        Values and bytes of one replica, whatever is shared counted once; of what is known.
    unknown : int
        How many parameters have no known shape, so that the sums are lower bounds.
    trainable, frozen, auxiliary : int
        How the values divide: those with a gradient; those without, by ``grad_req='null'``; and running statistics and
        Constants, which never have one. All 0 for a file, which does not say.
    gradients : bool
        Whether gradients were known of: a file has none.
    """

    parameters: int
    size: int
    bytes: int
    unknown: int
    trainable: int
    frozen: int
    auxiliary: int
    gradients: bool

    def __str__(self) -> str:
        least = "at least " if self.unknown else ""
        unknown = f" ({self.unknown:,} unknown)" if self.unknown else ""
        text = f"{least}{counted(self.size, 'value')}{unknown} in {counted(self.parameters, 'parameter')}"
        if self.gradients:
            text += f", {least}{self.trainable:,} trainable"
        return f"{text}; {least}{counted(self.bytes, 'byte')} ({size_text(self.bytes)})"


def totals_of(records: Sequence[ParameterRecord], shared: Iterable[SharedValues]) -> Totals:
    """The totals of these parameters.

    Examples
    --------
    >>> one = ParameterRecord("0.weight", "dense0_weight", "weight", (2, 3), "float32", size=6, bytes=24)
    >>> print(totals_of([one, ParameterRecord("1.weight", "dense1_weight", "weight", (2, None), "float32")], ()))
    at least 6 values (1 unknown) in 2 parameters; at least 24 bytes (24 B)
    """
    again = counted_elsewhere(records, shared)
    once = [record for record in records if record.path not in again]
    sizes = {"trainable": 0, "frozen": 0, "auxiliary": 0}
    for record in once:
        if record.grad_req is not None:
            fixed = record.constant or record.role in ("running_mean", "running_var")
            kind = "auxiliary" if fixed else "frozen" if record.grad_req == "null" else "trainable"
            sizes[kind] += record.size or 0
    return Totals(
        parameters=len(records),
        size=sum(record.size or 0 for record in once),
        bytes=sum(record.bytes or 0 for record in once),
        unknown=sum(record.size is None for record in once),
        gradients=any(record.grad_req is not None for record in records),
        **sizes,
    )


def counted_elsewhere(records: Sequence[ParameterRecord], shared: Iterable[SharedValues]) -> FrozenSet[str]:
    """The canonical paths of parameters whose buffer an earlier one of `records` holds already."""
    groups = [group.paths for group in shared if group.kind == "buffer"]  # a Parameter over several paths is one record
    canonical = {path: record.path for record in records for path in record.paths} if groups else {}
    again: Set[str] = set()
    for paths in groups:
        again.update(list(dict.fromkeys(canonical[path] for path in paths if path in canonical))[1:])
    return frozenset(again)
