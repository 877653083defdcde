"""Change a parameter's state (values, pending initialization, shape, dtype), undo the change, and emit events about it.

`Parameter._init_impl` only calls ``data.copyto(ctx)``. So any object with that method can be the data of a pending
tuple and pass an array on without a copy. An array is refilled in place if it fits: gradients and cached graphs use it.

MXNet has no transactions, so the handlers of signals (Ctrl-C, a timeout) wait until a change is complete or undone.
A mask (`signal.pthread_sigmask`) does not help: the engine's threads take the signal, and the handler runs.
"""

from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
import signal
import threading
from typing import Any, Callable, Dict, Iterator, List, Optional, Sequence, Tuple

from mxnet import autograd, context, gluon, ndarray
from mxnet.util import np_array
import numpy

from ..shapes import is_known
from . import backend
from .arrays import classic, context_of, empty, is_host, is_numpy_array, layer_array
from .parameter import GRAD_REQ_BEFORE, contexts_of, held_contexts, shape_of
from .preserve import global_state_lock
from .trainer import reset_updates

# `ik.initialize` sets arrays without a parameter's methods, and selects hooks itself. An observer patches those methods
# and would miss both. It registers a listener here by the parameter's id, and keeps the parameter alive.
listeners: Dict[int, Callable[..., None]] = {}


def emit(param: gluon.Parameter, what: str, **facts: Any) -> None:
    """Report to the observer that the kit does `what` to `param`: ``'initialize'``, ``'deferred'`` or ``'filled'``."""
    listener = listeners.get(id(param))
    if listener is not None:
        listener(param, what, **facts)


_thread = threading.local()


def events_suppressed() -> bool:
    """Whether this thread emits no events now."""
    return getattr(_thread, "suppressed", False)


@contextmanager
def suppress_events() -> Iterator[None]:
    """Context in which this thread emits no events, and observers do not change what its calls do."""
    before, _thread.suppressed = events_suppressed(), True
    try:
        yield
    finally:
        _thread.suppressed = before


_SLOTS = ("_data", "_grad", *backend.context_slots, "_deferred_init", "_shape", "_dtype", "_var", "init",
          "_allow_deferred_init")  # fmt: skip


def snapshot(params: Sequence[gluon.Parameter]) -> List[Tuple[gluon.Parameter, dict]]:
    """The state of these parameters that initialize, load or tie could change; `restore` sets it again."""
    return [(param, {slot: vars(param)[slot] for slot in _SLOTS if slot in vars(param)}) for param in params]


def restore(saved: Sequence[Tuple[gluon.Parameter, dict]]) -> None:
    """Set the parameters to the state that `snapshot` took."""
    for param, slots in saved:
        for slot, value in slots.items():
            setattr(param, slot, value)
        source: Any = (slots.get("_deferred_init") or (None,))[-1]
        if hasattr(source, "forget"):
            source.forget()  # it may keep values that were drawn meanwhile for another shape


@contextmanager
def restoring(params: Sequence[gluon.Parameter]) -> Iterator[None]:
    """Restore these parameters if the body raises; values that were written in place are not restored."""
    before = snapshot(params)
    try:
        yield
    except BaseException:
        restore(before)
        raise


def in_storage_of(param: gluon.Parameter, array: ndarray.NDArray) -> ndarray.NDArray:
    """The array as the parameter stores it: dense, row_sparse or csr."""
    return array if array.stype == param._stype else array.tostype(param._stype)


class CopySource:
    """Replaces an array that MXNet copies to each context: the first `copyto` returns the array itself, not a copy."""

    def __init__(self, array: ndarray.NDArray, param: gluon.Parameter, choice: Any = None) -> None:
        self.array, self.param, self.used = array, param, False
        self.choice = choice  # for an observer: the initializer and hook that filled the array

    def copyto(self, ctx: context.Context) -> ndarray.NDArray:
        copy = self.used or context_of(self.array) != ctx
        self.used = True
        return layer_array(in_storage_of(self.param, self.array.copyto(ctx) if copy else self.array))


def set_pending(param: gluon.Parameter, init: Any, ctxs: Sequence[context.Context], source: Any) -> None:
    """Make a parameter deferred: MXNet calls ``source.copyto(ctx)`` for its values when its shape is known."""
    param._deferred_init = (init, list(ctxs), init, source)


def new_gradients(param: gluon.Parameter, ctxs: Sequence[context.Context]) -> List[ndarray.NDArray]:
    """Arrays for a parameter's gradients that the caller can clear together with others; none if only MXNet can."""
    shape: Any = shape_of(param)
    if param.grad_req == "null" or param._grad_stype != "default" or not all(map(is_host, ctxs)):
        return []
    return [empty(shape, param.dtype, ctx) for ctx in ctxs]


def commit(param: gluon.Parameter, init: Any, ctxs: Sequence[context.Context], source: Any, grads: Sequence) -> None:
    """Initialize a parameter from `source`, or make it deferred with `source` if its shape is not known."""
    # `grads` are cleared arrays for its gradients; if there are none, MXNet makes them.
    param._shape = param._shape or shape_of(param)  # `SymbolBlock.imports` sets values without a shape
    param._data = param._grad = None
    set_pending(param, init, ctxs, source)
    if not is_known(shape_of(param)):
        emit(param, "deferred")
        return
    if not grads:
        with np_array(backend.uses_numpy_arrays()):
            param._finish_deferred_init()
        return
    grad_req, param._grad_req = param._grad_req, "null"  # so that _init_grad does not make and clear other arrays
    try:
        param._finish_deferred_init()
    finally:
        param._grad_req = grad_req
    param._grad = [layer_array(grad) for grad in grads]
    autograd.mark_variables(param._data, param._grad, grad_req)


def finish_deferred(param: gluon.Parameter, shape: Any) -> None:
    """Give a deferred parameter its shape and its values, as a forward pass does."""
    # MXNet drops the pending tuple before it checks anything, so the caller takes a `snapshot` first.
    if backend.infers_on_symbols:
        with suppress(Exception):
            # A forward pass makes the variable before the shape is known, and an exported graph shows that. An
            # initializer that JSON cannot write raises here; it raises again when a graph is made.
            param.var()
    with global_state_lock:
        param._shape = tuple(shape)
        param._finish_deferred_init()


def can_refill(param: gluon.Parameter, ctxs: Sequence[context.Context]) -> bool:
    """Whether a parameter's arrays can be refilled in place."""
    arrays = param._data
    if arrays is None or param._stype != "default" or held_contexts(param) != list(ctxs):
        return False
    expected = shape_of(param), numpy.dtype(param.dtype), backend.uses_numpy_arrays()
    if any((array.shape, array.dtype, is_numpy_array(array)) != expected for array in arrays):
        return False
    # The arrays of a copied or unpickled parameter have lost their gradients.
    return param._grad is None or all(classic(array).grad is not None for array in arrays)


def after_refill(param: gluon.Parameter, source: Optional[ndarray.NDArray] = None) -> None:
    """Update a parameter's replicas and its Trainer after its first array was refilled."""
    # If `source` is given, the first array is refilled from it first; it may be on any device.
    first, *others = param._data
    if source is not None:
        source.copyto(classic(first))
    for other in others:
        classic(first).copyto(classic(other))
    reset_updates(param)


def gradients_to_clear(param: gluon.Parameter) -> List[ndarray.NDArray]:
    """The dense host gradients of a refilled parameter, for the caller to clear. Clears the others itself."""
    dense = []
    for array, grad, ctx in zip(param._data, param._grad or (), held_contexts(param)):
        array._fresh_grad = False
        if grad.stype == "default" and is_host(ctx):
            dense.append(grad)
        else:
            ndarray.zeros_like(classic(grad), out=classic(grad))
    return dense


def load_contexts(param: gluon.Parameter, asked: Optional[Sequence[Any]]) -> Optional[List[Any]]:
    """The contexts for loaded values: the parameter's own or pending ones, else those asked for, else the CPU."""
    # None if those asked for differ from its own or pending ones.
    contexts = list(contexts_of(param))
    if not contexts:
        return list(asked) if asked else [context.cpu()]
    return contexts if asked is None or set(asked) == set(contexts) else None


def set_values(param: gluon.Parameter, array: ndarray.NDArray, ctxs: Sequence[context.Context]) -> None:
    """Give the parameter these values: in place if it is initialized, else it is initialized with them."""
    if param._data is not None:
        after_refill(param, array)
        return
    param._shape = tuple(array.shape)
    param._deferred_init = ()
    param._init_impl(layer_array(array), ctxs)


def recast(param: gluon.Parameter, dtype: Any) -> None:
    """Cast the parameter as `Parameter.cast` does, and drop its symbol, which has the old dtype."""
    param.cast(dtype)
    param._var = None


def set_grad_req(param: gluon.Parameter, value: str) -> Callable[[], None]:
    """Set `grad_req`, and store the old one if this freezes the parameter. Returns a function that undoes this."""
    attributes = vars(param)
    before = dict(attributes)

    def undo() -> None:
        attributes.pop(GRAD_REQ_BEFORE, None)
        attributes.update(before)

    attributes.pop(GRAD_REQ_BEFORE, None)
    if value == "null":
        attributes[GRAD_REQ_BEFORE] = param.grad_req
    try:
        param.grad_req = value
    except BaseException:
        undo()
        raise
    return undo


_SIGNALS = sorted(map(int, signal.valid_signals()))


@contextmanager
def interrupts_held() -> Iterator[Callable[[], "AbstractContextManager[None]"]]:
    """Context in which signal handlers wait; at its end the handler of each signal that arrived runs once."""
    # It yields a function for an inner context in which they do not wait: for long work that may be interrupted at any
    # point. The enclosing contexts then undo their changes as usual.
    if threading.current_thread() is not threading.main_thread():
        yield nullcontext
        return
    installed: Dict[int, Any] = {number: signal.getsignal(number) for number in _SIGNALS}
    # Leaves out SIG_DFL, SIG_IGN and handlers that are not Python functions.
    handlers = {number: handler for number, handler in installed.items() if callable(handler)}
    arrived: Dict[int, Any] = {}
    waiting = True

    def held(number: int, frame: Any) -> None:
        if waiting:
            arrived[number] = frame
        else:  # other code may have stored `held` as the previous handler and call it later
            handlers[number](number, frame)

    def hand_on() -> None:
        nonlocal waiting
        waiting = False
        _for_each(arrived, lambda number, frame: handlers[number](number, frame))

    @contextmanager
    def released() -> Iterator[None]:
        nonlocal waiting
        try:
            hand_on()
            yield
        finally:
            waiting = True

    def put_back(number: int, handler: Any) -> None:
        if signal.getsignal(number) is held:
            signal.signal(number, handler)

    try:
        for number in handlers:
            signal.signal(number, held)
        yield released
    finally:
        try:
            _for_each(handlers.copy(), put_back)
        finally:
            hand_on()


def _for_each(pending: Dict[int, Any], action: Callable[[int, Any], None]) -> None:
    """Call `action` for every signal, even if a call or another signal's handler raises in between."""
    try:
        while pending:
            number = next(iter(pending))
            action(number, pending.pop(number))
    finally:
        if pending:
            _for_each(pending, action)
