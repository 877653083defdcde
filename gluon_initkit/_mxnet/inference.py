"""A network's own code run on Symbols: which blocks it reaches, and every shape that follows from the inputs'.

Nothing is computed, and nothing of the run stays: each block's attributes, name counters and parameters' variables are
put back. A Symbol stands for an array without numbers; code that asks it for some raises, and the run ends there.
"""

from contextlib import ExitStack
import copy
from dataclasses import dataclass, field
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple
import warnings

from mxnet import autograd, gluon, name, symbol
from mxnet.base import MXNetError
from mxnet.gluon.rnn.rnn_layer import _RNNLayer
from mxnet.util import is_np_array, is_np_shape

from .parameters import shape_of
from .strict import strict, strict_symbols
from .undisturbed import blocks_of, parameters_of, undisturbed

__all__ = ["Call", "Shapes", "SymbolicRun", "run_on_symbols"]

Shape = Tuple[Optional[int], ...]


@dataclass
class Call:
    """One call of one block: its arguments, the Symbols among them, those it answered, and the call around it."""

    path: str
    block: gluon.Block
    args: Tuple[Any, ...]
    given: List[Any]
    around: Optional["Call"]
    answered: List[Any] = field(default_factory=list)


@dataclass
class Shapes:
    """What follows from the inputs' shapes: of parameters, and of what each call was given, by the call's identity."""

    params: Dict[gluon.Parameter, Shape]
    given: Dict[int, Tuple[Optional[Shape], ...]]


@dataclass
class SymbolicRun:
    """What a run on Symbols left.

    Attributes
    ----------
    entered, finished : list of Call
        In order of entry, and of return: a block returns after those inside it.
    error : Exception or None
        What ended the run early.
    variables : dict
        The parameter that each variable's name stands for.
    """

    entered: List[Call] = field(default_factory=list)
    finished: List[Call] = field(default_factory=list)
    error: Optional[BaseException] = None
    variables: Dict[str, gluon.Parameter] = field(default_factory=dict)

    def infer(self) -> Shapes:
        """All shapes; MXNetError where two contradict each other."""
        return self._infer(self.finished, self.entered)

    def contradiction(self) -> Tuple[Call, Shapes]:
        """The innermost call in which shapes begin to contradict each other, and what is known until then."""
        good, bad = 0, len(self.finished)
        if self._consistent(self.finished, ()):
            return self.entered[-1], self._infer(self.finished, ())
        while bad - good > 1:
            half = (good + bad) // 2
            if self._consistent(self.finished[:half], ()):
                good = half
            else:
                bad = half
        call = self.finished[bad - 1] if self.finished else self.entered[-1]
        while call.around is not None and not self._consistent(self.finished[:good], (call,)):
            call = call.around  # what contradicts is in the code around it
        given = (call,) if self._consistent(self.finished[:good], (call,)) else ()
        return call, self._infer(self.finished[:good], given)

    def reached(self) -> List[gluon.Parameter]:
        """The parameters that the network's code used, in the order in which a graph lists them."""
        symbols = [each for call in self.finished for each in call.answered]
        names = symbol.Group(symbols).list_inputs() if symbols else []
        return [self.variables[each] for each in names if each in self.variables]

    def unfinished(self) -> Call:
        """The innermost call that did not return."""
        finished = {id(call) for call in self.finished}
        return [call for call in self.entered if id(call) not in finished][-1]

    def _consistent(self, calls: Sequence[Call], given: Sequence[Call]) -> bool:
        try:
            self._infer(calls, given)
        except MXNetError:
            return False
        return True

    def _infer(self, calls: Sequence[Call], given: Sequence[Call]) -> Shapes:
        """Shapes from what `calls` answered and were given, and from what the calls of `given` were given."""
        sets = [(id(call), call.given) for call in (*given, *calls)] + [(0, call.answered) for call in calls]
        symbols = [each for _, group in sets for each in group]
        if not symbols:
            return Shapes({}, {})
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that not all is known is what we are asked about
            graph = symbol.Group(symbols)
            arguments, outputs, states = graph.infer_shape_partial()
        names = graph.list_arguments() + graph.list_auxiliary_states()
        params: Dict[gluon.Parameter, Shape] = {}
        unknown = _unknown()
        for each, shape in zip(names, [*arguments, *states]):
            known = _decoded(shape, unknown)
            if each in self.variables and known is not None:
                params[self.variables[each]] = known
        rest, shapes = iter(outputs), {}
        for key, group in sets:
            shapes[key] = tuple(_decoded(next(rest), unknown) for _ in group)
        return Shapes(params, shapes)


def run_on_symbols(
    net: gluon.Block,
    inputs: Sequence[Any],
    stand_in: Callable[[Any, Callable[[Shape, Any], Any]], Any],
    shapes: Callable[[gluon.Parameter], Optional[Shape]] = shape_of,
) -> SymbolicRun:
    """Run `net` on Symbols; ``stand_in(given, make)`` answers one argument with Symbols made by ``make(shape, dtype)``.

    `shapes` answers what is known of a parameter beforehand.
    """
    run = SymbolicRun()
    blocks = blocks_of(net)
    with ExitStack() as stack:
        stack.enter_context(undisturbed(blocks))
        stack.enter_context(name.NameManager())
        stack.enter_context(autograd.pause(train_mode=False))
        stack.enter_context(strict_symbols())
        _give_variables(blocks, run, shapes)
        under_way: List[Call] = []
        for path, block in blocks.items():
            _watch(path, block, run, under_way)
        made: List[Any] = []

        def make(shape: Shape, dtype: Any) -> Any:
            taken = f"data{len(made)}"
            while taken in run.variables:
                taken += "_"
            made.append(_variable(taken, shape, dtype))
            return made[-1]

        try:
            net(*(stand_in(each, make) for each in inputs))
        except Exception as error:
            run.error = error
    return run


def _watch(path: str, block: Any, run: SymbolicRun, under_way: List[Call]) -> None:
    original = (lambda *args: _composed(block, args)) if isinstance(block, gluon.SymbolBlock) else block.forward

    def forward(*args: Any, **kwargs: Any) -> Any:
        call = Call(path, block, args, _symbols((args, kwargs)), under_way[-1] if under_way else None)
        run.entered.append(call)
        under_way.append(call)
        try:
            answer = original(*args, **kwargs)
        finally:
            under_way.pop()
        call.answered = _symbols(answer)
        run.finished.append(call)
        return answer

    attributes = block.__dict__  # not setattr: a HybridBlock drops its cached graph when some are set
    attributes["forward"] = forward
    attributes["_forward_hooks"], attributes["_forward_pre_hooks"] = {}, {}
    if isinstance(block, _RNNLayer) and block._use_sequence_length:
        # MXNet cannot make the Symbol of a GRU with lengths (apache/mxnet#21146); no shape depends on them.
        attributes["_use_sequence_length"] = False


def _composed(block: Any, args: Tuple[Any, ...]) -> Any:
    """What SymbolBlock.forward answers, with our variables for its parameters: its own are other nodes in each copy."""
    inputs, outputs = block._cached_graph
    flat = _flat(args)
    if len(flat) != len(inputs):
        raise ValueError(f"SymbolBlock takes {len(inputs)} inputs ({', '.join(each.name for each in inputs)}), "
                         f"and was given {len(flat)}")  # fmt: skip
    graph = copy.copy(outputs)
    given = {each.name: value for each, value in zip(inputs, flat)}
    wanted = set(outputs.list_inputs())
    own = {param.name: param.var() for param in block._reg_params.values() if param.name in wanted}
    graph._compose(**own, **given)
    answers = [strict(each) for each in graph]
    return gluon.block._regroup(answers, block._out_format)


def _give_variables(blocks: Dict[str, Any], run: SymbolicRun, shapes: Callable[[Any], Optional[Shape]]) -> None:
    for param in parameters_of(blocks):
        taken = param.name
        while taken in run.variables:  # networks made in two threads have parameters of the same name
            taken += "_"
        run.variables[taken] = param
        param._var = _variable(taken, shapes(param))


def _variable(called: str, shape: Optional[Shape], dtype: Any = None) -> Any:
    if shape is not None:
        unknown = _unknown()
        shape = tuple(unknown if size is None else int(size) for size in shape)
    made = symbol.var(called, shape=shape, dtype=dtype)
    return made.as_np_ndarray() if is_np_array() else strict(made)


def _unknown() -> int:
    """How MXNet writes a size that is not known."""
    return -1 if is_np_shape() else 0


def _decoded(shape: Optional[Tuple[int, ...]], unknown: int) -> Optional[Shape]:
    if shape is None or (shape == () and unknown == 0):
        return None
    return tuple(None if size == unknown else size for size in shape) if unknown in shape else tuple(shape)


def _flat(given: Any) -> List[Any]:
    if isinstance(given, (list, tuple)):
        return [leaf for each in given for leaf in _flat(each)]
    if isinstance(given, dict):
        return [leaf for each in given.values() for leaf in _flat(each)]
    return [given]


def _symbols(given: Any) -> List[Any]:
    return [each for leaf in _flat(given) if isinstance(leaf, symbol.Symbol) for each in _single(leaf)]


def _single(made: Any) -> List[Any]:
    """A Symbol of several outputs as several Symbols."""
    count = made.num_outputs if hasattr(made, "num_outputs") else symbol.Symbol.__len__(made)
    return [made] if count == 1 else list(made)
