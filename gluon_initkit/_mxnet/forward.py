"""Real forward passes that change nothing in the network, with an observer of each block's call.

Each block's own code runs once on arrays, also in a hybridized network: its cached graph would pass Symbols. Forward
hooks do not serve: they cannot replace an output, and MXNet 2's SymbolBlock raises if it has any.
"""

from contextlib import contextmanager
from typing import Any, Callable, Dict, Iterator, Sequence, Tuple

from mxnet import autograd, context, gluon, ndarray
from mxnet import numpy as np
import numpy

from . import backend
from .arrays import arrays_in, is_numpy_array, layer_array
from .parameter import is_constant, shape_of, source_of
from .preserve import attributes_kept, global_state_lock, parameters_of, preserve
from .state import interrupts_held
from .tree import blocks_by_path

# Gets a block's path, the block, its arguments and a function that runs it; returns the block's output.
Observer = Callable[[str, Any, Tuple[Any, ...], Callable[[], Any]], Any]


def run_forward(net: gluon.Block, args: Sequence[Any]) -> Tuple[Dict[gluon.Parameter, Any], Dict[str, Tuple[Any, ...]]]:
    """Run a network in prediction mode; return the parameters' shapes afterwards, and each block's input shapes."""
    params = parameters_of(blocks_by_path(net))
    inputs: Dict[str, Tuple[Any, ...]] = {}

    def observer(path: str, block: Any, arguments: Tuple[Any, ...], run: Callable[[], Any]) -> Any:
        inputs.setdefault(path, tuple(tuple(array.shape) for array in arrays_in(arguments)))
        return run()

    with observed(net, observer):
        with autograd.pause(train_mode=False):
            net(*args)
            ndarray.waitall()
        return {param: shape_of(param) for param in params}, inputs


@contextmanager
def observed(net: gluon.Block, observer: Observer, lent: Sequence[gluon.Parameter] = ()) -> Iterator[None]:
    """Context in which every call of a block of `net` goes through `observer`.

    At its end parameters, gradients, attributes, hooks, caches and statistics are restored, also if the body raises.
    Inside it, parameters that an operator or the observer may write into are copies: vectors, those that are not
    trained, and those in `lent`. Deferred parameters get fixed plausible values, so no generator advances.
    """
    blocks = blocks_by_path(net)
    params, copied = parameters_of(blocks), set(lent)
    with global_state_lock, interrupts_held() as released:
        if not backend.infers_on_symbols:
            # MXNet 2 binds an array to its parameter's variable at the first read, and refuses another variable later.
            for param in params:
                if param._data is not None:
                    param.var()
        with preserve(blocks), attributes_kept(map(source_of, params)):
            for param in params:
                _lend(param, param in copied)
            for path, block in blocks.items():
                _observe(path, block, observer)
            with released():
                yield


def _lend(param: gluon.Parameter, copied: bool) -> None:
    """Give a parameter arrays that a forward pass may write into, or fixed values if it is deferred."""
    if param._data is not None:
        # Operators write into vectors: batch normalization into its statistics, and into a fixed gamma. Users' code
        # (spectral normalization, for example) writes into parameters that are not trained.
        if copied or len(param.shape) <= 1 or param.grad_req == "null":
            param._data = [array.copy() for array in param._data]
    elif param._deferred_init and not is_constant(param):
        init, ctxs, default, source = param._deferred_init
        if not isinstance(source, ndarray.NDArray):  # else set_data has set its values
            param._deferred_init = (init, ctxs, default, _Plausible(param))


class _Plausible:
    """Replaces an array that MXNet copies: has small weights, and vectors of ones or zeros as layers declare them."""

    def __init__(self, param: gluon.Parameter) -> None:
        self.param = param

    def copyto(self, ctx: context.Context) -> Any:
        name, shape = self.param.name, self.param.shape
        if len(shape) > 1:
            values = numpy.random.RandomState(0).uniform(-0.07, 0.07, shape)
        else:
            values = numpy.full(shape, float(name.endswith(("gamma", "var"))))
        return layer_array(ndarray.array(values, ctx=ctx, dtype=self.param.dtype))


def _observe(path: str, block: gluon.Block, observer: Observer) -> None:
    forward = block.forward

    def observed_forward(*args: Any, **kwargs: Any) -> Any:
        return observer(path, block, (*args, *kwargs.values()), lambda: forward(*args, **kwargs))

    attributes: Dict[str, Any] = vars(block)
    attributes.update(forward=observed_forward, _forward_hooks={}, _forward_pre_hooks={})
    if isinstance(block, gluon.HybridBlock):
        attributes.update(_active=False, _cached_op=None, _cached_op_args=[])


def gradient_probe(array: ndarray.NDArray) -> Tuple[ndarray.NDArray, ndarray.NDArray]:
    """The array plus zeros, and these zeros: their gradient equals the gradient of the array."""
    # On MXNet 1 `attach_grad` on the array itself would detach it from its graph.
    with autograd.pause():
        zeros = _module_of(array).zeros_like(array)
    zeros.attach_grad()
    return array + zeros, zeros


def gradients_by(
    losses: Sequence[ndarray.NDArray], probes: Sequence[Tuple[ndarray.NDArray, ndarray.NDArray]], train_mode: bool
) -> Sequence[ndarray.NDArray]:
    """The gradients of the sum of `losses` by each probe's first array. Writes no parameter's gradient."""
    # MXNet refuses arrays that no loss depends on, so each probed array is also a head with weight 0.
    heads = [*losses, *(array for array, _ in probes)]
    with autograd.pause():
        weights = [_module_of(loss).ones_like(loss) for loss in losses]
        weights += [_module_of(array).zeros_like(array) for array, _ in probes]
    return autograd.grad(heads, [zeros for _, zeros in probes], weights, train_mode=train_mode)


def _module_of(array: ndarray.NDArray) -> Any:
    return np if is_numpy_array(array) else ndarray
