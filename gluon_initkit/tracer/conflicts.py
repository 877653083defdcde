"""Two shapes that contradict each other: in which block, which of its parameters is in dispute, and both places.

MXNet says that an operator's shapes are inconsistent. What the block's input would ask for is found by running
the block alone, with the disputed sizes left open.
"""

from dataclasses import dataclass, field
from typing import Any, Dict, Iterator, List, Optional, Sequence, Set, Tuple

from .._mxnet import mx
from .._mxnet.inference import Call, Run, run_without_memory
from .._mxnet.instrument.call_stack import ArrayArgument
from .._mxnet.layers import channel_axis
from .._mxnet.parameter import shape_of
from ..parameters import ParameterInfo
from ..shapes import agree, is_known

__all__ = ["Conflict", "agree", "conflict_in", "holders", "unchecked_sizes"]

Shape = Tuple[Optional[int], ...]
Described = Sequence[Tuple[Any, Any, ParameterInfo]]


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
    checked: bool = True
    """Whether MXNet notices by itself when it computes."""


def conflict_in(described: Described, run: Run, said: str) -> Conflict:
    """Which parameters the input of the block that failed would give another shape, found by running it alone."""
    call = run.unfinished() or run.entered[-1]
    inputs = call.given
    made = Conflict(call.path, inputs, said)
    own = [param for param, _, info in described if call.path in holders(info)]
    before = {param: run.shapes.get(param, shape_of(param)) for param in own}
    for param in own:
        needed, stood = _needed(call, inputs, param, before), before[param]
        if needed is None or stood is None or agree(needed, stood):
            continue
        made.needed[param] = needed
        made.stood[param] = (stood, *_first_use(described, run, call, param))
        if _infer(call, inputs, {**before, **made.needed}) is not None:
            break  # with these changed, the block takes its input
    return made


def unchecked_sizes(described: Described, run: Run) -> Optional[Conflict]:
    """A normalization of another size than its input: MXNet notices when it computes, or reads foreign memory."""
    held: Dict[str, List[Any]] = {}
    for param, _, info in described:
        for path in holders(info):
            held.setdefault(path, []).append(param)
    for call in run.finished:
        axis, given = channel_axis(call.block), call.given
        if axis is None or not given or given[0] is None or given[0][axis] is None:
            continue
        needed: Dict[Any, Shape] = dict.fromkeys(held.get(call.path, ()), (given[0][axis],))
        wrong = {param: shape for param, shape in needed.items() if not agree(shape, shape_of(param))}
        if wrong:
            stood: Dict[Any, Any] = {param: (shape_of(param), "", ()) for param in wrong}
            return Conflict(call.path, given, "MXNet's normalization does not check its sizes", wrong, stood, False)
    return None


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
            if is_known(shape):
                return shape
    return None


def _infer(call: Call, inputs: Sequence[Optional[Shape]], shapes: Dict[Any, Any]) -> Optional[Dict[Any, Shape]]:
    """The shapes of a block's parameters when it alone gets these inputs; None where they contradict each other."""
    given = iter(inputs)
    run = run_without_memory(call.block, [_argument(each, given) for each in call.args], shapes)
    return run.shapes if run.error is None else None


def _argument(each: Any, given: Iterator[Any]) -> Any:
    """One of a call's arguments, with the next shape of those `given` in place of each array or Symbol."""
    if isinstance(each, (list, tuple)):
        return [_argument(inner, given) for inner in each]
    if isinstance(each, dict):
        return {key: _argument(inner, given) for key, inner in each.items()}
    if isinstance(each, (mx.sym.Symbol, mx.nd.NDArray)):
        return ArrayArgument(next(given, ()) or (), "float32")
    return each


def _first_use(described: Described, run: Run, call: Call, param: Any) -> Tuple[str, tuple]:
    """The block that took the parameter as it stood, before `call`, and its input; nothing where there was none."""
    info = next(info for each, _, info in described if each is param)
    for other in run.finished:
        if other is not call and other.path in holders(info):
            return other.path, other.given
    return "", ()


def holders(info: ParameterInfo) -> Set[str]:
    """The paths of all blocks that hold the parameter."""
    return {info.block_path} | {path.rpartition(".")[0] for path in info.paths}
