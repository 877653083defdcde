"""The checks behind `findings`: one function a code, over plain records.

A check yields only what a sound network does not show. Where statistics, gradients or a Trainer were not asked for, the
checks that need them have nothing to go by and are silent.
"""

from dataclasses import dataclass
from typing import Any, Callable, Dict, Iterator, List, Optional, Sequence, Tuple

from .records import Declared, ParameterRecord, SharedValues, Statistics

__all__ = ["CHECKS", "Z_LIMIT", "Check", "is_throughout"]

Z_LIMIT = 6.0
"""Standard errors. Among 1,000 parameters, sound ones pass it by chance once in 250,000 networks."""

_SIZE_LIMIT = 0.01  # of the promised deviation: a smaller difference may be sure, but matters to nobody

Suspicion = Tuple[str, Tuple[str, ...], str, str]
"""Severity, paths, evidence, hint."""


@dataclass(frozen=True)
class Check:
    """One code: what it means, the function that finds it, and a field without which it has nothing to go by."""

    code: str
    meaning: str
    find: Callable[[Sequence[ParameterRecord], Sequence[SharedValues]], Iterator[Suspicion]]
    needs: str = "path"


def is_throughout(value: float, stats: Statistics) -> bool:
    """Whether all values are this one, but for the rounding of the shortest floats (bfloat16)."""
    near = abs(value) / 256
    return stats.min is None or stats.max is None or value - near <= stats.min <= stats.max <= value + near


def _each(
    severity: str, look: Callable[[ParameterRecord], Optional[Tuple[str, str]]]
) -> Callable[[Sequence[ParameterRecord], Sequence[SharedValues]], Iterator[Suspicion]]:
    """A check that looks at one parameter at a time and answers evidence and hint, or None."""

    def find(records: Sequence[ParameterRecord], shared: Sequence[SharedValues]) -> Iterator[Suspicion]:
        for record in records:
            found = look(record)
            if found is not None:
                yield (severity, (record.path,), *found)

    return find


def _parts(record: ParameterRecord) -> Iterator[Tuple[str, Statistics]]:
    if record.stats is not None:
        yield "values", record.stats
    if record.grad_stats is not None and record.grad_fresh is not False:
        yield "gradients", record.grad_stats


def _nan(record: ParameterRecord) -> Optional[Tuple[str, str]]:
    found = [f"{stats.nan:,} of {stats.count:,} {what} are NaN" for what, stats in _parts(record) if stats.nan]
    if not found:
        return None
    return ", ".join(found), "look for the first step that made one: a smaller learning rate, clipped gradients"


def _inf(record: ParameterRecord) -> Optional[Tuple[str, str]]:
    found = [
        f"{stats.posinf:,} of {stats.count:,} {what} are +inf and {stats.neginf:,} are -inf"
        for what, stats in _parts(record)
        if stats.posinf or stats.neginf
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


def _zero(record: ParameterRecord) -> Optional[Tuple[str, str]]:
    stats = record.stats
    if not _is_matrix(record) or stats is None or stats.zeros != stats.count:
        return None
    return f"all {stats.count:,} values are 0", _SYMMETRY


def _constant(record: ParameterRecord) -> Optional[Tuple[str, str]]:
    stats = record.stats
    if not _is_matrix(record) or stats is None or not _is_one_value(stats) or stats.zeros:
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


def _variance(record: ParameterRecord) -> Optional[Tuple[str, str]]:
    stats = record.stats
    if record.role != "running_var" or stats is None or stats.min is None or stats.min > 0:
        return None
    return (f"the smallest of {stats.count:,} variances is {stats.min:g}, and a normalization divides by its root",
            "initialize it with 1 (ik.initialize, or ik.corrected(init)), or load the right file")  # fmt: skip


def _unresolvable(record: ParameterRecord) -> Optional[Tuple[str, str]]:
    if record.inferable is not False:
        return None
    shape = "" if record.shape is None else f" {tuple('?' if size is None else size for size in record.shape)}"
    return (f"its shape{shape} is not known, and no forward pass of {record.block or 'its block'} can tell it",
            "give the layer its input size (in_units=, in_channels=), or the parameter its shape=")  # fmt: skip


def _uninitialized(records: Sequence[ParameterRecord], shared: Sequence[SharedValues]) -> Iterator[Suspicion]:
    begun = [record for record in records if record.state in ("initialized", "deferred")]
    for record in records if begun else ():
        if record.state == "uninitialized":
            yield ("error", (record.path,),
                   f"it was never initialized, or lost its turn in a forward pass that failed; {len(begun):,} others "
                   f"are", "initialize the network again: ik.initialize(net) leaves alone what has values")  # fmt: skip


def _untrained(record: ParameterRecord) -> Optional[Tuple[str, str]]:
    if record.trained is not False or record.grad_req in (None, "null"):
        return None
    return (f"it has gradients (grad_req={record.grad_req!r}), and the Trainer does not update it",
            "make the Trainer of net.collect_params(), or freeze it: grad_req='null'")  # fmt: skip


def _stale(records: Sequence[ParameterRecord], shared: Sequence[SharedValues]) -> Iterator[Suspicion]:
    asked = [record for record in records if record.grad_fresh is not None]
    fresh = [record for record in asked if record.grad_fresh]
    partly = [record for record in asked if not record.grad_fresh and len(record.stale) < len(record.contexts)]
    if asked and not fresh and not partly:
        yield ("info", tuple(record.path for record in asked), "no backward pass wrote any gradient since the last "
               "update", "inspect between backward() and step() to see gradients")  # fmt: skip
        return
    for record in asked:
        if record.grad_fresh:
            continue
        if record in partly:
            evidence = f"no backward pass wrote it on {', '.join(record.stale)}, on {_others(record)} one did"
            hint = "let every context work on a part of the batch: it may have been too small to split"
        else:
            others = len(fresh) + len(partly)
            evidence = f"no backward pass wrote it since the last update, as one wrote those of {others:,} others"
            where = f"{record.block} at {record.block_path}" if record.block_path else record.block
            hint = (f"{where} took no part in the loss: call it in forward, freeze it (grad_req='null'), or "
                    f"step(ignore_stale_grad=True)")  # fmt: skip
        yield "warning", (record.path,), evidence, hint


def _others(record: ParameterRecord) -> str:
    return ", ".join(ctx for ctx in record.contexts if ctx not in record.stale)


def _zero_gradient(record: ParameterRecord) -> Optional[Tuple[str, str]]:
    stats = record.grad_stats
    if stats is None or not record.grad_fresh or not stats.count or stats.zeros != stats.count:
        return None
    return (f"a backward pass wrote {stats.count:,} zeros",
            "look for what blocks it: a dead ReLU, a saturated output, BlockGrad, a loss times 0")  # fmt: skip


def _dtypes(records: Sequence[ParameterRecord], shared: Sequence[SharedValues]) -> Iterator[Suspicion]:
    blocks: Dict[Tuple[str, str], List[ParameterRecord]] = {}
    for record in records:
        # Integers beside floats are quantization; a Constant is what its maker made it.
        if record.block and not record.constant and "float" in record.dtype:
            blocks.setdefault((record.block_path, record.block), []).append(record)
    for (path, block), members in blocks.items():
        dtypes = list(dict.fromkeys(record.dtype for record in members))
        if len(dtypes) > 1:
            seen = ", ".join(f"{record.path} {record.dtype}" for record in members)
            where = f"the {block} at {path}" if path else f"the {block}"
            yield ("warning", tuple(record.path for record in members), f"{where} mixes dtypes: {seen}",
                   f"cast it as a whole: block.cast({dtypes[0]!r})")  # fmt: skip


def _replicas(record: ParameterRecord) -> Optional[Tuple[str, str]]:
    if record.replicas_agree is not False or record.role in ("running_mean", "running_var"):
        return None  # each context gathers running statistics of its own
    return (f"its values on {', '.join(record.contexts)} differ",
            "set_data on all of them, and step a Trainer that was made for all contexts")  # fmt: skip


def _ties(records: Sequence[ParameterRecord], shared: Sequence[SharedValues]) -> Iterator[Suspicion]:
    for group in shared:
        if group.kind == "values":
            yield ("warning", group.paths, f"{len(group.paths)} parameters hold the same values, each in memory of its "
                   f"own: training will part them", "tie them, if they were meant to be one parameter")  # fmt: skip


def _multiplier(record: ParameterRecord) -> Optional[Tuple[str, str]]:
    if record.grad_req != "null" or record.constant or record.lr_mult in (None, 0.0, 1.0):
        return None
    return (f"lr_mult is {record.lr_mult:g}, but with grad_req='null' nothing updates it",
            "set grad_req='write' to train it, or lr_mult back to 1")  # fmt: skip


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
    Check("nan", "Values or gradients are NaN.", _each("error", _nan), "stats"),
    Check("inf", "Values or gradients are infinite.", _each("error", _inf), "stats"),
    Check("bad-variance", "A running variance of a normalization is 0 or negative.", _each("error", _variance),
          "stats"),
    Check("unresolvable", "A shape is unknown, and no forward pass can tell it.", _each("error", _unresolvable),
          "inferable"),
    Check("uninitialized", "It has no values, while others of the network have.", _uninitialized),
    Check("replicas-differ", "Its values differ between contexts.", _each("error", _replicas),
          "replicas_agree"),
    Check("zero-weight", "A trained weight is 0 throughout.", _each("warning", _zero), "stats"),
    Check("constant-weight", "A trained weight is one number throughout.", _each("warning", _constant),
          "stats"),
    Check("identical-rows", "All rows of a trained weight are the same: nothing broke the symmetry.",
          _each("warning", _rows), "stats"),
    Check("untrained", "It has gradients, and the given Trainer does not update it.", _each("warning", _untrained),
          "trained"),
    Check("stale-gradient", "No backward pass wrote its gradient since the last update.", _stale, "grad_fresh"),
    Check("zero-gradient", "A backward pass wrote a gradient that is 0 throughout.", _each("warning", _zero_gradient),
          "grad_stats"),
    Check("mixed-dtype", "The floats of one block have several dtypes.", _dtypes),
    Check("broken-tie", "Parameters hold equal values and are not shared.", _ties),
    Check("frozen-lr-mult", "It is frozen by grad_req and has an lr_mult all the same.", _each("warning", _multiplier)),
    Check("not-as-declared", "Its moments are not those that its declared initializer promises.",
          _each("warning", _declared), "declared"),
)  # fmt: skip
