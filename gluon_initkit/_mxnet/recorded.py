"""`inference` on MXNet 2: a network's own code run by deferred compute, on arrays without memory.

MXNet 2 then writes down what operators are asked for and computes it when somebody reads a number, which is refused
here. An array knows its shape at once, and layers find those of their parameters by their own `infer_shape`. Nothing of
the run stays.
"""

from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any, Callable, Dict, Iterator, List, Optional, Sequence, Tuple
import warnings

from mxnet import autograd, gluon, name, np, symbol
from mxnet.base import MXNetError
from mxnet.util import np_shape

from ..shapes import is_known
from .blank import blank, blank_arrays
from .interrupts import interrupts_held
from .parameters import shape_of
from .strict import NeedsNumbers
from .symbolic_run import Call, Shapes, SymbolicRun, given_to
from .transposed import source_of
from .undisturbed import blocks_of, one_at_a_time, parameters_of, undisturbed
from .version import infer_again, infers_shapes

__all__ = ["run_recorded"]

Shape = Tuple[Optional[int], ...]


@dataclass
class RecordedRun(SymbolicRun):
    """What such a run left: its calls and shapes, known as far as it came. What contradicts another shape ends it."""

    order: Dict[gluon.Parameter, None] = field(default_factory=dict)
    shapes: Dict[gluon.Parameter, Shape] = field(default_factory=dict)

    def infer(self) -> Shapes:
        """All shapes; MXNetError where two contradict each other."""
        if self.error is not None and _contradicts(self.error):
            raise MXNetError(str(self.error)) from self.error
        return self._known()

    def contradiction(self) -> Tuple[Call, Shapes]:
        """The innermost call in which shapes contradict each other, and what is known until then."""
        return self.unfinished() or self.entered[-1], self._known()

    def reached(self) -> List[gluon.Parameter]:
        """The parameters that the network's code used, in its order."""
        return list(self.order)

    def forget(self, other: "RecordedRun") -> None:
        """Keep what another run found too, which began with other sizes."""
        self.shapes = {param: _common(shape, other.shapes.get(param)) for param, shape in self.shapes.items()}
        for call, again in zip(self.entered, other.entered):
            call.given = [_common(*pair) for pair in zip(call.given, again.given)]

    def _known(self) -> Shapes:
        return Shapes(self.shapes, {id(call): tuple(call.given) for call in self.entered})


def run_recorded(
    net: gluon.Block,
    inputs: Sequence[Any],
    stand_in: Callable[[Any, Callable[[Shape, Any], Any]], Any],
    shapes: Callable[[gluon.Parameter], Optional[Shape]],
    at: str,
) -> SymbolicRun:
    """As `run_on_symbols`. Where a size of an input is not known, what two runs of different ones agree in is."""
    unknown: List[Any] = []
    run = _run(net, inputs, stand_in, shapes, at, _sized(3, unknown))
    if unknown:
        other = _run(net, inputs, stand_in, shapes, at, _sized(5, unknown))
        if run.error is not None or other.error is not None:
            run.error = NeedsNumbers("MXNet 2 infers shapes from whole ones, and a size is not known")
        run.forget(other)
    return run


def _sized(unknown: int, met: List[Any]) -> Callable[[Shape, Any], Any]:
    def make(shape: Shape, dtype: Any) -> Any:
        met.extend(size for size in shape if size is None)
        whole = tuple(unknown if size is None else size for size in shape)
        return blank(whole, dtype, symbol.var("data").as_np_ndarray())

    return make


def _run(net: Any, inputs: Any, stand_in: Any, shapes: Any, at: str, make: Any) -> RecordedRun:
    run = RecordedRun()
    blocks = blocks_of(net)
    params = list(dict.fromkeys(map(source_of, parameters_of(blocks))))
    with one_at_a_time, interrupts_held() as released, ExitStack() as stack:
        stack.enter_context(undisturbed(blocks))
        stack.enter_context(np_shape(True))  # also in a thread, where MXNet's mode is off
        stack.enter_context(_valueless(params, shapes, run))
        stack.enter_context(name.NameManager())
        stack.enter_context(autograd.pause(train_mode=False))
        stack.enter_context(blank_arrays())
        under_way: List[Call] = []
        for path, block in blocks.items():
            _watch(".".join(filter(None, (at, path))), block, run, under_way)
        try:
            with released():
                net(*[stand_in(each, make) for each in inputs])
        except Exception as error:
            run.error = error
        run.shapes = _known(params)
    return run


def _known(params: Sequence[gluon.Parameter]) -> Dict[gluon.Parameter, Shape]:
    return {param: shape for param in params for shape in [shape_of(param)] if shape is not None}


def _watch(path: str, block: Any, run: RecordedRun, under_way: List[Call]) -> None:
    composed = isinstance(block, gluon.SymbolBlock)
    original = (lambda *args: _composed(block, args, run)) if composed else block.forward
    original_shapes = getattr(block, "infer_shape", None)
    told = getattr(original_shapes, "__module__", "")
    cell = told.startswith("mxnet.gluon.rnn") and "i2h_weight" in block._reg_params
    attributes = block.__dict__

    def enter(args: Any, kwargs: Any) -> Call:
        call = Call(path, block, args, _shapes((args, kwargs)), under_way[-1] if under_way else None)
        run.entered.append(call)
        under_way.append(call)
        return call

    def infer_shape(*args: Any) -> None:
        # MXNet asks for shapes before it calls `forward`; the two are one call to us.
        enter(args, {})
        try:
            original_shapes(*args)  # type: ignore[misc]
        finally:
            under_way.pop()
        run.entered.pop()

    def forward(*args: Any, **kwargs: Any) -> Any:
        call = enter(args, kwargs)
        try:
            if cell:
                original_shapes(0, args[0], False)  # type: ignore[misc]  # which MXNet itself never asks
            answer = original(*args, **kwargs)
        finally:
            under_way.pop()
        call.answered = _arrays(answer)
        run.finished.append(call)
        return answer

    attributes["forward"] = forward
    attributes["_forward_hooks"], attributes["_forward_pre_hooks"] = {}, {}
    if infers_shapes(type(block)):
        attributes["infer_shape"] = infer_shape
    elif original_shapes is not None:
        attributes["infer_shape"] = lambda *_: None  # which knows none, and would raise before the user's line is met
    infer_again(block)


def _composed(block: Any, args: Tuple[Any, ...], run: RecordedRun) -> Any:
    """What SymbolBlock.forward answers, which refuses deferred compute: arrays of the shapes that its graph infers."""
    graph, params = block._cached_graph[1], {param.var().name: param for param in block._reg_params.values()}
    given = given_to(block, _arrays(args))
    shapes = {each: tuple(value.shape) for each, value in given.items()}
    for variable, param in params.items():
        shape = shape_of(param)
        if shape is not None:
            shapes[variable] = tuple(-1 if size is None else size for size in shape)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that not all is known
        arguments, outputs, states = graph.infer_shape_partial(**shapes)
    inferred = dict(zip(graph.list_arguments() + graph.list_auxiliary_states(), [*arguments, *states]))
    for variable in graph.list_inputs():
        if variable in params and inferred[variable] is not None:
            params[variable].shape = inferred[variable]
            run.order[params[variable]] = None
    if any(shape is None or -1 in shape for shape in outputs):
        raise NeedsNumbers("what its graph answers has a shape that does not follow from its inputs")
    answers = [blank(shape, "float32", symbol.var("data").as_np_ndarray()) for shape in outputs]
    return gluon.block._regroup(answers, block._out_format)


@contextmanager
def _valueless(
    params: Sequence[gluon.Parameter], shapes: Callable[[gluon.Parameter], Optional[Shape]], run: RecordedRun
) -> Iterator[None]:
    """Let parameters answer arrays without memory, of the shape that they have by then."""

    def lend(param: gluon.Parameter) -> None:
        def answer(held: Any, device: Any) -> Any:
            shape = shape_of(param)
            if not is_known(shape):
                raise NeedsNumbers(f"the parameter {param.name!r} was read, and its shape is not known by then")
            run.order[param] = None
            made = blank(shape, param.dtype, param.var())
            return [made] if device is list else made

        param.__dict__.update(_check_and_get=answer, _finish_deferred_init=lambda: None, set_data=_refuse)
        known = shapes(param)
        param._shape = None if known is None else tuple(-1 if size is None else size for size in known)
        if known is None:
            param.__dict__["_data"] = None  # whose shape would be taken for it

    before = [(param.__dict__, dict(param.__dict__)) for param in params]
    try:
        for param in params:
            lend(param)
        yield
    finally:
        for living, saved in before:
            living.clear()
            living.update(saved)


def _refuse(*_: Any) -> None:
    raise NeedsNumbers("a parameter was to be set")


def _contradicts(error: BaseException) -> bool:
    """Whether two shapes contradict each other; deferred compute refuses other things, too."""
    if isinstance(error, MXNetError):
        return "deferred compute" not in str(error)
    return isinstance(error, AssertionError) and str(error).startswith("Expected shape")


def _common(shape: Shape, other: Optional[Shape]) -> Shape:
    if other is None or len(shape) != len(other):
        return (None,) * len(shape)
    return tuple(size if size == again else None for size, again in zip(shape, other))


def _shapes(given: Any) -> List[Any]:
    return [tuple(each.shape) for each in _arrays(given)]


def _arrays(given: Any) -> List[Any]:
    if isinstance(given, (list, tuple)):
        return [leaf for each in given for leaf in _arrays(each)]
    if isinstance(given, dict):
        return _arrays(list(given.values()))
    return [given] if isinstance(given, np.ndarray) else []
