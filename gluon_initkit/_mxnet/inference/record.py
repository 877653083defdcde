"""The record of a run on arrays without memory: calls, operators, shapes, its error; and what is asked of shapes."""

from contextlib import contextmanager
import ctypes
from dataclasses import dataclass, field
import json
import threading
import traceback
from types import SimpleNamespace
from typing import Any, Callable, Dict, Iterator, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from mxnet import gluon, nd
from mxnet.base import MXNetError
from mxnet.util import is_np_shape
import numpy

Shape = Tuple[Optional[int], ...]


class NeedsNumbers(TypeError):
    """Code asked an array without memory for what only an array of numbers has."""


class ShapeConflict(MXNetError):
    """MXNet refuses shapes, as it would in a real forward pass; the cause is MXNet's error."""

    def __str__(self) -> str:
        return str(self.__cause__)


class Operator(NamedTuple):
    """One operator that a run met: its name and attributes as MXNet writes them, shapes, and the block's path."""

    name: str
    attributes: Dict[str, str]
    inputs: Tuple[Optional[Shape], ...]
    outputs: Tuple[Optional[Shape], ...]
    block_path: str
    node: str = ""  # of a graph's operator: the name of its node, and those of the variables that it takes
    variables: Tuple[str, ...] = ()


def graph_operators(graph: Any, shapes: Sequence[Any], owner: Callable[[Any, Optional[int]], str]) -> List[Operator]:
    """The operators of a Symbol whose outputs have these shapes."""
    # `owner` answers the path of a block, given a node and which of the outputs is its first.
    parsed = json.loads(graph.tojson())
    nodes = parsed["nodes"]
    outputs: List[Dict[int, Any]] = [{} for _ in nodes]
    first: Dict[int, int] = {}
    for number, ((node, at, *_), shape) in enumerate(zip(parsed["heads"], shapes)):
        outputs[node][at] = shape
        first.setdefault(node, number)
    return [
        Operator(block_path=owner(node, first.get(number)), name=node["op"], attributes=node.get("attrs") or {},
                 inputs=tuple(outputs[source].get(at) for source, at, *_ in node["inputs"]),
                 outputs=tuple(outputs[number].values()), node=node["name"],
                 variables=tuple(nodes[at]["name"] for at, *_ in node["inputs"] if nodes[at]["op"] == "null"))
        for number, node in enumerate(nodes) if node["op"] != "null"
    ]  # fmt: skip


@dataclass(eq=False)
class Call:
    """One call of one block: its arguments, the shapes of the arrays among them, and of those that it answered."""

    path: str
    block: gluon.Block
    args: Tuple[Any, ...]
    given: Tuple[Optional[Shape], ...]
    answered: Tuple[Optional[Shape], ...] = ()
    returned: bool = False


@dataclass
class Run:
    """What a run has found; while it is under way, its blocks and parameters add to it."""

    entered: List[Call] = field(default_factory=list)  # the calls, in order of entry
    error: Optional[BaseException] = None  # what ended the run early
    conflict: Optional[BaseException] = None  # what MXNet says, where that was of shapes that contradict each other
    frames: List[Tuple[Any, int]] = field(default_factory=list)  # of the error's traceback: code and line
    order: Dict[gluon.Parameter, None] = field(default_factory=dict)  # those that the network's code used
    shapes: Dict[gluon.Parameter, Shape] = field(default_factory=dict)  # as far as the run came
    stack: List[Call] = field(default_factory=list)  # those under way
    noted: List[Any] = field(default_factory=list)  # operators, and functions that answer those of a graph
    # Of MXNet 1: see `imperative` and `meta_arrays`.
    open_layers: Dict[int, List[Tuple[Any, Any]]] = field(default_factory=dict)
    building: List[List[Tuple[Call, List[Any], List[Any]]]] = field(default_factory=list)
    twins: Dict[gluon.Block, Any] = field(default_factory=dict)
    converted: List[Tuple[Any, type, Any]] = field(default_factory=list)
    thread: int = field(default_factory=threading.get_ident)

    @property
    def here(self) -> bool:
        """Whether this thread is the run's."""
        return threading.get_ident() == self.thread

    @property
    def path(self) -> str:
        """The path of the innermost block that is being called."""
        return self.stack[-1].path if self.stack else ""

    @contextmanager
    def call(self, path: str, block: gluon.Block, args: Tuple[Any, ...], given: Sequence[Any]) -> Iterator[Call]:
        call = Call(path, block, args, tuple(given))
        self.entered.append(call)
        self.stack.append(call)
        try:
            yield call
        finally:
            self.stack.pop()
        call.returned = True

    def unfinished(self) -> Optional[Call]:
        """The innermost call that did not return; None where all did."""
        return next((call for call in reversed(self.entered) if not call.returned), None)

    def record(self, operator: str, attributes: Dict[str, str], inputs: Any, outputs: Any) -> None:
        self.noted.append(Operator(operator, attributes, inputs, outputs, self.path))

    @property
    def operators(self) -> List[Operator]:
        """Those met one by one, and those of graphs, which are read when somebody asks."""
        self.noted = [operator for each in self.noted for operator in (each() if callable(each) else [each])]
        return self.noted

    def end(self, error: Exception) -> None:
        """Note what ended the run early. The frames themselves hold this run: a cycle, which would keep the network."""
        if isinstance(error, ValueError) and isinstance(error.__context__, NeedsNumbers):
            error = error.__context__  # "Deferred initialization failed", as MXNet puts it
        elif isinstance(error, ctypes.ArgumentError) or "converted to pointer" in str(error):
            needs = NeedsNumbers("an array was given to a function of MXNet that reads its memory")
            error = needs.with_traceback(error.__traceback__)
        self.conflict = _contradiction(error)
        self.frames = [(SimpleNamespace(f_code=frame.f_code, f_globals=frame.f_globals), line)
                       for frame, line in traceback.walk_tb(error.__traceback__)]  # fmt: skip
        self.error = error
        for each in filter(None, (self.error, self.conflict)):
            each.__traceback__ = each.__cause__ = each.__context__ = None

    def keep_common(self, other: "Run") -> None:
        """Keep what another run found too, which began with other sizes."""
        self.shapes = {param: _common(shape, other.shapes.get(param)) for param, shape in self.shapes.items()}
        for call, again in zip(self.entered, other.entered):
            call.given = tuple(map(_common, call.given, again.given))
            call.answered = tuple(map(_common, call.answered, again.answered))
        self.noted = [one._replace(inputs=tuple(map(_common, one.inputs, two.inputs)),
                                   outputs=tuple(map(_common, one.outputs, two.outputs)))
                      for one, two in zip(self.operators, other.operators)]  # fmt: skip


def infer_shapes(graph: Any, known: Mapping[str, Any]) -> Tuple[Dict[str, Any], List[Any]]:
    """The shapes of a graph's variables, by name, and of its outputs, from those known, all as MXNet writes them."""
    given = {name: known[name] for name in graph.list_inputs() if known.get(name) is not None}
    arguments, outputs, states = graph.infer_shape_partial(**given)
    return dict(zip(graph.list_arguments() + graph.list_auxiliary_states(), [*arguments, *states])), outputs


def infer_types(graph: Any, known: Mapping[str, Any], default: Any) -> Tuple[Any, ...]:
    """The dtypes of a graph's outputs, from those known; `default` where MXNet does not say."""
    try:
        outputs = graph.infer_type_partial(**{name: known[name] for name in graph.list_inputs() if name in known})[1]
    except MXNetError:
        outputs = None
    return tuple(numpy.dtype(each or default).type for each in outputs or [None] * len(graph.list_outputs()))


def encoded(shape: Optional[Shape]) -> Optional[Tuple[int, ...]]:
    """A shape as MXNet writes it, which has its own number for a size that is not known."""
    unknown = -1 if is_np_shape() else 0
    return None if shape is None else tuple(unknown if size is None else int(size) for size in shape)


def decoded(shape: Optional[Tuple[int, ...]]) -> Optional[Shape]:
    """A shape as we write it: None for a size that is not known."""
    unknown = -1 if is_np_shape() else 0
    if shape is None or (shape == () and unknown == 0):
        return None
    return tuple(None if size == unknown else size for size in shape)


def check_inputs(names: Sequence[str], count: int) -> None:
    """Refuse another number of arrays than a SymbolBlock takes, of which MXNet speaks as formats."""
    if count != len(names):
        inputs = "input" if len(names) == 1 else "inputs"
        listed = repr(", ".join(names))[1:-1]  # which escapes what cannot be printed
        raise ValueError(f"SymbolBlock takes {len(names)} {inputs} ({listed}), and was given {count!r}")


def _contradiction(error: Optional[BaseException]) -> Optional[BaseException]:
    """What MXNet says of shapes that contradict each other; None where it says something else."""
    if isinstance(error, ValueError) and isinstance(error.__context__, (MXNetError, AssertionError)):
        error = error.__context__  # MXNet says "Deferred initialization failed" around it
    if isinstance(error, ShapeConflict):
        return error.__cause__
    if isinstance(error, AssertionError) and str(error).startswith("Expected shape"):
        return MXNetError(str(error))
    # MXNet 2 infers shapes where it defers, and refuses other things there too.
    return error if type(error) is MXNetError and "deferred compute" not in str(error) else None


def _common(shape: Optional[Shape], other: Optional[Shape]) -> Any:
    if shape is None or other is None:
        return None
    if len(shape) != len(other):
        return (None,) * len(shape)
    return tuple(size if size == again else None for size, again in zip(shape, other))


def counterfeit(shape: Any) -> Any:
    """A NumPy array of this shape, in the memory of one number."""
    return numpy.lib.stride_tricks.as_strided(numpy.zeros(()), shape, (0,) * len(shape))


def indexed(shape: Any, key: Any) -> Any:
    """The shape of what an index selects from an array of this shape."""
    return counterfeit(shape)[tuple(map(_index, key)) if isinstance(key, tuple) else _index(key)].shape


def check_written(shape: Any, key: Any, value: Any) -> None:
    """Refuse to write a value of another shape than what the index selects."""
    target = indexed(shape, key)
    given = tuple(value.shape if isinstance(value, nd.NDArray) else numpy.shape(value))
    while len(given) > len(target) and given[0] == 1:  # as MXNet does
        given = given[1:]
    if numpy.broadcast(counterfeit(given), counterfeit(target)).shape != target:
        raise ValueError(f"an array of shape {given!r} cannot be written into one of {target!r}")


def _index(key: Any) -> Any:
    """What has an index's effect on a shape: the numbers of an array of indexes have none, but those of a mask do."""
    if not isinstance(key, (list, numpy.ndarray, nd.NDArray)):
        return key
    array = key if isinstance(key, nd.NDArray) else numpy.asarray(key)
    if numpy.dtype(array.dtype) != bool:
        return numpy.zeros(array.shape, int)
    try:
        return array.asnumpy() if isinstance(array, nd.NDArray) else array
    except NeedsNumbers:
        raise NeedsNumbers("an array was indexed with a mask: its shape, which depends on numbers") from None
