"""`trace`: a record of what happens to one network's parameters, and one error for what goes wrong with them.

`_mxnet.Watch` sees and undoes; here it is written down, and what was seen of a failure is handed to `diagnosis`: what
MXNet says about shapes and deferral becomes a `DeferredInitError`, anything else goes on as it is.
"""

import dataclasses
import json
import os
import sys
import time
from typing import Any, Callable, Dict, List, Optional, Tuple

from .._mxnet.instrument.observer import NetworkObserver
from ..display import counted, warn
from ..parameters import ParameterInfo, check_block, list_parameters
from .chrome import chrome_trace
from .diagnosis import told_apart
from .errors import DeferredInitError
from .events import Span, TraceEvent
from .observed import Observed
from .timeline import Timeline
from .writing import Notes

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
    """What `trace` returns. ``str()`` and Jupyter show its timeline.

    Parameters
    ----------
    net : Block
    live : bool
    on_event : callable, optional

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
        self._notes = Notes(time.perf_counter_ns())
        self._watch: Optional[NetworkObserver] = NetworkObserver(net, self._record, self._explain, self._notes.passed)
        self._running = False
        self._pending: Tuple[ParameterInfo, ...] = ()

    def __enter__(self) -> "Trace":
        if self._watch is None or self._running:
            raise RuntimeError("a trace serves once: write `with ik.trace(net) as t:` again for another")
        self._watch.start()
        self._running, self._notes.begin = True, time.perf_counter_ns()
        return self

    def __exit__(self, kind: Any, error: Optional[BaseException], traceback: Any) -> None:
        mended, watch = None, self._watch
        assert watch is not None
        try:
            self._pending = self.pending
            if isinstance(error, Exception):
                mended = watch.leaving(error)
        finally:
            watch.stop()
            self._notes.events(), self._notes.spans()  # made now: what they are made of holds the network
            self._running, self._watch, self._net = False, None, None
        try:
            if mended is not None:
                raise mended from error
        finally:
            del mended, error, traceback  # which hold this frame, and it the network: a cycle

    @property
    def events(self) -> Tuple[TraceEvent, ...]:
        """What has happened until now, in order of time."""
        return self._notes.events()

    @property
    def spans(self) -> Tuple[Span, ...]:
        """The forward calls of blocks in passes that changed a parameter; later passes are left alone."""
        return self._notes.spans()

    @property
    def pending(self) -> Tuple[ParameterInfo, ...]:
        """The parameters that are deferred, in order of traversal; after the trace, those that were at its end."""
        if not self._running:
            return self._pending
        return tuple(info for _, _, info in list_parameters(self._net) if info.state == "deferred")

    def timeline(self) -> Timeline:
        """The events as a tree by block, in order of time: print it, or look at it in Jupyter.

        Returns
        -------
        Timeline

        Examples
        --------
        >>> with trace(mx.gluon.nn.Dense(2)) as t:
        ...     pass
        >>> print(t.timeline())
        Trace of Dense: nothing happened
        """
        return Timeline(self._type, self.events, self.spans, len(self.pending))

    def to_records(self) -> List[Dict[str, Any]]:
        """The events as dictionaries of plain Python values.

        Returns
        -------
        list of dict
            One an event, keyed by the attributes of `TraceEvent`.

        Examples
        --------
        >>> net = mx.gluon.nn.Dense(1)
        >>> with trace(net) as t:
        ...     net.initialize(mx.init.One())
        >>> [(record["kind"], record["path"]) for record in t.to_records()][-1]
        ('resolved', 'bias')
        """
        return [dataclasses.asdict(event) for event in self.events]

    def to_json(self) -> str:
        """The records as JSON.

        Returns
        -------
        str
            A list; unknown dimensions are null.

        Examples
        --------
        >>> with trace(mx.gluon.nn.Dense(2)) as t:
        ...     pass
        >>> t.to_json()
        '[]'
        """
        return json.dumps(self.to_records())

    def to_chrome_trace(self, path: Any) -> None:
        """Write a file that ``chrome://tracing`` and https://ui.perfetto.dev open: spans nested by block.

        Parameters
        ----------
        path : str or path-like
            Where to write, ``'trace.json'``. The Trace Event Format (JSON object form).

        Examples
        --------
        >>> import tempfile, pathlib
        >>> with trace(mx.gluon.nn.Dense(2)) as t:
        ...     pass
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     t.to_chrome_trace(pathlib.Path(folder) / "trace.json")
        """
        with open(os.fspath(path), "w", encoding="utf-8") as file:
            json.dump(chrome_trace(self._type, self.events, self.spans), file)

    def __repr__(self) -> str:
        return repr(self.timeline()).replace(Timeline.__name__, type(self).__name__, 1)

    def __str__(self) -> str:
        return str(self.timeline())

    def __rich__(self) -> Any:
        return self.timeline().__rich__()

    def _repr_html_(self) -> str:
        return self.timeline()._repr_html_()

    def _record(self, kind: str, facts: dict) -> None:
        if self._watch is None:  # a call that is still under way in another thread
            return
        self._notes.note(kind, facts)
        if self._live or self._callback is not None:
            self._announce(self.events[-1])

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
        if isinstance(error, DeferredInitError) or self._watch is None:
            return None
        undone, passed = facts.get("undone", 0), facts["block"] is None  # else a pass broke off here
        observed = Observed(facts["seen"], passed, facts["failing"], self.events, sys._getframe())
        try:
            made = told_apart(self._net, error, facts["given"], observed)
        finally:
            observed.around = None  # this frame, which holds `observed`: a cycle
        if made is not None or undone:
            detail = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
            detail += f"; {counted(undone, 'parameter is', 'parameters are')} pending again" if undone else ""
            about = {"block": facts["block"], "inputs": facts["inputs"] or None, "call": facts.get("call", "")}
            self._record("failed", {"path": None, "shape": None, "dtype": None, "detail": detail, **about})
        return made
