"""Findings: what in a network or a file deserves a look, by stable codes.

A check reads plain records, so files have findings too. Where statistics, gradients or a Trainer were not asked for,
those that need them are silent. A check reports only what a sound network does not show: the tests of a new one have to
show a network that it finds, and one close to it that it leaves alone.
"""

from collections import Counter
from typing import Any, Callable, Dict, Iterable, Iterator, List, Mapping, Optional, Sequence, Tuple, Union

from ..display import KitError, counted, counted_of, printable
from ..parameters import ParameterInfo, context_mismatch, did_you_mean
from .records import Declared, Finding, ParameterRecord, SharedValues, Statistics

__all__ = ["CODES", "Z_LIMIT", "FindingsError", "Ignored", "drop_ignored", "findings_of", "is_constant", "raise_for"]

Z_LIMIT = 6.0
"""Standard errors. Among 1,000 parameters, sound ones pass it by chance once in 250,000 networks."""


Evidence = Tuple[str, Tuple[str, ...], str, str]
"""Severity, paths, what was seen, what to do."""

CODES: Dict[str, str] = {}
"""Every code and what it means. The last ones are about how a network is put together: `collect` finds them."""

_Records = Sequence[ParameterRecord]
_Shared = Sequence[SharedValues]
_Check = Callable[[_Records, _Shared], Iterator[Evidence]]
_CHECKS: List[Tuple[str, str, _Check]] = []
_Seen = Optional[Tuple[str, str]]
_SEVERITIES = ("error", "warning", "info")

Ignored = Sequence[Union[str, Tuple[str, Any]]]
"""Codes, or pairs of a code and a selector: ``['zero-gradient', ('broken-tie', 'teacher.*')]``."""


def check(code: str, meaning: str, needs: str = "path") -> Callable[[Any], Any]:
    """Register a function that yields `Evidence`. It is called where some record has the field `needs`."""

    def register(find: _Check) -> _Check:
        CODES[code] = meaning
        _CHECKS.append((code, needs, find))
        return find

    return register


def record_check(code: str, severity: str, meaning: str, needs: str = "stats") -> Callable[[Any], Any]:
    """Register a function of one record that answers what was seen and what to do, or None."""

    def register(look: Callable[[ParameterRecord], _Seen]) -> Any:
        @check(code, meaning, needs)
        def find(records: _Records, shared: _Shared) -> Iterator[Evidence]:
            for record in records:
                seen = look(record)
                if seen is not None:
                    yield (severity, (record.path,), *seen)

        return look

    return register


def findings_of(records: _Records, shared: _Shared = (), structure: Iterable[Finding] = ()) -> Tuple[Finding, ...]:
    """All findings about these records and their network's structure: the gravest first, then in order of traversal."""
    needed = {needs for _, needs, _ in _CHECKS}
    known = {needs: any(getattr(record, needs) is not None for record in records) for needs in needed}
    findings = [Finding(code, *evidence) for code, needs, find in _CHECKS if known[needs]
                for evidence in find(records, shared)]  # fmt: skip
    findings += structure
    if findings:
        order = {path: number for number, record in enumerate(records) for path in record.paths}
        findings.sort(key=lambda finding: (_SEVERITIES.index(finding.severity), order.get(finding.paths[0], 0)))
    return tuple(findings)


def drop_ignored(
    findings: Iterable[Finding], ignore: Ignored, infos: Mapping[str, Any], matcher: Callable[[Any], Any]
) -> Tuple[Finding, ...]:
    """The findings that are not ignored. `infos`, by path, are what the predicates take that `matcher` makes.

    A finding about several parameters is ignored where any of them is selected.

    Raises
    ------
    TypeError, ValueError
        `ignore` is no sequence of codes and pairs, or names a code that does not exist.
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

    def is_ignored(finding: Finding) -> bool:
        # What is found at an attribute that is no parameter can be selected by its path.
        seen = [infos.get(path) or ParameterInfo(path, (), path, "default", None, "") for path in finding.paths]
        return any(code == finding.code and any(map(match, seen)) for code, match in matches)

    return tuple(finding for finding in findings if not is_ignored(finding))


class FindingsError(KitError, ValueError):
    """A report has findings; the message lists all of them.

    Attributes
    ----------
    findings : tuple of Finding

    Examples
    --------
    >>> try:
    ...     raise_for([Finding("nan", "error", ("0.weight",), "2 of 6 values are NaN", "lower the learning rate")])
    ... except FindingsError as error:
    ...     print(error)
    1 finding:
      error nan: 0.weight: 2 of 6 values are NaN; lower the learning rate
    """

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


_SIZE_LIMIT = 0.01  # of the promised deviation: a smaller difference may be sure, but matters to nobody
_ROUNDED = 1e-7  # below any usual epsilon: on a CPU, MXNet computes the variance of a constant channel as -8e-13
_SYMMETRY = "units that start alike stay alike: give the layer a random initializer, such as mx.init.Xavier()"

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
def _bad_variance(records: _Records, shared: _Shared) -> Iterator[Evidence]:
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


@record_check("unresolvable", "error", "A shape is unknown, and no forward pass can tell it.", needs="inferable")
def _unresolvable(record: ParameterRecord) -> _Seen:
    if record.inferable is not False:
        return None
    shape = "" if record.shape is None else f" {tuple('?' if size is None else size for size in record.shape)}"
    return (f"its shape{shape} is not known, and no forward pass of {record.block or 'its block'} can tell it",
            "give the layer its input size (in_units=, in_channels=), the parameter its shape=, or let a HybridBlock "
            "infer it: allow_deferred_init=True, and on MXNet 2 an infer_shape method that sets it")  # fmt: skip


@check("uninitialized", "It has no values, while others of the network have.")
def _uninitialized(records: _Records, shared: _Shared) -> Iterator[Evidence]:
    missing = [record for record in records if record.state == "uninitialized"]
    others = sum(record.state in ("initialized", "deferred") for record in records)
    for record in missing if others else ():
        yield ("error", (record.path,),
               "it was never initialized, or lost its turn in a forward pass that failed; "
               f"{counted(others, 'other is', 'others are')}",
               "initialize the network again: ik.initialize(net) leaves alone what has values")  # fmt: skip


@record_check("untrained", "warning", "It has gradients, and the given Trainer does not update it.", needs="trained")
def _untrained(record: ParameterRecord) -> _Seen:
    if record.trained is not False or record.trainer is not None or record.grad_req in (None, "null"):
        return None  # one that another Trainer updates is trained
    return (f"it has gradients (grad_req={record.grad_req!r}), and the Trainer does not update it",
            "make the Trainer of net.collect_params(), or freeze it: grad_req='null'")  # fmt: skip


@check("stale-gradient", "No backward pass wrote its gradient since the last update.", needs="grad_fresh")
def _stale_gradient(records: _Records, shared: _Shared) -> Iterator[Evidence]:
    # A step makes the gradients stale that its Trainer updates, so the parameters of each Trainer are judged apart.
    groups: Dict[Optional[int], List[ParameterRecord]] = {}
    for record in records:
        if record.grad_fresh is not None and record.trained is not False:
            groups.setdefault(record.trainer, []).append(record)
    for group in groups.values():
        yield from _stale_of_one_trainer(group)


def _stale_of_one_trainer(group: Sequence[ParameterRecord]) -> Iterator[Evidence]:
    stale = [record for record in group if not record.grad_fresh]
    written = len(group) - sum(len(record.stale) == len(record.contexts) for record in stale)
    if not written:
        yield ("info", tuple(record.path for record in group), "no backward pass wrote any gradient since the last "
               "update", "inspect between backward() and step() to see gradients")  # fmt: skip
        return
    for record in stale:
        fresh = [ctx for ctx in record.contexts if ctx not in record.stale]
        if fresh:
            seen = f"no backward pass wrote it on {', '.join(record.stale)}, on {', '.join(fresh)} one did"
            hint = "let every context work on a part of the batch: it may have been too small to split"
        else:
            seen = ("no backward pass wrote it since the last update, as one wrote those of "
                    f"{counted(written, 'other')}")  # fmt: skip
            block = f"{record.block} at {record.block_path}" if record.block_path else record.block
            hint = (f"{block} took no part in the loss: call it in forward, freeze it (grad_req='null'), or "
                    "step(ignore_stale_grad=True)")  # fmt: skip
        yield "warning", (record.path,), seen, hint


@check("mixed-dtype", "The floats of one block have several dtypes.")
def _mixed_dtype(records: _Records, shared: _Shared) -> Iterator[Evidence]:
    if len({record.dtype for record in records}) < 2:
        return
    blocks: Dict[Tuple[str, str], List[ParameterRecord]] = {}
    for record in records:
        # Integers beside floats are quantization; a Constant is what its maker made it.
        if record.block and not record.constant and "float" in record.dtype:
            blocks.setdefault((record.block_path, record.block), []).append(record)
    for (path, block), members in blocks.items():
        dtypes = list(dict.fromkeys(record.dtype for record in members))
        if len(dtypes) > 1:
            seen = ", ".join(f"{record.path} {record.dtype}" for record in members)
            yield ("warning", tuple(record.path for record in members),
                   f"the {block}{f' at {path}' if path else ''} mixes dtypes: {seen}",
                   f"cast it as a whole: block.cast({dtypes[0]!r})")  # fmt: skip


@check("mixed-context",
       "Parameters are on different contexts: a forward pass fails, unless its own code moves the data.")  # fmt: skip
def _mixed_context(records: _Records, shared: _Shared) -> Iterator[Evidence]:
    placed = [record for record in records if record.state in ("initialized", "deferred")]
    if len({record.contexts for record in placed}) < 2:
        return
    mismatch = context_mismatch([(record.path, record.contexts) for record in placed])
    if mismatch is not None:
        most = Counter(record.contexts for record in placed).most_common(1)[0][0]
        seen, _, hint = mismatch.partition(". ")
        yield ("warning", tuple(record.path for record in placed if record.contexts != most),
               seen[0].lower() + seen[1:], hint.rstrip("."))  # fmt: skip


@check("broken-tie", "Weights hold equal values and are not shared: a tie that broke, or a copy.")
def _broken_tie(records: _Records, shared: _Shared) -> Iterator[Evidence]:
    equal = [group for group in shared if group.kind == "values"]
    stored = {record.path for record in records if record.state == "stored"} if equal else set()
    for group in equal:
        if stored.issuperset(group.paths):
            yield ("info", group.paths, f"{len(group.paths)} arrays of the file hold the same values",
                   "nothing, if they are one parameter of several paths, which save_parameters writes so")  # fmt: skip
        else:
            yield ("info", group.paths, f"{len(group.paths)} weights hold the same values, each in memory of its own",
                   "tie them, if they were meant to be one parameter; nothing, if one is to be a copy")  # fmt: skip


@check("frozen-lr-mult", "It is frozen by grad_req and has an lr_mult that nothing is trained by.")
def _frozen_lr_mult(records: _Records, shared: _Shared) -> Iterator[Evidence]:
    # Where something is trained by the same multiplier, it was set for all, and what is frozen among them is no fault.
    used = {record.lr_mult for record in records if record.grad_req not in (None, "null")} | {None, 0.0, 1.0}
    for record in records:
        statistic = record.constant or record.role in ("running_mean", "running_var")
        if record.grad_req == "null" and record.lr_mult not in used and not statistic:
            yield ("warning", (record.path,),
                   f"lr_mult is {record.lr_mult:g}, but with grad_req='null' nothing updates it",
                   "set grad_req='write' to train it, or lr_mult back to 1")  # fmt: skip


CODES.update({
    "colliding-path": "Two parameters of the network have one path.",
    "unregistered-block": "A list, tuple, dictionary or set holds Blocks that the network lacks.",
    "stale-graph": "A cached graph is of other parameters than its block has: a child was exchanged.",
    "colliding-name": "Several parameters of the network have one global name.",
})  # fmt: skip
