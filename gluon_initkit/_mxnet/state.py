"""Changing what a parameter holds (values, what is pending, shape, dtype), undoing it, and emitting events about it.

`Parameter._init_impl` only calls ``data.copyto(ctx)``: any object with that method, as the data of a pending tuple,
hands over an array without a copy. An array is refilled in place where it fits: gradients and cached graphs hold it.

MXNet has no transaction, so what a signal's handler raises (Ctrl-C, a time-out) waits until a change is made or undone.
A mask (`signal.pthread_sigmask`) would hold none back: the engine's threads take the signal, and the handler runs.
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

# `ik.initialize` sets arrays without a parameter's methods, and chooses hooks that MXNet never sees. An observer, which
# patches those methods, would miss both: it registers a listener here, by the parameter's id, and keeps the parameter.
listeners: Dict[int, Callable[..., None]] = {}


def emit(param: gluon.Parameter, what: str, **facts: Any) -> None:
    """Say that the kit does `what` to `param`: ``'initialize'``, ``'deferred'``, or ``'filled'`` by a hook."""
    listener = listeners.get(id(param))
    if listener is not None:
        listener(param, what, **facts)


_thread = threading.local()


def events_suppressed() -> bool:
    """Whether what this thread does now is not told."""
    return getattr(_thread, "suppressed", False)


@contextmanager
def suppress_events() -> Iterator[None]:
    """What this thread does to networks meanwhile is not told, and not changed by an observer."""
    before, _thread.suppressed = events_suppressed(), True
    try:
        yield
    finally:
        _thread.suppressed = before


_SLOTS = ("_data", "_grad", *backend.context_slots, "_deferred_init", "_shape", "_dtype", "_var", "init",
          "_allow_deferred_init")  # fmt: skip


def snapshot(params: Sequence[gluon.Parameter]) -> List[Tuple[gluon.Parameter, dict]]:
    """What initializing, loading or tying could change of these parameters, to put it back with `restore`."""
    return [(param, {slot: vars(param)[slot] for slot in _SLOTS if slot in vars(param)}) for param in params]


def restore(taken: Sequence[Tuple[gluon.Parameter, dict]]) -> None:
    """Put back what `snapshot` took."""
    for param, slots in taken:
        for slot, value in slots.items():
            setattr(param, slot, value)
        source: Any = (slots.get("_deferred_init") or (None,))[-1]
        if hasattr(source, "forget"):
            source.forget()  # it may have been asked meanwhile, when the shape was another


@contextmanager
def restoring(params: Sequence[gluon.Parameter]) -> Iterator[None]:
    """If the body raises, these parameters hold what they held; values that were written in place are not put back."""
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
    """In the place of an array that MXNet copies to each context: the first time it is the array itself, no copy."""

    def __init__(self, array: ndarray.NDArray, param: gluon.Parameter, choice: Any = None) -> None:
        self.array, self.param, self.given = array, param, False
        self.choice = choice  # for an observer: who filled the array

    def copyto(self, ctx: context.Context) -> ndarray.NDArray:
        copy = self.given or context_of(self.array) != ctx
        self.given = True
        return layer_array(in_storage_of(self.param, self.array.copyto(ctx) if copy else self.array))


def set_pending(param: gluon.Parameter, init: Any, ctxs: Sequence[context.Context], source: Any) -> None:
    """Leave a parameter deferred: MXNet will ask ``source.copyto(ctx)`` for its values when its shape is known."""
    param._deferred_init = (init, list(ctxs), init, source)


def new_gradients(param: gluon.Parameter, ctxs: Sequence[context.Context]) -> List[ndarray.NDArray]:
    """Arrays for the gradients that initializing will make, where they can be cleared with all the rest; else none."""
    shape: Any = shape_of(param)
    if param.grad_req == "null" or param._grad_stype != "default" or not all(map(is_host, ctxs)):
        return []
    return [empty(shape, param.dtype, ctx) for ctx in ctxs]


def commit(param: gluon.Parameter, init: Any, ctxs: Sequence[context.Context], source: Any, grads: Sequence) -> None:
    """Initialize a parameter from `source`, or leave it pending with `source` where its shape is not known."""
    # `grads` are cleared arrays for its gradients; where there are none, MXNet makes them.
    param._shape = param._shape or shape_of(param)  # which is known by the values alone after `SymbolBlock.imports`
    param._data = param._grad = None
    set_pending(param, init, ctxs, source)
    if not is_known(shape_of(param)):
        emit(param, "deferred")
        return
    if not grads:
        with np_array(backend.uses_numpy_arrays()):
            param._finish_deferred_init()
        return
    asked, param._grad_req = param._grad_req, "null"  # for _init_grad, which would clear others, one after the other
    try:
        param._finish_deferred_init()
    finally:
        param._grad_req = asked
    param._grad = [layer_array(grad) for grad in grads]
    autograd.mark_variables(param._data, param._grad, asked)


def finish_deferred(param: gluon.Parameter, shape: Any) -> None:
    """Give a deferred parameter its shape and its values, as a forward pass does."""
    # MXNet forgets what was pending before it checks anything: whoever calls this takes a `snapshot` first.
    if backend.infers_on_symbols:
        with suppress(Exception):
            # A forward pass makes the variable while the shape is open, and an exported graph shows that. An
            # initializer that is not JSON raises here; it will say so when a graph is asked for.
            param.var()
    with global_state_lock:
        param._shape = tuple(shape)
        param._finish_deferred_init()


def can_refill(param: gluon.Parameter, ctxs: Sequence[context.Context]) -> bool:
    """Whether the arrays that a parameter holds can be refilled in place."""
    held = param._data
    if held is None or param._stype != "default" or held_contexts(param) != list(ctxs):
        return False
    fitting = shape_of(param), numpy.dtype(param.dtype), backend.uses_numpy_arrays()
    if any((array.shape, array.dtype, is_numpy_array(array)) != fitting for array in held):
        return False
    # Copies and pickles of a parameter hold arrays that no gradient belongs to any more.
    return param._grad is None or all(classic(array).grad is not None for array in held)


def after_refill(param: gluon.Parameter, source: Optional[ndarray.NDArray] = None) -> None:
    """What must follow the refilling of a parameter's first array: its replicas, and what its Trainer keeps of it."""
    # Where `source` is given, the first array is refilled from it, on whatever device.
    first, *others = param._data
    if source is not None:
        source.copyto(classic(first))
    for other in others:
        classic(first).copyto(classic(other))
    reset_updates(param)


def gradients_to_clear(param: gluon.Parameter) -> List[ndarray.NDArray]:
    """The gradients of a parameter that is refilled, which the caller clears; those that only MXNet can are cleared."""
    dense = []
    for array, grad, ctx in zip(param._data, param._grad or (), held_contexts(param)):
        array._fresh_grad = False
        if grad.stype == "default" and is_host(ctx):
            dense.append(grad)
        else:
            ndarray.zeros_like(classic(grad), out=classic(grad))
    return dense


def load_contexts(param: gluon.Parameter, asked: Optional[Sequence[Any]]) -> Optional[List[Any]]:
    """Where loaded values go: where the parameter is or is to be, else where it is asked for, else the CPU."""
    # None where it is, or is to be, elsewhere than it is asked for.
    there = list(contexts_of(param))
    if not there:
        return list(asked) if asked else [context.cpu()]
    return there if asked is None or set(asked) == set(there) else None


def set_values(param: gluon.Parameter, array: ndarray.NDArray, ctxs: Sequence[context.Context]) -> None:
    """Give the parameter these values: in place where it has some, else it is initialized with them."""
    if param._data is not None:
        after_refill(param, array)
        return
    param._shape = tuple(array.shape)
    param._deferred_init = ()
    param._init_impl(layer_array(array), ctxs)


def recast(param: gluon.Parameter, dtype: Any) -> None:
    """Give the parameter another dtype, as `Parameter.cast` does, and forget its symbol, which holds the old one."""
    param.cast(dtype)
    param._var = None


def set_grad_req(param: gluon.Parameter, value: str) -> Callable[[], None]:
    """Set `grad_req`, and remember the one before if this freezes the parameter; the function returned undoes it."""
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
    """Context in which the handlers of signals wait; at its end those run whose signal came, each once."""
    # The function that it yields opens a context in which they do not wait: for work that takes long and may be broken
    # off at any point. The contexts around it, which put back what they changed, are then left as a whole.
    if threading.current_thread() is not threading.main_thread():
        yield nullcontext
        return
    found: Dict[int, Any] = {number: signal.getsignal(number) for number in _SIGNALS}
    # Not SIG_DFL, SIG_IGN, or one that is no Python function.
    handlers = {number: handler for number, handler in found.items() if callable(handler)}
    arrived: Dict[int, Any] = {}
    waiting = True

    def held(number: int, frame: Any) -> None:
        if waiting:
            arrived[number] = frame
        else:  # also for whoever keeps this, which he found where his own handler is now
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


def _for_each(left: Dict[int, Any], action: Callable[[int, Any], None]) -> None:
    """Do something for every signal, also where that raises, or another signal's handler in between."""
    try:
        while left:
            number = next(iter(left))
            action(number, left.pop(number))
    finally:
        if left:
            _for_each(left, action)
