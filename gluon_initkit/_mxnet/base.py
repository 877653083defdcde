"""`Backend`: everything in which the Gluon of MXNet 1 and that of MXNet 2 differ, as one abstract class.

`v1` and `v2` implement it. The rest of the kit asks ``_mxnet.backend``, and never for a version.
"""

from abc import ABC, abstractmethod
from contextlib import nullcontext
from typing import Any, Callable, ContextManager, Dict, List, NamedTuple, Optional, Tuple

import numpy


class RNNLayout(NamedTuple):
    """What the one vector of a fused RNN consists of: all its weights and biases."""

    network: Any  # the initializer of the parts that declare none, where the vector's own names one
    shapes: Dict[str, Tuple[int, ...]]
    declared: Dict[str, Any]
    packed: Callable[[Dict[str, numpy.ndarray]], numpy.ndarray]  # the vector of these parts


class Backend(ABC):
    """The differences. A method that is not abstract has the answer of the version that knows no such thing."""

    Context: Any  # the class of a context, which MXNet 2 calls a device
    current_context: Callable[[], Any]
    context_slots: Tuple[str, str]  # where a parameter keeps the contexts that it is on; the first is their list
    trainer_slot: str  # where a Trainer keeps the contexts on which it updates parameters, None until it knows them
    reset_method: str  # the method that puts a parameter on other contexts
    reset_call: str  # the call that does so for all parameters of a network
    declaration_code: Callable[[str, str], str]  # code that makes a parameter of a block, from its name and its shape
    unnamed: Callable[[Any], Any]  # makes a new block of a class, which takes no name from Gluon's counters
    FusedRNN: Any  # the class of initializers for the one vector of an RNN
    infers_on_symbols: bool  # whether a network's code can be run on Symbols, from which MXNet infers shapes
    resolving_methods: Tuple[str, ...] = ()  # what a block calls with its inputs, and not from within its `forward`
    initialize_code: Any  # the function that initializes all parameters of a network, one after the other
    resolving_code: Any = None  # the function that resolves a block's parameters before its `forward`
    tracing_code: Any = None  # the function that writes the graph of a block whose parameters it knows

    @abstractmethod
    def uses_numpy_arrays(self) -> bool:
        """Whether layers take NumPy arrays, here and now."""

    def layer_mode(self) -> ContextManager:
        """Context in which MXNet creates the kind of array that layers take."""
        return nullcontext()

    @abstractmethod
    def children(self, block: Any) -> List[Tuple[str, Any]]:
        """A block's children by name."""

    @abstractmethod
    def infers_shapes(self, block_class: Any) -> bool:
        """Whether a forward pass of this class of block can find the unknown shapes of its own parameters."""

    def infer_again(self, block: Any) -> None:
        """Let a block ask for shapes in its next forward pass."""
        return

    def defers_always(self, block: Any) -> bool:
        """Whether a layer is deferred though it is told the size of its input."""
        return False

    def prefix_of(self, block: Any) -> str:
        """What the names of a block's operators begin with; ``''`` where there is no such prefix."""
        return ""

    def name_counters(self, block: Any) -> List[Dict[str, int]]:
        """The counters from which a block names its children."""
        return []

    def name_scope(self) -> Any:
        """The block in whose ``name_scope()`` this thread is, or None."""
        return None

    def entries_by_name(self, block: Any) -> Optional[Dict[str, Any]]:
        """The dictionary in which a block's ``params`` holds parameters by global name, where there is such a thing."""
        return None

    @abstractmethod
    def rename(self, param: Any, name: str) -> None:
        """Make a copy of a parameter another parameter, of this name."""

    @abstractmethod
    def role_name(self, param: Any, path: str) -> str:
        """The name whose end tells a parameter's role."""

    @abstractmethod
    def trainer_of(self, param: Any) -> Any:
        """The Trainer that updates a parameter, or None."""

    @abstractmethod
    def kvstore_key(self, trainer: Any, param: Any) -> Optional[int]:
        """The key of a parameter in its Trainer's kvstore; None if that does not have it."""

    @abstractmethod
    def train_source(self, trainer: Any, transposed: Any, source: Any) -> None:
        """A Trainer was given `transposed`, which shows `source`: let it update that one, or refuse."""

    @abstractmethod
    def transposed_variable(self, source: Any) -> Any:
        """The variable of a parameter, transposed."""

    def is_tracing(self) -> bool:
        """Whether operators on arrays write a graph, here and now."""
        return False

    def transposed_input(self, source: Any, ctx: Any) -> Any:
        """The transposed values of a parameter as an input of its own of the graph that is being written."""
        raise NotImplementedError

    @abstractmethod
    def rnn_layout(self, fused: Any, shape: Tuple[int, ...]) -> RNNLayout:
        """The parts of a vector of this shape that a `FusedRNN` fills."""

    @abstractmethod
    def rnn_input_size(self, layer: Any, shapes: Callable[[Any], Any]) -> Optional[int]:
        """The input size of an RNN layer, from its parameters' shapes; None where they do not tell."""

    def complete_initializer(self, declared: Any, init: Any) -> Any:
        """What a parameter was declared with; for an RNN, with the network's initializer where the layer has none."""
        return declared

    def load_targets_by_name(self, net: Any) -> Optional[Dict[str, Any]]:
        """The parameters that `load_parameters` fills from a file without a dot in its names; None: by path alone."""
        return None
