"""What the standing of a parameter shows: shape and state, who trains it, how old its gradient is, dtype, ties."""

from collections import Counter
from typing import Dict, Iterator, List, Optional, Sequence, Tuple

from ...display import counted
from ...parameters import context_mismatch
from ..records import ParameterRecord, SharedValues
from .check import Check, Suspicion, each

__all__ = ["CHECKS"]


def _unresolvable(record: ParameterRecord) -> Optional[Tuple[str, str]]:
    if record.inferable is not False:
        return None
    shape = "" if record.shape is None else f" {tuple('?' if size is None else size for size in record.shape)}"
    return (f"its shape{shape} is not known, and no forward pass of {record.block or 'its block'} can tell it",
            "give the layer its input size (in_units=, in_channels=), the parameter its shape=, or let a HybridBlock "
            "infer it: allow_deferred_init=True, and on MXNet 2 an infer_shape method that sets it")  # fmt: skip


def _uninitialized(records: Sequence[ParameterRecord], shared: Sequence[SharedValues]) -> Iterator[Suspicion]:
    missing = [record for record in records if record.state == "uninitialized"]
    begun = sum(record.state in ("initialized", "deferred") for record in records) if missing else 0
    for record in missing if begun else ():
        yield ("error", (record.path,),
               f"it was never initialized, or lost its turn in a forward pass that failed; "
               f"{counted(begun, 'other is', 'others are')}",
               "initialize the network again: ik.initialize(net) leaves alone what has values")  # fmt: skip


def _untrained(record: ParameterRecord) -> Optional[Tuple[str, str]]:
    if record.trained is not False or record.trainer is not None or record.grad_req in (None, "null"):
        return None  # one that another Trainer updates is trained
    return (f"it has gradients (grad_req={record.grad_req!r}), and the Trainer does not update it",
            "make the Trainer of net.collect_params(), or freeze it: grad_req='null'")  # fmt: skip


def _stale(records: Sequence[ParameterRecord], shared: Sequence[SharedValues]) -> Iterator[Suspicion]:
    # A step makes gradients stale, of what its Trainer updates alone: so each Trainer's parameters are judged apart.
    groups: Dict[Optional[int], List[ParameterRecord]] = {}
    for record in records:
        if record.grad_fresh is not None and record.trained is not False:
            groups.setdefault(record.trainer, []).append(record)
    for asked in groups.values():
        yield from _stale_of_one(asked)


def _stale_of_one(asked: Sequence[ParameterRecord]) -> Iterator[Suspicion]:
    fresh = [record for record in asked if record.grad_fresh]
    partly = [record for record in asked if not record.grad_fresh and len(record.stale) < len(record.contexts)]
    if not fresh and not partly:
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
            others = counted(len(fresh) + len(partly), "other")
            evidence = f"no backward pass wrote it since the last update, as one wrote those of {others}"
            where = f"{record.block} at {record.block_path}" if record.block_path else record.block
            hint = (f"{where} took no part in the loss: call it in forward, freeze it (grad_req='null'), or "
                    f"step(ignore_stale_grad=True)")  # fmt: skip
        yield "warning", (record.path,), evidence, hint


def _others(record: ParameterRecord) -> str:
    return ", ".join(ctx for ctx in record.contexts if ctx not in record.stale)


def _dtypes(records: Sequence[ParameterRecord], shared: Sequence[SharedValues]) -> Iterator[Suspicion]:
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
            where = f"the {block} at {path}" if path else f"the {block}"
            yield ("warning", tuple(record.path for record in members), f"{where} mixes dtypes: {seen}",
                   f"cast it as a whole: block.cast({dtypes[0]!r})")  # fmt: skip


def _contexts(records: Sequence[ParameterRecord], shared: Sequence[SharedValues]) -> Iterator[Suspicion]:
    held = [record for record in records if record.state in ("initialized", "deferred")]
    split = context_mismatch((record.path, record.contexts) for record in held)
    if split is not None:
        most = Counter(record.contexts for record in held).most_common(1)[0][0]
        evidence, _, hint = split.partition(". ")
        yield ("warning", tuple(record.path for record in held if record.contexts != most),
               evidence[0].lower() + evidence[1:], hint.rstrip("."))  # fmt: skip


def _ties(records: Sequence[ParameterRecord], shared: Sequence[SharedValues]) -> Iterator[Suspicion]:
    equal = [group for group in shared if group.kind == "values"]
    stored = {record.path for record in records if record.state == "stored"} if equal else set()
    for group in equal:
        if stored.issuperset(group.paths):
            yield ("info", group.paths, f"{len(group.paths)} arrays of the file hold the same values",
                   "nothing, if they are one parameter of several paths, which save_parameters writes so")  # fmt: skip
        else:
            yield ("info", group.paths, f"{len(group.paths)} weights hold the same values, each in memory of its own",
                   "tie them, if they were meant to be one parameter; nothing, if one is to be a copy")  # fmt: skip


def _multipliers(records: Sequence[ParameterRecord], shared: Sequence[SharedValues]) -> Iterator[Suspicion]:
    # Where something is trained by the same multiplier, it was set for all, and what is frozen among them is no fault.
    used = {record.lr_mult for record in records if record.grad_req not in (None, "null")} | {None, 0.0, 1.0}
    for record in records:
        statistic = record.constant or record.role in ("running_mean", "running_var")
        if record.grad_req == "null" and record.lr_mult not in used and not statistic:
            yield ("warning", (record.path,),
                   f"lr_mult is {record.lr_mult:g}, but with grad_req='null' nothing updates it",
                   "set grad_req='write' to train it, or lr_mult back to 1")  # fmt: skip


CHECKS = (
    Check("unresolvable", "A shape is unknown, and no forward pass can tell it.", each("error", _unresolvable),
          "inferable"),
    Check("uninitialized", "It has no values, while others of the network have.", _uninitialized),
    Check("untrained", "It has gradients, and the given Trainer does not update it.", each("warning", _untrained),
          "trained"),
    Check("stale-gradient", "No backward pass wrote its gradient since the last update.", _stale, "stats"),
    Check("mixed-dtype", "The floats of one block have several dtypes.", _dtypes),
    Check("mixed-context", "Parameters are on different contexts: a forward pass fails, unless its own code moves the "
          "data.", _contexts),
    Check("broken-tie", "Weights hold equal values and are not shared: a tie that broke, or a copy.", _ties),
    Check("frozen-lr-mult", "It is frozen by grad_req and has an lr_mult that nothing is trained by.", _multipliers),
)  # fmt: skip
