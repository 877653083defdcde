"""A trace in the Trace Event Format, which ``chrome://tracing`` and Perfetto read.

https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU, "Complete Events": ``ts`` and ``dur``
are microseconds, and what lies inside another on one thread is shown below it. So forward calls nest as their blocks
do, and a resolution lies inside the call in which it happened.
"""

import os
from typing import Any, Dict, List, Sequence

from ..display import shape_text
from .events import Span, TraceEvent, inputs_text

__all__ = ["chrome_trace"]


def chrome_trace(name: str, events: Sequence[TraceEvent], spans: Sequence[Span]) -> Dict[str, Any]:
    """The trace of a network of class `name` as an object that is ready for `json.dump`."""
    process = os.getpid()
    made: List[Dict[str, Any]] = [_named("process_name", process, 0, f"ik.trace of {name}")]
    threads = [*(span.thread for span in spans), *(event.thread for event in events)]
    made += [_named("thread_name", process, thread, f"thread {thread}") for thread in dict.fromkeys(threads)]
    for span in spans:
        args = {"block": span.block, "class": span.type, "inputs": inputs_text(span.inputs), "symbolic": span.symbolic}
        title = f"{span.block or name} ({span.type})"
        made.append(_complete(title, span.call, span.start, span.seconds, span.thread, args))
    for event in events:
        args = {"shape": shape_text(event.shape), "dtype": event.dtype, "block": event.block,
                "inputs": inputs_text(event.inputs) if event.inputs else None, "filled by": event.filled_by,
                "bytes": event.bytes, "call": event.call, "source": event.source, "detail": event.detail}  # fmt: skip
        args = {key: value for key, value in args.items() if value not in ("", None)}
        title = f"{event.kind} {event.path}" if event.path is not None else event.kind
        if event.kind in ("initialize", "force_reinit", "deferred", "failed"):  # moments
            made.append({**_complete(title, event.kind, event.time, 0, event.thread, args), "ph": "i", "s": "t"})
            del made[-1]["dur"]
        else:
            made.append(_complete(title, event.kind, event.time, event.seconds, event.thread, args))
    for each in made:
        each["pid"] = process
    return {"traceEvents": made, "displayTimeUnit": "ms"}


def _named(what: str, process: int, thread: int, name: str) -> Dict[str, Any]:
    return {"name": what, "ph": "M", "pid": process, "tid": thread, "args": {"name": name}}


def _complete(name: str, category: str, start: float, seconds: float, thread: int, args: dict) -> Dict[str, Any]:
    return {"name": name, "cat": category, "ph": "X", "ts": round(start * 1e6, 3), "dur": round(seconds * 1e6, 3),
            "tid": thread, "args": args}  # fmt: skip
