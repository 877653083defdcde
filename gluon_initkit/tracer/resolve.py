"""`resolve`: infers the shapes of a network's parameters from its arguments, and records what prevents it.

`run_without_memory` runs the network. This module compares its result with the declared shapes and with the
observations of a trace. If two shapes contradict each other, it runs the block alone, with the disputed sizes unknown,
to find the shape that the block's input needs. `diagnosis` writes the messages.
"""

from dataclasses import dataclass, field
from operator import attrgetter
import re
from types import FrameType
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Sequence, Set, Tuple

import numpy

from .._mxnet import mx
from .._mxnet.arrays import leaves, with_leaves
from .._mxnet.inference import Call, NeedsNumbers, Run, run_without_memory
from .._mxnet.instrument.call_stack import ArrayArgument, ValueArgument
from .._mxnet.parameter import contexts_of, shape_of
from .._mxnet.preserve import global_state_lock
from .._mxnet.tree import Flaw, Place, channel_axis, stale_graphs, unregistered_blocks, walk
from ..display import inputs_text
from ..parameters import ParameterInfo, context_mismatch, list_parameters
from ..shapes import Shape, agree, is_known
from .source import last_lines

Parameters = Sequence[Tuple[Any, Place, ParameterInfo]]


class Stop(NamedTuple):
    """The place where the network's code stopped, and the error."""

    block_path: str
    block: type
    line: str  # of the source; '' if the block was called with wrong arguments
    message: str
    numbers: bool = False  # whether the code needs values of arrays; if not, a forward pass stops there too


class Dispute(NamedTuple):
    """The needed shape, the parameter's earlier shape, and the call of a block that used the earlier one, if any."""

    needed: Shape
    earlier: Shape
    block_path: str = ""
    inputs: Tuple[Shape, ...] = ()


@dataclass
class Conflict:
    """A contradiction in a call of a block, between the shapes that its input needs and the known ones."""

    block_path: str
    inputs: Tuple[Shape, ...]
    message: str  # MXNet's
    disputes: Dict[Any, Dispute] = field(default_factory=dict)  # by parameter
    checked: bool = True  # whether MXNet itself raises an error when it computes


@dataclass
class Observed:
    """A trace's observations of real forward passes."""

    last_inputs: Dict[str, Tuple[Shape, ...]] = field(default_factory=dict)  # of each block's last call, by path
    passed: bool = False  # whether these forward passes ended without an error
    failing: Optional[Tuple[str, Any, Tuple[Any, ...]]] = None  # the innermost call that failed: path, block, arguments
    events: Sequence[Any] = ()  # of type TraceEvent
    caught_in: Optional[FrameType] = None  # the frame that caught the error, inside the user's call

    def origin(self, path: str, shape: Shape) -> str:
        """The event that set this shape: ``'resolved in 0, given (2, 5), at file:7'``; empty if there is none."""
        for event in reversed([event for event in self.events if event.path == path and event.shape == shape]):
            at = f", at {event.file}:{event.line}" if event.file else ""
            if event.kind in ("set_data", "load_parameters"):
                return f"given by {event.kind}{at}"
            if event.kind == "resolved" and event.block is not None:
                return f"resolved in {event.block or 'the network'}, given {inputs_text(event.inputs)}{at}"
        return ""


@dataclass
class Resolution:
    """The parameters of a network and all known shapes."""

    net: Any
    parameters: Parameters
    shapes: Dict[Any, Shape]  # by parameter
    has_inputs: bool
    observed: Observed
    unregistered: Sequence[Flaw]  # blocks and parameters in containers, which Gluon does not register
    context_mismatch: Optional[str]  # a sentence about parameters on different contexts
    stale: Sequence[Flaw]  # cached graphs whose parameters are not those of their block
    order: List[Any] = field(default_factory=list)  # the parameters in the order in which the network's code used them
    inputs: Dict[str, Tuple[Shape, ...]] = field(default_factory=dict)  # of each block's first call, by path
    entered: Set[str] = field(default_factory=set)  # the paths of the blocks that were reached
    stop: Optional[Stop] = None
    conflict: Optional[Conflict] = None
    run: Optional[Run] = None

    @property
    def notes(self) -> Tuple[str, ...]:
        """Sentences about unregistered blocks and parameters (ten, and the number of others), contexts and graphs."""
        unregistered = list(map(str, self.unregistered))
        more = f"{len(unregistered) - 10} more containers hold such." if unregistered[10:] else ""
        return (*unregistered[:10], *filter(None, (more, self.context_mismatch)), *map(str, self.stale))


def resolve(net: Any, inputs: Sequence[Any], observed: Optional[Observed] = None) -> Resolution:
    """Infer all shapes from the inputs, without computing and without changing anything."""
    # A trace's observations of real forward passes take precedence over the inference from the inputs.
    observed = observed or Observed()
    with global_state_lock:
        parameters = list_parameters(net)
        mismatch = context_mismatch([(info.label, contexts_of(param)) for param, _, info in parameters])
        shapes = {param: shape_of(param) for param, _, _ in parameters}
        resolution = Resolution(net, parameters, shapes, bool(inputs), observed, unregistered_blocks(walk(net)),
                                mismatch, stale_graphs(net))  # fmt: skip
        if inputs:
            _add_run(resolution, run_without_memory(net, abstract_arguments(inputs)))
        if observed.failing is not None and resolution.conflict is None:
            path, block, args = observed.failing
            resolution.conflict = _conflict_in(parameters, run_without_memory(block, abstract_arguments(args), at=path))
        for path, block_inputs in observed.last_inputs.items():
            resolution.inputs.setdefault(path, tuple(block_inputs))
        if observed.passed and "" in observed.last_inputs:
            resolution.entered, resolution.stop = set(observed.last_inputs), None
        return resolution


def _add_run(resolution: Resolution, run: Run) -> None:
    resolution.run = run
    resolution.shapes.update(run.shapes)
    resolution.conflict = _conflict_in(resolution.parameters, run) or _unchecked_sizes(resolution.parameters, run)
    for call in run.entered:
        resolution.inputs.setdefault(call.path, call.given)
    resolution.entered = {call.path for call in run.entered}
    resolution.order = list(run.order)
    if run.error is not None:
        last = run.unfinished()
        path, kind = (last.path, type(last.block)) if last else ("", type(resolution.net))
        user_line, mxnet_line = last_lines(run.frames)
        wrong_call = re.search(r"\(\) (missing|takes|got an unexpected)", str(run.error))
        line = user_line or ("" if isinstance(run.error, TypeError) and wrong_call else mxnet_line or "its first call")
        resolution.stop = Stop(path, kind, line, error_text(run.error), isinstance(run.error, NeedsNumbers))


def _unchecked_sizes(parameters: Parameters, run: Run) -> Optional[Conflict]:
    """The conflict of a normalization layer whose size differs from its input's; MXNet's shape inference accepts it."""
    params_by_path: Dict[str, List[Any]] = {}
    for param, place, _ in parameters:
        for path in place.holders:
            params_by_path.setdefault(path, []).append(param)
    for call in filter(attrgetter("returned"), run.entered):
        axis, inputs = channel_axis(call.block), call.given
        if axis is not None and inputs and inputs[0] is not None:
            size: Shape = (inputs[0][axis],)
            disputes = {param: Dispute(size, shape_of(param)) for param in params_by_path.get(call.path, ())
                     if not agree(size, shape_of(param))}  # fmt: skip
            if disputes:
                return Conflict(call.path, inputs, "MXNet's normalization does not check its sizes", disputes, False)
    return None


def _conflict_in(parameters: Parameters, run: Run) -> Optional[Conflict]:
    """The conflict in the block that failed: its input needs other shapes of its parameters. Runs the block alone."""
    if run.conflict is None:
        return None
    call = run.unfinished() or run.entered[-1]
    conflict = Conflict(call.path, call.given, error_text(run.conflict))
    holders = {param: place.holders for param, place, _ in parameters if call.path in place.holders}
    shapes = {param: run.shapes.get(param, shape_of(param)) for param in holders}
    earlier_shapes = dict(shapes)
    for param, earlier in earlier_shapes.items():
        needed = None if earlier is None else _needed_shape(call, param, earlier_shapes, earlier)
        if needed is None or agree(needed, earlier):
            continue
        uses = [(use.path, use.given) for use in run.entered if use.returned and use.path in holders[param]]
        conflict.disputes[param] = Dispute(needed, earlier, *(uses[0] if uses else ()))
        shapes[param] = needed
        if _inferred(call, shapes) is not None:
            break  # with these shapes the block accepts its input
    return conflict


def _needed_shape(call: Call, param: Any, earlier_shapes: Dict[Any, Shape], shape: Tuple[Optional[int], ...]) -> Shape:
    """The shape that one parameter of a block must have for these inputs; None if no trial finds it."""
    # The other parameters keep their shapes if possible. Several can be in dispute at once, as in a BatchNorm.
    trials = [None, *((*shape[:axis], None, *shape[axis + 1 :]) for axis in reversed(range(len(shape))))]
    for others in (earlier_shapes, dict.fromkeys(earlier_shapes)):
        for trial in trials:
            needed = (_inferred(call, {**others, param: trial}) or {}).get(param)
            if is_known(needed):
                return needed
    return None


def _inferred(call: Call, shapes: Dict[Any, Shape]) -> Optional[Dict[Any, Any]]:
    """The shapes of a block's parameters after it alone ran on a call's inputs; None if they contradict each other."""
    inputs: Any = iter(call.given)
    arguments = [ArrayArgument(next(inputs, ()) or (), "float32") if isinstance(leaf, (mx.sym.Symbol, mx.nd.NDArray))
                 else leaf for leaf in leaves(call.args)]  # fmt: skip
    run = run_without_memory(call.block, with_leaves(call.args, iter(arguments)), shapes)
    return run.shapes if run.error is None else None


def error_text(error: BaseException) -> str:
    """The exception's type and message, without MXNet's C++ traceback and the global names of its operators."""
    lines = [line.strip() for line in str(error).strip().splitlines()]
    lines = [line for line in lines if line and not line.startswith(("Traceback", "File ", "[bt]", "Stack trace"))]
    text = re.sub(r"^(MXNetError: )?(Error in operator \S+: )?(\[[\d:]+\] \S+: )?(Check failed: assign.*?\)\): )?", "",
                  " ".join(lines[:2]))  # fmt: skip
    return f"{type(error).__name__}: {re.sub(r' in node [^ :]+', '', text)}"


def map_arrays(given: Any, leaf: Callable[[tuple, Any, Any], Any]) -> Any:
    """Replace each array and shape in a nested argument by ``leaf(shape, dtype, array or None)``.

    A shape is a tuple of sizes, in which None or 0 is an unknown size, or a pair of such a tuple and a dtype. Other
    values stay as they are. Raises a TypeError for a list of numbers.
    """
    if isinstance(given, (mx.nd.NDArray, numpy.ndarray)):
        return leaf(tuple(given.shape), numpy.dtype(given.dtype).name, given)
    if isinstance(given, ArrayArgument):
        return leaf(given.shape, given.dtype, None)
    if isinstance(given, ValueArgument):
        return given.value
    has_dtype = isinstance(given, tuple) and len(given) == 2 and isinstance(given[1], (str, type, numpy.dtype))
    shape, dtype = given if has_dtype else (given, "float32")
    if type(shape) is tuple and any(map(_is_size, shape)) and all(size is None or _is_size(size) for size in shape):
        sizes = tuple(None if size is None or int(size) <= 0 else int(size) for size in shape)
        return leaf(sizes, numpy.dtype(dtype).name, None)
    if isinstance(given, list) and given and all(map(_is_size, given)):
        raise TypeError(f"the list {given!r} is no shape: write {tuple(given)!r}, or give an array")
    if isinstance(given, (list, tuple)):
        return type(given)([map_arrays(item, leaf) for item in given])
    if isinstance(given, dict):
        return type(given)((key, map_arrays(item, leaf)) for key, item in given.items())
    return given


def _is_size(given: Any) -> bool:
    return hasattr(given, "__index__") and not isinstance(given, (bool, numpy.ndarray, mx.nd.NDArray))


def abstract_arguments(inputs: Sequence[Any]) -> List[Any]:
    """The arguments, with an `ArrayArgument` in place of each array and shape."""
    return [map_arrays(argument, lambda shape, dtype, _: ArrayArgument(shape, dtype)) for argument in inputs]


def has_arrays(inputs: Sequence[Any]) -> bool:
    return any(isinstance(leaf, ArrayArgument) for leaf in leaves(abstract_arguments(inputs)))


def as_arrays(given: Any, ctx: Any) -> Any:
    """An argument for a real forward pass: its arrays stay, and zeros replace its shapes."""

    def leaf(shape: tuple, dtype: Any, array: Any) -> Any:
        if isinstance(array, mx.nd.NDArray):
            return array
        if None in shape:
            raise ValueError(f"a forward pass needs whole shapes, and {shape!r} has a size that is not known")
        make = mx.np if mx.util.is_np_array() else mx.nd
        return make.zeros(shape, dtype=dtype, ctx=ctx) if array is None else make.array(array, dtype=dtype, ctx=ctx)

    return map_arrays(given, leaf)


def arguments_text(inputs: Sequence[Any]) -> str:
    """The arguments as written in a call, with shapes in place of arrays."""

    def leaf(shape: tuple, dtype: Any, array: Any) -> "_Verbatim":
        return _Verbatim(repr(shape) if dtype == "float32" else f"({shape!r}, {dtype!r})")

    return ", ".join(repr(map_arrays(argument, leaf)) for argument in inputs)


class _Verbatim(str):
    __repr__ = str.__str__
