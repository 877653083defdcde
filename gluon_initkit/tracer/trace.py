"""`trace`: a record of what happens to one network's parameters, and one error for what goes wrong with them.

`NetworkObserver` sees and undoes. Here it is written down as events, which are plain data and hold no MXNet object; a
failure goes to `diagnosis`.
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

_MOST_AT_ONCE = 24  # events; of more parameters that `initialize` resolved at once the text says how many they are


@dataclass(frozen=True)
class TraceEvent:
    """One thing that happened while a network was traced. ``str()`` is one line.

    Attributes
    ----------
    kind : str
        ``'initialize'``, ``'force_reinit'``: it was called. ``'deferred'``: not possible yet. ``'resolved'``: the
        parameter got its values. ``'set_data'``, ``'load_parameters'``, ``'cast'``, ``'reset_ctx'``. ``'failed'``: a
        call raised, and the parameters that it had resolved are pending again.
    path, dtype : str or None
        The parameter; None for a failure, which is the whole network's.
    shape : tuple of (int or None), or None
        Its shape afterwards. None stands for an unknown dimension, and for an unknown number of dimensions.
    block, inputs : str, tuple of shapes, or None
        The path of the block in whose forward it happened, ``''`` for the network's own, and what that was given.
    initializer, hook : str or None
        Who fills it, and by which method. An ``'initialize'`` of plain MXNet's names the network-level initializer.
    bytes : int
        Of the parameter's values, over all contexts; 0 while it has none.
    time, seconds : float
        When it began, in seconds since the trace did, and how long it took.
    call, file, line : str, str or None, int or None
        What the user called, ``'HybridSequential.initialize'``, and where: the innermost line outside of MXNet and kit.
    thread : int
        The operating system's number of the thread.
    detail : str
        More: ``'float32 to float16'``.
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
        """The axes whose size is not known; of a shape of unknown length, none can be named."""
        return tuple(axis for axis, size in enumerate(self.shape or ()) if size is None)

    @property
    def source(self) -> str:
        """The user's line as messages show it: the end of the file's path, ``cell`` in a notebook, and the line."""
        *_, folder, name = ("", *(self.file or "").replace("\\", "/").split("/"))
        name = "cell" if folder.startswith("ipykernel_") else name  # which Jupyter names by a hash of what it holds
        return f"{name}:{self.line}" if self.file else ""

    @property
    def filled_by(self) -> str:
        """The initializer and its hook in one word."""
        return ".".join(part for part in (self.initializer, self.hook) if part)

    @property
    def headline(self) -> str:
        """The kind, the parameter and its shape."""
        return " ".join((self.kind, *((self.path, display.shape_text(self.shape)) if self.path is not None else ())))

    @property
    def facts(self) -> Tuple[str, ...]:
        """What else is known, as text."""
        given = inputs_text(self.inputs) or "?"
        where = "" if self.block is None else f"in {self.block or 'the network'} on {given}"
        size = size_text(self.bytes) if self.bytes else ""
        took = _seconds_text(self.seconds) if self.kind not in ("initialize", "force_reinit", "deferred") else ""
        return tuple(part for part in (where, self.filled_by, size, took, self.detail) if part)

    def __str__(self) -> str:
        return display.printable(" · ".join(part for part in (self.headline, *self.facts, self.source) if part))


def _seconds_text(seconds: Optional[float]) -> str:
    if not seconds or seconds < 5e-7:
        return ""
    if seconds < 1e-3:
        return f"{seconds * 1e6:.0f} µs"
    return f"{seconds * 1e3:.1f} ms" if seconds < 1 else f"{seconds:.2f} s"


def trace(net: Any, live: bool = False, on_event: Optional[Callable[[TraceEvent], None]] = None) -> "Trace":
    """Record what happens to a network's parameters: deferral, and how it ends.

    To be used as ``with ik.trace(net) as t:``. Methods of this network's own blocks and parameters are patched, until
    every parameter has its values; no class is changed, and afterwards the objects are as they were.

    Inside, MXNet's errors about missing values and contradicting shapes become one `DeferredInitError` that lists every
    unresolved parameter; `except` clauses for MXNet's own error catch it. If a forward pass or `initialize` fails, the
    parameters that it resolved are pending again, and a second try may succeed.

    Parameters
    ----------
    net : Block
        In any state.
    live : bool
        Whether to print each event as it happens.
    on_event : callable, optional
        Gets each `TraceEvent` as it happens. An exception that it raises becomes a warning, and it is not called again.

    Returns
    -------
    Trace

    Raises
    ------
    TypeError
        `net` is no Block.
    RuntimeError
        On entering: a part of the network is being traced already.

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
    """What `trace` returns: a report whose rows are its events, shown by the user's call, by kind, then by block."""

    def __init__(self, net: Any, live: bool = False, on_event: Optional[Callable] = None) -> None:
        self._net, self._type = net, type(net).__name__
        self._callbacks: List[Callable] = [*([print] if live else []), *([on_event] if on_event else [])]
        self._observer: Optional[NetworkObserver] = NetworkObserver(net, self._record, self._explain)
        self._running = False
        self._pending: Tuple[ParameterInfo, ...] = ()
        self._begin = time.perf_counter_ns()
        # An event costs more than what it is made of, and the middle of a forward pass is not the moment for it.
        self._notes: Deque[Tuple[str, int, int, Any, dict]] = deque()
        self._events: List[TraceEvent] = []
        self._lock = threading.Lock()

    def __enter__(self) -> "Trace":
        if self._observer is None or self._running:
            raise RuntimeError("a trace serves once: write `with ik.trace(net) as t:` again for another")
        self._observer.start()
        self._running, self._begin = True, time.perf_counter_ns()
        return self

    def __exit__(self, kind: Any, error: Optional[BaseException], traceback: Any) -> None:
        mended, observer = None, self._observer
        assert observer is not None
        try:
            self._pending = self.pending
            if isinstance(error, Exception):
                mended = observer.leaving(error)
        finally:
            observer.stop()
            _ = self.events  # made now: what they are made of holds the network
            self._running, self._observer, self._net = False, None, None
        try:
            if mended is not None:
                raise mended from error
        finally:
            del mended, error, traceback  # which hold this frame, and it the network: a cycle

    @property
    def events(self) -> Tuple[TraceEvent, ...]:
        """What has happened until now, in order of time."""
        with self._lock:
            while self._notes:
                self._events.append(self._event(*self._notes.popleft()))
            return tuple(self._events)

    @property
    def rows(self) -> Tuple[TraceEvent, ...]:  # type: ignore[override]
        """The events, as of every report."""
        return self.events

    @property
    def pending(self) -> Tuple[ParameterInfo, ...]:
        """The parameters that are deferred, in order of traversal; after the trace, those that were at its end."""
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
        others = sum(event.kind != "initialize" for event in events) - len(at_once)
        hidden = set(map(id, at_once)) if others and len(at_once) > _MOST_AT_ONCE else ()
        return display.Table(f"Trace of {self._type}: {counts}", _COLUMNS, events, headings=2, parts=_parts,
                     emphasis=lambda event: "error" if event.kind == "failed" else "",
                     first_to_go=("seconds", "bytes", "inputs"), rest=_rest,
                     shown=lambda event: event.kind != "initialize" and id(event) not in hidden)  # fmt: skip

    def _record(self, kind: str, facts: dict) -> None:
        """Write down that something happened; `facts` are the observer's, and are the note's own from now on."""
        if self._observer is None:  # a call that is still under way in another thread
            return
        source = source_within(facts.pop("within", None))
        self._notes.append((kind, time.perf_counter_ns(), threading.get_native_id(), source, facts))
        if self._callbacks:
            event = self.events[-1]
            try:
                for callback in self._callbacks:
                    callback(event)
            except Exception as error:
                # It is called out of the middle of MXNet's work, which it must not break off.
                self._callbacks = []
                display.warn(f"on_event raised {type(error).__name__}: {error}; it is not called again")

    def _event(self, kind: str, now: int, thread: int, source: Any, facts: dict) -> TraceEvent:
        method = "initialize" if kind in ("force_reinit", "deferred", "resolved") else kind
        nanoseconds, asked = facts.pop("nanoseconds", 0), facts.pop("call", f"Parameter.{method}")
        arrays, (call, file, line) = facts.pop("arrays", 0), source
        facts["inputs"] = input_shapes(facts.get("block"), facts.get("inputs"))
        if facts["dtype"] is not None:
            dtype, shape = numpy.dtype(facts["dtype"]), facts["shape"]
            facts["bytes"] = arrays and arrays * math.prod(shape) * dtype.itemsize
            facts.update(shape=known_sizes(shape), dtype=dtype.name)
        return TraceEvent(
            kind, time=(now - nanoseconds - self._begin) / 1e9, seconds=nanoseconds / 1e9, call=call or asked,
            file=file, line=line, thread=thread, **facts,
        )  # fmt: skip

    def _explain(self, error: BaseException, facts: dict) -> Optional[BaseException]:
        """The error to raise instead of one that a call ended in; None to let it be."""
        if isinstance(error, DeferredInitError) or self._observer is None:
            return None
        undone, passed = facts.get("undone", 0), facts["block"] is None  # else a pass broke off here
        observed = Observed(facts["seen"], passed, facts["failing"], self.events, sys._getframe())
        try:
            diagnosed = diagnosed_failure(self._net, error, facts["given"], observed)
        finally:
            observed.around = None  # this frame, which holds `observed`: a cycle
        if diagnosed is not None or undone:
            detail = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
            detail += f"; {display.counted(undone, 'parameter is', 'parameters are')} pending again" if undone else ""
            about = {"block": facts["block"], "inputs": facts["inputs"] or None, "call": facts.get("call", "")}
            self._record("failed", {"path": None, "shape": None, "dtype": None, "detail": detail, **about})
        return diagnosed


def _rest(hidden: Sequence[TraceEvent]) -> str:
    """What a text says of the events that it leaves out."""
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
