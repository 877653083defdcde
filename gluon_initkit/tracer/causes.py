"""What was called too early, or wrongly: the first sentence of the one error, read from the frames of an exception.

MXNet's own messages name a parameter by its global name, or none; its frames hold the parameter itself.
"""

from typing import Any, List, NamedTuple, Optional, Sequence, Tuple

from .._mxnet import backend, mx
from .._mxnet.parameter import contexts_of, source_of
from .._mxnet.tree import Flaw
from ..display import counted_of, shape_text
from .resolve import Resolution, error_text
from .source import Frame, code_owner, last_lines

__all__ = ["cause_of", "is_about_deferral", "is_of_no_block"]

_READS = ("data", "list_data", "grad", "list_grad", "list_ctx", "list_device", "zero_grad", "row_sparse_data",
          "list_row_sparse_data")  # fmt: skip
_SAVES = ("save_parameters", "export", "save", "save_params")

# What MXNet says (gluon/parameter.py, gluon/block.py) of parameters without values and of wrong shapes.
_UNKNOWN = "has parameters with unknown shape. You need to"  # MXNet 2 of a block without infer_shape
_BEGINNINGS = ("Deferred initialization failed", "Cannot initialize Parameter", "Expected shape", "Unknown input to")


class _Failure(NamedTuple):
    """An exception, MXNet's calls under way (name, module, local variables), and the end of a sentence: where."""

    error: BaseException
    calls: List[Tuple[str, str, dict]]
    found: Resolution
    at: str

    def records(self) -> dict:
        return {param: info for param, _, info in self.found.parameters}


def is_about_deferral(error: BaseException) -> bool:
    """Whether MXNet says of itself that a parameter has no values, or another shape."""
    if isinstance(error, mx.gluon.parameter.DeferredInitializationError):
        return True
    if type(error) is RuntimeError:
        text = str(error)
        return (text.startswith("Parameter ") and "has not been initialized" in text) or _UNKNOWN in text
    return type(error) in (ValueError, AssertionError) and str(error).startswith(_BEGINNINGS)


def cause_of(error: BaseException, frames: Sequence[Frame], found: Resolution) -> Tuple[str, str]:
    """What led to `error`, in a sentence, and how to mend it; both empty where the parameters' state says all."""
    line = next(filter(None, last_lines(frames)), "")
    failure = _Failure(error, _mxnets_calls(frames), found, f", at {line}" if line else "")
    for cause in (_unregistered, _called_early, _used_early, _on_another_context, _unknown_input):
        answer = cause(failure)
        if answer is not None:
            return answer
    waiting = any(info.state != "initialized" for info in failure.records().values())
    state_tells = found.conflict or found.stop or (found.has_inputs and waiting and is_about_deferral(error))
    if state_tells and not (found.context_mismatch and "same context" in str(error)):
        return "", ""
    return f"MXNet raised {error_text(error)}{failure.at}", ""


def is_of_no_block(error: BaseException, frames: Sequence[Frame], found: Resolution) -> bool:
    """Whether MXNet speaks of a parameter that is neither the network's nor in a container of it."""
    return _is_of_no_block(_Failure(error, _mxnets_calls(frames), found, ""))


def _mxnets_calls(frames: Sequence[Frame]) -> List[Tuple[str, str, dict]]:
    return [(frame.f_code.co_name, frame.f_globals.get("__name__", ""), frame.f_locals)
            for frame, _ in frames if code_owner(frame) == "mxnet"]  # fmt: skip


def _unregistered(failure: _Failure) -> Optional[Tuple[str, str]]:
    container = _container(failure)
    if container is not None:
        return f"{container} One was needed{failure.at}", "Register them, and initialize the network again."
    if _is_of_no_block(failure):
        return f"no Block of this network registers the parameter that was needed{failure.at}", (
            "Make it an attribute of one, and initialize the network again; or initialize it by itself."
        )
    return None


def _called_early(failure: _Failure) -> Optional[Tuple[str, str]]:
    states = [info.state for info in failure.records().values()]
    waiting = len(states) - states.count("initialized")
    for name, module, _ in failure.calls:
        trains = module == "mxnet.gluon.trainer"
        if trains or (name in _SAVES and module.startswith("mxnet.gluon")):
            values = counted_of(waiting, len(states), "parameter", "holds", "hold")
            return f"{'Trainer.' if trains else ''}{name} was called while {values} no values{failure.at}", ""
    return None


def _used_early(failure: _Failure) -> Optional[Tuple[str, str]]:
    records, at = failure.records(), failure.at
    for name, module, local in failure.calls:
        info: Any = records.get(local.get("self")) if module == "mxnet.gluon.parameter" else None
        if info is None:
            continue
        if name == "set_data":
            given = shape_text(tuple(getattr(local.get("data"), "shape", ())))
            origin = failure.found.observed.origin(info.label, info.shape)
            has = f"{info.label} has the shape {shape_text(info.shape)}{origin and f', {origin}'}"
            return (f"{has}, and set_data was given {given}{at}",
                    "Call set_data with an array of that shape, or build the layer for this one.")  # fmt: skip
        if name == "initialize":
            return f"{info.label} was to be initialized, and its shape is {shape_text(info.shape)}{at}", ""
        if name in _READS and info.state == "initialized":
            return None
        if name in _READS and info.state == "uninitialized":
            return f"{info.label} was read, and initialize was never called on it, or filling it failed{at}", ""
        if name in _READS:
            return f"{info.label} was read by {name}() before it holds values{at}", ""
    return None


def _on_another_context(failure: _Failure) -> Optional[Tuple[str, str]]:
    records = failure.records()
    for _, module, local in failure.calls:
        param, asked = local.get("self"), local.get("ctx", local.get("device"))
        if module == "mxnet.gluon.parameter" and param in records and isinstance(asked, backend.Context):
            here = contexts_of(param)
            if here and asked not in here:
                mend = f". Give inputs that are there; or {backend.reset_call} moves it"
                return (f"{records[param].label} is on {', '.join(map(str, here))}, and was read on {asked}{failure.at}"
                        f"{'' if failure.found.context_mismatch else mend}", "")  # fmt: skip
    return None


def _unknown_input(failure: _Failure) -> Optional[Tuple[str, str]]:
    if not str(failure.error).startswith("Unknown input to"):
        return None
    name = str(failure.error).rpartition(" ")[2]
    return (f"the graph of a hybridized block has the input {name!r}, which is no argument and no parameter of the "
            f"network{failure.at}",
            "Give the layer all of its arguments, and register each block as an attribute.")  # fmt: skip


def _is_of_no_block(failure: _Failure) -> bool:
    read = _parameters_read(failure)
    return bool(read) and read[-1] not in failure.records() and _container(failure) is None


def _container(failure: _Failure) -> Optional[Flaw]:
    """The container of the network that holds what MXNet speaks of; None where none does."""
    read, text = list(map(id, _parameters_read(failure))), str(failure.error)
    for each in failure.found.unregistered:
        # A hybridized network's graph has inputs of that name, and no parameter for them.
        if any(id(param) in read or ("Unknown input" in text and param.name in text) for param in each.parameters):
            return each
    return None


def _parameters_read(failure: _Failure) -> List[Any]:
    return [
        source_of(local["self"])
        for name, module, local in failure.calls
        if module == "mxnet.gluon.parameter" and name in _READS and isinstance(local.get("self"), mx.gluon.Parameter)
    ]
