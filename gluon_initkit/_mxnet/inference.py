"""A network's own code run on Symbols: which blocks it reaches, and every shape that follows from the inputs'.

Nothing is computed, and nothing of the run stays: each block's attributes, name counters and parameters' variables are
put back. A Symbol stands for an array without numbers; code that asks it for some raises, and the run ends there.
"""

from contextlib import ExitStack, contextmanager
import copy
from typing import Any, Callable, Dict, Iterator, List, Optional, Sequence, Tuple

from mxnet import autograd, gluon, name, symbol
from mxnet.gluon.rnn.rnn_layer import _RNNLayer
from mxnet.util import is_np_array

from .interrupts import interrupts_held
from .parameters import shape_of
from .strict import NeedsNumbers, strict, strict_symbols
from .symbolic_run import Call, SymbolicRun, given_to, unknown_size
from .undisturbed import blocks_of, one_at_a_time, parameters_of, undisturbed
from .version import infers_on_symbols

__all__ = ["run_on_symbols"]

Shape = Tuple[Optional[int], ...]


def run_on_symbols(
    net: gluon.Block,
    inputs: Sequence[Any],
    stand_in: Callable[[Any, Callable[[Shape, Any], Any]], Any],
    shapes: Callable[[gluon.Parameter], Optional[Shape]] = shape_of,
    at: str = "",
) -> SymbolicRun:
    """Run `net` on Symbols; ``stand_in(given, make)`` answers one argument with Symbols made by ``make(shape, dtype)``.

    `shapes` answers what is known of a parameter beforehand; `at` is the path of `net` in a larger network.
    """
    if not infers_on_symbols():
        from .recorded import run_recorded

        return run_recorded(net, inputs, stand_in, shapes, at)
    run = SymbolicRun()
    blocks = blocks_of(net)
    with one_at_a_time, interrupts_held() as released, ExitStack() as stack:
        stack.enter_context(undisturbed(blocks))
        stack.enter_context(name.NameManager())
        stack.enter_context(autograd.pause(train_mode=False))
        stack.enter_context(strict_symbols())
        stack.enter_context(_values_kept(parameters_of(blocks)))
        _give_variables(blocks, run, shapes)
        under_way: List[Call] = []
        for path, block in blocks.items():
            _watch(".".join(filter(None, (at, path))), block, run, under_way)
        made: List[Any] = []

        def make(shape: Shape, dtype: Any) -> Any:
            taken = f"data{len(made)}"
            while taken in run.variables:
                taken += "_"
            made.append(_variable(taken, shape, dtype))
            return made[-1]

        arguments = [stand_in(each, make) for each in inputs]
        try:
            with released():
                net(*arguments)
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
    outputs = block._cached_graph[1]
    graph, given = copy.copy(outputs), given_to(block, _flat(args))
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


@contextmanager
def _values_kept(params: Sequence[gluon.Parameter]) -> Iterator[None]:
    """Refuse `set_data`, which code may call in its forward pass: this is none."""

    def refuse(*_: Any) -> None:
        raise NeedsNumbers("a parameter was to be set")

    before = [(param.__dict__, param.__dict__.get("set_data")) for param in params]
    for attributes, _ in before:
        attributes["set_data"] = refuse
    try:
        yield
    finally:
        for attributes, kept in before:
            if kept is None:
                del attributes["set_data"]
            else:
                attributes["set_data"] = kept


def _variable(called: str, shape: Optional[Shape], dtype: Any = None) -> Any:
    if shape is not None:
        unknown = unknown_size()
        shape = tuple(unknown if size is None else int(size) for size in shape)
    made = symbol.var(called, shape=shape, dtype=dtype)
    return made.as_np_ndarray() if is_np_array() else strict(made)


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
