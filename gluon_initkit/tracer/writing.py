"""`Notes`: what is written down in the middle of a forward pass, and made into events when somebody asks.

Making a record costs more than noting what it is made of, and a first forward pass is not the moment for it.
"""

from collections import deque
import math
import threading
import time
from typing import Any, Deque, List, Tuple

import numpy

from .._mxnet.instrument.call_stack import BlockCall, input_shapes
from .._mxnet.parameter import known_sizes
from .events import Span, TraceEvent
from .source import call_within

__all__ = ["Notes"]

# What a kind of event is asked for by, where the call itself is not seen.
_METHODS = {"force_reinit": "initialize", "deferred": "initialize", "resolved": "initialize"}


class Notes:
    """The events of one trace; times count from `begin`, in nanoseconds of `time.perf_counter_ns`."""

    def __init__(self, begin: int) -> None:
        self.begin = begin
        self._notes: Deque[Tuple[str, int, int, Any, dict]] = deque()
        self._events: List[TraceEvent] = []
        self._calls: Deque[Tuple[int, List[BlockCall]]] = deque()
        self._spans: List[Span] = []
        self._lock = threading.Lock()

    def note(self, kind: str, facts: dict) -> None:
        """Write down that something happened; `facts` are the watch's, and are the notes' own from now on."""
        now, thread = time.perf_counter_ns(), threading.get_native_id()
        self._notes.append((kind, now, thread, call_within(facts.pop("within", None)), facts))

    def events(self) -> Tuple[TraceEvent, ...]:
        """What has happened until now. Afterwards nothing of the network is held."""
        with self._lock:
            while self._notes:
                self._events.append(self._event(*self._notes.popleft()))
            return tuple(self._events)

    def passed(self, calls: List[BlockCall]) -> None:
        """Write down the calls of an outermost forward call that is over."""
        self._calls.append((threading.get_native_id(), calls))

    def spans(self) -> Tuple[Span, ...]:
        """The forward calls until now. Afterwards nothing of theirs is held."""
        with self._lock:
            while self._calls:
                thread, calls = self._calls.popleft()
                self._spans += [self._span(call, thread) for call in calls]
            return tuple(self._spans)

    def _span(self, call: BlockCall, thread: int) -> Span:
        start, seconds = (call.start - self.begin) / 1e9, (call.end - call.start) / 1e9
        kind, symbolic = type(call.block).__name__, bool(call.symbols)
        return Span(call.path, kind, call.name, call.shapes, symbolic, start, seconds, thread)

    def _event(self, kind: str, now: int, thread: int, source: Any, facts: dict) -> TraceEvent:
        nanoseconds, asked = facts.pop("nanoseconds", 0), facts.pop("call", f"Parameter.{_METHODS.get(kind, kind)}")
        call, file, line = source
        facts["inputs"] = input_shapes(facts.get("block"), facts.get("inputs"))
        arrays = facts.pop("arrays", 0)
        if facts["dtype"] is not None:
            dtype, shape = numpy.dtype(facts["dtype"]), facts["shape"]
            facts["bytes"] = arrays and arrays * math.prod(shape) * dtype.itemsize
            facts.update(shape=known_sizes(shape), dtype=dtype.name)
        return TraceEvent(
            kind, time=(now - nanoseconds - self.begin) / 1e9, seconds=nanoseconds / 1e9, call=call or asked, file=file,
            line=line, thread=thread, **facts,
        )  # fmt: skip
