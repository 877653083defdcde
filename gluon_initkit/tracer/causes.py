"""What was called too early, or wrongly: the first sentence of the one error, read from an exception's traceback.

MXNet's own messages name a parameter by its global name, or none; its frames hold the parameter itself.
"""

from typing import Any, Iterator, Optional, Tuple

from ..display import shape_text
from .resolution import Resolution, said, source_line

__all__ = ["cause_of"]

_READS = ("data", "list_data", "grad", "list_grad", "list_ctx", "zero_grad", "row_sparse_data", "list_row_sparse_data")
_SAVES = ("save_parameters", "export", "save", "save_params")


def cause_of(error: BaseException, found: Resolution) -> Optional[str]:
    """What led to `error`, in a sentence; None where nothing is known beyond the parameters' own state."""
    at = source_line(error)
    at = f", at {at}" if at else ""
    frames = list(_mxnet_frames(error))
    names = {param: info.label for param, _, info in found.described}
    untouched = {param for param, _, info in found.described if info.state == "uninitialized"}
    count = sum(1 for _, _, info in found.described if info.state != "initialized")
    tail = f"while {count} of {len(found.described)} parameters hold no values{at}"
    for name, module, _ in frames:
        if module == "mxnet.gluon.trainer":
            return f"Trainer.{name} was called {tail}"
        if name in _SAVES and module.startswith("mxnet.gluon"):
            return f"{name} was called {tail}"
    for name, module, local in frames:
        if module != "mxnet.gluon.parameter" or local.get("self") not in names:
            continue
        param = local["self"]
        if name == "set_data":
            found_shape = tuple(getattr(local.get("data"), "shape", ()))
            return (f"{names[param]} has the shape {shape_text(_declared(found, param))}, and set_data was given "
                    f"{shape_text(found_shape)}{at}")  # fmt: skip
        if name in _READS and param in untouched:
            return f"{names[param]} was read, and initialize was never called on it{at}"
        if name in _READS:
            return f"{names[param]} was read by {name}() before it holds values{at}"
    if found.conflict is not None or found.stop is not None:
        return None
    return f"MXNet raised {said(error)}{at}"


def _declared(found: Resolution, param: Any) -> Any:
    return next(info.shape for each, _, info in found.described if each is param)


def _mxnet_frames(error: BaseException) -> Iterator[Tuple[str, str, Any]]:
    """The function, module and variables of each of MXNet's frames, outermost first."""
    trace = error.__traceback__
    while trace is not None:
        module = trace.tb_frame.f_globals.get("__name__", "")
        if module.startswith("mxnet."):
            yield trace.tb_frame.f_code.co_name, module, trace.tb_frame.f_locals
        trace = trace.tb_next
