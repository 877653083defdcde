"""`resolve`: what a network's arguments say about its parameters' shapes, and what goes wrong on the way.

`run_without_memory` runs the network; its result is compared here with what the parameters declare and with what a
trace has seen. Where two shapes contradict each other, the block is run alone, with the disputed sizes left open, to
find what its input asks for. `diagnosis` writes the messages.
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
    """Where a network's own code stopped."""

    block_path: str
    block: type
    line: str  # of the source; '' where the block was called wrongly
    message: str
    numbers: bool = False  # whether it reads numbers, which shapes do not give; else a forward pass stops there too


class Dispute(NamedTuple):
    """The shape that an input asks for, and the one that the parameter had, by which call of a block, if by any."""

    needed: Shape
    earlier: Shape
    block_path: str = ""
    inputs: Tuple[Shape, ...] = ()


@dataclass
class Conflict:
    """Two shapes that contradict each other in a call of a block: what its input asks for, and what was known."""

    block_path: str
    inputs: Tuple[Shape, ...]
    message: str  # what MXNet says
    disputes: Dict[Any, Dispute] = field(default_factory=dict)  # by parameter
    checked: bool = True  # whether MXNet notices by itself when it computes


@dataclass
class Observed:
    """What a trace has seen of real forward passes."""

    seen: Dict[str, Tuple[Shape, ...]] = field(default_factory=dict)  # the input shapes that blocks got last, by path
    passed: bool = False  # whether those are from forward passes that came to their end
    failing: Optional[Tuple[str, Any, Tuple[Any, ...]]] = None  # the innermost call that failed: path, block, arguments
    events: Sequence[Any] = ()  # of type TraceEvent
    around: Optional[FrameType] = None  # where the error was caught, while the user's call is under way

    def origin(self, path: str, shape: Shape) -> str:
        """The event that gave a parameter this shape: ``'resolved in 0, given (2, 5), at file:7'``, or nothing."""
        for event in reversed([event for event in self.events if event.path == path and event.shape == shape]):
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
    parameters: Parameters
    shapes: Dict[Any, Shape]  # by parameter
    has_inputs: bool
    observed: Observed
    unregistered: Sequence[Flaw]  # what containers hold that is no part of the network
    context_mismatch: Optional[str]  # a sentence on parameters that are on different contexts
    stale: Sequence[Flaw]  # cached graphs that hold other parameters than their block
    order: List[Any] = field(default_factory=list)  # the parameters that the network's code used, in its order
    inputs: Dict[str, Tuple[Shape, ...]] = field(default_factory=dict)  # what each block was given first, by path
    entered: Set[str] = field(default_factory=set)  # the paths of the blocks that were reached
    stop: Optional[Stop] = None
    conflict: Optional[Conflict] = None
    run: Optional[Run] = None

    @property
    def notes(self) -> Tuple[str, ...]:
        """Sentences on what is no part of the network (ten, and how many more), on contexts and on cached graphs."""
        lost = list(map(str, self.unregistered))
        more = f"{len(lost) - 10} more containers hold such." if lost[10:] else ""
        return (*lost[:10], *filter(None, (more, self.context_mismatch)), *map(str, self.stale))


def resolve(net: Any, inputs: Sequence[Any], observed: Optional[Observed] = None) -> Resolution:
    """Find all shapes that follow from the inputs, without computing and without changing anything."""
    # What was observed of real forward passes beats what the inputs let expect.
    observed = observed or Observed()
    with global_state_lock:
        parameters = list_parameters(net)
        mismatch = context_mismatch([(info.label, contexts_of(param)) for param, _, info in parameters])
        shapes = {param: shape_of(param) for param, _, _ in parameters}
        found = Resolution(net, parameters, shapes, bool(inputs), observed, unregistered_blocks(walk(net)), mismatch,
                           stale_graphs(net))  # fmt: skip
        if inputs:
            _add_run(found, run_without_memory(net, abstract_arguments(inputs)))
        if observed.failing is not None and found.conflict is None:
            path, block, args = observed.failing
            found.conflict = _conflict_in(parameters, run_without_memory(block, abstract_arguments(args), at=path))
        for path, given in observed.seen.items():
            found.inputs.setdefault(path, tuple(given))
        if observed.passed and "" in observed.seen:
            found.entered, found.stop = set(observed.seen), None
        return found


def _add_run(found: Resolution, run: Run) -> None:
    found.run = run
    found.shapes.update(run.shapes)
    found.conflict = _conflict_in(found.parameters, run) or _unchecked_sizes(found.parameters, run)
    for call in run.entered:
        found.inputs.setdefault(call.path, call.given)
    found.entered = {call.path for call in run.entered}
    found.order = list(run.order)
    if run.error is not None:
        last = run.unfinished()
        path, kind = (last.path, type(last.block)) if last else ("", type(found.net))
        theirs, mxnets = last_lines(run.frames)
        wrong_call = re.search(r"\(\) (missing|takes|got an unexpected)", str(run.error))
        line = theirs or ("" if isinstance(run.error, TypeError) and wrong_call else mxnets or "its first call")
        found.stop = Stop(path, kind, line, error_text(run.error), isinstance(run.error, NeedsNumbers))


def _unchecked_sizes(parameters: Parameters, run: Run) -> Optional[Conflict]:
    """A normalization of another size than its input: MXNet notices when it computes, or reads foreign memory."""
    held: Dict[str, List[Any]] = {}
    for param, place, _ in parameters:
        for path in place.holders:
            held.setdefault(path, []).append(param)
    for call in filter(attrgetter("returned"), run.entered):
        axis, given = channel_axis(call.block), call.given
        if axis is not None and given and given[0] is not None:
            size: Shape = (given[0][axis],)
            wrong = {param: Dispute(size, shape_of(param)) for param in held.get(call.path, ())
                     if not agree(size, shape_of(param))}  # fmt: skip
            if wrong:
                return Conflict(call.path, given, "MXNet's normalization does not check its sizes", wrong, False)
    return None


def _conflict_in(parameters: Parameters, run: Run) -> Optional[Conflict]:
    """The parameters that the input of the block that failed would give another shape, found by running it alone."""
    if run.conflict is None:
        return None
    call = run.unfinished() or run.entered[-1]
    conflict = Conflict(call.path, call.given, error_text(run.conflict))
    holders = {param: place.holders for param, place, _ in parameters if call.path in place.holders}
    shapes = {param: run.shapes.get(param, shape_of(param)) for param in holders}
    before = dict(shapes)
    for param, earlier in before.items():
        needed = None if earlier is None else _needed_shape(call, param, before, earlier)
        if needed is None or agree(needed, earlier):
            continue
        uses = [(use.path, use.given) for use in run.entered if use.returned and use.path in holders[param]]
        conflict.disputes[param] = Dispute(needed, earlier, *(uses[0] if uses else ()))
        shapes[param] = needed
        if _inferred(call, shapes) is not None:
            break  # with these changed, the block takes its input
    return conflict


def _needed_shape(call: Call, param: Any, before: Dict[Any, Shape], shape: Tuple[Optional[int], ...]) -> Shape:
    """The shape that one parameter of a block must have for these inputs."""
    # The others keep theirs where that is possible; several may be in dispute at once, as a BatchNorm's are.
    trials = [None, *((*shape[:axis], None, *shape[axis + 1 :]) for axis in reversed(range(len(shape))))]
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


def error_text(error: BaseException) -> str:
    """The exception's own words, without MXNet's C++ traceback and its operators' global names."""
    lines = [line.strip() for line in str(error).strip().splitlines()]
    lines = [line for line in lines if line and not line.startswith(("Traceback", "File ", "[bt]", "Stack trace"))]
    text = re.sub(r"^(MXNetError: )?(Error in operator \S+: )?(\[[\d:]+\] \S+: )?(Check failed: assign.*?\)\): )?", "",
                  " ".join(lines[:2]))  # fmt: skip
    return f"{type(error).__name__}: {re.sub(r' in node [^ :]+', '', text)}"


def map_arrays(given: Any, leaf: Callable[[tuple, Any, Any], Any]) -> Any:
    """An argument, nested as it is, with ``leaf(shape, dtype, array or None)`` for each array and shape in it.

    A shape is a tuple of numbers, in which None or 0 is a size that is not known, or a pair of it and a dtype. What is
    no array, shape, list, tuple or dict is itself. A list of numbers is a TypeError.
    """
    if isinstance(given, (mx.nd.NDArray, numpy.ndarray)):
        return leaf(tuple(given.shape), numpy.dtype(given.dtype).name, given)
    if isinstance(given, ArrayArgument):
        return leaf(given.shape, given.dtype, None)
    if isinstance(given, ValueArgument):
        return given.value
    has_dtype = isinstance(given, tuple) and len(given) == 2 and isinstance(given[1], (str, type, numpy.dtype))
    shape, dtype = given if has_dtype else (given, "float32")
    if type(shape) is tuple and any(map(_is_size, shape)) and all(each is None or _is_size(each) for each in shape):
        sizes = tuple(None if each is None or int(each) <= 0 else int(each) for each in shape)
        return leaf(sizes, numpy.dtype(dtype).name, None)
    if isinstance(given, list) and given and all(map(_is_size, given)):
        raise TypeError(f"the list {given!r} is no shape: write {tuple(given)!r}, or give an array")
    if isinstance(given, (list, tuple)):
        return type(given)([map_arrays(each, leaf) for each in given])
    if isinstance(given, dict):
        return type(given)((key, map_arrays(each, leaf)) for key, each in given.items())
    return given


def _is_size(given: Any) -> bool:
    return hasattr(given, "__index__") and not isinstance(given, (bool, numpy.ndarray, mx.nd.NDArray))


def abstract_arguments(inputs: Sequence[Any]) -> List[Any]:
    """The arguments with an `ArrayArgument` for each array and shape."""
    return [map_arrays(each, lambda shape, dtype, _: ArrayArgument(shape, dtype)) for each in inputs]


def has_arrays(inputs: Sequence[Any]) -> bool:
    return any(isinstance(leaf, ArrayArgument) for leaf in leaves(abstract_arguments(inputs)))


def as_arrays(given: Any, ctx: Any) -> Any:
    """The arguments as arrays for a real forward pass: those given, and zeros where a shape was."""

    def leaf(shape: tuple, dtype: Any, array: Any) -> Any:
        if isinstance(array, mx.nd.NDArray):
            return array
        if None in shape:
            raise ValueError(f"a forward pass needs whole shapes, and {shape!r} has a size that is not known")
        make = mx.np if mx.util.is_np_array() else mx.nd
        return make.zeros(shape, dtype=dtype, ctx=ctx) if array is None else make.array(array, dtype=dtype, ctx=ctx)

    return map_arrays(given, leaf)


def arguments_text(inputs: Sequence[Any]) -> str:
    """The arguments as they are written in a call, arrays by their shapes."""

    def leaf(shape: tuple, dtype: Any, array: Any) -> "_Verbatim":
        return _Verbatim(repr(shape) if dtype == "float32" else f"({shape!r}, {dtype!r})")

    return ", ".join(repr(map_arrays(each, leaf)) for each in inputs)


class _Verbatim(str):
    __repr__ = str.__str__
