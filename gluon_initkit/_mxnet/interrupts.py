"""Signals while a network changes: MXNet has no transaction, so what a signal's handler raises waits until the end.

Python runs handlers in the main thread, between any two steps of what runs there: Ctrl-C raises KeyboardInterrupt, an
alarm's handler a time-out, SIGTERM's perhaps SystemExit. A mask (`signal.pthread_sigmask`) would hold none of them
back: the engine's threads take the signal then, and Python runs the handler in the main thread all the same.
"""

from contextlib import AbstractContextManager, contextmanager, nullcontext
import signal
import threading
from typing import Any, Callable, Dict, Iterator

_Handler = Callable[[int, Any], Any]


@contextmanager
def interrupts_held() -> Iterator[Callable[[], "AbstractContextManager[None]"]]:
    """Inside, the handlers of signals wait; on leaving, those run whose signal came, each once.

    What is yielded opens a context in which they do not wait: for what takes long and may be broken off at any point.
    Then the contexts around it, which put back what they changed, are left as a whole.
    """
    if threading.current_thread() is not threading.main_thread():
        yield nullcontext
        return
    handlers: Dict[int, _Handler] = {}
    for number in signal.valid_signals():
        handler = signal.getsignal(number)
        if callable(handler):  # not SIG_DFL, SIG_IGN, or one that is no Python function
            handlers[number] = handler
    arrived: Dict[int, Any] = {}
    waiting = True

    def note(number: int, frame: Any) -> None:
        if waiting:
            arrived[number] = frame
        else:
            handlers[number](number, frame)

    @contextmanager
    def released() -> Iterator[None]:
        nonlocal waiting
        try:
            waiting = False
            _run(arrived, handlers)
            yield
        finally:
            waiting = True

    try:
        for held in handlers:
            signal.signal(held, note)
        yield released
    finally:
        try:
            _put_back(dict(handlers), note)
        finally:
            waiting = False  # also for whoever keeps `note`, which he found where his own handler is now
            _run(arrived, handlers)


def _put_back(handlers: Dict[int, _Handler], note: _Handler) -> None:
    """Put the handlers back where ours are. The first may raise before the last is put back."""
    try:
        while handlers:
            number = next(iter(handlers))
            if signal.getsignal(number) is note:
                signal.signal(number, handlers[number])
            del handlers[number]
    finally:
        if handlers:
            _put_back(handlers, note)


def _run(arrived: Dict[int, Any], handlers: Dict[int, _Handler]) -> None:
    """Run the handlers of the signals that came, also if the first raises."""
    try:
        while arrived:
            number = next(iter(arrived))
            handlers[number](number, arrived.pop(number))
    finally:
        if arrived:
            _run(arrived, handlers)
