"""The record of a run on arrays without memory (calls, operators, shapes, its error), and functions of shapes."""

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
    """Code read numbers from an array without memory."""


class ShapeConflict(MXNetError):
    """MXNet refuses shapes, as it does in a real forward pass. The cause is MXNet's error."""

    def __str__(self) -> str:
        return str(self.__cause__)


class Operator(NamedTuple):
    """One operator of a run: its name and attributes as MXNet writes them, its shapes, and its block's path."""

    name: str
    attributes: Dict[str, str]
    inputs: Tuple[Optional[Shape], ...]
    outputs: Tuple[Optional[Shape], ...]
    block_path: str
    node: str = ""  # for an operator of a graph: the name of its node, and the names of its input variables
    variables: Tuple[str, ...] = ()


def graph_operators(graph: Any, shapes: Sequence[Any], owner: Callable[[Any, Optional[int]], str]) -> List[Operator]:
    """The operators of a Symbol that has outputs of these shapes."""
    # `owner` returns the path of a node's block, from the node and the number of the first output that is its own.
    document = json.loads(graph.tojson())
    nodes = document["nodes"]
    outputs: List[Dict[int, Any]] = [{} for _ in nodes]
    first: Dict[int, int] = {}
    for number, ((node, at, *_), shape) in enumerate(zip(document["heads"], shapes)):
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
    """One call of one block: its arguments, and the shapes of its input arrays (`given`) and outputs (`answered`)."""

    path: str
    block: gluon.Block
    args: Tuple[Any, ...]
    given: Tuple[Optional[Shape], ...]
    answered: Tuple[Optional[Shape], ...] = ()
    returned: bool = False


@dataclass
class Run:
    """The results of a run. During the run, its blocks and parameters add to them."""

    entered: List[Call] = field(default_factory=list)  # the calls, in order of entry
    error: Optional[BaseException] = None  # the error that ended the run early
    conflict: Optional[BaseException] = None  # MXNet's error, if it is about contradictory shapes
    frames: List[Tuple[Any, int]] = field(default_factory=list)  # the error's traceback: code and line
    order: Dict[gluon.Parameter, None] = field(default_factory=dict)  # the parameters that the network's code used
    shapes: Dict[gluon.Parameter, Shape] = field(default_factory=dict)  # those known at the end
    stack: List[Call] = field(default_factory=list)  # the calls that are running
    noted: List[Any] = field(default_factory=list)  # operators, and functions that return the operators of a graph
    # Only on MXNet 1: see `imperative` and `meta_arrays`.
    open_layers: Dict[int, List[Tuple[Any, Any]]] = field(default_factory=dict)
    building: List[List[Tuple[Call, List[Any], List[Any]]]] = field(default_factory=list)
    twins: Dict[gluon.Block, Any] = field(default_factory=dict)
    converted: List[Tuple[Any, type, Any]] = field(default_factory=list)
    thread: int = field(default_factory=threading.get_ident)

    @property
    def here(self) -> bool:
        """Whether the current thread is the run's thread."""
        return threading.get_ident() == self.thread

    @property
    def path(self) -> str:
        """The path of the innermost running block."""
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
        """The innermost call that did not return; None if all did."""
        return next((call for call in reversed(self.entered) if not call.returned), None)

    def record(self, operator: str, attributes: Dict[str, str], inputs: Any, outputs: Any) -> None:
        self.noted.append(Operator(operator, attributes, inputs, outputs, self.path))

    @property
    def operators(self) -> List[Operator]:
        """All operators. Those of graphs are read here, not during the run."""
        self.noted = [operator for entry in self.noted for operator in (entry() if callable(entry) else [entry])]
        return self.noted

    def end(self, error: Exception) -> None:
        """Store the error that ended the run. Its frames refer to this run, and that cycle would keep the network."""
        if isinstance(error, ValueError) and isinstance(error.__context__, NeedsNumbers):
            error = error.__context__  # MXNet raises "Deferred initialization failed" from it
        elif isinstance(error, ctypes.ArgumentError) or "converted to pointer" in str(error):
            replacement = NeedsNumbers("an array was given to a function of MXNet that reads its memory")
            error = replacement.with_traceback(error.__traceback__)
        self.conflict = _contradiction(error)
        self.frames = [(SimpleNamespace(f_code=frame.f_code, f_globals=frame.f_globals), line)
                       for frame, line in traceback.walk_tb(error.__traceback__)]  # fmt: skip
        self.error = error
        for exception in filter(None, (self.error, self.conflict)):
            exception.__traceback__ = exception.__cause__ = exception.__context__ = None

    def keep_common(self, other: "Run") -> None:
        """Keep only results that are equal in another run, which used other sizes."""
        self.shapes = {param: _common(shape, other.shapes.get(param)) for param, shape in self.shapes.items()}
        for call, other_call in zip(self.entered, other.entered):
            call.given = tuple(map(_common, call.given, other_call.given))
            call.answered = tuple(map(_common, call.answered, other_call.answered))
        self.noted = [one._replace(inputs=tuple(map(_common, one.inputs, two.inputs)),
                                   outputs=tuple(map(_common, one.outputs, two.outputs)))
                      for one, two in zip(self.operators, other.operators)]  # fmt: skip


def infer_shapes(graph: Any, known: Mapping[str, Any]) -> Tuple[Dict[str, Any], List[Any]]:
    """The shapes of a graph's variables, by name, and of its outputs, from known shapes; all as MXNet writes them."""
    inputs = {name: known[name] for name in graph.list_inputs() if known.get(name) is not None}
    arguments, outputs, states = graph.infer_shape_partial(**inputs)
    return dict(zip(graph.list_arguments() + graph.list_auxiliary_states(), [*arguments, *states])), outputs


def infer_types(graph: Any, known: Mapping[str, Any], default: Any) -> Tuple[Any, ...]:
    """The dtypes of a graph's outputs, from known dtypes; `default` where MXNet infers none."""
    try:
        outputs = graph.infer_type_partial(**{name: known[name] for name in graph.list_inputs() if name in known})[1]
    except MXNetError:
        outputs = None
    return tuple(numpy.dtype(dtype or default).type for dtype in outputs or [None] * len(graph.list_outputs()))


def encoded(shape: Optional[Shape]) -> Optional[Tuple[int, ...]]:
    """A shape as MXNet writes it: -1 or 0 for an unknown size."""
    unknown = -1 if is_np_shape() else 0
    return None if shape is None else tuple(unknown if size is None else int(size) for size in shape)


def decoded(shape: Optional[Tuple[int, ...]]) -> Optional[Shape]:
    """A shape as we write it: None for an unknown size."""
    unknown = -1 if is_np_shape() else 0
    if shape is None or (shape == () and unknown == 0):
        return None
    return tuple(None if size == unknown else size for size in shape)


def check_inputs(names: Sequence[str], count: int) -> None:
    """Refuse a wrong number of inputs for a SymbolBlock; MXNet's own message is about formats."""
    if count != len(names):
        inputs = "input" if len(names) == 1 else "inputs"
        listed = repr(", ".join(names))[1:-1]  # repr escapes unprintable characters
        raise ValueError(f"SymbolBlock takes {len(names)} {inputs} ({listed}), and was given {count!r}")


def _contradiction(error: Optional[BaseException]) -> Optional[BaseException]:
    """MXNet's error about contradictory shapes; None if the error is about something else."""
    if isinstance(error, ValueError) and isinstance(error.__context__, (MXNetError, AssertionError)):
        error = error.__context__  # MXNet raises "Deferred initialization failed" from it
    if isinstance(error, ShapeConflict):
        return error.__cause__
    if isinstance(error, AssertionError) and str(error).startswith("Expected shape"):
        return MXNetError(str(error))
    # In deferred compute MXNet 2 raises MXNetErrors about other things than shapes too.
    return error if type(error) is MXNetError and "deferred compute" not in str(error) else None


def _common(shape: Optional[Shape], other: Optional[Shape]) -> Any:
    if shape is None or other is None:
        return None
    if len(shape) != len(other):
        return (None,) * len(shape)
    return tuple(size if size == other_size else None for size, other_size in zip(shape, other))


def counterfeit(shape: Any) -> Any:
    """A NumPy array of this shape in the memory of one number."""
    return numpy.lib.stride_tricks.as_strided(numpy.zeros(()), shape, (0,) * len(shape))


def indexed(shape: Any, key: Any) -> Any:
    """The shape that an index selects from an array of this shape."""
    return counterfeit(shape)[tuple(map(_index, key)) if isinstance(key, tuple) else _index(key)].shape


def check_written(shape: Any, key: Any, value: Any) -> None:
    """Refuse a value that does not fit into the shape that the index selects."""
    target = indexed(shape, key)
    written = tuple(value.shape if isinstance(value, nd.NDArray) else numpy.shape(value))
    while len(written) > len(target) and written[0] == 1:  # as MXNet does
        written = written[1:]
    if numpy.broadcast(counterfeit(written), counterfeit(target)).shape != target:
        raise ValueError(f"an array of shape {written!r} cannot be written into one of {target!r}")


def _index(key: Any) -> Any:
    """An index with the same effect on a shape: index arrays become zeros, but masks keep their values."""
    if not isinstance(key, (list, numpy.ndarray, nd.NDArray)):
        return key
    array = key if isinstance(key, nd.NDArray) else numpy.asarray(key)
    if numpy.dtype(array.dtype) != bool:
        return numpy.zeros(array.shape, int)
    try:
        return array.asnumpy() if isinstance(array, nd.NDArray) else array
    except NeedsNumbers:
        raise NeedsNumbers("an array was indexed with a mask: its shape, which depends on numbers") from None
