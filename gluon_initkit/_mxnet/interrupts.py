"""Ctrl-C while parameters change hands: MXNet has no transaction, so what has begun is finished first."""

from contextlib import contextmanager
import signal
import threading
from typing import Any, Iterator, List

__all__ = ["interrupts_held"]


@contextmanager
def interrupts_held() -> Iterator[None]:
    """Hold Ctrl-C back: what has begun to change is changed as a whole."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    pressed: List[Any] = []
    before = signal.signal(signal.SIGINT, lambda number, frame: pressed.append((number, frame)))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if pressed and callable(before):
            before(*pressed[0])
