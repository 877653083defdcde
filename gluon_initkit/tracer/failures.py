"""Two places that disagree about a shape, and early reads: what a trace knows of a failure beyond the network's state.

Where a parameter's shape came from, and who contradicts it, stand in the trace's events; what is unresolved, and what
to write about it, is `diagnose`'s.
"""

import re
from typing import Any, Iterator, Optional, Pattern, Sequence, Tuple

from .._mxnet import mx
from ..display import shape_text
from ..naming import ParameterInfo, describe
from .events import Shape, TraceEvent, inputs_text
from .source import user_call

__all__ = ["explained"]

# What MXNet 1.9.1 says (gluon/parameter.py, gluon/block.py; its operators' SHAPE_ASSIGN_CHECK and ElemwiseShape).
_SAYINGS = ("Deferred initialization failed", "Cannot initialize Parameter", "Expected shape")
_INCONSISTENT = re.compile(r"Shape inconsistent, Provided = \[([\d,]*)\], inferred shape=[\[(]([\d,]*)[\])]")
_INCOMPATIBLE = re.compile(r"Incompatible attr .* expected \[([\d,]*)\], got \[([\d,]*)\]")


def explained(error: BaseException, facts: dict, net: Any, events: Sequence[TraceEvent]) -> Optional[str]:
    """What the trace knows of a failure; None where it is not about deferred parameters and their shapes.

    Parameters
    ----------
    error : Exception
    facts : dict
        What the watch says: ``doing``, ``param``, ``args``; ``block``, ``inputs``, ``around``, ``seen``, ``types``.
    net : Block
    events : sequence of TraceEvent

    Returns
    -------
    str or None
        ``''`` where it is about them, and nothing more is known.
    """
    ours = isinstance(error, mx.MXNetError) or type(error) in (ValueError, AssertionError)
    said = _Failure(str(error), facts, net, events).said() if ours else ""
    return said if said or _is_about_shapes(error) else None


def _is_about_shapes(error: BaseException) -> bool:
    if isinstance(error, mx.gluon.parameter.DeferredInitializationError):
        return True
    if type(error) in (ValueError, AssertionError):
        return str(error).startswith(_SAYINGS)
    return isinstance(error, mx.MXNetError) and _INCONSISTENT.search(str(error)) is not None


class _Failure:
    """One failure, and what is known about it."""

    def __init__(self, text: str, facts: dict, net: Any, events: Sequence[TraceEvent]) -> None:
        self.text, self.facts, self.events = text, facts, events
        infos = {param: info for param, _, info in describe(net)}
        self.infos, self.info = list(infos.values()), infos.get(facts.get("param"))

    def said(self) -> str:
        """What is known; ``''`` where that is nothing."""
        doing = self.facts.get("doing")
        if self.info is not None and doing == "read":
            return f"{self.info.label}: {self._asking()} needs its values, {self._why_none(self.info)}."
        if self.info is not None and doing == "set_data" and self.text.startswith("Expected shape"):
            return self._refused(self.info, tuple(self.facts["args"][0].shape))
        if self.info is not None and doing == "initialize" and self.text.startswith("Cannot initialize Parameter"):
            return (
                f"{self.info.label}: {self._asking()} needs its shape, which is {shape_text(self.info.shape)}, and it "
                f"may not be deferred. To mend it: give {self._named(self.info.block_path)} its sizes, or the "
                f"parameter allow_deferred_init=True."
            )
        block = self.facts.get("block")
        if block is None:
            return ""
        for held, needed in _pairs(_INCONSISTENT, self.text):
            return self._contradiction(block, held, needed)
        for one, other in _pairs(_INCOMPATIBLE, self.text):  # of two inputs, either of which may be the parameter
            for held, needed in ((one, other), (other, one)):
                if self._of_shape(block, held) is not None:
                    return self._contradiction(block, held, needed)
        return ""

    def _why_none(self, info: ParameterInfo) -> str:
        seen, owners = self.facts["seen"], {path.rpartition(".")[0] for path in info.paths}
        if "" not in seen or owners & set(seen):
            return "which come in the first forward pass"
        return f"and the network's forward on {inputs_text(seen[''])} did not reach {self._named(info.block_path)}"

    def _refused(self, info: ParameterInfo, given: Tuple[int, ...]) -> str:
        return "\n".join((
            f"{info.label}: set_data with another shape.",
            f"  it is {shape_text(info.shape)}: {self._origin(info, info.shape)}",
            f"  given {shape_text(given)}: {self._asking()}",
            f"  to mend it: set_data(an array of shape {shape_text(info.shape)}), or make the layer for this one",
        ))  # fmt: skip

    def _contradiction(self, block: str, held: Shape, needed: Shape) -> str:
        info = self._of_shape(block, held)
        mend = f"give {self._named(block)} an input of the size that it was made for, or make it for this one"
        if info is None:  # a fused layer, whose operator sees one array in place of many parameters
            own = [f"{each.label} {shape_text(each.shape)}" for each in self.infos if each.block_path == block]
            return "\n".join((
                f"{self._named(block)}: its input contradicts its parameters.",
                f"  it has {', '.join(own)}",
                f"  given {self._now(block)}",
                f"  to mend it: {mend}",
            ))  # fmt: skip
        others = [path.rpartition(".")[0] for path in info.paths]
        other = next((each for each in others if each != block), None)
        if other is not None and block in others:
            pair = f"{self._named(other)} and {self._named(block)}"
            mend = f"{pair} share it: give both inputs of one size, or untie them"
        return "\n".join((
            f"{info.label}: its shape and an input contradict each other.",
            f"  it is {shape_text(held)}: {self._origin(info, held, other)}",
            f"  to be {shape_text(needed)}: {self._now(block)}",
            f"  to mend it: {mend}",
        ))  # fmt: skip

    def _of_shape(self, block: str, shape: Shape) -> Optional[ParameterInfo]:
        """The parameter in `block` that has this shape, had it until the pass was undone, or could have it."""
        inside = [each for each in self.infos if not block or any(p.startswith(block + ".") for p in each.paths)]
        had = [each for each in inside if each.shape == shape or self._event(each, shape) is not None]
        return next(iter(had or [each for each in inside if _agree(each.shape, shape)]), None)

    def _event(self, info: ParameterInfo, shape: Shape) -> Optional[TraceEvent]:
        """What gave the parameter this shape."""
        for event in reversed(self.events):
            if event.path == info.path and event.shape == shape and (
                event.kind in ("set_data", "load_parameters") or (event.kind == "resolved" and event.block is not None)
            ):  # fmt: skip
                return event
        return None

    def _origin(self, info: ParameterInfo, shape: Shape, other: Optional[str] = None) -> str:
        event = self._event(info, shape)
        if event is not None:
            where = f" in {self._named(event.block)} on {inputs_text(event.inputs)}" if event.block is not None else ""
            return f"{event.kind}{where}, {event.file}:{event.line}"
        if other is not None and info.shape != shape:
            return f"{self._named(other)} on {inputs_text(self.facts.get('seen', {}).get(other))}"
        return f"as {self._named(info.block_path)} was made, or was before the trace"

    def _now(self, block: str) -> str:
        path, inputs = self.facts["around"]
        where = f"{self._named(block)} on {inputs_text(self.facts['inputs'])}"
        if not self.facts["inputs"] and path != block:
            where = f"{self._named(block)}, with {self._named(path)} on {inputs_text(inputs)}"
        return f"{where}, {self._asking()}"

    def _asking(self) -> str:
        call, file, line = user_call()
        call = call or self.facts.get("call", "")
        return f"{call} at {file}:{line}" if file else call

    def _named(self, block: Optional[str]) -> str:
        kind = self.facts["types"].get(block or "")
        return (block or "the network") + (f" ({kind})" if kind else "")


def _pairs(pattern: Pattern[str], text: str) -> Iterator[Tuple[Tuple[int, ...], ...]]:
    match = pattern.search(text)
    if match is not None:
        yield tuple(tuple(int(size) for size in each.split(",") if size) for each in match.groups())


def _agree(known: Shape, shape: Shape) -> bool:
    if known is None or shape is None or len(known) != len(shape):
        return False
    return all(size in (None, other) for size, other in zip(known, shape)) and None in known
