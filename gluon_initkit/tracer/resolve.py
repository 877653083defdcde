"""`resolve`: what a network's inputs say about its parameters' shapes, and what went wrong on the way.

The run itself is `run_without_memory`; here its findings are put beside what the parameters declare, and beside what a
trace has seen. Records and words are made of it elsewhere.
"""

from dataclasses import dataclass, field
import re
from types import FrameType
from typing import Any, Dict, List, Optional, Sequence, Set, Tuple

from .._mxnet.inference import NeedsNumbers, Run, run_without_memory
from .._mxnet.parameter import contexts_of, shape_of
from .._mxnet.preserve import global_state_lock
from .._mxnet.structure import Flaw, stale_graphs, unregistered_blocks
from .._mxnet.tree import walk
from ..parameters import ParameterInfo, context_mismatch, list_parameters
from .conflicts import Conflict, conflict_in, unchecked_sizes
from .events import Shape, TraceEvent, inputs_text
from .inputs import as_arguments
from .source import frames_of, last_lines

__all__ = ["Observed", "Resolution", "Stop", "error_text", "forward_stop", "resolve"]


@dataclass
class Stop:
    """Where a network's own code did not go on: the block, its class, the source line, MXNet's words.

    `numbers` says that the code reads numbers, which shapes alone do not give; else a forward pass stops there too.
    """

    block_path: str
    block: type
    line: str
    message: str
    numbers: bool = False


@dataclass
class Observed:
    """What a trace has seen of real forward passes."""

    seen: Dict[str, Tuple[Shape, ...]] = field(default_factory=dict)  # the input shapes that blocks got last, by path
    passed: bool = False  # whether those are from forward passes that came to their end
    failing: Optional[Tuple[str, Any, Tuple[Any, ...]]] = None  # the innermost call that failed: path, block, arguments
    events: Sequence[TraceEvent] = ()
    around: Optional[FrameType] = None  # where the error was caught, while the user's call is under way

    def origin(self, path: str, shape: Shape) -> str:
        """What gave a parameter this shape: ``'resolved in 0, given (2, 5), at file:7'``; empty where nobody saw it."""
        for event in reversed(self.events):
            if event.path != path or event.shape != shape:
                continue
            at = f", at {event.file}:{event.line}" if event.file else ""
            if event.kind in ("set_data", "load_parameters"):
                return f"given by {event.kind}{at}"
            if event.kind == "resolved" and event.block is not None:
                return f"resolved in {event.block or 'the network'}, given {inputs_text(event.inputs)}{at}"
        return ""


@dataclass
class Resolution:
    """The parameters of a network and every shape that is known."""

    net: Any
    parameters: List[Tuple[Any, Any, ParameterInfo]]
    shapes: Dict[Any, Shape]  # by parameter
    has_inputs: bool  # whether inputs were given at all
    observed: Observed
    unregistered: Sequence[Flaw]  # what containers hold that is no part of the network
    context_mismatch: Optional[str]  # a sentence on parameters that are on different contexts
    stale: Sequence[Flaw]  # cached graphs of other parameters than their block has
    order: List[Any] = field(default_factory=list)  # the parameters that the network's code used, in its order
    inputs: Dict[str, Tuple[Shape, ...]] = field(default_factory=dict)  # what each block was given first, by path
    entered: Set[str] = field(default_factory=set)  # the paths of the blocks that were reached
    stop: Optional[Stop] = None
    conflict: Optional[Conflict] = None
    run: Optional[Run] = None

    @property
    def notes(self) -> Tuple[str, ...]:
        """Sentences on what is no part of the network (ten, and how many more), on contexts and on cached graphs."""
        told = list(map(str, self.unregistered))
        more = [f"{len(told) - 10} more containers hold such."] if told[10:] else []
        return (*told[:10], *more, *([self.context_mismatch] if self.context_mismatch else []), *map(str, self.stale))


def resolve(net: Any, inputs: Sequence[Any], observed: Optional[Observed] = None) -> Resolution:
    """Find all shapes that follow from the inputs, without computing and without changing anything.

    What was observed of real forward passes beats what the inputs let expect.
    """
    observed = observed or Observed()
    with global_state_lock:
        parameters = list_parameters(net)
        found = Resolution(
            net,
            parameters,
            {param: shape_of(param) for param, _, _ in parameters},
            bool(inputs),
            observed,
            unregistered_blocks(walk(net)),
            context_mismatch([(info.label, contexts_of(param)) for param, _, info in parameters]),
            stale_graphs(net),
        )
        if inputs:
            _add_run(found, run_without_memory(net, as_arguments(inputs)))
        if observed.failing is not None and found.conflict is None:
            path, block, args = observed.failing
            run = run_without_memory(block, as_arguments(args), at=path)
            if run.conflict is not None:
                found.conflict = conflict_in(parameters, run, error_text(run.conflict))
        for path, given in observed.seen.items():
            found.inputs.setdefault(path, tuple(given))
        if observed.passed and "" in observed.seen:
            found.entered, found.stop = set(observed.seen), None
        return found


def _add_run(found: Resolution, run: Run) -> None:
    found.run = run
    found.shapes.update((param, shape) for param, shape in run.shapes.items() if param in found.shapes)
    if run.conflict is None:
        found.conflict = unchecked_sizes(found.parameters, run)
    else:
        found.conflict = conflict_in(found.parameters, run, error_text(run.conflict))
    for call in run.entered:
        found.inputs.setdefault(call.path, call.given)
    found.entered = {call.path for call in run.entered}
    found.order = [param for param in run.order if param in found.shapes]
    if run.error is not None:
        last = run.unfinished()
        path, kind = (last.path, type(last.block)) if last else ("", type(found.net))
        theirs, mxnets = last_lines(run.frames)
        wrong_call = re.search(r"\(\) (missing|takes|got an unexpected)", str(run.error))
        line = theirs or ("" if isinstance(run.error, TypeError) and wrong_call else mxnets or "its first call")
        found.stop = Stop(path, kind, line, error_text(run.error), isinstance(run.error, NeedsNumbers))


def forward_stop(error: BaseException, before: Optional[Stop]) -> Stop:
    """Where a real forward pass ended, after the run without memory had ended `before`."""
    path, block = (before.block_path, before.block) if before else ("", type(None))
    theirs, mxnets = last_lines(frames_of(error))
    return Stop(path, block, theirs or mxnets, f"a forward pass raised {error_text(error)}")


def error_text(error: BaseException) -> str:
    """The exception's own words, without MXNet's C++ traceback and its operators' global names."""
    lines = [line.strip() for line in str(error).strip().splitlines()]
    lines = [line for line in lines if line and not line.startswith(("Traceback", "File ", "[bt]", "Stack trace"))]
    text = re.sub(r"^(MXNetError: )?(Error in operator \S+: )?(\[[\d:]+\] \S+: )?(Check failed: assign.*?\)\): )?", "",
                  " ".join(lines[:2]))  # fmt: skip
    return f"{type(error).__name__}: {re.sub(r' in node [^ :]+', '', text)}"
