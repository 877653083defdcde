"""`Timeline`: a trace for the eye. A tree by block, in order of time, as text and as HTML.

One model, branches of text, and two renderers of it. What follows in a row from one call of the user's is one branch.
"""

from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, Dict, Iterator, List, Sequence, Tuple

from rich.tree import Tree

from ..display import counted, escape, printable, rendered, rich_text, shape_text, size_text
from .events import Span, TraceEvent, inputs_text, seconds_text

__all__ = ["Timeline"]


@dataclass
class _Branch:
    text: str
    style: str = ""
    below: List["_Branch"] = field(default_factory=list)


_STYLES = {"resolved": "green", "deferred": "yellow", "failed": "bold red", "block": "bold"}
_HTML_STYLES = {"green": "color:#198575", "yellow": "color:#a66900", "bold red": "color:#d33;font-weight:bold",
                "bold": "font-weight:bold", "": ""}  # fmt: skip


@dataclass(frozen=True, repr=False)
class Timeline:
    """What ``t.timeline()`` returns: ``str()`` is a tree, Jupyter shows it as HTML.

    Attributes
    ----------
    name : str
        The class of the network.
    events : tuple of TraceEvent
    spans : tuple of Span
    pending : int
        How many parameters are deferred at the end.

    Examples
    --------
    >>> net = mx.gluon.nn.Dense(4)
    >>> with ik.trace(net) as t:
    ...     net.initialize()
    >>> timeline = t.timeline()
    >>> timeline.name, timeline.pending, len(timeline.spans)
    ('Dense', 1, 0)
    """

    name: str
    events: Tuple[TraceEvent, ...]
    spans: Tuple[Span, ...]
    pending: int

    def __rich__(self) -> Any:
        return _as_rich(self._root())

    def __repr__(self) -> str:
        facts = f"{counted(len(self.events), 'event')}, {counted(self.pending, 'parameter')} pending"
        return f"<{type(self).__name__} of {printable(self.name)}: {facts}>"

    def __str__(self) -> str:
        return rendered(self)

    def _repr_html_(self) -> str:
        return f"<div>{_as_html(self._root())}</div>"

    def _root(self) -> _Branch:
        resolved = [event for event in self.events if event.kind == "resolved"]
        counts = f"{len(resolved)} resolved, {self.pending} pending" if self.events else "nothing happened"
        root = _Branch(f"Trace of {self.name}: {counts}", "bold")
        waiting = list(self.events)
        for span in _outermost(self.spans):
            root.below += _grouped([event for event in waiting if event.time < span.start])
            within = [event for event in waiting if _happens_in(event, span)]
            root.below.append(_pass(self.name, span, within, self.spans))
            waiting = [event for event in waiting if event.time >= span.start and not _happens_in(event, span)]
        root.below += _grouped(waiting)
        return root


def _outermost(spans: Sequence[Span]) -> Iterator[Span]:
    end: Dict[int, float] = {}
    for span in sorted(spans, key=lambda each: each.start):
        if span.start >= end.get(span.thread, 0):
            end[span.thread] = span.start + span.seconds
            yield span


def _happens_in(event: TraceEvent, span: Span) -> bool:
    return event.thread == span.thread and span.start <= event.time <= span.start + span.seconds


def _pass(name: str, outer: Span, events: Sequence[TraceEvent], spans: Sequence[Span]) -> _Branch:
    """One outermost forward call: the blocks in which something happened, each below the block around it."""
    source = next((event.source for event in events if event.source), "")
    facts = f"{inputs_text(outer.inputs)} · {seconds_text(outer.seconds)}" + (f" · {source}" if source else "")
    top = _Branch(f"{outer.call} of {outer.block or name} on {facts}", "bold")
    branches: Dict[str, _Branch] = {outer.block: top}
    known: Dict[str, Span] = {}
    for span in spans:
        if span.start >= outer.start and span.thread == outer.thread:
            known.setdefault(span.block, span)

    def branch(path: str) -> _Branch:
        if path not in branches:
            above = path.rpartition(".")[0]
            while above and above not in known and above not in branches:
                above = above.rpartition(".")[0]
            parent = branch(above) if above in known or above in branches else top
            span = known.get(path)
            label = f"{path} {span.type} on {inputs_text(span.inputs)}" if span else path
            branches[path] = _Branch(label, "bold")
            parent.below.append(branches[path])
        return branches[path]

    for event in events:
        home = branch(event.block) if event.block is not None else top
        home.below.append(_Branch(_line(event), _STYLES.get(event.kind, "")))
    return top


def _grouped(events: Sequence[TraceEvent]) -> List[_Branch]:
    """Neighbours of one kind, that one call of the user's made, under one branch."""
    made = []
    for (call, source, _), run in groupby(events, lambda event: (event.call, event.source, event.thread)):
        lines = [_Branch(_line(event), _STYLES.get(event.kind, "")) for event in run]
        made.append(_Branch(" · ".join(part for part in (call, source) if part) or "no call of the user's", "", lines))
    return made


def _line(event: TraceEvent) -> str:
    name = [event.path, shape_text(event.shape)] if event.path is not None else []
    size = [size_text(event.bytes)] if event.bytes else []
    took = [seconds_text(event.seconds)] if event.kind == "resolved" else []
    facts = [part for part in (event.filled_by, *size, *took, event.detail) if part]
    return " · ".join([" ".join([event.kind, *name]), *facts])


def _as_rich(branch: _Branch) -> Tree:
    tree = Tree(rich_text(printable(branch.text), branch.style))
    for below in branch.below:
        tree.children.append(_as_rich(below))
    return tree


def _as_html(branch: _Branch) -> str:
    """A list of lists, in which what is long unfolds on a click."""
    text = f'<span style="{_HTML_STYLES[branch.style]}">{escape(branch.text)}</span>'
    if not branch.below:
        return text
    rows = "".join(
        f"<li{_NO_BULLET if len(below.below) > _MANY else ''}>{_as_html(below)}</li>" for below in branch.below
    )
    if len(branch.below) <= _MANY:
        return f"{text}<ul>{rows}</ul>"
    return f"<details><summary>{text} · {len(branch.below)} lines</summary><ul>{rows}</ul></details>"


_MANY = 12
_NO_BULLET = ' style="list-style:none;margin-left:-1.1em"'  # where the triangle of <details> stands
