"""`diagnose`: one `DeferredInitError` that lists every unresolved parameter, of whatever MXNet, or nothing yet, raised.

The first sentence says what was done too early or contradicts what; then come the parameters, by block; then the call
that mends it.
"""

from itertools import groupby
from typing import Any, List, Mapping, Optional, Sequence, Tuple

from .._mxnet import backend, mx
from .._mxnet.instrument.call_stack import ArrayArgument, ValueArgument
from .._mxnet.layers import class_name, constructor_call
from .._mxnet.parameter import allows_deferral, is_constant
from .._mxnet.tree import blocks_by_path
from ..display import counted, counted_of, printable, shape_text
from ..parameters import ParameterInfo
from ..shapes import is_known
from .causes import cause_of, is_about_deferral, is_of_no_block
from .conflicts import holders
from .errors import DeferredInitError, Unresolved
from .inputs import is_without_arrays, shapes_text
from .resolve import Observed, Resolution, resolve, said
from .source import frames_of, last_lines

__all__ = ["DEFERRED", "MOST", "diagnose", "diagnosed_failure", "message", "pending", "quotation", "record"]

Shape = Tuple[Optional[int], ...]


def diagnose(
    net: Any, error: Optional[BaseException] = None, inputs: Sequence[Any] = (), observed: Optional[Observed] = None
) -> DeferredInitError:
    """The one error that says what is unresolved in a network, and why; the network is as it was.

    Parameters
    ----------
    net : Block
    error : Exception, optional
        What MXNet raised; its traceback tells what was called.
    inputs : sequence
        The network's arguments, arrays or shapes, where they are known.
    observed : Observed, optional
        What a trace has seen.

    Returns
    -------
    DeferredInitError
        To be raised, ``from error``.
    """
    return error if isinstance(error, DeferredInitError) else _diagnosed(resolve(net, inputs, observed), error, inputs)


def diagnosed_failure(
    net: Any, error: BaseException, inputs: Sequence[Any], observed: Observed
) -> Optional[DeferredInitError]:
    """What `diagnose` answers; None where the error is not about deferred parameters and their shapes."""
    wrong = _wrong_states(observed)
    if wrong is not None and isinstance(error, _MXNETS):
        rows, line = pending(resolve(net, ())), last_lines(frames_of(error, observed.around))[0]
        headline, mend = wrong
        at = f", at {line}" if line else ""
        return DeferredInitError("\n".join([f"{headline}{at}", f"  {said(error)}", *_listed(rows), mend]), rows)
    if not is_about_deferral(error) and not isinstance(error, mx.MXNetError):
        return None
    found = resolve(net, inputs, observed)
    if not is_about_deferral(error) and not (found.conflict and found.conflict.needed):
        return None
    if is_of_no_block(error, frames_of(error, observed.around), found):
        return None
    return _diagnosed(found, error, inputs)


# What MXNet's code comes to when states are nested otherwise than it expects.
_MXNETS = (mx.MXNetError, AssertionError, AttributeError, LookupError, TypeError, ValueError)


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
    is_list = type(states) in (list, tuple)  # the records of arrays and values are tuples too
    if is_list and len(states) == len(wanted) and all(isinstance(each, ArrayArgument) for each in states):
        return None
    count = counted(len(wanted), "state")
    return (f"{_place(path)} ({class_name(block_class)}) takes a list of {count}, and was given {_nested(states)}",
            f"Pass the states as one flat list, [{', '.join(['state'] * len(wanted))}]; "
            f"begin_state(batch_size=...) makes it.")  # fmt: skip


def _nested(given: Any) -> str:
    if type(given) in (list, tuple):
        return f"[{', '.join(map(_nested, given))}]"
    return f"an array {shape_text(given.shape)}" if isinstance(given, ArrayArgument) else repr(given.value)


def _diagnosed(found: Resolution, error: Optional[BaseException], inputs: Sequence[Any]) -> DeferredInitError:
    rows = pending(found)
    return DeferredInitError(message(found, rows, inputs, error), rows)


def pending(found: Resolution) -> Tuple[Unresolved, ...]:
    """The records of all parameters that hold no values yet, or whose shape is in dispute."""
    blocks = blocks_by_path(found.net)
    disputed = found.conflict.needed if found.conflict else {}
    return tuple(
        record(found, blocks, param, info)
        for param, _, info in found.described
        if info.state != "initialized" or param in disputed
    )


def record(found: Resolution, blocks: Mapping[str, Any], param: Any, info: ParameterInfo) -> Unresolved:
    """The record of one parameter."""
    owner = info.block if info.block is not None else type(None)
    return Unresolved(
        path=info.label,
        shape=info.shape,
        block=class_name(owner),
        block_path=info.block_path,
        inputs=found.inputs.get(info.block_path),
        fix=_fix(found, blocks, param, info),
        reason=_reason(found, blocks, param, info),
    )


# Reasons that are asked for again.
DEFERRED = "deferred"
# MXNet forgets what was pending before it fills: after a failure the parameter is like one that was never initialized.
_UNTOUCHED = "initialize was never called on it, or filling it failed"
_NOT_DEFERRABLE = "its shape is not known, and it may not be deferred"
_UNTOLD = "nothing tells its shape: "


def _reason(found: Resolution, blocks: Mapping[str, Any], param: Any, info: ParameterInfo) -> str:
    conflict, shape = found.conflict, found.shapes[param]
    if conflict is not None and param in conflict.needed:
        stood, where, given = conflict.stood[param]
        origin = found.observed.origin(info.label, stood)
        before = f", {origin}" if origin else f" in {_place(where)}, given {_shapes(given)}" if given else " before"
        return (f"it has to be {shape_text(conflict.needed[param])} in {_place(conflict.block_path)}, given "
                f"{_shapes(conflict.inputs)}, and was {shape_text(stood)}{before}")  # fmt: skip
    if info.state == "uninitialized" and not is_known(info.shape) and not allows_deferral(param):
        return _NOT_DEFERRABLE
    if info.state == "uninitialized":
        return _UNTOUCHED
    if is_known(shape):
        return DEFERRED
    owner: Any = info.block
    around = [type(blocks[path]) for path in holders(info) if path in blocks]
    if owner is not None and not any(map(backend.infers_shapes, around)):
        without = "has no infer_shape" if issubclass(owner, mx.gluon.HybridBlock) else "is no HybridBlock"
        return f"{_UNTOLD}{class_name(owner)} {without}"
    if found.stop is not None and param not in found.order:
        return "not reached before the code stopped"
    if _unreached(found, info):
        return f"no forward pass reaches {_place(info.block_path)}"
    if not found.asked or conflict is not None:
        return DEFERRED
    if param not in found.order:
        return f"the forward of {_place(info.block_path)} does not use it"
    return "its size does not follow from the shapes of the inputs"


def _unreached(found: Resolution, info: ParameterInfo) -> bool:
    return bool(found.entered) and found.stop is None and not found.entered & holders(info)


def _fix(found: Resolution, blocks: Mapping[str, Any], param: Any, info: ParameterInfo) -> str:
    """What to write instead: the block's constructor, or the parameter's name and axes where that is not known."""
    block, at = blocks.get(info.block_path), f"{info.block_path}: " if info.block_path else ""
    needed = found.conflict.needed if found.conflict else {}
    if _unreached(found, info):
        return f"{at}call it in forward, or remove it"
    if found.conflict and param in needed and found.conflict.stood[param][2]:
        places = sorted({found.conflict.stood[param][1], found.conflict.block_path})
        if len(places) == 1:
            return f"{at}call it with inputs of one size"
        return f"{' and '.join(map(_place, places))} share it: give them inputs of one size, or parameters of their own"
    open_before = param in needed or not is_known(info.shape)
    if not open_before:
        return f"{at}{'gluon_initkit.materialize(net)' if info.state == 'deferred' else 'net.initialize(...)'}"

    def shape_of(each: Any) -> Any:
        return needed.get(each, found.shapes.get(each))

    if block is not None and backend.defers_always(block):
        kind: Any = type(block)
        return f"{at}gluon_initkit.materialize(net, ...), as MXNet 2 defers {class_name(kind)} whatever it is told"
    code = None if block is None or isinstance(block, mx.gluon.SymbolBlock) else constructor_call(block, shape_of)
    return at + (code or _axes(block, info, shape_of(param)))


def _axes(block: Any, info: ParameterInfo, shape: Optional[Shape]) -> str:
    name, known = info.label.rpartition(".")[2], info.shape or (None,) * len(shape or ())
    sizes = [f"axis {axis} is {'?' if size is None else size}"
             for axis, (size, before) in enumerate(zip(shape or (), known))
             if size != before or size is None]  # fmt: skip
    named = ", ".join([name, *(sizes or ["of no known number of axes"])])
    if isinstance(block, mx.gluon.SymbolBlock):
        return f"{named}; a SymbolBlock's shapes come from its inputs"
    made = f"{named}: {backend.declaration_code(name, shape_text(shape))}"
    if isinstance(block, mx.gluon.HybridBlock) and not backend.infers_shapes(type(block)):
        return f"{made}, or an infer_shape(self, ...) that sets self.{name}.shape"
    return made


def message(
    found: Resolution, rows: Sequence[Unresolved], inputs: Sequence[Any], error: Optional[BaseException] = None
) -> str:
    """The whole text of the error: of `error`, where MXNet has raised one."""
    frames = [] if error is None else frames_of(error, found.observed.around)
    cause, mend = ("", "") if error is None else cause_of(error, frames, found)
    headline, own_mend = cause or _headline(found, rows, inputs, last_lines(frames)[0]), mend
    mend = own_mend or _mend(found, rows, inputs)
    forgotten = _is_forgotten(found, rows)
    if forgotten:
        cause = cause.replace(f", and {_UNTOUCHED}", "")
        headline = f"initialize was never called on this network{f': {cause}' if cause else ''}"
    text = [*_listed(rows), *(note for note in found.notes if note not in headline), *quotation(error, headline)]
    if forgotten:
        return "\n".join([headline, mend, *text])
    return "\n".join([headline, *text, *([mend] if own_mend or rows or found.conflict is not None else [])])


MOST = 10
"""How many parameters a message shows; `unresolved` has all."""


def _listed(rows: Sequence[Unresolved]) -> List[str]:
    text: List[str] = []
    for _, group in groupby(rows[:MOST], lambda row: (row.block_path, row.fix, row.reason, row.inputs)):
        members = list(group)
        first = members[0]
        named = ", ".join(f"{printable(row.path)} {shape_text(row.shape)}" for row in members)
        given = f", given {_shapes(first.inputs)}" if first.inputs and any(first.inputs) else ""
        text += [f"  {named} of {first.block}{given}: {first.reason}", f"      {printable(first.fix)}"]
    return text + [f"  and {len(rows) - MOST} more, which the error's `unresolved` lists"] * (len(rows) > MOST)


def _is_forgotten(found: Resolution, rows: Sequence[Unresolved]) -> bool:
    """Whether nothing stands in the way but that `initialize` was never called, of any parameter."""
    states = {info.state for param, _, info in found.described if not is_constant(param)}
    refused = any(row.reason == _NOT_DEFERRABLE for row in rows)  # by an `initialize` that was called
    return states == {"uninitialized"} and not refused and found.conflict is None and found.stop is None


def quotation(error: Optional[BaseException], headline: str) -> Tuple[str, ...]:
    """What MXNet said, as a line, unless the headline has it; nothing without an error."""
    return () if error is None or said(error) in headline else (f"MXNet said: {said(error)}",)


def _headline(found: Resolution, rows: Sequence[Unresolved], inputs: Sequence[Any], line: str) -> str:
    conflict, stop = found.conflict, found.stop
    if conflict is not None:
        where = f"{_place(conflict.block_path)}, given {_shapes(conflict.inputs)}"
        said = f", at {line}\n  {conflict.said}" if line else f": {conflict.said}"
        return f"shapes {'contradict each other' if conflict.needed else 'do not fit'} in {where}{said}"
    if stop is not None and not stop.line:
        return f"{_place(stop.block_path)} ({class_name(stop.block)}) does not take {shapes_text(inputs)}: {stop.said}"

    def of_all(count: int, one: str, many: str) -> str:
        return counted_of(count, len(found.described), "parameter", one, many)

    if stop is not None and is_without_arrays(inputs):
        return (f"the network was given {shapes_text(inputs)}, with no array or shape in it, and stopped at {stop.line}"
                f"\n  {stop.said}\n{of_all(len(rows), 'is', 'are')} not resolved:")  # fmt: skip
    if stop is not None:
        what = "needs numbers, where shapes alone were given" if stop.numbers else "stops, as in a forward pass"
        if any(row.block_path == stop.block_path and row.reason.startswith(_UNTOLD) for row in rows):
            what = "reads a parameter whose shape nothing tells"
        return (f"{_place(stop.block_path)} ({class_name(stop.block)}) {what}, at {stop.line}\n  {stop.said}\n"
                f"{of_all(len(rows), 'is', 'are')} not resolved:")  # fmt: skip
    stuck = sum(1 for row in rows if row.reason != DEFERRED)
    if found.asked and stuck:
        return f"{of_all(stuck, 'is', 'are')} not resolved by the inputs {shapes_text(inputs)}:"
    return f"{of_all(len(rows), 'holds', 'hold')} no values yet:"


def _mend(found: Resolution, rows: Sequence[Unresolved], inputs: Sequence[Any]) -> str:
    """The call that mends it."""
    shapes = shapes_text(inputs) if inputs else "(batch, ...)"
    if any(row.reason == _NOT_DEFERRABLE for row in rows):
        return "Write that, or make the parameter with allow_deferred_init=True; then call net.initialize(...)."
    if any(row.reason == _UNTOUCHED for row in rows):
        return "Call net.initialize(...) or gluon_initkit.initialize(net, ...) first."
    if found.conflict is not None and not found.conflict.needed:
        return (f"Give the block inputs of other sizes, or declare the shapes of its parameters. Where its code "
                f"broadcasts, call gluon_initkit.materialize(net, {shapes}, run_forward=True).")  # fmt: skip
    if found.conflict is not None:
        return "Give the block an input of the size that stood, or build it for this one and initialize it again."
    untold = [row.path for row in rows if row.reason.startswith(_UNTOLD)]
    if untold:
        return f"Write that for {', '.join(untold[:3])}{', ...' if untold[3:] else ''}: no batch tells it."
    if found.stop is not None and not found.stop.line:
        return "Give the arguments that its forward takes, arrays or shapes, nested as it takes them."
    if found.stop is not None and is_without_arrays(inputs):
        return ("Give arrays or their shapes, gluon_initkit.materialize(net, (2, 5)), with a dtype ((2, 5), 'int32'), "
                "or a list, tuple or dict of such, as the network takes them.")  # fmt: skip
    if found.stop is not None and not found.stop.numbers:
        return "A forward pass stops there too: mend the code, or give it what it takes."
    if found.stop is not None:
        return (f"Call gluon_initkit.materialize(net, {shapes}, run_forward=True) to allow one forward pass, which "
                f"leaves nothing else behind.")  # fmt: skip
    if any(row.fix.endswith("call it in forward, or remove it") for row in rows):
        return ("To leave such a block deferred, select the others: gluon_initkit.materialize(net, ..., select=...); "
                "a Trainer refuses it all the same.")  # fmt: skip
    return f"Write that, or call gluon_initkit.materialize(net, {shapes}) before: the shape of one batch is enough."


def _place(path: str) -> str:
    return printable(path) or "the network"


def _shapes(shapes: Sequence[Optional[Shape]]) -> str:
    return ", ".join(map(shape_text, shapes))

