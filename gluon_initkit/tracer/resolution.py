"""`resolve`: what a network's inputs say about its parameters' shapes, and what went wrong on the way.

The run on Symbols is `_mxnet.run_on_symbols`; here its findings are put beside what the parameters declare,
with live objects. Records and words are made of it elsewhere.
"""

from dataclasses import dataclass, field
import re
from typing import Any, Callable, Dict, List, Optional, Sequence, Set, Tuple

from .._mxnet import (
    SymbolicRun,
    Unregistered,
    mx,
    one_at_a_time,
    run_on_symbols,
    shape_of,
    unregistered_blocks,
    walk,
)
from ..naming import ParameterInfo, describe
from ..shapes import agree, is_known
from .conflicts import Conflict, conflict_in, unchecked_sizes
from .inputs import mapped
from .observed import Observed
from .source import frames_of, last_lines

__all__ = ["Resolution", "Stop", "resolve", "said", "stop_of"]

Shape = Tuple[Optional[int], ...]


@dataclass
class Stop:
    """Where a network's own code did not go on: the block, its class, the source line, MXNet's words."""

    block_path: str
    block: type
    line: str
    said: str


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

    @property
    def notes(self) -> Tuple[str, ...]:
        """Sentences on what is no part of the network; ten at most, and how many more there are."""
        told = list(map(str, self.unregistered))
        return (*told[:10], *([f"{len(told) - 10} more containers hold such."] if told[10:] else []))


def resolve(net: Any, inputs: Sequence[Any], observed: Optional[Observed] = None) -> Resolution:
    """Find all shapes that follow from the inputs, without computing and without changing anything.

    What was observed of real forward passes beats what the inputs let expect.
    """
    with one_at_a_time:
        return _resolve(net, inputs, observed or Observed())


def _resolve(net: Any, inputs: Sequence[Any], observed: Observed) -> Resolution:
    described = describe(net)
    shapes = {param: shape_of(param) for param, _, _ in described}
    lost = unregistered_blocks(walk(net))
    found = Resolution(net, described, shapes, asked=bool(inputs), observed=observed, unregistered=lost)
    if inputs:
        _take(found, run_on_symbols(net, inputs, _stand_in), type(net))
        _look_again(net, inputs, found)
    if observed.failing is not None and found.conflict is None:
        found.conflict = _conflict_at(found, *observed.failing)
    for path, given in observed.seen.items():
        found.inputs.setdefault(path, tuple(given))
    if observed.whole:
        found.entered, found.stop = set(observed.seen), None
    return found


def _stand_in(given: Any, make: Callable[[Shape, Any], Any]) -> Any:
    return mapped(given, lambda shape, dtype, _: make(shape, dtype))


def _take(found: Resolution, run: SymbolicRun, kind: type) -> None:
    try:
        shapes = run.infer()
    except mx.MXNetError as error:
        call, shapes = run.contradiction()
        found.conflict = conflict_in(found.described, run, call, shapes, said(error))
    else:
        found.conflict = unchecked_sizes(found.described, run, shapes)
    for call in run.entered:
        if id(call) in shapes.given:
            found.inputs.setdefault(call.path, shapes.given[id(call)])
    for param, shape in shapes.params.items():
        if param in found.shapes:
            found.shapes[param] = shape
    found.entered = {call.path for call in run.entered}
    found.order = [param for param in run.reached() if param in found.shapes]
    if run.error is not None:
        last = run.unfinished()
        path, kind = (last.path, type(last.block)) if last else ("", kind)
        theirs, mxnets = last_lines(frames_of(run.error))
        line = theirs or ("" if _is_a_wrong_call(run.error) else mxnets or "its first call")
        found.stop = Stop(path, kind, line, said(run.error))


def _conflict_at(found: Resolution, path: str, block: Any, args: Sequence[Any]) -> Optional[Conflict]:
    """The contradiction in one call of one block, which failed on arrays."""
    run = run_on_symbols(block, args, _stand_in, at=path)
    try:
        run.infer()
    except mx.MXNetError as error:
        return conflict_in(found.described, run, *run.contradiction(), said(error))
    return None


def _look_again(net: Any, inputs: Sequence[Any], found: Resolution) -> None:
    """Some operators (PReLU's) fill in a shape of no known rank, and not a size in one of a known rank."""
    loose = {param for param in found.order if not is_known(found.shapes[param])}
    if not loose or found.conflict is not None or found.stop is not None:
        return
    run = run_on_symbols(net, inputs, _stand_in, lambda param: None if param in loose else found.shapes.get(param))
    try:
        shapes = run.infer().params
    except mx.MXNetError:
        return
    for param in loose & shapes.keys():
        if agree(shapes[param], found.shapes[param]):
            found.shapes[param] = shapes[param]


def stop_of(error: BaseException, before: Optional[Stop]) -> Stop:
    """Where a real forward pass ended, after the run on Symbols had ended `before`."""
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
