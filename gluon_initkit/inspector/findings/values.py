"""Findings about values and gradients: numbers that are none, symmetry that nothing broke, moments that were not
promised.
"""

from typing import Any, Iterator, List, Optional, Tuple

from ...display import counted, counted_of
from ..records import Declared, ParameterRecord, Statistics
from .registry import Evidence, Inspected, check, record_check

__all__ = ["Z_LIMIT", "is_constant"]

Z_LIMIT = 6.0
"""Standard errors. Among 1,000 parameters, sound ones pass it by chance once in 250,000 networks."""

_SIZE_LIMIT = 0.01  # of the promised deviation: a smaller difference may be sure, but matters to nobody
_ROUNDED = 1e-7  # below any usual epsilon: on a CPU, MXNet computes the variance of a constant channel as -8e-13
_SYMMETRY = "units that start alike stay alike: give the layer a random initializer, such as mx.init.Xavier()"

_Seen = Optional[Tuple[str, str]]


def is_constant(value: float, stats: Statistics) -> bool:
    """Whether all values are this one, but for the rounding of the shortest floats (bfloat16)."""
    near = abs(value) / 256
    return stats.min is None or stats.max is None or value - near <= stats.min <= stats.max <= value + near


def _counts(record: ParameterRecord) -> Iterator[Tuple[str, Statistics]]:
    if record.stats is not None:
        yield "value", record.stats
    if record.grad_stats is not None and record.grad_fresh is not False:
        yield "gradient", record.grad_stats


@record_check("nan", "error", "Values or gradients are NaN.")
def _nan(record: ParameterRecord) -> _Seen:
    seen = [f"{counted_of(stats.nan, stats.count, what, 'is', 'are')} NaN"
            for what, stats in _counts(record) if stats.nan]  # fmt: skip
    hint = "look for the first step that made one: a smaller learning rate, clipped gradients"
    return (", ".join(seen), hint) if seen else None


@record_check("inf", "error", "Values or gradients are infinite.")
def _inf(record: ParameterRecord) -> _Seen:
    if record.constant:  # a mask may hold -inf, which is then what its maker wanted
        return None
    counts = [(count, stats.count, what, sign) for what, stats in _counts(record)
              for sign, count in (("+", stats.posinf), ("-", stats.neginf)) if count]  # fmt: skip
    seen = [f"{counted_of(count, size, what, 'is', 'are')} {sign}inf" for count, size, what, sign in counts]
    limit = " (float16 ends at 65504)" if record.dtype == "float16" else ""
    return (", ".join(seen), f"something overflowed{limit}: look for the first step that made one") if seen else None


@check("bad-variance", "A running variance of a normalization is negative, or 0.", needs="stats")
def _bad_variance(inspected: Inspected) -> Iterator[Evidence]:
    for record in inspected.records:
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


@record_check("replicas-differ", "error", "Its values differ between contexts.")
def _replicas_differ(record: ParameterRecord) -> _Seen:
    if record.replicas_agree is not False or record.role in ("running_mean", "running_var"):
        return None  # each context gathers running statistics of its own
    return (f"its values on {', '.join(record.contexts)} differ",
            "set_data on all of them, and step a Trainer that was made for all contexts")  # fmt: skip


def _matrix_stats(record: ParameterRecord) -> Optional[Statistics]:
    """The statistics of a trained weight of two dimensions or more; None for any other parameter.

    A layer may declare one number throughout itself, as a DeformableConvolution does its offsets: that is no finding.
    """
    stats, declared = record.stats, record.declared
    if record.role != "weight" or record.constant or record.grad_req == "null":  # which may be a fixed filter
        return None
    if stats is None or stats.count < 2 or record.shape is None or len(record.shape) < 2:
        return None
    by_layer = record.initializer is not None and declared is not None and declared.std == 0
    return None if by_layer and declared is not None and is_constant(declared.mean, stats) else stats


def _is_one_number(stats: Statistics) -> bool:
    return stats.min is not None and stats.min == stats.max and not (stats.nan or stats.posinf or stats.neginf)


@record_check("zero-weight", "warning", "A trained weight is 0 throughout.")
def _zero_weight(record: ParameterRecord) -> _Seen:
    stats = _matrix_stats(record)
    return (f"all {stats.count:,} values are 0", _SYMMETRY) if stats and stats.zeros == stats.count else None


@record_check("constant-weight", "warning", "A trained weight is one number throughout.")
def _constant_weight(record: ParameterRecord) -> _Seen:
    stats = _matrix_stats(record)
    if stats is None or stats.zeros or not _is_one_number(stats):
        return None
    return f"all {stats.count:,} values are {stats.min:g}", _SYMMETRY


@record_check("identical-rows", "warning", "All rows of a trained weight are the same: nothing broke the symmetry.")
def _identical_rows(record: ParameterRecord) -> _Seen:
    stats = _matrix_stats(record)
    if stats is None or record.shape is None or not stats.identical_rows or _is_one_number(stats):
        return None
    if (record.initializer or "").startswith("Bilinear"):  # whose channels are alike on purpose
        return None
    return f"all {record.shape[0]:,} rows are the same", _SYMMETRY


@record_check("zero-gradient", "warning", "A backward pass wrote a gradient that is 0 throughout.")
def _zero_gradient(record: ParameterRecord) -> _Seen:
    stats = record.grad_stats
    if stats is None or not record.grad_fresh or not stats.count or stats.zeros != stats.count:
        return None
    return (f"a backward pass wrote {counted(stats.count, 'zero')}",
            "look for what blocks it: a dead ReLU, a saturated output, BlockGrad, a loss times 0")  # fmt: skip


@record_check("not-as-declared", "warning", "Its moments are not those that its declared initializer promises.")
def _not_as_declared(record: ParameterRecord) -> _Seen:
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
        return [] if is_constant(declared.mean, stats) else [f"mean {mean:.4g} and deviation {std:.4g}"]
    moments: Any = (
        ("mean", mean, declared.z_mean, abs(mean - declared.mean)),
        ("deviation", std, declared.z_std, abs(std - declared.std)),
    )
    return [f"{name} {value:.4g} (z = {z:+.1f})" for name, value, z, difference in moments
            if z is not None and abs(z) > Z_LIMIT and difference > _SIZE_LIMIT * declared.std]  # fmt: skip
