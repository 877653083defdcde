"""Completing deferred initialization where shapes are known, and the real forward pass that finds shapes otherwise.

`Parameter._finish_deferred_init` forgets what was pending before it checks anything; whoever calls `finish` takes a
`snapshot` first.
"""

from contextlib import ExitStack, contextmanager
from typing import Any, Dict, Iterator, List, Sequence, Tuple

from mxnet import autograd, context, gluon, ndarray
import numpy

from .arrays import layer_array
from .interrupts import interrupts_held
from .parameter import is_constant, shape_of
from .preserve import global_state_lock, parameters_of, preserve
from .state import restore, snapshot
from .tree import blocks_by_path

_VECTORS = 1


def run_forward(net: gluon.Block, args: Sequence[Any]) -> Tuple[Dict[gluon.Parameter, Any], Dict[str, Tuple[Any, ...]]]:
    """Run a network on arrays in prediction mode; the parameters' shapes afterwards, and what each block was given.

    Parameters, attributes, caches and statistics are put back, also when it fails. Deferred parameters get plausible
    numbers of our own for the while, so no generator is drawn from.
    """
    blocks = blocks_by_path(net)
    params = parameters_of(blocks)
    given: Dict[str, Tuple[Any, ...]] = {}
    with global_state_lock, interrupts_held() as released, ExitStack() as stack:
        stack.enter_context(preserve(blocks))
        stack.enter_context(_as_before(params))
        stack.enter_context(autograd.pause(train_mode=False))
        for param in params:
            _lend(param)
        for path, block in blocks.items():
            _prepare(path, block, given)
        with released():
            net(*args)
            ndarray.waitall()
        return {param: shape_of(param) for param in params}, given


@contextmanager
def _as_before(params: List[gluon.Parameter]) -> Iterator[None]:
    before = snapshot(params)
    try:
        yield
    finally:
        restore(before)


def _lend(param: gluon.Parameter) -> None:
    """Arrays that a forward pass may write, and values that cost nothing to draw."""
    if param._data is not None:
        # Operators write into vectors: batch normalization into its statistics, and into a fixed gamma. A user's code
        # writes into what is not trained, as spectral normalization does.
        if len(param.shape) <= _VECTORS or param.grad_req == "null":
            param._data = [each.copy() for each in param._data]
    elif param._deferred_init and not is_constant(param):
        init, ctxs, default, source = param._deferred_init
        if not isinstance(source, ndarray.NDArray):  # else set_data gave it values already
            param._deferred_init = (init, ctxs, default, _Plausible(param))


class _Plausible:
    """Stands where MXNet expects an array to copy: small weights, and vectors as layers declare them."""

    def __init__(self, param: gluon.Parameter) -> None:
        self.param = param

    def copyto(self, ctx: context.Context) -> Any:
        """An array for one context."""
        name, shape = self.param.name, self.param.shape
        if len(shape) > _VECTORS:
            values = numpy.random.RandomState(0).uniform(-0.07, 0.07, shape)
        else:
            values = numpy.full(shape, float(name.endswith(("gamma", "var"))))
        return layer_array(ndarray.array(values, ctx=ctx, dtype=self.param.dtype))


def _prepare(path: str, block: Any, given: Dict[str, Tuple[Any, ...]]) -> None:
    """Note what a block is given; no hooks, and nothing cached."""
    original = block.forward

    def forward(*args: Any, **kwargs: Any) -> Any:
        given.setdefault(path, tuple(_shapes((args, list(kwargs.values())))))
        return original(*args, **kwargs)

    attributes = block.__dict__
    attributes["forward"] = forward
    attributes["_forward_hooks"], attributes["_forward_pre_hooks"] = {}, {}
    if isinstance(block, gluon.HybridBlock):
        attributes["_active"], attributes["_cached_op"], attributes["_cached_op_args"] = False, None, []


def _shapes(given: Any) -> List[Tuple[int, ...]]:
    if isinstance(given, (list, tuple)):
        return [shape for each in given for shape in _shapes(each)]
    if isinstance(given, dict):
        return _shapes(list(given.values()))
    return [tuple(given.shape)] if isinstance(given, ndarray.NDArray) else []
