"""One `DeferredInitError` that lists every unresolved parameter, whatever MXNet has raised, if anything.

The first sentence says what was done too early, or which shapes contradict each other; then come the parameters, by
block, each with the reason and with what to write instead; then the call that mends it.
"""

from itertools import groupby
from operator import attrgetter
from typing import Any, Dict, Iterable, List, Optional, Sequence, Tuple

from .._mxnet import backend, mx
from .._mxnet.instrument.call_stack import ArrayArgument, ValueArgument
from .._mxnet.layers import constructor_call
from .._mxnet.parameter import allows_deferral, is_constant
from .._mxnet.tree import Place, blocks_by_path, class_name
from ..display import Column, counted, counted_of, inputs_text, printable, shape_text
from ..parameters import ParameterInfo
from ..shapes import is_known
from .causes import UNTOUCHED, Failure, is_about_deferral
from .errors import DeferredInitError, Shape, Unresolved
from .resolve import Observed, Resolution, arguments_text, error_text, has_arrays, resolve
from .source import frames_of, last_lines

DEFERRED = "deferred"
NOT_DEFERRABLE = "its shape is not known, and it may not be deferred"
UNTOLD = "no forward pass infers its shape: "
INPUTS = Column("inputs", attrgetter("inputs"), "given", show=inputs_text, fold="range", of_block=True)
_MOST = 10  # parameters that a message shows; `unresolved` has all


def diagnosed_failure(
    net: Any, error: BaseException, inputs: Sequence[Any], observed: Observed
) -> Optional[DeferredInitError]:
    """The one error to raise from `error` in a trace; None where `error` is not about deferred parameters."""
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
    if Failure(error, frames_of(error, observed.around), found).is_of_no_block:
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
    """Why a recurrent block failed whose states were given in another number or nesting than it has; and the mend."""
    # A cell takes the first row of an array for its first state, and MXNet then speaks of a weight's shape or an index.
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
    cause, mend = ("", "") if error is None else Failure(error, frames, found).cause()
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
    for _, group in groupby(rows[:_MOST], lambda row: (row.block_path, row.fix, row.reason, row.inputs)):
        members = list(group)
        first = members[0]
        names = ", ".join(f"{printable(row.path)} {shape_text(row.shape)}" for row in members)
        given = f", given {inputs_text(first.inputs)}" if first.inputs and any(first.inputs) else ""
        text += [f"  {names} of {first.block}{given}: {first.reason}", f"      {printable(first.fix)}"]
    return text + [f"  and {len(rows) - _MOST} more, which the error's `unresolved` lists"] * (len(rows) > _MOST)


def quotation(error: Optional[BaseException], headline: str) -> Tuple[str, ...]:
    """What MXNet said, as a line, unless the headline has it; nothing without an error."""
    return () if error is None or error_text(error) in headline else (f"MXNet said: {error_text(error)}",)


def _headline(found: Resolution, rows: Sequence[Unresolved], inputs: Sequence[Any], line: str) -> str:
    conflict, stop, given = found.conflict, found.stop, arguments_text(inputs)

    def of_all(count: int, one: str, many: str) -> str:
        return counted_of(count, len(found.parameters), "parameter", one, many)

    if conflict is not None:
        where = f"{place_text(conflict.block_path)}, given {inputs_text(conflict.inputs)}"
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
        what = f"{where} reads a parameter whose shape no forward pass infers,"
    elif stop.numbers:
        what = f"{where} needs numbers, where shapes alone were given,"
    else:
        what = f"{where} stops, as in a forward pass,"
    open_rows = f"\n{of_all(len(rows), 'is', 'are')} not resolved:" if rows else ""
    return f"{what} at {stop.line}\n  {stop.message}{open_rows}"


def _mend(found: Resolution, rows: Sequence[Unresolved], inputs: Sequence[Any]) -> str:
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
        return "Give the block an input of the earlier size, or build it for this one and initialize it again."
    untold = [row.path for row in rows if row.reason.startswith(UNTOLD)]
    if untold:
        return f"Write that for {', '.join(untold[:3])}{', ...' if untold[3:] else ''}: no input gives it."
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


def unresolved(found: Resolution, params: Optional[Iterable[Any]] = None) -> Tuple[Unresolved, ...]:
    """The records of these parameters and of those whose shape is in dispute; by default of all that hold no values."""
    blocks = blocks_by_path(found.net)
    if params is None:
        params = [param for param, _, info in found.parameters if info.state != "initialized"]
    chosen = {*map(id, params), *map(id, found.conflict.needed if found.conflict else ())}
    return tuple(
        Unresolved(
            path=info.label,
            shape=info.shape,
            block=class_name(info.block if info.block is not None else type(None)),
            block_path=info.block_path,
            inputs=found.inputs.get(info.block_path),
            fix=_fix(found, blocks, param, place, info),
            reason=_reason(found, blocks, param, place, info),
        )
        for param, place, info in found.parameters
        if id(param) in chosen
    )


def _reason(found: Resolution, blocks: Dict[str, Any], param: Any, place: Place, info: ParameterInfo) -> str:
    conflict, shape = found.conflict, found.shapes[param]
    if conflict is not None and param in conflict.needed:
        earlier = conflict.earlier[param]
        origin = found.observed.origin(info.label, earlier.shape)
        user = f" in {place_text(earlier.block_path)}, given {inputs_text(earlier.inputs)}"
        before = f", {origin}" if origin else user if earlier.inputs else " before"
        return (f"it has to be {shape_text(conflict.needed[param])} in {place_text(conflict.block_path)}, given "
                f"{inputs_text(conflict.inputs)}, and was {shape_text(earlier.shape)}{before}")  # fmt: skip
    if info.state == "uninitialized":
        return UNTOUCHED if is_known(info.shape) or allows_deferral(param) else NOT_DEFERRABLE
    if is_known(shape):
        return DEFERRED
    owner: Any = info.block
    around = [type(blocks[path]) for path in place.holders if path in blocks]
    if owner is not None and not any(map(backend.infers_shapes, around)):
        lack = "has no infer_shape" if issubclass(owner, mx.gluon.HybridBlock) else "is no HybridBlock"
        return f"{UNTOLD}{class_name(owner)} {lack}"
    if found.stop is not None and param not in found.order:
        return "not reached before the code stopped"
    if _is_unreached(found, place):
        return f"no forward pass reaches {place_text(info.block_path)}"
    if not found.has_inputs or conflict is not None:
        return DEFERRED
    if param not in found.order:
        return f"the forward of {place_text(info.block_path)} does not use it"
    return "its size does not follow from the shapes of the inputs"


def _is_unreached(found: Resolution, place: Place) -> bool:
    return bool(found.entered) and found.stop is None and not found.entered & place.holders


def _fix(found: Resolution, blocks: Dict[str, Any], param: Any, place: Place, info: ParameterInfo) -> str:
    """What to write instead: the block's constructor, or the parameter's name and axes where that is not known."""
    block, at = blocks.get(info.block_path), f"{info.block_path}: " if info.block_path else ""
    needed = found.conflict.needed if found.conflict else {}
    if _is_unreached(found, place):
        return f"{at}call it in forward, or remove it"
    if found.conflict and param in needed and found.conflict.earlier[param].inputs:
        users = sorted({found.conflict.earlier[param].block_path, found.conflict.block_path})
        if len(users) == 1:
            return f"{at}call it with inputs of one size"
        both = " and ".join(map(place_text, users))
        return f"{both} share it: give them inputs of one size, or parameters of their own"
    if param not in needed and is_known(info.shape):
        return f"{at}{'gluon_initkit.materialize(net)' if info.state == 'deferred' else 'net.initialize(...)'}"
    if block is not None and backend.defers_always(block):
        kind: Any = type(block)
        return f"{at}gluon_initkit.materialize(net, ...), as MXNet 2 always defers {class_name(kind)}"
    shapes = {**found.shapes, **needed}
    code = None if block is None or isinstance(block, mx.gluon.SymbolBlock) else constructor_call(block, shapes.get)
    return at + (code or _declaration(block, info, shapes[param]))


def _declaration(block: Any, info: ParameterInfo, shape: Shape) -> str:
    name, known = info.label.rpartition(".")[2], info.shape or (None,) * len(shape or ())
    sizes = [f"axis {axis} is {'?' if size is None else size}"
             for axis, (size, before) in enumerate(zip(shape or (), known))
             if size != before or size is None]  # fmt: skip
    axes = ", ".join([name, *(sizes or ["of no known number of axes"])])
    if isinstance(block, mx.gluon.SymbolBlock):
        return f"{axes}; a SymbolBlock's shapes come from its inputs"
    code = f"{axes}: {backend.declaration_code(name, shape_text(shape))}"
    if isinstance(block, mx.gluon.HybridBlock) and not backend.infers_shapes(type(block)):
        return f"{code}, or an infer_shape(self, ...) that sets self.{name}.shape"
    return code


def place_text(path: str) -> str:
    """A block as messages name it."""
    return printable(path) or "the network"
