"""Findings about the state of parameters: shape, who trains them, how old gradients are, dtypes, contexts, ties."""

from collections import Counter
from typing import Dict, Iterator, List, Optional, Sequence, Tuple

from ...display import counted
from ...parameters import context_mismatch
from ..records import ParameterRecord
from .registry import Evidence, Inspected, check, record_check

_Seen = Optional[Tuple[str, str]]


@record_check("unresolvable", "error", "A shape is unknown, and no forward pass can tell it.", needs="inferable")
def _unresolvable(record: ParameterRecord) -> _Seen:
    if record.inferable is not False:
        return None
    shape = "" if record.shape is None else f" {tuple('?' if size is None else size for size in record.shape)}"
    return (f"its shape{shape} is not known, and no forward pass of {record.block or 'its block'} can tell it",
            "give the layer its input size (in_units=, in_channels=), the parameter its shape=, or let a HybridBlock "
            "infer it: allow_deferred_init=True, and on MXNet 2 an infer_shape method that sets it")  # fmt: skip


@check("uninitialized", "It has no values, while others of the network have.")
def _uninitialized(inspected: Inspected) -> Iterator[Evidence]:
    missing = [record for record in inspected.records if record.state == "uninitialized"]
    others = sum(record.state in ("initialized", "deferred") for record in inspected.records)
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
def _stale_gradient(inspected: Inspected) -> Iterator[Evidence]:
    # A step makes the gradients stale that its Trainer updates, so the parameters of each Trainer are judged apart.
    groups: Dict[Optional[int], List[ParameterRecord]] = {}
    for record in inspected.records:
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
def _mixed_dtype(inspected: Inspected) -> Iterator[Evidence]:
    if len({record.dtype for record in inspected.records}) < 2:
        return
    blocks: Dict[Tuple[str, str], List[ParameterRecord]] = {}
    for record in inspected.records:
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
def _mixed_context(inspected: Inspected) -> Iterator[Evidence]:
    placed = [record for record in inspected.records if record.state in ("initialized", "deferred")]
    mismatch = context_mismatch([(record.path, record.contexts) for record in placed])
    if mismatch is not None:
        most = Counter(record.contexts for record in placed).most_common(1)[0][0]
        seen, _, hint = mismatch.partition(". ")
        yield ("warning", tuple(record.path for record in placed if record.contexts != most),
               seen[0].lower() + seen[1:], hint.rstrip("."))  # fmt: skip


@check("broken-tie", "Weights hold equal values and are not shared: a tie that broke, or a copy.")
def _broken_tie(inspected: Inspected) -> Iterator[Evidence]:
    equal = [group for group in inspected.shared if group.kind == "values"]
    stored = {record.path for record in inspected.records if record.state == "stored"} if equal else set()
    for group in equal:
        if stored.issuperset(group.paths):
            yield ("info", group.paths, f"{len(group.paths)} arrays of the file hold the same values",
                   "nothing, if they are one parameter of several paths, which save_parameters writes so")  # fmt: skip
        else:
            yield ("info", group.paths, f"{len(group.paths)} weights hold the same values, each in memory of its own",
                   "tie them, if they were meant to be one parameter; nothing, if one is to be a copy")  # fmt: skip


@check("frozen-lr-mult", "It is frozen by grad_req and has an lr_mult that nothing is trained by.")
def _frozen_lr_mult(inspected: Inspected) -> Iterator[Evidence]:
    records = inspected.records
    # Where something is trained by the same multiplier, it was set for all, and what is frozen among them is no fault.
    used = {record.lr_mult for record in records if record.grad_req not in (None, "null")} | {None, 0.0, 1.0}
    for record in records:
        statistic = record.constant or record.role in ("running_mean", "running_var")
        if record.grad_req == "null" and record.lr_mult not in used and not statistic:
            yield ("warning", (record.path,),
                   f"lr_mult is {record.lr_mult:g}, but with grad_req='null' nothing updates it",
                   "set grad_req='write' to train it, or lr_mult back to 1")  # fmt: skip
