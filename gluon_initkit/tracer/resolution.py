"""`resolve`: what a network's inputs say about its parameters' shapes, and what went wrong on the way.

The run on Symbols is `_mxnet.run_on_symbols`; here its findings are put beside what the parameters declare,
with live objects. Records and words are made of it elsewhere.
"""

from dataclasses import dataclass, field
import re
import traceback
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, Set, Tuple

from .._mxnet import SymbolicRun, mx, run_on_symbols, shape_of
from ..naming import ParameterInfo, describe
from .conflicts import Conflict, agree, conflict_in, unchecked_sizes
from .inputs import mapped

__all__ = ["Resolution", "Stop", "resolve", "said", "source_line", "stop_of"]

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
    """

    described: List[Tuple[Any, Any, ParameterInfo]]
    shapes: Dict[Any, Optional[Shape]]
    order: List[Any] = field(default_factory=list)
    inputs: Dict[str, Tuple[Optional[Shape], ...]] = field(default_factory=dict)
    entered: Set[str] = field(default_factory=set)
    asked: bool = False
    stop: Optional[Stop] = None
    conflict: Optional[Conflict] = None


def resolve(
    net: Any, inputs: Sequence[Any], seen: Optional[Mapping[str, Sequence[Shape]]] = None, passed: bool = False
) -> Resolution:
    """Find all shapes that follow from the inputs, without computing and without changing anything.

    `seen` are input shapes by block path that somebody observed; they serve where `inputs` are not given. With `passed`
    they are those of a whole forward pass, which reached no other block.
    """
    described = describe(net)
    found = Resolution(described, {param: shape_of(param) for param, _, _ in described}, asked=bool(inputs))
    if inputs:
        _take(found, run_on_symbols(net, inputs, _stand_in), type(net))
        _look_again(net, inputs, found)
    for path, shapes in (seen or {}).items():
        found.inputs.setdefault(path, tuple(shapes))
        if not inputs:
            found.entered.add(path)
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
        theirs, mxnets = _lines(run.error)
        line = theirs or ("" if _is_a_wrong_call(run.error) else mxnets or "its first call")
        found.stop = Stop(path, kind, line, said(run.error))


def _look_again(net: Any, inputs: Sequence[Any], found: Resolution) -> None:
    """Some operators (PReLU's) fill in a shape of no known rank, and not a size in one of a known rank."""
    loose = {param for param in found.order if None in (found.shapes[param] or (None,))}
    if not loose or found.conflict is not None or found.stop is not None:
        return
    run = run_on_symbols(net, inputs, _stand_in, lambda param: None if param in loose else found.shapes.get(param))
    try:
        shapes = run.infer().params
    except mx.MXNetError:
        return
    for param in loose & shapes.keys():
        if agree(shapes[param], found.shapes[param] or shapes[param]):
            found.shapes[param] = shapes[param]


def stop_of(error: BaseException, before: Optional[Stop]) -> Stop:
    """Where a real forward pass ended, after the run on Symbols had ended `before`."""
    path, block = (before.block_path, before.block) if before else ("", type(None))
    return Stop(path, block, source_line(error), f"a forward pass raised {said(error)}")


def source_line(error: BaseException) -> str:
    """The user's line that an exception came through last, ``file:7 (in forward): y = x[0]``; else MXNet's."""
    theirs, mxnets = _lines(error)
    return theirs or mxnets


def _lines(error: BaseException) -> Tuple[str, str]:
    """The last line of the user's that an exception came through, and MXNet's."""
    mxnets, theirs = "", ""
    for (frame, _), line in zip(traceback.walk_tb(error.__traceback__), traceback.extract_tb(error.__traceback__)):
        package = frame.f_globals.get("__name__", "").partition(".")[0]
        text = f"{line.filename}:{line.lineno} (in {line.name}): {line.line}"
        if package == "mxnet":
            mxnets = text if line.line else mxnets  # its generated functions have no source
        elif package != _KIT:
            theirs = text
    return theirs, mxnets


_KIT = __name__.partition(".")[0]


def _is_a_wrong_call(error: BaseException) -> bool:
    return isinstance(error, TypeError) and re.search(r"\(\) (missing|takes|got an unexpected)", str(error)) is not None


def said(error: BaseException) -> str:
    """The exception's own words, without MXNet's C++ traceback and its operators' global names."""
    lines = [line.strip() for line in str(error).strip().splitlines()]
    lines = [line for line in lines if line and not line.startswith(("Traceback", "File ", "[bt]", "Stack trace"))]
    text = re.sub(r"^(MXNetError: )?(Error in operator \S+: )?(\[[\d:]+\] \S+: )?", "", " ".join(lines[:2]))
    return f"{type(error).__name__}: {text}"
