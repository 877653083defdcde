"""One `DeferredInitError` that lists every unresolved parameter, of whatever MXNet, or nothing yet, raised.

The first sentence says what was done too early or contradicts what; then come the parameters, by block; then the call
that mends it.
"""

from itertools import groupby
from typing import Any, Iterable, List, Optional, Sequence, Tuple

from .._mxnet import mx
from .._mxnet.instrument.call_stack import ArrayArgument, ValueArgument
from .._mxnet.parameter import is_constant
from .._mxnet.tree import class_name
from ..display import counted, counted_of, printable, shape_text
from .causes import cause_of, is_about_deferral, is_of_no_block
from .errors import DeferredInitError, Unresolved
from .inputs import arguments_text, has_arrays
from .reasons import DEFERRED, NOT_DEFERRABLE, UNTOLD, UNTOUCHED, place_text, shapes_text, unresolved
from .resolve import Observed, Resolution, error_text, resolve
from .source import frames_of, last_lines

__all__ = ["MOST", "diagnosed_failure", "error_of", "message", "quotation"]

MOST = 10
"""How many parameters a message shows; `unresolved` has all."""


def diagnosed_failure(
    net: Any, error: BaseException, inputs: Sequence[Any], observed: Observed
) -> Optional[DeferredInitError]:
    """The one error to be raised ``from error`` in a trace; None where that is not about deferred parameters and their
    shapes.
    """
    wrong = _wrong_states(observed)
    if wrong is not None and isinstance(error, _RAISED_FOR_STATES):
        rows, line = unresolved(resolve(net, ())), last_lines(frames_of(error, observed.around))[0]
        headline, mend = wrong
        at = f", at {line}" if line else ""
        return DeferredInitError("\n".join([f"{headline}{at}", f"  {error_text(error)}", *_listed(rows), mend]), rows)
    if not is_about_deferral(error) and not isinstance(error, mx.MXNetError):
        return None
    found = resolve(net, inputs, observed)
    if not is_about_deferral(error) and not (found.conflict and found.conflict.needed):
        return None
    if is_of_no_block(error, frames_of(error, observed.around), found):
        return None
    return error_of(found, inputs, error)


def error_of(
    found: Resolution,
    inputs: Sequence[Any],
    error: Optional[BaseException] = None,
    params: Optional[Iterable[Any]] = None,
) -> DeferredInitError:
    """The error that lists these parameters; by default all that hold no values."""
    rows = unresolved(found, params)
    return DeferredInitError(message(found, rows, inputs, error), rows)


# What MXNet's code comes to when states are nested otherwise than it expects.
_RAISED_FOR_STATES = (mx.MXNetError, AssertionError, AttributeError, LookupError, TypeError, ValueError)


def _wrong_states(observed: Observed) -> Optional[Tuple[str, str]]:
    """Why a recurrent block failed that was given states of another number or nesting than it has; and the mend.

    Of an array where it expects a list, a cell takes the first row for its first state, and MXNet speaks of a weight's
    shape; of one where it misses a second, of an index.
    """
    path, block, args = observed.failing or ("", None, ())
    block_class: Any = type(block)
    own = not block_class.__module__.startswith("mxnet.gluon.")  # whose states may be nested in any way
    if own or not hasattr(block, "state_info") or len(args) < 2 or args[1] == ValueArgument(None):
        return None
    states, wanted = args[1], block.state_info()  # type: ignore[union-attr]
    fits = isinstance(states, (list, tuple)) and len(states) == len(wanted)
    if fits and all(isinstance(each, ArrayArgument) for each in states):
        return None
    count = counted(len(wanted), "state")
    return (f"{place_text(path)} ({class_name(block_class)}) takes a list of {count}, and was given {_nested(states)}",
            f"Pass the states as one flat list, [{', '.join(['state'] * len(wanted))}]; "
            f"begin_state(batch_size=...) makes it.")  # fmt: skip


def _nested(given: Any) -> str:
    if isinstance(given, (list, tuple)):
        return f"[{', '.join(map(_nested, given))}]"
    return f"an array {shape_text(given.shape)}" if isinstance(given, ArrayArgument) else repr(given.value)


def message(
    found: Resolution, rows: Sequence[Unresolved], inputs: Sequence[Any], error: Optional[BaseException] = None
) -> str:
    """The whole text of the error: of `error`, where MXNet has raised one."""
    frames = [] if error is None else frames_of(error, found.observed.around)
    cause, mend = ("", "") if error is None else cause_of(error, frames, found)
    headline = cause or _headline(found, rows, inputs, last_lines(frames)[0])
    # Whether nothing stands in the way but that `initialize` was never called, of any parameter.
    states = {info.state for param, _, info in found.parameters if not is_constant(param)}
    refused = any(row.reason == NOT_DEFERRABLE for row in rows)  # by an `initialize` that was called
    forgotten = states == {"uninitialized"} and not refused and found.conflict is None and found.stop is None
    if forgotten:
        cause = cause.replace(f", and {UNTOUCHED}", "")
        headline = f"initialize was never called on this network{f': {cause}' if cause else ''}"
    text = [*_listed(rows), *(note for note in found.notes if note not in headline), *quotation(error, headline)]
    last = mend or _mend(found, rows, inputs)
    if forgotten:
        return "\n".join([headline, last, *text])
    return "\n".join([headline, *text, *([last] if mend or rows or found.conflict is not None else [])])


def _listed(rows: Sequence[Unresolved]) -> List[str]:
    text: List[str] = []
    for _, group in groupby(rows[:MOST], lambda row: (row.block_path, row.fix, row.reason, row.inputs)):
        members = list(group)
        first = members[0]
        names = ", ".join(f"{printable(row.path)} {shape_text(row.shape)}" for row in members)
        given = f", given {shapes_text(first.inputs)}" if first.inputs and any(first.inputs) else ""
        text += [f"  {names} of {first.block}{given}: {first.reason}", f"      {printable(first.fix)}"]
    return text + [f"  and {len(rows) - MOST} more, which the error's `unresolved` lists"] * (len(rows) > MOST)


def quotation(error: Optional[BaseException], headline: str) -> Tuple[str, ...]:
    """What MXNet said, as a line, unless the headline has it; nothing without an error."""
    return () if error is None or error_text(error) in headline else (f"MXNet said: {error_text(error)}",)


def _headline(found: Resolution, rows: Sequence[Unresolved], inputs: Sequence[Any], line: str) -> str:
    conflict, stop, given = found.conflict, found.stop, arguments_text(inputs)

    def of_all(count: int, one: str, many: str) -> str:
        return counted_of(count, len(found.parameters), "parameter", one, many)

    if conflict is not None:
        where = f"{place_text(conflict.block_path)}, given {shapes_text(conflict.inputs)}"
        words = f", at {line}\n  {conflict.message}" if line else f": {conflict.message}"
        return f"shapes {'contradict each other' if conflict.needed else 'do not fit'} in {where}{words}"
    if stop is None:
        stuck = sum(row.reason != DEFERRED for row in rows)
        if found.has_inputs and stuck:
            return f"{of_all(stuck, 'is', 'are')} not resolved by the inputs {given}:"
        return f"{of_all(len(rows), 'holds', 'hold')} no values yet:"
    where = f"{place_text(stop.block_path)} ({class_name(stop.block)})"
    if not stop.line:
        return f"{where} does not take {given}: {stop.message}"
    if not has_arrays(inputs):
        shape = inputs and all(type(each) is int for each in inputs)
        meant = f" (a shape is a tuple: did you mean ({given}{',' * (len(inputs) == 1)})?)" if shape else ""
        what = f"the network was given {given}, with no array or shape in it{meant}, and stopped"
    elif any(row.block_path == stop.block_path and row.reason.startswith(UNTOLD) for row in rows):
        what = f"{where} reads a parameter whose shape nothing tells,"
    elif stop.numbers:
        what = f"{where} needs numbers, where shapes alone were given,"
    else:
        what = f"{where} stops, as in a forward pass,"
    open_rows = f"\n{of_all(len(rows), 'is', 'are')} not resolved:" if rows else ""
    return f"{what} at {stop.line}\n  {stop.message}{open_rows}"


def _mend(found: Resolution, rows: Sequence[Unresolved], inputs: Sequence[Any]) -> str:
    """The call that mends it."""
    conflict, stop = found.conflict, found.stop
    given = arguments_text(inputs) if inputs else "(batch, ...)"
    if any(row.reason == NOT_DEFERRABLE for row in rows):
        return "Write that, or make the parameter with allow_deferred_init=True; then call net.initialize(...)."
    if any(row.reason == UNTOUCHED for row in rows):
        return "Call net.initialize(...) or gluon_initkit.initialize(net, ...) first."
    if conflict is not None and not conflict.needed:
        return (f"Give the block inputs of other sizes, or declare the shapes of its parameters. Where its code "
                f"broadcasts, call gluon_initkit.materialize(net, {given}, run_forward=True).")  # fmt: skip
    if conflict is not None:
        return "Give the block an input of the size that stood, or build it for this one and initialize it again."
    untold = [row.path for row in rows if row.reason.startswith(UNTOLD)]
    if untold:
        return f"Write that for {', '.join(untold[:3])}{', ...' if untold[3:] else ''}: no batch tells it."
    if stop is not None and not stop.line:
        return "Give the arguments that its forward takes, arrays or shapes, nested as it takes them."
    if stop is not None and not has_arrays(inputs):
        return ("Give arrays or their shapes, gluon_initkit.materialize(net, (2, 5)), with a dtype ((2, 5), 'int32'), "
                "or a list, tuple or dict of such, as the network takes them.")  # fmt: skip
    if stop is not None and not stop.numbers:
        return "A forward pass stops there too: mend the code, or give it what it takes."
    if stop is not None:
        return (f"Call gluon_initkit.materialize(net, {given}, run_forward=True) to allow one forward pass, which "
                f"leaves nothing else behind.")  # fmt: skip
    if any(row.fix.endswith("call it in forward, or remove it") for row in rows):
        return ("To leave such a block deferred, select the others: gluon_initkit.materialize(net, ..., select=...); "
                "a Trainer refuses it all the same.")  # fmt: skip
    return f"Write that, or call gluon_initkit.materialize(net, {given}) before: the shape of one batch is enough."
