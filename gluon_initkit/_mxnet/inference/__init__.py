"""A network's own forward pass on arrays without memory: the blocks that it reaches, and every shape.

MXNet's own code runs, so shapes and errors are those of a real first forward pass. Nothing is computed, and the network
does not change. `imperative` and `deferred_compute` make such arrays on MXNet 1 and 2, and prepare blocks.
"""

from contextlib import ExitStack
from typing import Any, Mapping, Optional, Sequence
import warnings

from mxnet import autograd, gluon, name

from .. import backend
from ..arrays import leaves, with_leaves
from ..instrument.call_stack import ArrayArgument
from ..parameter import shape_of, source_of
from ..preserve import attributes_kept, global_state_lock, parameters_of, preserve
from ..state import interrupts_held
from ..tree import blocks_by_path
from .record import Call, NeedsNumbers, Operator, Run, Shape, encoded

if backend.infers_on_symbols:
    from . import imperative as arrays
else:
    from . import deferred_compute as arrays  # type: ignore[no-redef]

__all__ = ["Call", "NeedsNumbers", "Operator", "Run", "run_without_memory"]

# Two numbers that replace an unknown size in two runs: results that are equal in both do not depend on it. Primes come
# first, because sums and products of a network's own sizes rarely equal them; then numbers with many small divisors.
_SIZES = ((229, 257), (5040, 10080))


def run_without_memory(
    net: gluon.Block,
    inputs: Sequence[Any],
    shapes: Optional[Mapping[gluon.Parameter, Optional[Shape]]] = None,
    at: str = "",
) -> Run:
    """Run a block on arrays without memory."""
    # `inputs` are the block's arguments in their nesting, with an `ArrayArgument` in place of each array. `shapes`
    # replaces the shapes of some parameters; None is an unknown shape. `at` is the block's path in a network.
    for sizes in _SIZES:
        run = _run(net, inputs, shapes, at, sizes[0])
        if all(None not in leaf.shape for leaf in leaves(inputs) if isinstance(leaf, ArrayArgument)):
            return run
        other = _run(net, inputs, shapes, at, sizes[1])
        if run.error is None and other.error is None:
            break
    if (run.error is None) != (other.error is None):
        run.conflict, run.error = None, NeedsNumbers(
            "a size of the inputs is not known, and the network does not take every size")
    run.keep_common(other)
    return run


def _run(net: Any, inputs: Sequence[Any], shapes: Any, at: str, size: int) -> Run:
    run = Run()
    blocks = blocks_by_path(net)
    params = list(dict.fromkeys(map(source_of, parameters_of(blocks))))
    with global_state_lock, interrupts_held() as released, ExitStack() as stack:
        stack.enter_context(preserve(blocks))
        stack.enter_context(name.NameManager())
        stack.enter_context(autograd.pause(train_mode=False))
        stack.enter_context(attributes_kept(params))
        stack.enter_context(arrays.running(run))
        for param in params:
            arrays.lend(param, run)
            if shapes is not None and shapes.get(param, shape_of(param)) != shape_of(param):
                vars(param).update(_data=None, _shape=encoded(shapes[param]))
        for path, block in blocks.items():
            vars(block).update(_forward_hooks={}, _forward_pre_hooks={})
            arrays.prepare(".".join(filter(None, (at, path))), block, run)
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")  # MXNet's words about a forward pass belong to a real one
        arguments = [arrays.argument_array(tuple(size if known is None else known for known in leaf.shape), leaf.dtype)
                     if isinstance(leaf, ArrayArgument) else leaf for leaf in leaves(inputs)]  # fmt: skip
        try:
            with released():
                net(*with_leaves(inputs, iter(arguments)))
        except Exception as error:
            run.end(error)
        run.shapes = {param: shape for param in params for shape in [shape_of(param)] if shape is not None}
    return run
