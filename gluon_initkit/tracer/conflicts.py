"""Two shapes that contradict each other: in which block, which of its parameters is in dispute, and both places.

MXNet says that an operator's shapes are inconsistent. What the block's input would ask for is found by running
the block alone, with the disputed sizes left open.
"""

from dataclasses import dataclass, field
from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple

from .._mxnet import mx
from .._mxnet.arrays import leaves, with_leaves
from .._mxnet.inference import Call, Run, run_without_memory
from .._mxnet.instrument.call_stack import ArrayArgument
from .._mxnet.parameter import shape_of
from .._mxnet.tree import Place
from ..parameters import ParameterInfo
from ..shapes import agree, is_known

Shape = Optional[Tuple[Optional[int], ...]]
Parameters = Sequence[Tuple[Any, Place, ParameterInfo]]


class EarlierShape(NamedTuple):
    """The shape that a parameter had, and the call of a block whose input it follows; ``''`` and () where declared."""

    shape: Shape
    block_path: str
    inputs: Tuple[Shape, ...]


@dataclass
class Conflict:
    """Two shapes that contradict each other in a call of a block: what its input asks for, and what was known."""

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
    own = [param for param, place, _ in parameters if call.path in place.holders]
    before = {param: run.shapes.get(param, shape_of(param)) for param in own}
    for param in own:
        needed = _needed_shape(call, param, before)
        if needed is None or before[param] is None or agree(needed, before[param]):
            continue
        conflict.needed[param] = needed
        holders = next(place.holders for each, place, _ in parameters if each is param)
        uses = [(use.path, use.given) for use in run.entered if use.returned and use.path in holders]
        conflict.earlier[param] = EarlierShape(before[param], *(uses[0] if uses else ("", ())))
        if _inferred(call, {**before, **conflict.needed}) is not None:
            break  # with these changed, the block takes its input
    return conflict


def _needed_shape(call: Call, param: Any, before: Dict[Any, Shape]) -> Shape:
    """The shape that one parameter of a block must have for these inputs."""
    # The others keep theirs where that is possible; several may be in dispute at once, as a BatchNorm's are.
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
