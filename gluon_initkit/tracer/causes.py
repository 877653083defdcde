"""The first sentence of the one error: what was called too early, or wrongly, read from the frames of an exception.

MXNet's own messages name a parameter by its global name, or none; its frames hold the parameter itself.
"""

from typing import Any, List, Optional, Sequence, Tuple

from .._mxnet import backend, mx
from .._mxnet.parameter import contexts_of, source_of
from ..display import counted_of, shape_text
from .resolve import Resolution, error_text
from .source import Frame, code_owner, last_lines

_READS = ("data", "list_data", "grad", "list_grad", "list_ctx", "list_device", "zero_grad", "row_sparse_data",
          "list_row_sparse_data")  # fmt: skip
_SAVES = ("save_parameters", "export", "save", "save_params")

# MXNet forgets what was pending before it fills: after a failure the parameter is like one that was never initialized.
UNTOUCHED = "initialize was never called on it, or filling it failed"
# What MXNet says (gluon/parameter.py, gluon/block.py) of parameters without values and of wrong shapes.
_UNKNOWN = "has parameters with unknown shape. You need to"  # MXNet 2 of a block without infer_shape
_BEGINNINGS = ("Deferred initialization failed", "Cannot initialize Parameter", "Expected shape", "Unknown input to")


def is_about_deferral(error: BaseException) -> bool:
    """Whether MXNet says of itself that a parameter has no values, or another shape."""
    if isinstance(error, mx.gluon.parameter.DeferredInitializationError):
        return True
    if type(error) is RuntimeError:
        text = str(error)
        return (text.startswith("Parameter ") and "has not been initialized" in text) or _UNKNOWN in text
    return type(error) in (ValueError, AssertionError) and str(error).startswith(_BEGINNINGS)


class Failure:
    """An exception, the calls of MXNet that it came through, and the parameters of the network."""

    def __init__(self, error: BaseException, frames: Sequence[Frame], found: Resolution) -> None:
        line = next(filter(None, last_lines(frames)), "")
        self.error, self.found, self.at = error, found, f", at {line}" if line else ""
        self.calls = [(frame.f_code.co_name, frame.f_globals.get("__name__", ""), frame.f_locals)
                      for frame, _ in frames if code_owner(frame) == "mxnet"]  # fmt: skip
        self.records = {param: info for param, _, info in found.parameters}
        readers: List[Any] = [local.get("self") for name, module, local in self.calls
                              if module == "mxnet.gluon.parameter" and name in _READS]  # fmt: skip
        read = [source_of(param) for param in readers if isinstance(param, mx.gluon.Parameter)]
        ids, text = set(map(id, read)), str(error)
        # A hybridized network's graph has inputs by the names of such parameters, and no parameter for them.
        self.container = next(
            (flaw for flaw in found.unregistered for param in flaw.parameters
             if id(param) in ids or ("Unknown input" in text and param.name in text)), None)  # fmt: skip
        # Whether the parameter that was read last is neither the network's nor in a container of it.
        self.is_of_no_block = bool(read) and read[-1] not in self.records and self.container is None

    def cause(self) -> Tuple[str, str]:
        """What led to the error, in a sentence, and how to mend it; both empty where the parameters' state says all."""
        found = self.found
        answer = (self._unregistered() or self._called_early() or self._used_early() or self._on_another_context()
                  or self._unknown_input())  # fmt: skip
        if answer:
            return answer
        waiting = any(info.state != "initialized" for info in self.records.values())
        explained = found.conflict or found.stop or (found.has_inputs and waiting and is_about_deferral(self.error))
        if explained and not (found.context_mismatch and "same context" in str(self.error)):
            return "", ""
        return f"MXNet raised {error_text(self.error)}{self.at}", ""

    def _unregistered(self) -> Optional[Tuple[str, str]]:
        if self.container is not None:
            return f"{self.container} One was needed{self.at}", "Register them, and initialize the network again."
        if self.is_of_no_block:
            return f"no Block of this network registers the parameter that was needed{self.at}", (
                "Make it an attribute of one, and initialize the network again; or initialize it by itself."
            )
        return None

    def _called_early(self) -> Optional[Tuple[str, str]]:
        states = [info.state for info in self.records.values()]
        waiting = len(states) - states.count("initialized")
        for name, module, _ in self.calls:
            trains = module == "mxnet.gluon.trainer"
            if trains or (name in _SAVES and module.startswith("mxnet.gluon")):
                values = counted_of(waiting, len(states), "parameter", "holds", "hold")
                return f"{'Trainer.' if trains else ''}{name} was called while {values} no values{self.at}", ""
        return None

    def _used_early(self) -> Optional[Tuple[str, str]]:
        for name, module, local in self.calls:
            info: Any = self.records.get(local.get("self")) if module == "mxnet.gluon.parameter" else None
            if info is None:
                continue
            if name == "set_data":
                given = shape_text(tuple(getattr(local.get("data"), "shape", ())))
                origin = self.found.observed.origin(info.label, info.shape)
                has = f"{info.label} has the shape {shape_text(info.shape)}{origin and f', {origin}'}"
                return (f"{has}, and set_data was given {given}{self.at}",
                        "Call set_data with an array of that shape, or build the layer for this one.")  # fmt: skip
            if name == "initialize":
                return f"{info.label} was to be initialized, and its shape is {shape_text(info.shape)}{self.at}", ""
            if name in _READS and info.state == "initialized":
                return None
            if name in _READS and info.state == "uninitialized":
                return f"{info.label} was read, and {UNTOUCHED}{self.at}", ""
            if name in _READS:
                return f"{info.label} was read by {name}() before it holds values{self.at}", ""
        return None

    def _on_another_context(self) -> Optional[Tuple[str, str]]:
        for _, module, local in self.calls:
            param, asked = local.get("self"), local.get("ctx", local.get("device"))
            if module == "mxnet.gluon.parameter" and param in self.records and isinstance(asked, backend.Context):
                here = contexts_of(param)
                if here and asked not in here:
                    mend = f". Give inputs that are there; or {backend.reset_call} moves it"
                    return (f"{self.records[param].label} is on {', '.join(map(str, here))}, and was read on {asked}"
                            f"{self.at}{'' if self.found.context_mismatch else mend}", "")  # fmt: skip
        return None

    def _unknown_input(self) -> Optional[Tuple[str, str]]:
        if not str(self.error).startswith("Unknown input to"):
            return None
        name = str(self.error).rpartition(" ")[2]
        return (f"the graph of a hybridized block has the input {name!r}, which is no argument and no parameter of the "
                f"network{self.at}",
                "Give the layer all of its arguments, and register each block as an attribute.")  # fmt: skip
