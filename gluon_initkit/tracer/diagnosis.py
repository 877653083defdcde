"""`diagnose`: one `DeferredInitError` that lists every unresolved parameter, of whatever MXNet, or nothing yet, raised.

The first sentence says what was done too early or contradicts what; then come the parameters, by block; then the call
that mends it.
"""

from itertools import groupby
from typing import Any, List, Mapping, Optional, Sequence, Tuple

from .._mxnet import blocks_of, class_name, construction, mx
from ..display import shape_text
from ..naming import ParameterInfo
from .causes import cause_of
from .conflicts import holders
from .errors import DeferredInitError, Unresolved
from .inputs import shapes_text
from .resolution import Resolution, resolve

__all__ = ["DEFERRED", "diagnose", "message", "pending", "record"]

Shape = Tuple[Optional[int], ...]


def diagnose(
    net: Any,
    error: Optional[BaseException] = None,
    inputs: Sequence[Any] = (),
    seen: Optional[Mapping[str, Sequence[Shape]]] = None,
    passed: bool = False,
    cause: str = "",
) -> DeferredInitError:
    """The one error that says what is unresolved in a network, and why; the network is as it was.

    Parameters
    ----------
    net : Block
    error : Exception, optional
        What MXNet raised; its traceback tells what was called.
    inputs : sequence
        The network's arguments, arrays or shapes, where they are known.
    seen : dict, optional
        The input shapes that blocks were seen to get, by block path.
    passed : bool
        Whether those are from a forward pass that came to its end.
    cause : str
        What the message begins with, where more is known of the failure than its traceback tells.

    Returns
    -------
    DeferredInitError
        To be raised, ``from error``.
    """
    if isinstance(error, DeferredInitError):
        return error
    found = resolve(net, inputs, seen, passed)
    rows = pending(net, found)
    if cause:  # which names what is in dispute
        rows = tuple(row for row in rows if row.path in {info.label for _, _, info in found.described
                                                         if info.state != "initialized"})  # fmt: skip
        return DeferredInitError(message(found, rows, cause, inputs) if rows else cause, rows)
    said = None if error is None else cause_of(error, found)
    return DeferredInitError(message(found, rows, said, inputs), rows)


def pending(net: Any, found: Resolution) -> Tuple[Unresolved, ...]:
    """The records of all parameters that hold no values yet, or whose shape is in dispute."""
    blocks = blocks_of(net)
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
        reason=_reason(found, param, info),
    )


# Reasons that are asked for again.
DEFERRED = "deferred"
_UNTOUCHED = "initialize was never called on it"


def _reason(found: Resolution, param: Any, info: ParameterInfo) -> str:
    conflict, shape = found.conflict, found.shapes[param]
    if conflict is not None and param in conflict.needed:
        stood, where, given = conflict.stood[param]
        origin = f"in {_place(where)}, given {_shapes(given)}" if given else "before"
        return (f"it has to be {shape_text(conflict.needed[param])} in {_place(conflict.block_path)}, given "
                f"{_shapes(conflict.inputs)}, and was {shape_text(stood)} {origin}")  # fmt: skip
    if info.state == "uninitialized":
        return _UNTOUCHED
    if shape is not None and None not in shape:
        return DEFERRED
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
    open_before = param in needed or None in (info.shape or (None,))
    if not open_before:
        return f"{at}{'gluon_initkit.materialize(net)' if info.state == 'deferred' else 'net.initialize(...)'}"

    def shape_of(each: Any) -> Any:
        return needed.get(each) or found.shapes.get(each)

    code = None if block is None or isinstance(block, mx.gluon.SymbolBlock) else construction(block, shape_of)
    return at + (code or _axes(block, info, shape_of(param)))


def _axes(block: Any, info: ParameterInfo, shape: Optional[Shape]) -> str:
    name, known = info.label.rpartition(".")[2], info.shape or (None,) * len(shape or ())
    sizes = [f"axis {axis} is {'?' if size is None else size}"
             for axis, (size, before) in enumerate(zip(shape or (), known))
             if size != before or size is None]  # fmt: skip
    named = ", ".join([name, *(sizes or ["of no known number of axes"])])
    if isinstance(block, mx.gluon.SymbolBlock):
        return f"{named}; a SymbolBlock's shapes come from its inputs"
    return f"{named}: self.params.get({name!r}, shape={shape_text(shape)})"


def message(found: Resolution, rows: Sequence[Unresolved], cause: Optional[str], inputs: Sequence[Any]) -> str:
    """The whole text of the error."""
    text = [cause or _headline(found, rows, inputs)]
    for _, group in groupby(rows, lambda row: (row.block_path, row.fix, row.reason, row.inputs)):
        members = list(group)
        first = members[0]
        named = ", ".join(f"{row.path} {shape_text(row.shape)}" for row in members)
        given = f", given {_shapes(first.inputs)}" if first.inputs else ""
        text += [f"  {named} of {first.block}{given}: {first.reason}", f"      {first.fix}"]
    return "\n".join([*text, *_mend(found, rows, inputs)])


def _headline(found: Resolution, rows: Sequence[Unresolved], inputs: Sequence[Any]) -> str:
    count = f"{len(rows)} of {len(found.described)} parameters"
    conflict, stop = found.conflict, found.stop
    if conflict is not None:
        where = f"{_place(conflict.block_path)}, given {_shapes(conflict.inputs)}"
        return f"shapes {'contradict each other' if conflict.needed else 'do not fit'} in {where}: {conflict.said}"
    if stop is not None and not stop.line:
        return f"{_place(stop.block_path)} ({class_name(stop.block)}) does not take {shapes_text(inputs)}: {stop.said}"
    if stop is not None:
        return (f"{_place(stop.block_path)} ({class_name(stop.block)}) needs numbers, where shapes alone were given, "
                f"at {stop.line}\n  {stop.said}\n{count} are not resolved:")  # fmt: skip
    if found.asked and any(row.reason != DEFERRED for row in rows):
        return f"{count} are not resolved by the inputs {shapes_text(inputs)}:"
    return f"{count} hold no values yet:"


def _mend(found: Resolution, rows: Sequence[Unresolved], inputs: Sequence[Any]) -> List[str]:
    """The call that mends it."""
    shapes = shapes_text(inputs) if inputs else "(batch, ...)"
    if any(row.reason == _UNTOUCHED for row in rows):
        return ["Call net.initialize(...) or gluon_initkit.initialize(net, ...) first."]
    if found.conflict is not None and not found.conflict.needed:
        return ["Give the block inputs of other sizes, or declare the shapes of its parameters."]
    if found.conflict is not None:
        return ["Give the block an input of the size that stood, or build it for this one and initialize it again."]
    if found.stop is not None and not found.stop.line:
        return ["Give the arguments that its forward takes, arrays or shapes, nested as it takes them."]
    if found.stop is not None:
        return [f"Call gluon_initkit.materialize(net, {shapes}, run_forward=True) to allow one forward pass, which "
                f"leaves nothing else behind."]  # fmt: skip
    if any(row.fix.endswith("call it in forward, or remove it") for row in rows):
        return ["To leave such a block deferred, select the others: gluon_initkit.materialize(net, ..., select=...); "
                "a Trainer refuses it all the same."]  # fmt: skip
    return [f"Write that, or call gluon_initkit.materialize(net, {shapes}) before: the shape of one batch is enough."]


def _place(path: str) -> str:
    return path or "the network"


def _shapes(shapes: Sequence[Optional[Shape]]) -> str:
    return ", ".join(map(shape_text, shapes))

