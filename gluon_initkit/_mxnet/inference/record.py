"""What a run on arrays without memory leaves: its calls, its operators and the shapes of parameters, as records."""

from contextlib import contextmanager
from dataclasses import dataclass, field
import threading
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple

from mxnet import gluon
from mxnet.base import MXNetError

from .errors import ShapeConflict

__all__ = ["Call", "Operator", "Run", "Shape", "check_inputs"]

Shape = Tuple[Optional[int], ...]


class Operator(NamedTuple):
    """One operator that a run met: its name and attributes as MXNet writes them, shapes, and the block's path."""

    name: str
    attributes: Dict[str, str]
    inputs: Tuple[Optional[Shape], ...]
    outputs: Tuple[Optional[Shape], ...]
    block_path: str


@dataclass(eq=False)
class Call:
    """One call of one block: its arguments, the shapes of the arrays among them, and the call around it."""

    path: str
    block: gluon.Block
    args: Tuple[Any, ...]
    given: Tuple[Optional[Shape], ...]
    around: Optional["Call"]


@dataclass
class Run:
    """What a run left.

    Attributes
    ----------
    entered, finished : list of Call
        In order of entry, and of return: a block returns after those inside it.
    error : Exception or None
        What ended the run early.
    order : list of Parameter
        Those that the network's code used, in its order.
    shapes : dict
        Of parameters, as far as the run came.
    operators : list of Operator
        In the order in which they were met.
    """

    entered: List[Call] = field(default_factory=list)
    finished: List[Call] = field(default_factory=list)
    error: Optional[BaseException] = None
    order: Dict[gluon.Parameter, None] = field(default_factory=dict)
    shapes: Dict[gluon.Parameter, Shape] = field(default_factory=dict)
    met: List[Any] = field(default_factory=list)
    stack: List[Call] = field(default_factory=list)
    thread: int = field(default_factory=threading.get_ident)

    @property
    def conflict(self) -> Optional[BaseException]:
        """What MXNet says of shapes that contradict each other, where that ended the run."""
        error = self.error
        if isinstance(error, ValueError) and isinstance(error.__context__, (MXNetError, AssertionError)):
            error = error.__context__  # MXNet says "Deferred initialization failed" around it
        if isinstance(error, ShapeConflict):
            return error.__cause__
        contradicts = isinstance(error, AssertionError) and str(error).startswith("Expected shape")
        # MXNet 2 infers shapes where it defers, and refuses other things there too.
        deferred = type(error) is MXNetError and "deferred compute" not in str(error)
        return error if contradicts or deferred else None

    @property
    def operators(self) -> List[Operator]:
        """Those met one by one, and those of graphs, which are read when somebody asks."""
        self.met = [operator for each in self.met for operator in (each() if callable(each) else [each])]
        return self.met

    def unfinished(self) -> Optional[Call]:
        """The innermost call that did not return; None where all did."""
        finished = set(map(id, self.finished))
        return next((call for call in reversed(self.entered) if id(call) not in finished), None)

    @property
    def here(self) -> bool:
        """Whether this thread is the run's."""
        return threading.get_ident() == self.thread

    @contextmanager
    def call(self, path: str, block: gluon.Block, args: Tuple[Any, ...], given: Sequence[Any]) -> Iterator[Call]:
        """Inside, a call is under way."""
        call = Call(path, block, args, tuple(given), self.stack[-1] if self.stack else None)
        self.entered.append(call)
        self.stack.append(call)
        try:
            yield call
        finally:
            self.stack.pop()
        self.finished.append(call)

    def record(self, operator: str, attributes: Dict[str, str], inputs: Any, outputs: Any) -> None:
        """Keep an operator."""
        self.met.append(Operator(operator, attributes, inputs, outputs, self.stack[-1].path if self.stack else ""))

    def agreed(self, other: "Run") -> None:
        """Keep what another run found too, which began with other sizes."""
        self.shapes = {param: _common(shape, other.shapes.get(param)) for param, shape in self.shapes.items()}
        for call, again in zip(self.entered, other.entered):
            call.given = tuple(_common(*pair) for pair in zip(call.given, again.given))
        self.met = [
            one._replace(inputs=tuple(map(_common, one.inputs, two.inputs)),
                         outputs=tuple(map(_common, one.outputs, two.outputs)))
            for one, two in zip(self.operators, other.operators)]  # fmt: skip


def check_inputs(block: gluon.Block, names: Sequence[str], count: int) -> None:
    """Refuse another number of arrays than a SymbolBlock takes, of which MXNet says formats."""
    if isinstance(block, gluon.SymbolBlock) and count != len(names):
        inputs = "input" if len(names) == 1 else "inputs"
        raise ValueError(f"SymbolBlock takes {len(names)} {inputs} ({', '.join(names)}), and was given {count}")


def _common(shape: Optional[Shape], other: Optional[Shape]) -> Any:
    if shape is None or other is None:
        return None
    if len(shape) != len(other):
        return (None,) * len(shape)
    return tuple(size if size == again else None for size, again in zip(shape, other))
