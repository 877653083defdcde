"""What was called too early, or wrongly: the first sentence of the one error, read from the frames of an exception.

MXNet's own messages name a parameter by its global name, or none; its frames hold the parameter itself.
"""

from typing import Any, List, Optional, Sequence, Tuple

from .._mxnet import backend, mx
from .._mxnet.containers import Unregistered
from .._mxnet.parameter import contexts_of
from .._mxnet.transposed import source_of
from ..display import counted_of, shape_text
from .resolve import Resolution, said
from .source import Frame, last_lines, whose

__all__ = ["cause_of", "is_about_deferral", "is_of_no_block"]

_READS = ("data", "list_data", "grad", "list_grad", "list_ctx", "list_device", "zero_grad", "row_sparse_data",
          "list_row_sparse_data")  # fmt: skip
_SAVES = ("save_parameters", "export", "save", "save_params")

# What MXNet 1.9.1 says (gluon/parameter.py, gluon/block.py) of parameters without values and of wrong shapes.
_UNTOLD = "has parameters with unknown shape. You need to"  # MXNet 2 of a block without infer_shape
_BEGINNINGS = ("Deferred initialization failed", "Cannot initialize Parameter", "Expected shape", "Unknown input to")


def is_about_deferral(error: BaseException) -> bool:
    """Whether MXNet says of itself that a parameter has no values, or another shape."""
    if isinstance(error, mx.gluon.parameter.DeferredInitializationError):
        return True
    if type(error) is RuntimeError:
        text = str(error)
        return (text.startswith("Parameter ") and "has not been initialized" in text) or _UNTOLD in text
    return type(error) in (ValueError, AssertionError) and str(error).startswith(_BEGINNINGS)


def cause_of(error: BaseException, frames: Sequence[Frame], found: Resolution) -> Tuple[str, str]:
    """What led to `error`, in a sentence, and how to mend it; both empty where the parameters' state says all."""
    theirs, mxnets = last_lines(frames)
    at = f", at {theirs or mxnets}" if theirs or mxnets else ""
    infos = {param: info for param, _, info in found.described}
    waiting = sum(1 for info in infos.values() if info.state != "initialized")
    tail = f"while {counted_of(waiting, len(infos), 'parameter', 'holds', 'hold')} no values{at}"
    calls = [(frame.f_code.co_name, frame.f_globals.get("__name__", ""), frame.f_locals)
             for frame, _ in frames if whose(frame) == "mxnet"]  # fmt: skip
    lost = _unregistered_in(error, frames, found)
    if lost is not None:
        return f"{lost} One was needed{at}", "Register them, and initialize the network again."
    if is_of_no_block(error, frames, found):
        return f"no Block of this network registers the parameter that was needed{at}", (
            "Make it an attribute of one, and initialize the network again; or initialize it by itself."
        )
    for name, module, _ in calls:
        if module == "mxnet.gluon.trainer":
            return f"Trainer.{name} was called {tail}", ""
        if name in _SAVES and module.startswith("mxnet.gluon"):
            return f"{name} was called {tail}", ""
    for name, module, local in calls:
        info: Any = infos.get(local.get("self")) if module == "mxnet.gluon.parameter" else None
        if info is None:
            continue
        if name == "set_data":
            given = shape_text(tuple(getattr(local.get("data"), "shape", ())))
            origin = found.observed.origin(info.label, info.shape)
            has = f"{info.label} has the shape {shape_text(info.shape)}{origin and f', {origin}'}"
            return (f"{has}, and set_data was given {given}{at}",
                    "Call set_data with an array of that shape, or build the layer for this one.")  # fmt: skip
        if name == "initialize":
            return f"{info.label} was to be initialized, and its shape is {shape_text(info.shape)}{at}", ""
        if name in _READS and info.state == "initialized":
            break
        if name in _READS and info.state == "uninitialized":
            return f"{info.label} was read, and initialize was never called on it, or filling it failed{at}", ""
        if name in _READS:
            return f"{info.label} was read by {name}() before it holds values{at}", ""
    for _, module, local in calls:
        param, asked = local.get("self"), local.get("ctx", local.get("device"))
        if module == "mxnet.gluon.parameter" and param in infos and isinstance(asked, backend.Context):
            here = contexts_of(param)
            if here and asked not in here:
                there = ", ".join(map(str, here))
                mend = "" if found.apart else f". Give inputs that are there; or {backend.reset_call} moves it"
                return f"{infos[param].label} is on {there}, and was read on {asked}{at}{mend}", ""
    if found.apart and "same context" in str(error):
        return f"MXNet raised {said(error)}{at}", ""
    if str(error).startswith("Unknown input to"):
        name = str(error).rpartition(" ")[2]
        return (
            f"the graph of a hybridized block has the input {name!r}, which is no argument and no parameter of the "
            f"network{at}",
            "Give the layer all of its arguments, and register each block as an attribute.",
        )
    if found.conflict is not None or found.stop is not None or (found.asked and waiting and is_about_deferral(error)):
        return "", ""
    return f"MXNet raised {said(error)}{at}", ""


def is_of_no_block(error: BaseException, frames: Sequence[Frame], found: Resolution) -> bool:
    """Whether MXNet speaks of a parameter that is neither the network's nor in a container of it."""
    own = {id(param) for param, _, _ in found.described}
    read = _read_in(frames)
    return bool(read) and id(read[-1]) not in own and _unregistered_in(error, frames, found) is None


def _unregistered_in(error: BaseException, frames: Sequence[Frame], found: Resolution) -> Optional[Unregistered]:
    """The container of the network that holds what MXNet speaks of; None where none does."""
    read, text = list(map(id, _read_in(frames))), str(error)
    for each in found.unregistered:
        # A hybridized network's graph has inputs of that name, and no parameter for them.
        if any(id(param) in read or ("Unknown input" in text and param.name in text) for param in each.parameters):
            return each
    return None


def _read_in(frames: Sequence[Frame]) -> List[Any]:
    """The parameters that were read when the error came."""
    return [
        source_of(frame.f_locals["self"])
        for frame, _ in frames
        if frame.f_globals.get("__name__") == "mxnet.gluon.parameter" and frame.f_code.co_name in _READS
        and isinstance(frame.f_locals.get("self"), mx.gluon.Parameter)
    ]  # fmt: skip
