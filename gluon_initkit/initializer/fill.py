"""`fill_all`: a whole network is drawn and changed, or nothing of it is.

What may fail (a user's hook, memory) happens in arrays that no parameter holds yet, and any signal may break it off.
Parameters are changed while signals wait, and put back when MXNet refuses. Arrays that a distribution refills in place
come last: their old values are gone with the first new one, so what has begun there is finished.
"""

from contextlib import ExitStack, nullcontext
import copy
import math
from typing import Any, ContextManager, Dict, List, Optional, Sequence
import weakref

import numpy

from .._mxnet import mx, parameter, state
from .._mxnet.arrays import empty, is_host, layer_array, memory_view, wait_for
from .._mxnet.preserve import seeded_generators
from .._mxnet.trainer import reset_updates
from ..display import printable
from ..parallel import Job, ProgressBar, run
from ..parameters import ParameterInfo, named_memory_errors
from ..shapes import is_known
from .dispatch import Choice, InitializationError
from .distributions import ArrayDistribution, Constant, Distribution, distribution_of, fill_jobs
from .initializer import HookContext, run_hook
from .random import key_of


class PendingFill:
    """One parameter's values as a function of seed, path, shape, dtype and configuration, before they are drawn.

    While the parameter is deferred, this object takes the place of an array in MXNet's pending tuple: MXNet calls its
    `copyto` for each context when the shape is known. The key is made of `parts`, the shape and the dtype.
    """

    def __init__(self, param: Any, info: ParameterInfo, choice: Choice, init: Any, parts: tuple, ctxs: list) -> None:
        # The parameter holds this while it is pending, so the reference back is weak: no cycle.
        self._param = weakref.ref(param)
        self.info, self.choice, self.global_init, self.parts, self.ctxs = info, choice, init, parts, ctxs
        self.axes = info.axes
        self.array: Any = None
        self.grads: List[Any] = []
        self._source: Any = None

    @property
    def param(self) -> Any:
        return self._param()

    def __getstate__(self) -> Dict[str, Any]:
        return {**vars(self), "_param": self.param}  # a deep copy is for the copy of the parameter

    def __setstate__(self, attributes: Dict[str, Any]) -> None:
        vars(self).update(attributes, _param=weakref.ref(attributes["_param"]))

    @property
    def shape(self) -> Any:
        return parameter.shape_of(self.param)

    @property
    def dtype(self) -> numpy.dtype:
        return numpy.dtype(self.param.dtype)

    @property
    def size(self) -> int:
        """Bytes of the values, on one context."""
        return self.dtype.itemsize * math.prod(self.shape)

    @property
    def key(self) -> bytes:
        """What the values are a function of."""
        return key_of(*self.parts, self.shape, self.dtype.str)

    def memory_errors(self) -> ContextManager[None]:
        """Context in which a failed allocation names the parameter."""
        return named_memory_errors(self.info.label, self.param, InitializationError)

    def distribution(self) -> Any:
        """The distribution of the values; None where a user's hook fills them."""
        if parameter.is_constant(self.param):
            value = self.param.value.asnumpy()
            return ArrayDistribution(lambda key, shape: value)
        try:
            distribution = distribution_of(self.choice.initializer, self.choice.hook, self, self.shape)
            # Rounded to integers it would be another distribution, most often 0 everywhere; MXNet refuses it too.
            kinds = "fiub" if isinstance(distribution, Constant) else "f"
            if isinstance(distribution, Distribution) and self.dtype.kind not in kinds:
                raise TypeError(f"nothing draws numbers of dtype {printable(str(self.dtype))}")
            return distribution
        except InitializationError:
            raise
        except Exception as error:
            raise InitializationError(
                f"Parameter {self.info.label!r} of shape {self.shape} cannot be filled by "
                f"{type(self.choice.initializer).__name__}: {error}. Give the layer another initializer, or add a rule."
            ) from error

    def prepare(self, distribution: Any, reseed: Any) -> List[Job]:
        """Make an array. Return the jobs that fill it by the distribution; without one, seed and run the hook."""
        ctx = self.ctxs[0]
        with self.memory_errors():
            self.array = empty(self.shape, self.dtype, ctx if is_host(ctx) else mx.cpu())
        if distribution is not None:
            return self.jobs(distribution, self.array)
        memory_view(self.array)[:] = 0  # plain Gluon gives a hook zeros: `arr += 1` and `arr[i, i] = 1` rely on it
        reseed(self.key)
        what = f"Parameter {self.info.label!r} of shape {self.shape}"
        who = f"{type(self.choice.initializer).__name__}.{self.choice.hook}"
        with mx.autograd.pause(), mx.cpu():
            desc = mx.init.InitDesc(self.param.name, global_init=self.global_init)
            run_hook(self.choice, HookContext(desc, self.info, self.param, self.key), layer_array(self.array))
            try:
                values = self.array.asnumpy()  # errors of the engine surface here, at the parameter that caused them
            except mx.MXNetError as error:
                raise InitializationError(f"{what} could not be filled: {who} raised {error}") from error
        nans = int(numpy.isnan(values).sum()) if self.dtype.kind == "f" else 0
        if nans:
            raise InitializationError(f"{what} got {nans} NaN from {who}. Expected numbers: mend the hook.")
        return []

    def jobs(self, distribution: Any, array: Any) -> List[Job]:
        """The jobs that fill a dense host array by a distribution."""
        return fill_jobs(distribution, self.key, self.shape, memory_view(array), self.memory_errors)

    def prepare_gradients(self) -> List[Job]:
        """Make the arrays of gradients that the kit can make. Return the jobs that clear them."""
        with self.memory_errors():
            self.grads = state.new_gradients(self.param, self.ctxs)
        return [job for grad in self.grads for job in _clear_jobs(grad)]

    def commit(self) -> None:
        """Hand the array to the parameter, or leave the parameter pending."""
        with self.memory_errors():
            source = self if self.array is None else state.CopySource(self.array, self.param, self.choice)
            state.commit(self.param, self.choice.initializer, self.ctxs, source, self.grads)
            if len(self.ctxs) > 1 or not self.grads:  # then the engine makes arrays, and finds memory or not
                wait_for(_arrays(self))

    def copyto(self, ctx: Any) -> Any:
        """The values on a context; MXNet calls this in the forward pass that tells the shape."""
        try:
            if self._source is None:
                distribution = self.distribution()
                generators: ContextManager = nullcontext() if distribution is not None else seeded_generators()
                with generators as reseed:
                    run(self.prepare(distribution, reseed))
                self._source = state.CopySource(self.array, self.param)
            with self.memory_errors():
                return self._source.copyto(ctx)
        except BaseException:
            # MXNet has forgotten what was pending. A second try must find it again, on the present contexts, which
            # `reset_ctx` may have changed.
            self.forget()
            state.set_pending(self.param, self.choice.initializer, parameter.held_contexts(self.param), self)
            raise

    def for_parameter(self, param: Any) -> "PendingFill":
        """The same values, for a parameter that takes the place of this one."""
        other = copy.copy(self)
        other._param = weakref.ref(param)
        return other

    def forget(self) -> None:
        """Draw anew when asked next: the shape may be another."""
        self.array = self._source = None


def fill_all(fills: Sequence[PendingFill], progress: Optional[bool]) -> int:
    """Draw everything, then change everything; the bytes of parameters that were filled, over all contexts."""
    known = [fill for fill in fills if is_known(fill.shape)]
    distributions = {fill: fill.distribution() for fill in known}
    # A distribution refills in place what fits; what may fail, or lies on a device, is made beside it and copied in.
    refill = dict.fromkeys(fill for fill in known if state.can_refill(fill.param, fill.ctxs))
    in_place = dict.fromkeys(fill for fill in refill
                             if isinstance(distributions[fill], Distribution) and is_host(fill.ctxs[0]))  # fmt: skip
    fresh = [fill for fill in fills if fill not in refill]
    total = sum(fill.size for fill in known)
    with state.interrupts_held() as released, ExitStack() as stack:
        stack.enter_context(mx.autograd.pause())  # where MXNet records, it refuses a write into a parameter
        bar = stack.enter_context(ProgressBar("initializing", total, progress))
        hooks = any(distribution is None for distribution in distributions.values())
        reseed = stack.enter_context(seeded_generators()) if hooks else None
        with released():
            jobs: List[Job] = []
            for fill in known:
                if fill not in in_place:
                    jobs += fill.prepare(distributions[fill], reseed)
                    bar.advance(fill.size if distributions[fill] is None else 0)
                if fill not in refill:
                    jobs += bar.expect(fill.prepare_gradients())
            run(jobs, bar)
            wait_for([array for fill in refill for array in _arrays(fill)])
        with state.restoring([fill.param for fill in fresh]):
            for fill in fresh:
                fill.commit()
            held = [(fill, parameter.arrays_of(fill.param)[0]) for fill in in_place]
            jobs = [job for fill, array in held for job in fill.jobs(distributions[fill], array)]
        grads = [grad for fill in refill for grad in state.gradients_to_clear(fill.param)]
        jobs += bar.expect([job for grad in grads for job in _clear_jobs(grad)])
        try:
            run(jobs, bar)
        except BaseException:  # from the bar, or from threads that do not start
            for _, job in jobs:
                job()
            raise
        finally:
            for fill in refill:
                state.after_refill(fill.param, fill.array)
            for fill in fresh:
                reset_updates(fill.param)
        # Threads have filled what lies in place on one context; replicas and sparse gradients are the engine's.
        wait_for([array for fill in fills for array in _arrays(fill)
                  if fill not in in_place or len(fill.ctxs) > 1 or array.stype != "default"])  # fmt: skip
    return total * (len(fills[0].ctxs) if fills else 0)


def _arrays(fill: PendingFill) -> List[Any]:
    return [*parameter.arrays_of(fill.param), *parameter.gradients_of(fill.param)]


def _clear_jobs(array: Any) -> List[Job]:
    """The jobs that fill a dense host array with 0."""
    return fill_jobs(Constant(0.0), b"", (), memory_view(array))
