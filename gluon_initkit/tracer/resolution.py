"""`resolve`: what a network's inputs say about its parameters' shapes, and what went wrong on the way.

The run on Symbols is `_mxnet.run_on_symbols`; here its findings are put beside what the parameters declare,
with live objects. Records and words are made of it elsewhere.
"""

from dataclasses import dataclass, field
import re
import traceback
from typing import Any, Callable, Dict, Iterator, List, Mapping, Optional, Sequence, Set, Tuple

from .._mxnet import Call, SymbolicRun, channel_axis, mx, run_on_symbols, shape_of
from ..naming import ParameterInfo, describe
from .inputs import mapped

__all__ = ["Conflict", "Resolution", "Stop", "resolve", "said", "source_line", "stop_of"]

Shape = Tuple[Optional[int], ...]


@dataclass
class Stop:
    """Where a network's own code did not go on: the block, its class, the source line, MXNet's words."""

    block_path: str
    block: type
    line: str
    said: str


@dataclass
class Conflict:
    """Two shapes that contradict each other: one that a block's input asks for, and one that stood before."""

    block_path: str
    inputs: Tuple[Optional[Shape], ...]
    said: str
    needed: Dict[Any, Shape] = field(default_factory=dict)
    """By parameter, where the block has a parameter that should have another shape."""
    stood: Dict[Any, Tuple[Optional[Shape], str, Tuple[Optional[Shape], ...]]] = field(default_factory=dict)
    """By parameter: its shape, the block of whose input it follows, and that input; ``''`` and () where declared."""


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
        found.conflict = _conflict(found, run, call, shapes, error)
    else:
        found.conflict = _unchecked(found, run, shapes)
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


def _unchecked(found: Resolution, run: SymbolicRun, shapes: Any) -> Optional[Conflict]:
    """A batch normalization of another size than its input, which MXNet does not notice, and reads foreign memory."""
    for call in run.finished:
        axis, given = channel_axis(call.block), shapes.given.get(id(call), ())
        if axis is None or not given or given[0] is None or given[0][axis] is None:
            continue
        needed: Dict[Any, Shape] = {param: (given[0][axis],) for param, _, info in found.described
                                    if call.path in _owners(info)}  # fmt: skip
        wrong = {param: shape for param, shape in needed.items() if not _agree(shape, found.shapes[param] or (None,))}
        if wrong:
            stood: Dict[Any, Any] = {param: (found.shapes[param], "", ()) for param in wrong}
            return Conflict(call.path, given, "MXNet's batch normalization does not check its sizes", wrong, stood)
    return None


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
        if _agree(shapes[param], found.shapes[param] or shapes[param]):
            found.shapes[param] = shapes[param]


def stop_of(error: BaseException, before: Optional[Stop]) -> Stop:
    """Where a real forward pass ended, after the run on Symbols had ended `before`."""
    path, block = (before.block_path, before.block) if before else ("", type(None))
    return Stop(path, block, source_line(error), f"a forward pass raised {said(error)}")


def _conflict(found: Resolution, run: SymbolicRun, call: Call, shapes: Any, error: Exception) -> Conflict:
    """Which parameters the block's input would give another shape, found by running the block alone."""
    inputs = shapes.given.get(id(call), ())
    made = Conflict(call.path, inputs, said(error))
    own = [param for param, _, info in found.described if call.path in _owners(info)]
    before = {param: shapes.params.get(param, found.shapes[param]) for param in own}
    for param in own:
        needed, stood = _needed(call, inputs, param, before), before[param]
        if needed is None or stood is None or _agree(needed, stood):
            continue
        made.needed[param] = needed
        made.stood[param] = (stood, *_first_use(found, run, shapes, call, param))
        if _infer(call, inputs, {**before, **made.needed}) is not None:
            break  # with these changed, the block takes its input
    return made


def _needed(call: Call, inputs: Sequence[Optional[Shape]], disputed: Any, before: Dict[Any, Any]) -> Optional[Shape]:
    """The shape that one parameter of a block must have for these inputs.

    The others keep theirs where that is possible; several may be in dispute at once, as a BatchNorm's are.
    """
    stood = before[disputed]
    trials: List[Optional[Shape]] = [None]
    if stood is not None:
        trials += [(*stood[:axis], None, *stood[axis + 1 :]) for axis in reversed(range(len(stood)))]
    for others in (before, dict.fromkeys(before)):
        for trial in trials:
            shape = (_infer(call, inputs, {**others, disputed: trial}) or {}).get(disputed)
            if shape is not None and None not in shape:
                return shape
    return None


def _infer(call: Call, inputs: Sequence[Optional[Shape]], shapes: Dict[Any, Any]) -> Optional[Dict[Any, Shape]]:
    """The shapes of a block's parameters when it alone gets these inputs; None where they contradict each other."""
    given: Iterator[Any] = iter(list(inputs))

    def stand_in(each: Any, make: Callable[[Shape, Any], Any]) -> Any:
        if isinstance(each, (list, tuple)):
            return [stand_in(inner, make) for inner in each]
        if not isinstance(each, mx.sym.Symbol):
            return each
        shape = next(given, ())
        return make(shape or (), "float32")

    run = run_on_symbols(call.block, call.args, stand_in, lambda param: shapes.get(param, shape_of(param)))
    try:
        return run.infer().params if run.error is None else None
    except mx.MXNetError:
        return None


def _agree(shape: Shape, other: Shape) -> bool:
    return len(shape) == len(other) and all(a == b or None in (a, b) for a, b in zip(shape, other))


def _first_use(found: Resolution, run: SymbolicRun, shapes: Any, call: Call, param: Any) -> Tuple[str, tuple]:
    """The block that took the parameter as it stood, before `call`, and its input; nothing where there was none."""
    info = next(info for each, _, info in found.described if each is param)
    for other in run.finished:
        if other is not call and other.path in _owners(info) and id(other) in shapes.given:
            return other.path, shapes.given[id(other)]
    return "", ()


def _owners(info: ParameterInfo) -> Set[str]:
    """The paths of all blocks that hold the parameter."""
    return {info.block_path} | {path.rpartition(".")[0] for path in info.paths}


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
