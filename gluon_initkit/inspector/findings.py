"""Findings: possible problems of a network or a file, with stable codes.

A check reads plain records, so files have findings too. A check that needs statistics, gradients or a Trainer reports
nothing without them. A check must report nothing about a sound network: the tests of a new check need a network with
the problem, and a similar network without it.
"""

from collections import Counter
from typing import Any, Callable, Dict, Iterable, Iterator, List, Mapping, Optional, Sequence, Tuple, Union

from ..display import KitError, counted, counted_of, printable
from ..parameters import ParameterInfo, context_mismatch, did_you_mean
from .records import RUNNING, SEVERITIES, Finding, ParameterRecord, SharedValues, Statistics

Z_LIMIT = 6.0
"""A limit in standard errors. One in 250,000 sound networks of 1,000 parameters exceeds it by chance."""


CODES = {
    "nan": "Values or gradients are NaN.",
    "inf": "Values or gradients are infinite.",
    "bad-variance": "A running variance of a normalization is negative, or 0.",
    "replicas-differ": "Its values differ between contexts.",
    "zero-weight": "A trained weight is 0 throughout.",
    "constant-weight": "A trained weight is one number throughout.",
    "identical-rows": "All rows of a trained weight are the same: nothing broke the symmetry.",
    "zero-gradient": "A backward pass wrote a gradient that is 0 throughout.",
    "not-as-declared": "Its moments are not those that its declared initializer promises.",
    "unresolvable": "A shape is unknown, and no forward pass can tell it.",
    "uninitialized": "It has no values, while others of the network have.",
    "untrained": "It has gradients, and the given Trainer does not update it.",
    "stale-gradient": "No backward pass wrote its gradient since the last update.",
    "mixed-dtype": "The floats of one block have several dtypes.",
    "mixed-context": "Parameters are on different contexts: a forward pass fails, unless its own code moves the data.",
    "broken-tie": "Weights hold equal values and are not shared: a tie that broke, or a copy.",
    "frozen-lr-mult": "It is frozen by grad_req and has an lr_mult that nothing is trained by.",
    "colliding-path": "Two parameters of the network have one path.",
    "unregistered-block": "A list, tuple, dictionary or set holds Blocks that the network lacks.",
    "stale-graph": "A cached graph is of other parameters than its block has: a child was exchanged.",
    "colliding-name": "Several parameters of the network have one global name.",
}
"""Every code and its meaning. `collect` finds the last four, which are about the structure of a network."""

Ignored = Sequence[Union[str, Tuple[str, Any]]]
"""Codes, or pairs of a code and a selector: ``['zero-gradient', ('broken-tie', 'teacher.*')]``."""

_Records = Sequence[ParameterRecord]
_Verdicts = Iterator[Tuple[str, str, str, str]]  # of code, severity, evidence and hint


def findings_of(
    records: _Records, shared: Sequence[SharedValues] = (), structure: Iterable[Finding] = ()
) -> Tuple[Finding, ...]:
    """All findings about these records and their network's structure: most severe first, then in order of traversal."""
    known = [field for field in _OF_ONE if any(getattr(record, field) is not None for record in records)]
    findings = [Finding(code, severity, (record.path,), evidence, hint)
                for field in known for check in _OF_ONE[field] for record in records
                for code, severity, evidence, hint in check(record)]  # fmt: skip
    findings += [finding for check in _OF_ALL for finding in check(records)]
    findings += _broken_ties(records, shared)
    findings += structure
    if findings:
        order = {path: number for number, record in enumerate(records) for path in record.paths}
        findings.sort(key=lambda finding: (SEVERITIES.index(finding.severity), order.get(finding.paths[0], 0)))
    return tuple(findings)


def drop_ignored(
    findings: Sequence[Finding], ignore: Ignored, infos: Mapping[str, Any], matcher: Callable[[Any], Any]
) -> Tuple[Finding, ...]:
    """Remove ignored findings. A finding about several parameters is removed if any of them is selected.

    `matcher` makes predicates from selectors. They take the values of `infos`, which are given by path.
    """
    if isinstance(ignore, str):
        raise TypeError(f"ignore is {ignore!r}: expected a list of codes, such as [{ignore!r}]")
    matches = []
    for rule in ignore:
        code, *selector = rule if isinstance(rule, tuple) else (rule,)
        if not isinstance(code, str) or len(selector) != isinstance(rule, tuple):
            raise TypeError(f"ignore holds {rule!r}: expected a code, or a pair of a code and a selector")
        if code not in CODES:
            hint = did_you_mean(code, list(CODES))
            raise ValueError(printable(f"ignore names the code {code!r}, which no finding has; {hint}"))
        matches.append((code, matcher(*selector) if selector else lambda info: True))

    # A finding may be about an attribute that is not a parameter. Such an attribute is selected by its path.
    targets = {path: infos.get(path) or ParameterInfo(path, (), path, "default", None, "")
            for finding in findings for path in finding.paths}  # fmt: skip
    return tuple(finding for finding in findings if not any(
        code == finding.code and any(match(targets[path]) for path in finding.paths) for code, match in matches))


class FindingsError(KitError, ValueError):
    """Raised if a report has findings. They are in `findings`; the message has a line for each."""

    def __init__(self, findings: Sequence[Finding]) -> None:
        self.findings = tuple(findings)
        lines = [f"{finding.severity} {finding.code}: {', '.join(finding.paths)}: {finding.evidence}; {finding.hint}"
                 for finding in self.findings]  # fmt: skip
        super().__init__("\n  ".join([f"{counted(len(lines), 'finding')}:", *map(printable, lines)]))

    def __reduce__(self) -> Any:
        return FindingsError, (self.findings,)


def raise_for(findings: Sequence[Finding], strict: bool = False) -> None:
    """Raise a `FindingsError` with all findings if one is an error or a warning; with `strict`, if there is any."""
    if any(strict or finding.severity != "info" for finding in findings):
        raise FindingsError(findings)


_SIZE_LIMIT = 0.01  # of the promised deviation: a smaller difference may be significant, but is harmless
_ROUNDED = 1e-7  # less than a usual epsilon: on a CPU, MXNet computes the variance of a constant channel as -8e-13


def is_constant(value: float, stats: Statistics) -> bool:
    """Whether all values equal `value`, up to the rounding of the shortest floats (bfloat16)."""
    near = abs(value) / 256
    return stats.min is None or stats.max is None or value - near <= stats.min <= stats.max <= value + near


def _count_text(record: ParameterRecord, names: Mapping[str, str]) -> str:
    """The counts in these fields of statistics, as text, for values and gradients."""
    arrays = [("value", record.stats), ("gradient", None if record.grad_fresh is False else record.grad_stats)]
    return ", ".join(f"{counted_of(getattr(stats, field), stats.count, noun, 'is', 'are')} {name}"
                     for noun, stats in arrays if stats
                     for field, name in names.items() if getattr(stats, field))  # fmt: skip


def _nan(record: ParameterRecord) -> _Verdicts:
    evidence = _count_text(record, {"nan": "NaN"})
    if evidence:
        yield ("nan", "error", evidence, "look for the first step that made one: a smaller learning rate, clipped "
               "gradients")  # fmt: skip


def _infinite(record: ParameterRecord) -> _Verdicts:
    evidence = _count_text(record, {"posinf": "+inf", "neginf": "-inf"})
    if evidence and not record.constant:  # a Constant that is a mask may hold -inf on purpose
        limit = " (float16 ends at 65504)" if record.dtype == "float16" else ""
        yield "inf", "error", evidence, f"something overflowed{limit}: look for the first step that made one"


def _bad_variance(record: ParameterRecord) -> _Verdicts:
    stats = record.stats
    if record.role == "running_var" and stats is not None and stats.min is not None and stats.min <= 0:
        text = f"the smallest of {counted(stats.count, 'variance')} is {stats.min:g}, and a normalization divides by"
        if stats.min < -_ROUNDED:
            yield ("bad-variance", "error", f"{text} its root",
                   "initialize it with 1 (ik.initialize, or ik.corrected(init)), or load the right file")  # fmt: skip
        else:
            yield ("bad-variance", "warning", f"{text} the root of its epsilon alone", "a constant channel gives 0, "
                   "and so do batches of one value: if it is to be so, a larger epsilon= keeps what follows small; "
                   "else initialize it with 1, or load the right file")  # fmt: skip


def _replicas_differ(record: ParameterRecord) -> _Verdicts:
    if record.replicas_agree is False and record.role not in RUNNING:  # each context has its own running statistics
        yield ("replicas-differ", "error", f"its values on {', '.join(record.contexts)} differ",
               "set_data on all of them, and step a Trainer that was made for all contexts")  # fmt: skip


def _symmetric(record: ParameterRecord) -> _Verdicts:
    stats, declared, shape = record.stats, record.declared, record.shape or ()
    if stats is None or stats.count < 2 or len(shape) < 2 or record.role != "weight":
        return
    if record.constant or record.grad_req == "null":  # it may be a fixed filter
        return
    # A layer itself may declare a constant weight, as DeformableConvolution does for its offsets.
    by_layer = record.initializer is not None and declared is not None and declared.std == 0
    if by_layer and declared is not None and is_constant(declared.mean, stats):
        return
    is_one_number = stats.min is not None and stats.min == stats.max and not stats.nan + stats.posinf + stats.neginf
    hint = "units that start alike stay alike: give the layer a random initializer, such as mx.init.Xavier()"
    if stats.zeros == stats.count:
        yield "zero-weight", "warning", f"all {stats.count:,} values are 0", hint
    elif is_one_number and not stats.zeros:
        yield "constant-weight", "warning", f"all {stats.count:,} values are {stats.min:g}", hint
    elif stats.identical_rows and not (record.initializer or "").startswith("Bilinear"):  # equal on purpose
        yield "identical-rows", "warning", f"all {shape[0]:,} rows are the same", hint


def _zero_gradient(record: ParameterRecord) -> _Verdicts:
    stats = record.grad_stats
    if stats is not None and record.grad_fresh and 0 < stats.count == stats.zeros:
        yield ("zero-gradient", "warning", f"a backward pass wrote {counted(stats.count, 'zero')}",
               "look for what blocks it: a dead ReLU, a saturated output, BlockGrad, a loss times 0")  # fmt: skip


def _not_as_declared(record: ParameterRecord) -> _Verdicts:
    declared, stats = record.declared, record.stats
    if declared is None or not declared.untouched or stats is None or stats.mean is None or stats.std is None:
        return
    if declared.std == 0:
        same = is_constant(declared.mean, stats)
        text = "" if same else f"mean {stats.mean:.4g} and deviation {stats.std:.4g}"
    else:
        moments = (("mean", stats.mean, declared.z_mean, declared.mean),
                   ("deviation", stats.std, declared.z_std, declared.std))  # fmt: skip
        text = ", ".join(f"{name} {value:.4g} (z = {z:+.1f})" for name, value, z, promised in moments if z is not None
                         and abs(z) > Z_LIMIT and abs(value - promised) > _SIZE_LIMIT * declared.std)  # fmt: skip
    if text:
        yield ("not-as-declared", "warning", f"{declared.initializer} promises mean {declared.mean:.4g} and deviation "
               f"{declared.std:.4g} at shape {record.shape}; measured {text}", "another initializer filled it, or its "
               "values were changed since: see ik.plan(net, init)")  # fmt: skip


def _unresolvable(record: ParameterRecord) -> _Verdicts:
    if record.inferable is False:
        shape = "" if record.shape is None else f" {tuple('?' if size is None else size for size in record.shape)}"
        yield ("unresolvable", "error", f"its shape{shape} is not known, and no forward pass of "
               f"{record.block or 'its block'} can tell it", "give the layer its input size (in_units=, in_channels=), "
               "the parameter its shape=, or let a HybridBlock infer it: allow_deferred_init=True, and on MXNet 2 an "
               "infer_shape method that sets it")  # fmt: skip


def _untrained(record: ParameterRecord) -> _Verdicts:
    # A parameter of another Trainer is trained too.
    if record.trained is False and record.trainer is None and record.grad_req not in (None, "null"):
        yield ("untrained", "warning", f"it has gradients (grad_req={record.grad_req!r}), and the Trainer does not "
               "update it", "make the Trainer of net.collect_params(), or freeze it: grad_req='null'")  # fmt: skip


def _uninitialized(records: _Records) -> Iterator[Finding]:
    missing = [record for record in records if record.state == "uninitialized"]
    others = sum(record.state in ("initialized", "deferred") for record in records)
    for record in missing if others else ():
        yield Finding("uninitialized", "error", (record.path,), "it was never initialized, or lost its turn in a "
                      f"forward pass that failed; {counted(others, 'other is', 'others are')}",
                      "initialize the network again: ik.initialize(net) leaves alone what has values")  # fmt: skip


def _stale_gradient(records: _Records) -> Iterator[Finding]:
    # A step of a Trainer makes the gradients of its parameters stale, so each Trainer is checked separately.
    groups: Dict[Optional[int], List[ParameterRecord]] = {}
    for record in records:
        if record.grad_fresh is not None and record.trained is not False:
            groups.setdefault(record.trainer, []).append(record)
    for group in groups.values():
        stale = [record for record in group if not record.grad_fresh]
        written = len(group) - sum(len(record.stale) == len(record.contexts) for record in stale)
        if not written:
            yield Finding("stale-gradient", "info", tuple(record.path for record in group),
                          "no backward pass wrote any gradient since the last update",
                          "inspect between backward() and step() to see gradients")  # fmt: skip
        for record in stale if written else ():
            fresh = [ctx for ctx in record.contexts if ctx not in record.stale]
            if fresh:
                evidence = f"no backward pass wrote it on {', '.join(record.stale)}, on {', '.join(fresh)} one did"
                hint = "let every context work on a part of the batch: it may have been too small to split"
            else:
                evidence = ("no backward pass wrote it since the last update, as one wrote those of "
                        f"{counted(written, 'other')}")  # fmt: skip
                block = f"{record.block} at {record.block_path}" if record.block_path else record.block
                hint = (f"{block} took no part in the loss: call it in forward, freeze it (grad_req='null'), or "
                        "step(ignore_stale_grad=True)")  # fmt: skip
            yield Finding("stale-gradient", "warning", (record.path,), evidence, hint)


def _mixed_dtype(records: _Records) -> Iterator[Finding]:
    if len({record.dtype for record in records}) < 2:
        return
    blocks: Dict[Tuple[str, str], List[ParameterRecord]] = {}
    for record in records:
        # Integers beside floats are quantization; a Constant has the dtype that its author chose.
        if record.block and not record.constant and "float" in record.dtype:
            blocks.setdefault((record.block_path, record.block), []).append(record)
    for (path, block), members in blocks.items():
        dtypes = list(dict.fromkeys(record.dtype for record in members))
        if len(dtypes) > 1:
            evidence = ", ".join(f"{record.path} {record.dtype}" for record in members)
            yield Finding("mixed-dtype", "warning", tuple(record.path for record in members),
                          f"the {block}{f' at {path}' if path else ''} mixes dtypes: {evidence}",
                          f"cast it as a whole: block.cast({dtypes[0]!r})")  # fmt: skip


def _mixed_context(records: _Records) -> Iterator[Finding]:
    placed = [record for record in records if record.state in ("initialized", "deferred")]
    if len({record.contexts for record in placed}) < 2:
        return
    mismatch = context_mismatch([(record.path, record.contexts) for record in placed])
    if mismatch is not None:
        most = Counter(record.contexts for record in placed).most_common(1)[0][0]
        evidence, _, hint = mismatch.partition(". ")
        others = tuple(record.path for record in placed if record.contexts != most)
        yield Finding("mixed-context", "warning", others, evidence[0].lower() + evidence[1:], hint.rstrip("."))


def _frozen_lr_mult(records: _Records) -> Iterator[Finding]:
    # If a trained parameter has the same multiplier, it was set for all parameters: then frozen ones are no problem.
    used = {record.lr_mult for record in records if record.grad_req not in (None, "null")} | {None, 0.0, 1.0}
    for record in records:
        if record.grad_req == "null" and record.lr_mult not in used and not (record.constant or record.role in RUNNING):
            yield Finding("frozen-lr-mult", "warning", (record.path,),
                          f"lr_mult is {record.lr_mult:g}, but with grad_req='null' nothing updates it",
                          "set grad_req='write' to train it, or lr_mult back to 1")  # fmt: skip


def _broken_ties(records: _Records, shared: Iterable[SharedValues]) -> Iterator[Finding]:
    equal = [group for group in shared if group.kind == "values"]
    stored = {record.path for record in records if record.state == "stored"} if equal else set()
    for group in equal:
        evidence = "weights hold the same values, each in memory of its own"
        hint = "tie them, if they were meant to be one parameter; nothing, if one is to be a copy"
        if stored.issuperset(group.paths):
            evidence = "arrays of the file hold the same values"
            hint = "nothing, if they are one parameter of several paths, which save_parameters writes so"
        yield Finding("broken-tie", "info", group.paths, f"{len(group.paths)} {evidence}", hint)


# Checks of one record, by the field that must be known; then checks of all records together.
_OF_ONE: Dict[str, Tuple[Callable[[ParameterRecord], _Verdicts], ...]] = {
    "stats": (_nan, _infinite, _bad_variance, _replicas_differ, _symmetric, _zero_gradient, _not_as_declared),
    "inferable": (_unresolvable,),
    "trained": (_untrained,),
}
_OF_ALL = (_uninitialized, _stale_gradient, _mixed_dtype, _mixed_context, _frozen_lr_mult)
