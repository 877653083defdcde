"""Reading what a network holds, for those who only look: values and gradients where they lie, contexts, buffers, and
who trains a parameter. No operator runs, so nothing is drawn, cached, moved or recorded.
"""

from typing import Any, List, Set, Tuple

from mxnet import gluon, ndarray
import numpy

from .arrays import classic
from .memory import address_of, context_of, is_host, view
from .version import children, trainer_of

__all__ = ["block_tree", "buffer_of", "freshness", "holds_gradients", "host_values", "infers_shapes",
           "pending_data", "storage_of", "trained_by", "updates_of"]  # fmt: skip


def host_values(arr: ndarray.NDArray) -> numpy.ndarray:
    """The values of an array, without a copy where it is dense and on the host: then valid while `arr` lives.

    It does not wait for the engine.
    """
    if arr.stype == "default" and is_host(context_of(arr)):
        return view(arr).reshape(arr.shape)
    return classic(arr).asnumpy()


def buffer_of(param: gluon.Parameter) -> int:
    """Where the memory of a dense parameter's first array begins; 0 where there is none, or are several (sparse)."""
    return address_of(param._data[0]) if param._data is not None and param._stype == "default" else 0


def pending_data(param: gluon.Parameter) -> bool:
    """Whether `set_data` (or a shape-less load) left an array that a deferred parameter will take for its values."""
    return bool(param._deferred_init) and isinstance(param._deferred_init[3], ndarray.NDArray)


def storage_of(param: gluon.Parameter) -> str:
    """``'default'``, ``'row_sparse'`` or ``'csr'``."""
    return param._stype


def holds_gradients(param: gluon.Parameter) -> List[Any]:
    """The gradient arrays of an initialized parameter, one a context; none where its `grad_req` is ``'null'``."""
    return list(param._grad or ()) if param._data is not None else []


def freshness(param: gluon.Parameter) -> List[bool]:
    """For each context, whether a backward pass wrote the gradient since the last update: what a Trainer asks."""
    return [bool(classic(arr)._fresh_grad) for arr in param._data or ()] if param._grad else []


def trained_by(trainer: gluon.Trainer) -> Set[int]:
    """The ids of the parameters that a Trainer updates."""
    return {id(param) for param in trainer._params if param.grad_req != "null"}


def updates_of(param: gluon.Parameter) -> int:
    """How many updates the parameter's Trainer has made; 0 where it has none."""
    trainer = trainer_of(param)
    return int(trainer._optimizer.num_update) if isinstance(trainer, gluon.Trainer) else 0


def infers_shapes(owner: type) -> bool:
    """Whether a forward pass of this class of block can tell the unknown shapes of its own parameters."""
    return issubclass(owner, gluon.HybridBlock)


def block_tree(net: gluon.Block) -> List[Tuple[str, str]]:
    """Path and class of every block, the network first under ``''``, in order of traversal."""
    found: List[Tuple[str, str]] = []

    def visit(block: gluon.Block, path: str) -> None:
        found.append((path, type(block).__name__))
        for name, child in children(block):
            visit(child, f"{path}.{name}" if path else name)

    visit(net, "")
    return found
