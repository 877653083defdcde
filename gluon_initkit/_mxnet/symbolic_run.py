"""What a run of a network on Symbols left: its calls, and the shapes that follow from their Symbols.

MXNet infers over a graph as a whole, and says of a contradiction an operator's global name; which call it was is
searched for here. Making the run is `inference`'s.
"""

from dataclasses import dataclass, field
import traceback
from types import SimpleNamespace
from typing import Any, Dict, List, Optional, Sequence, Tuple
import warnings

from mxnet import gluon, symbol
from mxnet.base import MXNetError
from mxnet.util import is_np_shape

__all__ = ["Call", "Shapes", "SymbolicRun", "given_to", "unknown_size"]

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
        What ended the run early, without its traceback.
    frames : list
        The code and the line of each frame of that traceback, as `traceback.walk_tb` gives them.
    variables : dict
        The parameter that each variable's name stands for.
    """

    entered: List[Call] = field(default_factory=list)
    finished: List[Call] = field(default_factory=list)
    error: Optional[BaseException] = None
    variables: Dict[str, gluon.Parameter] = field(default_factory=dict)
    frames: List[Tuple[Any, int]] = field(default_factory=list)

    def end(self, error: Exception) -> None:
        """Note what ended the run early. The frames themselves hold this run: a cycle, which would keep the network."""
        self.frames = [(SimpleNamespace(f_code=frame.f_code, f_globals=frame.f_globals), line)
                       for frame, line in traceback.walk_tb(error.__traceback__)]  # fmt: skip
        self.error, error.__cause__, error.__context__ = error.with_traceback(None), None, None

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

    def unfinished(self) -> Optional[Call]:
        """The innermost call that did not return; None where none was made."""
        finished = {id(call) for call in self.finished}
        return next((call for call in reversed(self.entered) if id(call) not in finished), None)

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
        unknown = unknown_size()
        for each, shape in zip(names, [*arguments, *states]):
            known = _decoded(shape, unknown)
            if each in self.variables and known is not None:
                params[self.variables[each]] = known
        rest, shapes = iter(outputs), {}
        for key, group in sets:
            shapes[key] = tuple(_decoded(next(rest), unknown) for _ in group)
        return Shapes(params, shapes)


def given_to(block: gluon.SymbolBlock, values: Sequence[Any]) -> Dict[str, Any]:
    """What a SymbolBlock is given, by its inputs' names."""
    names = [each.name for each in block._cached_graph[0]]
    if len(values) != len(names):
        inputs = "input" if len(names) == 1 else "inputs"
        raise ValueError(f"SymbolBlock takes {len(names)} {inputs} ({', '.join(names)}), and was given {len(values)}")
    return dict(zip(names, values))


def unknown_size() -> int:
    """How MXNet writes a size that is not known."""
    return -1 if is_np_shape() else 0


def _decoded(shape: Optional[Tuple[int, ...]], unknown: int) -> Optional[Shape]:
    if shape is None or (shape == () and unknown == 0):
        return None
    return tuple(None if size == unknown else size for size in shape) if unknown in shape else tuple(shape)
