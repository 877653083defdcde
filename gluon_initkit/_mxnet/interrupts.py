"""Signals while a network changes: MXNet has no transaction, so what a signal's handler raises waits until the end.

Python runs handlers in the main thread, between any two steps of what runs there: Ctrl-C raises KeyboardInterrupt, an
alarm's handler a time-out, SIGTERM's perhaps SystemExit. A mask (`signal.pthread_sigmask`) would hold none of them
back: the engine's threads take the signal then, and Python runs the handler in the main thread all the same.
"""

from contextlib import AbstractContextManager, contextmanager, nullcontext
import signal
import threading
from typing import Any, Callable, Dict, Iterator


class _Held:
    """The handlers that wait, and the signals that came meanwhile."""

    def __init__(self) -> None:
        self.handlers: Dict[int, Callable[[int, Any], Any]] = {}
        self.arrived: Dict[int, Any] = {}
        self.waiting = True

    def __call__(self, number: int, frame: Any) -> None:
        if self.waiting:
            self.arrived[number] = frame
        else:  # also for whoever keeps this, which he found where his own handler is now
            self.handlers[number](number, frame)

    def put_back(self, number: int) -> None:
        handler: Any = signal.getsignal(number)
        if handler is self:
            signal.signal(number, self.handlers[number])

    def handle(self, number: int) -> None:
        self.handlers[number](number, self.arrived.pop(number))

    @contextmanager
    def released(self) -> Iterator[None]:
        try:
            self.waiting = False
            _for_each(self.arrived, self.handle)
            yield
        finally:
            self.waiting = True


def _for_each(left: Dict[int, Any], action: Callable[[int], None]) -> None:
    """Do something for every signal, also where that raises, or another signal's handler in between."""
    try:
        while left:
            number = next(iter(left))
            action(number)
            left.pop(number, None)
    finally:
        if left:
            _for_each(left, action)


@contextmanager
def interrupts_held() -> Iterator[Callable[[], "AbstractContextManager[None]"]]:
    """Inside, the handlers of signals wait; on leaving, those run whose signal came, each once.

    What is yielded opens a context in which they do not wait: for what takes long and may be broken off at any point.
    Then the contexts around it, which put back what they changed, are left as a whole.
    """
    if threading.current_thread() is not threading.main_thread():
        yield nullcontext
        return
    held = _Held()
    for number in signal.valid_signals():
        handler = signal.getsignal(number)
        if callable(handler):  # not SIG_DFL, SIG_IGN, or one that is no Python function
            held.handlers[number] = handler
    try:
        for held_number in held.handlers:
            signal.signal(held_number, held)
        yield held.released
    finally:
        try:
            _for_each(dict(held.handlers), held.put_back)
        finally:
            held.waiting = False
            _for_each(held.arrived, held.handle)
