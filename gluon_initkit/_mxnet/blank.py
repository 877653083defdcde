"""Arrays of MXNet 2 that have a shape, and neither memory nor numbers.

Deferred compute takes them, and tells the shapes of what operators answer; it would compute, from whatever the memory
holds, when a number is read, or a shape that depends on numbers, so both are refused.
"""

from contextlib import contextmanager
import threading
from typing import Any, Callable, Iterator, List

from mxnet import _deferred_compute, _global_var, cpu, nd, np
import numpy

from .strict import NeedsNumbers

__all__ = ["blank", "blank_arrays"]


def blank(shape: Any, dtype: Any, variable: Any) -> Any:
    """An array without memory, which deferred compute knows by a variable; of float32, if it is one of fractions.

    No shape depends on which, and operators refuse to mix them.
    """
    kind = "float32" if numpy.dtype(dtype).kind == "f" else dtype
    made = _Blank(handle=nd.ndarray._new_alloc_handle(shape, cpu(), True, kind))
    _deferred_compute.set_variable(made, variable)
    return made


@contextmanager
def blank_arrays() -> Iterator[None]:
    """Defer what operators compute, and let them answer arrays without numbers; other threads get theirs as ever."""
    with _swapping:
        if not _users:
            _global_var._np_ndarray_cls = _answered(_global_var._np_ndarray_cls)
        _users.append(_global_var._np_ndarray_cls)
    _running.runs = getattr(_running, "runs", 0) + 1
    try:
        with _deferred_compute.context():
            yield
    finally:
        _running.runs -= 1
        with _swapping:
            ours = _users.pop()
            if not _users:
                _global_var._np_ndarray_cls = ours.plain


_running = threading.local()
_swapping = threading.Lock()
_users: List[Any] = []


def _answered(plain: Callable[..., Any]) -> Callable[..., Any]:
    def make(handle: Any, writable: bool = True, stype: int = 0) -> Any:
        made = plain(handle, writable, stype)
        if getattr(_running, "runs", 0):
            made.__class__ = _Blank
        return made

    make.plain = plain  # type: ignore[attr-defined]
    return make


class _Blank(np.ndarray):
    """An array that has a shape, and no numbers: what reads them in MXNet reads them by these."""

    @property
    def shape(self) -> Any:
        """What was inferred. Of an array that has no history MXNet computes none."""
        inferred = np.ndarray.shape.fget(self.detach())
        if inferred is None or -1 in inferred:
            raise NeedsNumbers("an array was asked for its shape, which depends on numbers")
        return inferred

    def _get_np_boolean_indexing(self, *args: Any) -> Any:
        """What a mask leaves, which MXNet makes an array of past us."""
        made = super()._get_np_boolean_indexing(*args)
        made.__class__ = _Blank
        return made

    def asnumpy(self) -> Any:
        raise NeedsNumbers("an array was asked for its numbers")

    def item(self, *args: Any) -> Any:
        raise NeedsNumbers("an array was asked for one of its numbers")

    def wait_to_read(self) -> None:
        """Nothing is under way."""


_Blank.__name__ = _Blank.__qualname__ = "ndarray"  # what a user's error message calls it
