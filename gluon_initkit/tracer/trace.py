"""`trace`: records what happens to one network's parameters, and raises one error for their failures.

`NetworkObserver` observes the network and undoes failed calls. This module turns its reports into events, which are
plain data and hold no MXNet object. `diagnosis` explains failures.
"""

from collections import deque
from dataclasses import dataclass
import json
import math
from operator import attrgetter
import sys
import threading
import time
from typing import Any, Callable, Deque, List, Optional, Sequence, Tuple

import numpy

from .. import display
from .._mxnet.instrument.call_stack import input_shapes
from .._mxnet.instrument.observer import NetworkObserver
from .._mxnet.parameter import known_sizes
from ..display import Column, inputs_text, size_text
from ..parameters import ParameterInfo, check_block, list_parameters
from ..shapes import Shape
from .diagnosis import INPUTS, DeferredInitError, diagnosed_failure
from .resolve import Observed
from .source import source_within

_MOST_AT_ONCE = 24  # events; if `initialize` resolved more parameters at once, the text gives only their number


@dataclass(frozen=True)
class TraceEvent:
    """One event in the trace of a network. ``str()`` is one line.

    Attributes
    ----------
    kind : str
        ``'initialize'``, ``'force_reinit'``, ``'set_data'``, ``'load_parameters'``, ``'cast'``, ``'reset_ctx'``: it was
        called. ``'deferred'``: the values must wait for a shape. ``'resolved'``: the parameter got its values.
        ``'failed'``: a call raised an error, and the parameters that it had resolved are pending again.
    path, dtype : str or None
        The parameter; None for a failure, which concerns the whole network.
    shape : tuple of (int or None), or None
        Its shape after the event. None is an unknown dimension, or an unknown number of dimensions.
    block, inputs : str, tuple of shapes, or None
        The path of the block whose forward was running (``''`` is the network), and the shapes of that block's inputs.
    initializer, hook : str or None
        The initializer and its method. For an ``'initialize'`` by plain MXNet, the network-level initializer.
    bytes : int
        The size of the parameter's values on all contexts; 0 while it has none.
    time, seconds : float
        The start, in seconds since the start of the trace; and the duration.
    call, file, line : str, str or None, int or None
        The user's call, ``'HybridSequential.initialize'``, and the innermost line outside of MXNet and the kit.
    thread : int
        The operating system's number of the thread.
    detail : str
        Further information, such as ``'float32 to float16'``.
    """

    kind: str
    path: Optional[str]
    shape: Shape
    dtype: Optional[str]
    block: Optional[str] = None
    inputs: Optional[Tuple[Shape, ...]] = None
    initializer: Optional[str] = None
    hook: Optional[str] = None
    bytes: int = 0
    time: float = 0.0
    seconds: float = 0.0
    call: str = ""
    file: Optional[str] = None
    line: Optional[int] = None
    thread: int = 0
    detail: str = ""

    @property
    def unknown(self) -> Tuple[int, ...]:
        """The axes whose size is not known; empty if the number of axes is not known."""
        return tuple(axis for axis, size in enumerate(self.shape or ()) if size is None)

    @property
    def source(self) -> str:
        """The user's line as messages show it: the file's name (``cell`` in a notebook) and the line number."""
        *_, folder, name = ("", *(self.file or "").replace("\\", "/").split("/"))
        name = "cell" if folder.startswith("ipykernel_") else name  # Jupyter's file name is a hash of the cell
        return f"{name}:{self.line}" if self.file else ""

    @property
    def filled_by(self) -> str:
        """The initializer and its hook, joined by a dot."""
        return ".".join(part for part in (self.initializer, self.hook) if part)

    @property
    def headline(self) -> str:
        """The kind, the parameter and its shape."""
        return " ".join((self.kind, *((self.path, display.shape_text(self.shape)) if self.path is not None else ())))

    @property
    def facts(self) -> Tuple[str, ...]:
        """The other attributes as texts."""
        inputs = inputs_text(self.inputs) or "?"
        place = "" if self.block is None else f"in {self.block or 'the network'} on {inputs}"
        size = size_text(self.bytes) if self.bytes else ""
        duration = _seconds_text(self.seconds) if self.kind not in ("initialize", "force_reinit", "deferred") else ""
        return tuple(filter(None, (place, self.filled_by, size, duration, self.detail)))

    def __str__(self) -> str:
        return display.printable(" · ".join(part for part in (self.headline, *self.facts, self.source) if part))


def _seconds_text(seconds: Optional[float]) -> str:
    if not seconds or seconds < 5e-7:
        return ""
    if seconds < 1e-3:
        return f"{seconds * 1e6:.0f} µs"
    return f"{seconds * 1e3:.1f} ms" if seconds < 1 else f"{seconds:.2f} s"


def trace(net: Any, live: bool = False, on_event: Optional[Callable[[TraceEvent], None]] = None) -> "Trace":
    """Record what happens to a network's parameters: when they are deferred, and when and how they get values.

    Use it as ``with ik.trace(net) as t:``. It patches methods of this network's blocks and parameters, until every
    parameter has its values. No class is changed, and at the end the objects are as they were before.

    Inside, MXNet's errors about missing values and contradicting shapes become one `DeferredInitError` that lists every
    unresolved parameter; `except` clauses for MXNet's own error catch it. If a forward pass or `initialize` fails, the
    parameters that it resolved are pending again, and a second try may succeed.

    Parameters
    ----------
    net : Block
        May be in any state.
    live : bool
        Whether to print each event as it happens.
    on_event : callable, optional
        Gets each `TraceEvent` as it happens. If it raises, a warning shows the exception, and it is not called again.

    Returns
    -------
    Trace

    Raises
    ------
    TypeError
        `net` is not a Block.
    RuntimeError
        When the ``with`` statement begins: a part of the network is being traced already.

    Examples
    --------
    >>> net = mx.gluon.nn.HybridSequential()
    >>> net.add(mx.gluon.nn.Dense(4), mx.gluon.nn.Dense(2))
    >>> with trace(net) as t:
    ...     net.initialize()
    ...     print([info.path for info in t.pending])
    ...     _ = net(mx.nd.ones((3, 5)))
    ['0.weight', '1.weight']
    >>> [(event.path, event.shape, event.inputs) for event in t.events if event.kind == "resolved" and event.block]
    [('0.weight', (4, 5), ((3, 5),)), ('1.weight', (2, 4), ((3, 4),))]
    """
    check_block(net)
    return Trace(net, live, on_event)


class Trace(display.TableReport[TraceEvent]):
    """The result of `trace`: a report whose rows are events, grouped by the user's call, by kind and by block."""

    def __init__(self, net: Any, live: bool = False, on_event: Optional[Callable] = None) -> None:
        self._net, self._type = net, type(net).__name__
        self._callbacks: List[Callable] = [*([print] if live else []), *([on_event] if on_event else [])]
        self._observer: Optional[NetworkObserver] = NetworkObserver(net, self._record, self._explain)
        self._running = False
        self._pending: Tuple[ParameterInfo, ...] = ()
        self._begin = time.perf_counter_ns()
        # A forward pass only appends its facts here: making an event of them costs more, and is done later.
        self._raw_events: Deque[Tuple[str, int, int, Any, dict]] = deque()
        self._events: List[TraceEvent] = []
        self._lock = threading.Lock()

    def __enter__(self) -> "Trace":
        if self._observer is None or self._running:
            raise RuntimeError("a trace serves once: write `with ik.trace(net) as t:` again for another")
        self._observer.start()
        self._running, self._begin = True, time.perf_counter_ns()
        return self

    def __exit__(self, kind: Any, error: Optional[BaseException], traceback: Any) -> None:
        diagnosed, observer = None, self._observer
        assert observer is not None
        try:
            self._pending = self.pending
            if isinstance(error, Exception):
                diagnosed = observer.leaving(error)
        finally:
            observer.stop()
            _ = self.events  # makes all events now: the raw ones hold the network
            self._running, self._observer, self._net = False, None, None
        try:
            if diagnosed is not None:
                raise diagnosed from error
        finally:
            del diagnosed, error, traceback  # they hold this frame, which holds the network: a reference cycle

    @property
    def events(self) -> Tuple[TraceEvent, ...]:
        """The events until now, in order of time."""
        with self._lock:
            while self._raw_events:
                self._events.append(self._event(*self._raw_events.popleft()))
            return tuple(self._events)

    @property
    def rows(self) -> Tuple[TraceEvent, ...]:  # type: ignore[override]
        """The events."""
        return self.events

    @property
    def pending(self) -> Tuple[ParameterInfo, ...]:
        """The deferred parameters, in order of traversal. After the trace, those that were deferred at its end."""
        if not self._running:
            return self._pending
        return tuple(info for _, _, info in list_parameters(self._net) if info.state == "deferred")

    def to_json(self) -> str:
        """The records as a JSON list; unknown dimensions are null."""
        return json.dumps(self.to_records())

    def _table(self) -> display.Table:
        events = self.events
        resolved = sum(event.kind == "resolved" for event in events)
        counts = f"{resolved} resolved, {len(self.pending)} pending" if events else "nothing happened"
        if self._net is not None and not self._running:
            counts = "not begun; write `with ik.trace(net) as t:`"
        at_once = [event for event in events if event.kind == "resolved" and event.block is None]
        other_count = sum(event.kind != "initialize" for event in events) - len(at_once)
        hidden = set(map(id, at_once)) if other_count and len(at_once) > _MOST_AT_ONCE else ()
        return display.Table(f"Trace of {self._type}: {counts}", _COLUMNS, events, headings=2, parts=_parts,
                     emphasis=lambda event: "error" if event.kind == "failed" else "",
                     first_to_go=("seconds", "bytes", "inputs"), rest=_hidden_text,
                     shown=lambda event: event.kind != "initialize" and id(event) not in hidden)  # fmt: skip

    def _record(self, kind: str, facts: dict) -> None:
        """Record an event. `facts` come from the observer; from now on they belong to this event."""
        if self._observer is None:  # the trace has ended, but another thread is still in a call
            return
        source = source_within(facts.pop("within", None))
        self._raw_events.append((kind, time.perf_counter_ns(), threading.get_native_id(), source, facts))
        if self._callbacks:
            event = self.events[-1]
            try:
                for callback in self._callbacks:
                    callback(event)
            except Exception as error:
                # The callback runs in the middle of MXNet's work, which must not be interrupted.
                self._callbacks = []
                display.warn(f"on_event raised {type(error).__name__}: {error}; it is not called again")

    def _event(self, kind: str, now: int, thread: int, source: Any, facts: dict) -> TraceEvent:
        method = "initialize" if kind in ("force_reinit", "deferred", "resolved") else kind
        nanoseconds, default_call = facts.pop("nanoseconds", 0), facts.pop("call", f"Parameter.{method}")
        arrays, (call, file, line) = facts.pop("arrays", 0), source
        facts["inputs"] = input_shapes(facts.get("block"), facts.get("inputs"))
        if facts["dtype"] is not None:
            dtype, shape = numpy.dtype(facts["dtype"]), facts["shape"]
            facts["bytes"] = arrays and arrays * math.prod(shape) * dtype.itemsize
            facts.update(shape=known_sizes(shape), dtype=dtype.name)
        return TraceEvent(
            kind, time=(now - nanoseconds - self._begin) / 1e9, seconds=nanoseconds / 1e9, call=call or default_call,
            file=file, line=line, thread=thread, **facts,
        )  # fmt: skip

    def _explain(self, error: BaseException, facts: dict) -> Optional[BaseException]:
        """The error to raise instead of a call's `error`; None to keep `error`."""
        if isinstance(error, DeferredInitError) or self._observer is None:
            return None
        undone, passed = facts.get("undone", 0), facts["block"] is None  # `block` is where a forward pass failed
        observed = Observed(facts["seen"], passed, facts["failing"], self.events, sys._getframe())
        try:
            diagnosed = diagnosed_failure(self._net, error, facts["given"], observed)
        finally:
            observed.caught_in = None  # this frame holds `observed`: a reference cycle
        if diagnosed is not None or undone:
            detail = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
            detail += f"; {display.counted(undone, 'parameter is', 'parameters are')} pending again" if undone else ""
            about = {"block": facts["block"], "inputs": facts["inputs"] or None, "call": facts.get("call", "")}
            self._record("failed", {"path": None, "shape": None, "dtype": None, "detail": detail, **about})
        return diagnosed


def _hidden_text(hidden: Sequence[TraceEvent]) -> str:
    """The sentence about the events that a text does not show."""
    at_once = sum(event.kind == "resolved" for event in hidden)
    text = f"{len(hidden) - at_once:,} initialize events are not shown: deferred or resolved ones follow them."
    return f"{text} {at_once:,} parameters got their values at once, which is not shown either." if at_once else text


def _parts(event: TraceEvent) -> Tuple[str, ...]:
    call = " · ".join(filter(None, (event.call, event.source))) or "no call of the user's"
    return (call, event.kind, *(event.path or "(network)").split("."))


_COLUMNS = (
    display.path_column("event"),
    display.shape_column(hoist=""),
    INPUTS,
    Column("filled_by", lambda event: event.filled_by.replace("._init_weight", ""), "filled by"),
    Column("bytes", lambda event: event.bytes or None, show=lambda value: size_text(value) if value else "", fold="sum",
           number=True),
    Column("seconds", lambda event: event.seconds or None, "took", show=_seconds_text, fold="sum", number=True),
    Column("detail", attrgetter("detail"), "", hoist=""),
)  # fmt: skip
