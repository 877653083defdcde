"""What values show, and gradients: numbers that are none, symmetry that nothing broke, moments that were not promised.

A check yields only what a sound network does not show.
"""

from typing import Any, Iterator, List, Optional, Sequence, Tuple

from ...display import counted, counted_of
from ..records import Declared, ParameterRecord, SharedValues, Statistics
from .check import Check, Suspicion, each

__all__ = ["CHECKS", "Z_LIMIT", "is_throughout"]

Z_LIMIT = 6.0
"""Standard errors. Among 1,000 parameters, sound ones pass it by chance once in 250,000 networks."""

_SIZE_LIMIT = 0.01  # of the promised deviation: a smaller difference may be sure, but matters to nobody


def is_throughout(value: float, stats: Statistics) -> bool:
    """Whether all values are this one, but for the rounding of the shortest floats (bfloat16)."""
    near = abs(value) / 256
    return stats.min is None or stats.max is None or value - near <= stats.min <= stats.max <= value + near


def _parts(record: ParameterRecord) -> Iterator[Tuple[str, Statistics]]:
    if record.stats is not None:
        yield "value", record.stats
    if record.grad_stats is not None and record.grad_fresh is not False:
        yield "gradient", record.grad_stats


def _nan(record: ParameterRecord) -> Optional[Tuple[str, str]]:
    found = [
        f"{counted_of(stats.nan, stats.count, what, 'is', 'are')} NaN"
        for what, stats in _parts(record)
        if stats.nan
    ]
    if not found:
        return None
    return ", ".join(found), "look for the first step that made one: a smaller learning rate, clipped gradients"


def _inf(record: ParameterRecord) -> Optional[Tuple[str, str]]:
    found = [
        f"{counted_of(each, stats.count, what, 'is', 'are')} {sign}inf"
        for what, stats in _parts(record)
        if not record.constant  # a mask may hold -inf, which is then what its maker wanted
        for sign, each in (("+", stats.posinf), ("-", stats.neginf))
        if each
    ]
    if not found:
        return None
    limit = " (float16 ends at 65504)" if record.dtype == "float16" else ""
    return ", ".join(found), f"something overflowed{limit}: look for the first step that made one"


def _is_matrix(record: ParameterRecord) -> bool:
    return (
        record.role == "weight"
        and not record.constant
        and record.grad_req != "null"  # what is not trained may be a fixed filter
        and record.stats is not None
        and record.stats.count > 1
        and record.shape is not None
        and len(record.shape) > 1
    )


def _is_one_value(stats: Statistics) -> bool:
    return stats.min is not None and stats.min == stats.max and not (stats.nan or stats.posinf or stats.neginf)


_SYMMETRY = "units that start alike stay alike: give the layer a random initializer, such as mx.init.Xavier()"


def _is_declared_so(record: ParameterRecord) -> bool:
    """Whether the layer itself declares one number throughout, as a DeformableConvolution's zero offsets."""
    declared = record.declared
    if record.initializer is None or declared is None or record.stats is None:
        return False
    return declared.std == 0 and is_throughout(declared.mean, record.stats)


def _zero(record: ParameterRecord) -> Optional[Tuple[str, str]]:
    stats = record.stats
    if not _is_matrix(record) or stats is None or stats.zeros != stats.count or _is_declared_so(record):
        return None
    return f"all {stats.count:,} values are 0", _SYMMETRY


def _constant(record: ParameterRecord) -> Optional[Tuple[str, str]]:
    stats = record.stats
    if not _is_matrix(record) or stats is None or not _is_one_value(stats) or stats.zeros or _is_declared_so(record):
        return None
    return f"all {stats.count:,} values are {stats.min:g}", _SYMMETRY


def _rows(record: ParameterRecord) -> Optional[Tuple[str, str]]:
    stats = record.stats
    if not _is_matrix(record) or stats is None or not stats.identical_rows or _is_one_value(stats):
        return None
    if (record.initializer or "").startswith("Bilinear"):  # whose channels are alike on purpose
        return None
    assert record.shape is not None
    return f"all {record.shape[0]:,} rows are the same", _SYMMETRY


def _variances(records: Sequence[ParameterRecord], shared: Sequence[SharedValues]) -> Iterator[Suspicion]:
    for record in records:
        stats = record.stats
        if record.role != "running_var" or stats is None or stats.min is None or stats.min > 0:
            continue
        seen = f"the smallest of {counted(stats.count, 'variance')} is {stats.min:g}, and a normalization divides by"
        if stats.min < -_ROUNDED:
            yield ("error", (record.path,), f"{seen} its root",
                   "initialize it with 1 (ik.initialize, or ik.corrected(init)), or load the right file")  # fmt: skip
        else:
            yield ("warning", (record.path,), f"{seen} the root of its epsilon alone",
                   "a constant channel gives 0, and so do batches of one value: if it is to be so, a larger epsilon= "
                   "keeps what follows small; else initialize it with 1, or load the right file")  # fmt: skip


_ROUNDED = 1e-7  # below any usual epsilon: on a CPU, MXNet computes the variance of a constant channel as -8e-13


def _zero_gradient(record: ParameterRecord) -> Optional[Tuple[str, str]]:
    stats = record.grad_stats
    if stats is None or not record.grad_fresh or not stats.count or stats.zeros != stats.count:
        return None
    return (f"a backward pass wrote {counted(stats.count, 'zero')}",
            "look for what blocks it: a dead ReLU, a saturated output, BlockGrad, a loss times 0")  # fmt: skip


def _replicas(record: ParameterRecord) -> Optional[Tuple[str, str]]:
    if record.replicas_agree is not False or record.role in ("running_mean", "running_var"):
        return None  # each context gathers running statistics of its own
    return (f"its values on {', '.join(record.contexts)} differ",
            "set_data on all of them, and step a Trainer that was made for all contexts")  # fmt: skip


def _declared(record: ParameterRecord) -> Optional[Tuple[str, str]]:
    declared, stats = record.declared, record.stats
    if declared is None or not declared.untouched or stats is None or stats.mean is None or stats.std is None:
        return None
    seen = _differences(declared, stats, stats.mean, stats.std)
    if not seen:
        return None
    return (f"{declared.initializer} promises mean {declared.mean:.4g} and deviation {declared.std:.4g} at shape "
            f"{record.shape}; measured {', '.join(seen)}",
            "another initializer filled it, or its values were changed since: see ik.plan(net, init)")  # fmt: skip


def _differences(declared: Declared, stats: Statistics, mean: float, std: float) -> List[str]:
    if declared.std == 0:
        return [] if is_throughout(declared.mean, stats) else [f"mean {mean:.4g} and deviation {std:.4g}"]
    parts: Any = (
        ("mean", mean, declared.z_mean, abs(mean - declared.mean)),
        ("deviation", std, declared.z_std, abs(std - declared.std)),
    )
    return [
        f"{what} {value:.4g} (z = {z:+.1f})"
        for what, value, z, apart in parts
        if z is not None and abs(z) > Z_LIMIT and apart > _SIZE_LIMIT * declared.std
    ]


CHECKS = (
    Check("nan", "Values or gradients are NaN.", each("error", _nan), "stats"),
    Check("inf", "Values or gradients are infinite.", each("error", _inf), "stats"),
    Check("bad-variance", "A running variance of a normalization is negative, or 0.", _variances, "stats"),
    Check("replicas-differ", "Its values differ between contexts.", each("error", _replicas), "stats"),
    Check("zero-weight", "A trained weight is 0 throughout.", each("warning", _zero), "stats"),
    Check("constant-weight", "A trained weight is one number throughout.", each("warning", _constant), "stats"),
    Check("identical-rows", "All rows of a trained weight are the same: nothing broke the symmetry.",
          each("warning", _rows), "stats"),
    Check("zero-gradient", "A backward pass wrote a gradient that is 0 throughout.", each("warning", _zero_gradient),
          "stats"),
    Check("not-as-declared", "Its moments are not those that its declared initializer promises.",
          each("warning", _declared), "stats"),
)  # fmt: skip
