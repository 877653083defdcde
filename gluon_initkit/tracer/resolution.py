"""`resolve`: what a network's inputs say about its parameters' shapes, and what went wrong on the way.

The run is `_mxnet.run_without_memory`; here its findings are put beside what the parameters declare,
with live objects. Records and words are made of it elsewhere.
"""

from dataclasses import dataclass, field
import re
from typing import Any, Callable, Dict, List, Optional, Sequence, Set, Tuple

from .._mxnet.containers import Unregistered, unregistered_blocks
from .._mxnet.inference import NeedsNumbers, Run, run_without_memory
from .._mxnet.parameter import contexts_of, shape_of
from .._mxnet.preserve import global_state_lock
from .._mxnet.stale_graphs import StaleGraph, stale_graphs
from .._mxnet.tree import walk
from ..parameters import ParameterInfo, context_mismatch, list_parameters
from .conflicts import Conflict, conflict_in, unchecked_sizes
from .inputs import mapped
from .observed import Observed
from .source import frames_of, last_lines

__all__ = ["Resolution", "Stop", "resolve", "said", "stop_of"]

Shape = Tuple[Optional[int], ...]


@dataclass
class Stop:
    """Where a network's own code did not go on: the block, its class, the source line, MXNet's words.

    `numbers` says that the code reads numbers, which shapes alone do not give; else a forward pass stops there too.
    """

    block_path: str
    block: type
    line: str
    said: str
    numbers: bool = False


@dataclass
class Resolution:
    """The parameters of a network and every shape that is known.

    Attributes
    ----------
    net : Block
    described : list of (Parameter, Place, ParameterInfo)
    shapes : dict
        By parameter.
    order : list of Parameter
        Those that the network's code used, in its order.
    inputs : dict
        What each block was given first, by its path.
    entered : set of str
        The paths of the blocks that were reached.
    asked : bool
        Whether inputs were given at all.
    observed : Observed
        What was seen beforehand.
    unregistered : list of Unregistered
        What containers hold that is no part of the network.
    apart : str or None
        A sentence on parameters that are on different contexts.
    stale : list of StaleGraph
        Cached graphs of other parameters than their block has.
    """

    net: Any
    described: List[Tuple[Any, Any, ParameterInfo]]
    shapes: Dict[Any, Optional[Shape]]
    order: List[Any] = field(default_factory=list)
    inputs: Dict[str, Tuple[Optional[Shape], ...]] = field(default_factory=dict)
    entered: Set[str] = field(default_factory=set)
    asked: bool = False
    stop: Optional[Stop] = None
    conflict: Optional[Conflict] = None
    observed: Observed = field(default_factory=Observed)
    unregistered: Sequence[Unregistered] = ()
    apart: Optional[str] = None
    stale: Sequence[StaleGraph] = ()

    @property
    def notes(self) -> Tuple[str, ...]:
        """Sentences on what is no part of the network (ten, and how many more), on contexts and on cached graphs."""
        told = list(map(str, self.unregistered))
        more = [f"{len(told) - 10} more containers hold such."] if told[10:] else []
        return (*told[:10], *more, *([self.apart] if self.apart else []), *map(str, self.stale))


def resolve(net: Any, inputs: Sequence[Any], observed: Optional[Observed] = None) -> Resolution:
    """Find all shapes that follow from the inputs, without computing and without changing anything.

    What was observed of real forward passes beats what the inputs let expect.
    """
    with global_state_lock:
        return _resolve(net, inputs, observed or Observed())


def _resolve(net: Any, inputs: Sequence[Any], observed: Observed) -> Resolution:
    described = list_parameters(net)
    shapes = {param: shape_of(param) for param, _, _ in described}
    lost = unregistered_blocks(walk(net))
    split = context_mismatch((info.label, contexts_of(param)) for param, _, info in described)
    found = Resolution(net, described, shapes, asked=bool(inputs), observed=observed, unregistered=lost, apart=split,
                       stale=stale_graphs(net))  # fmt: skip
    if inputs:
        _take(found, run_without_memory(net, inputs, _stand_in), type(net))
    if observed.failing is not None and found.conflict is None:
        found.conflict = _conflict_at(found, *observed.failing)
    for path, given in observed.seen.items():
        found.inputs.setdefault(path, tuple(given))
    if observed.whole:
        found.entered, found.stop = set(observed.seen), None
    return found


def _stand_in(given: Any, make: Callable[[Shape, Any], Any]) -> Any:
    return mapped(given, lambda shape, dtype, _: make(shape, dtype))


def _take(found: Resolution, run: Run, kind: type) -> None:
    for param, shape in run.shapes.items():
        if param in found.shapes:
            found.shapes[param] = shape
    if run.conflict is None:
        found.conflict = unchecked_sizes(found.described, run)
    else:
        found.conflict = conflict_in(found.described, run, said(run.conflict))
    for call in run.entered:
        found.inputs.setdefault(call.path, call.given)
    found.entered = {call.path for call in run.entered}
    found.order = [param for param in run.order if param in found.shapes]
    if run.error is not None:
        last = run.unfinished()
        path, kind = (last.path, type(last.block)) if last else ("", kind)
        theirs, mxnets = last_lines(run.frames)
        line = theirs or ("" if _is_a_wrong_call(run.error) else mxnets or "its first call")
        found.stop = Stop(path, kind, line, said(run.error), isinstance(run.error, NeedsNumbers))


def _conflict_at(found: Resolution, path: str, block: Any, args: Sequence[Any]) -> Optional[Conflict]:
    """The contradiction in one call of one block, which failed on arrays."""
    run = run_without_memory(block, args, _stand_in, at=path)
    return None if run.conflict is None else conflict_in(found.described, run, said(run.conflict))


def stop_of(error: BaseException, before: Optional[Stop]) -> Stop:
    """Where a real forward pass ended, after the run without memory had ended `before`."""
    path, block = (before.block_path, before.block) if before else ("", type(None))
    theirs, mxnets = last_lines(frames_of(error))
    return Stop(path, block, theirs or mxnets, f"a forward pass raised {said(error)}")


def _is_a_wrong_call(error: BaseException) -> bool:
    return isinstance(error, TypeError) and re.search(r"\(\) (missing|takes|got an unexpected)", str(error)) is not None


def said(error: BaseException) -> str:
    """The exception's own words, without MXNet's C++ traceback and its operators' global names."""
    lines = [line.strip() for line in str(error).strip().splitlines()]
    lines = [line for line in lines if line and not line.startswith(("Traceback", "File ", "[bt]", "Stack trace"))]
    text = re.sub(r"^(MXNetError: )?(Error in operator \S+: )?(\[[\d:]+\] \S+: )?(Check failed: assign.*?\)\): )?", "",
                  " ".join(lines[:2]))  # fmt: skip
    return f"{type(error).__name__}: {re.sub(r' in node [^ :]+', '', text)}"
