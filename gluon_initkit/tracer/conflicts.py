"""Two shapes that contradict each other: in which block, which of its parameters is in dispute, and both places.

MXNet says that an operator's shapes are inconsistent. What the block's input would ask for is found by running
the block alone, with the disputed sizes left open.
"""

from dataclasses import dataclass, field
from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Set, Tuple

from .._mxnet import mx
from .._mxnet.arrays import leaves, with_leaves
from .._mxnet.inference import Call, Run, run_without_memory
from .._mxnet.instrument.call_stack import ArrayArgument
from .._mxnet.parameter import shape_of
from .._mxnet.tree import channel_axis
from ..parameters import ParameterInfo
from ..shapes import agree, is_known

__all__ = ["Conflict", "agree", "conflict_in", "holder_paths", "unchecked_sizes"]

Shape = Optional[Tuple[Optional[int], ...]]
Parameters = Sequence[Tuple[Any, Any, ParameterInfo]]


class EarlierShape(NamedTuple):
    """The shape that a parameter had, and the call of a block whose input it follows; ``''`` and () where declared."""

    shape: Shape
    block_path: str
    inputs: Tuple[Shape, ...]


@dataclass
class Conflict:
    """Two shapes that contradict each other in a call of a block: what its input asks for, and what stood before."""

    block_path: str
    inputs: Tuple[Shape, ...]
    message: str  # what MXNet says
    needed: Dict[Any, Shape] = field(default_factory=dict)  # what the input asks for, by each parameter in dispute
    earlier: Dict[Any, EarlierShape] = field(default_factory=dict)
    checked: bool = True  # whether MXNet notices by itself when it computes


def conflict_in(parameters: Parameters, run: Run, message: str) -> Conflict:
    """Which parameters the input of the block that failed would give another shape, found by running it alone."""
    call = run.unfinished() or run.entered[-1]
    conflict = Conflict(call.path, call.given, message)
    own = [param for param, _, info in parameters if call.path in holder_paths(info)]
    before = {param: run.shapes.get(param, shape_of(param)) for param in own}
    for param in own:
        needed = _needed_shape(call, param, before)
        if needed is None or before[param] is None or agree(needed, before[param]):
            continue
        conflict.needed[param] = needed
        conflict.earlier[param] = EarlierShape(before[param], *_first_use(parameters, run, param))
        if _inferred(call, {**before, **conflict.needed}) is not None:
            break  # with these changed, the block takes its input
    return conflict


def unchecked_sizes(parameters: Parameters, run: Run) -> Optional[Conflict]:
    """A normalization of another size than its input: MXNet notices when it computes, or reads foreign memory."""
    held: Dict[str, List[Any]] = {}
    for param, _, info in parameters:
        for path in holder_paths(info):
            held.setdefault(path, []).append(param)
    for call in run.finished:
        axis, given = channel_axis(call.block), call.given
        if axis is None or not given or given[0] is None or given[0][axis] is None:
            continue
        size: Shape = (given[0][axis],)
        wrong = {param: size for param in held.get(call.path, ()) if not agree(size, shape_of(param))}
        if wrong:
            earlier = {param: EarlierShape(shape_of(param), "", ()) for param in wrong}
            return Conflict(call.path, given, "MXNet's normalization does not check its sizes", wrong, earlier, False)
    return None


def _needed_shape(call: Call, param: Any, before: Dict[Any, Shape]) -> Shape:
    """The shape that one parameter of a block must have for these inputs.

    The others keep theirs where that is possible; several may be in dispute at once, as a BatchNorm's are.
    """
    shape = before[param]
    trials: List[Shape] = [None]
    if shape is not None:
        trials += [(*shape[:axis], None, *shape[axis + 1 :]) for axis in reversed(range(len(shape)))]
    for others in (before, dict.fromkeys(before)):
        for trial in trials:
            found = (_inferred(call, {**others, param: trial}) or {}).get(param)
            if is_known(found):
                return found
    return None


def _inferred(call: Call, shapes: Dict[Any, Shape]) -> Optional[Dict[Any, Any]]:
    """The shapes of a block's parameters when it alone gets a call's inputs; None where they contradict each other."""
    given: Any = iter(call.given)
    arguments = [ArrayArgument(next(given, ()) or (), "float32") if isinstance(leaf, (mx.sym.Symbol, mx.nd.NDArray))
                 else leaf for leaf in leaves(call.args)]  # fmt: skip
    run = run_without_memory(call.block, with_leaves(call.args, iter(arguments)), shapes)
    return run.shapes if run.error is None else None


def _first_use(parameters: Parameters, run: Run, param: Any) -> Tuple[str, tuple]:
    """The block that took the parameter as it stood, and its input; nothing where there was none."""
    info = next(info for each, _, info in parameters if each is param)
    for other in run.finished:
        if other.path in holder_paths(info):
            return other.path, other.given
    return "", ()


def holder_paths(info: ParameterInfo) -> Set[str]:
    """The paths of all blocks that hold the parameter."""
    return {info.block_path} | {path.rpartition(".")[0] for path in info.paths}
