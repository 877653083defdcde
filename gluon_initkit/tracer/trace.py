"""`trace`: a record of what happens to one network's parameters, and one error for what goes wrong with them.

`NetworkObserver` sees and undoes. Here it is written down, and what was seen of a failure is handed to `diagnosis`:
what MXNet says about shapes and deferral becomes a `DeferredInitError`, anything else goes on as it is.
"""

from collections import deque
import dataclasses
from itertools import groupby
import json
import math
import sys
import threading
import time
from typing import Any, Callable, Deque, Dict, Iterable, Iterator, List, Optional, Tuple

import numpy

from .._mxnet.instrument.call_stack import input_shapes
from .._mxnet.instrument.observer import NetworkObserver
from .._mxnet.parameter import known_sizes
from ..display import Branch, Column, Table, as_rich_tree, as_tree, counted, printable, rendered, warn
from ..parameters import ParameterInfo, check_block, list_parameters
from .diagnosis import diagnosed_failure
from .errors import DeferredInitError
from .events import TraceEvent, inputs_text
from .resolve import Observed
from .source import source_within

__all__ = ["Trace", "trace"]


def trace(net: Any, live: bool = False, on_event: Optional[Callable[[TraceEvent], None]] = None) -> "Trace":
    """Record what happens to a network's parameters: deferral, and how it ends.

    To be used as ``with ik.trace(net) as t:``. Wrappers stand before methods of this network's own blocks and
    parameters; no class is changed, and afterwards the objects are as they were. Those in the way of a forward pass
    come off as soon as every parameter has its values.

    Inside, what MXNet says about missing values and contradicting shapes is raised as one `DeferredInitError`
    that lists every unresolved parameter; `except` clauses for MXNet's own error catch it. Whatever fails, a forward
    pass or `initialize`, the parameters that it resolved are pending again and a second try may succeed.

    Parameters
    ----------
    net : Block
        A network, in any state.
    live : bool
        Whether to print each event as it happens.
    on_event : callable, optional
        Gets each `TraceEvent` as it happens. An exception that it raises becomes a warning: it does not break into
        the network, and it is not called again.

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


class Trace:
    """What `trace` returns. ``str()`` and Jupyter show its events as a tree: by the user's call, then by block.

    Examples
    --------
    >>> net = mx.gluon.nn.Dense(2)
    >>> with Trace(net) as t:
    ...     net.initialize()
    >>> [(event.kind, event.path, event.shape) for event in t.events if event.path == "weight"]
    [('initialize', 'weight', (2, None)), ('deferred', 'weight', (2, None))]
    """

    def __init__(self, net: Any, live: bool = False, on_event: Optional[Callable] = None) -> None:
        self._net, self._live, self._callback = net, live, on_event
        self._type = type(net).__name__
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
    def pending(self) -> Tuple[ParameterInfo, ...]:
        """The parameters that are deferred, in order of traversal; after the trace, those that were at its end."""
        if not self._running:
            return self._pending
        return tuple(info for _, _, info in list_parameters(self._net) if info.state == "deferred")

    def to_records(self) -> List[Dict[str, Any]]:
        """The events as dictionaries of plain Python values, keyed by the attributes of `TraceEvent`."""
        return [dataclasses.asdict(event) for event in self.events]

    def to_json(self) -> str:
        """The records as a JSON list; unknown dimensions are null."""
        return json.dumps(self.to_records())

    def __repr__(self) -> str:
        facts = f"{counted(len(self.events), 'event')}, {counted(len(self.pending), 'parameter')} pending"
        return f"<{type(self).__name__} of {printable(self._type)}: {facts}>"

    def __str__(self) -> str:
        return rendered(self)

    def __rich__(self) -> Any:
        return as_rich_tree(Branch(self._title(), below=tuple(_branches(self.events))))

    def _repr_html_(self) -> str:
        return as_tree(Table(self._title(), (Column("event", lambda row: ""),), list(_branches(self.events))))

    def _title(self) -> str:
        events = self.events
        resolved = sum(event.kind == "resolved" for event in events)
        counts = f"{resolved} resolved, {len(self.pending)} pending" if events else "nothing happened"
        return f"Trace of {self._type}: {counts}"

    def _record(self, kind: str, facts: dict) -> None:
        """Write down that something happened; `facts` are the observer's, and are the note's own from now on."""
        if self._observer is None:  # a call that is still under way in another thread
            return
        source = source_within(facts.pop("within", None))
        self._notes.append((kind, time.perf_counter_ns(), threading.get_native_id(), source, facts))
        if self._live or self._callback is not None:
            self._announce(self.events[-1])

    def _event(self, kind: str, now: int, thread: int, source: Any, facts: dict) -> TraceEvent:
        method = "initialize" if kind in ("force_reinit", "deferred", "resolved") else kind
        nanoseconds, asked = facts.pop("nanoseconds", 0), facts.pop("call", f"Parameter.{method}")
        call, file, line = source
        facts["inputs"] = input_shapes(facts.get("block"), facts.get("inputs"))
        arrays = facts.pop("arrays", 0)
        if facts["dtype"] is not None:
            dtype, shape = numpy.dtype(facts["dtype"]), facts["shape"]
            facts["bytes"] = arrays and arrays * math.prod(shape) * dtype.itemsize
            facts.update(shape=known_sizes(shape), dtype=dtype.name)
        return TraceEvent(
            kind, time=(now - nanoseconds - self._begin) / 1e9, seconds=nanoseconds / 1e9, call=call or asked,
            file=file, line=line, thread=thread, **facts,
        )  # fmt: skip

    def _announce(self, event: TraceEvent) -> None:
        try:
            if self._live:
                print(event)
            if self._callback is not None:
                self._callback(event)
        except Exception as error:
            # It is called out of the middle of MXNet's work, which it must not break off.
            self._live, self._callback = False, None
            warn(f"on_event raised {type(error).__name__}: {error}; it is not called again")

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
            detail += f"; {counted(undone, 'parameter is', 'parameters are')} pending again" if undone else ""
            about = {"block": facts["block"], "inputs": facts["inputs"] or None, "call": facts.get("call", "")}
            self._record("failed", {"path": None, "shape": None, "dtype": None, "detail": detail, **about})
        return diagnosed


_FEW = 12  # events of one call, which the page shows unfolded


def _branches(events: Iterable[TraceEvent]) -> Iterator[Branch]:
    """Neighbours that one call of the user's caused are one branch; in it, those of one block are one."""
    for (call, source, _), of_call in groupby(events, lambda event: (event.call, event.source, event.thread)):
        below: List[Branch] = []
        for (block, inputs), of_block in groupby(of_call, lambda event: (event.block, event.inputs)):
            lines = tuple(Branch(_line(event)) for event in of_block)
            place = f"{block or 'the network'} on {inputs_text(inputs)}"
            below += lines if block is None else (Branch(place, below=lines, open=True),)
        label = " · ".join(filter(None, (call, source))) or "no call of the user's"
        yield Branch(label, below=tuple(below), open=len(below) <= _FEW)


def _line(event: TraceEvent) -> str:
    return " · ".join((event.headline, *event.facts[event.block is not None :]))  # the first fact is the block


