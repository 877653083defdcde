"""`Draw`: how one parameter gets its values, now or in the first forward pass.

It stands in MXNet's pending tuple where an array may stand, and MXNet asks it for one copy a context: the first is its
own array, filled for the occasion, so nothing is staged.
"""

from contextlib import nullcontext
from typing import Any, Callable, ContextManager, Dict, List, Tuple
import weakref

import numpy

from .._mxnet import mx
from .._mxnet.arrays import context_of, empty, is_host, layer_array, memory_view, wait_to_read
from .._mxnet.parameter import arrays_of, gradients_of, held_contexts, is_constant, shape_of
from .._mxnet.rng import seeded_generators
from .._mxnet.state import can_refill, commit, new_gradients, parameter_array, set_pending
from ..display import printable
from ..parallel import Job, run
from ..parameters import ParameterInfo, named_memory_errors
from ..shapes import is_known
from .description import Description
from .dispatch import Choice
from .distributions import Constant, Law, Whole, jobs
from .errors import InitializationError
from .initializer import fill
from .mxnet_distributions import law_of
from .random.streams import key_of

__all__ = ["Draw", "cleared"]


class Draw:
    """One parameter's values as a function of seed, path, shape, dtype and configuration.

    Attributes
    ----------
    param : Parameter
    info : ParameterInfo
    choice : Choice
        Which initializer fills it, through which hook.
    init : Initializer
        The network-level initializer.
    parts : tuple
        What the key is made of, besides shape and dtype.
    ctxs : list of Context
    """

    def __init__(self, param: Any, info: ParameterInfo, choice: Choice, init: Any, parts: tuple, ctxs: list) -> None:
        self.info, self.choice, self.init, self.parts, self.ctxs = info, choice, init, parts, ctxs
        self.param = param
        self.array: Any = None
        self.grads: List[Any] = []
        self.handed = False
        self._key: Tuple[Any, bytes] = (None, b"")

    @property
    def param(self) -> Any:
        """The parameter. It holds this while it is pending, so the reference back is weak: no cycle."""
        return self._param()

    @param.setter
    def param(self, param: Any) -> None:
        self._param = weakref.ref(param)

    def __getstate__(self) -> Dict[str, Any]:
        return {**vars(self), "_param": self.param}  # a deep copy is for the copy of the parameter

    def __setstate__(self, state: Dict[str, Any]) -> None:
        vars(self).update(state, _param=weakref.ref(state["_param"]))

    @property
    def shape(self) -> Any:
        """The parameter's, as far as it is known."""
        return shape_of(self.param)

    @property
    def known(self) -> bool:
        """Whether the shape is."""
        return is_known(self.shape)

    @property
    def dtype(self) -> numpy.dtype:
        """The parameter's."""
        return numpy.dtype(self.param.dtype)

    @property
    def key(self) -> bytes:
        """What the values are a function of."""
        of = (self.shape, self.dtype.str)
        if of != self._key[0]:
            self._key = of, key_of(*self.parts, *of)
        return self._key[1]

    @property
    def axes(self) -> str:
        """What the axes of a weight are; with `global_init` what a law asks of a description."""
        return self.info.axes

    @property
    def global_init(self) -> Any:
        """The network-level initializer."""
        return self.init

    @property
    def fits(self) -> bool:
        """Whether the arrays that the parameter holds can be filled as they are."""
        return can_refill(self.param, self.ctxs)

    def law(self) -> Any:
        """The law of the values; None where a hook of the user's own fills them."""
        if is_constant(self.param):
            value = self.param.value.asnumpy()
            return Whole(lambda key, shape: value)
        try:
            law = law_of(self.choice.initializer, self.choice.hook, self, self.shape)
            # Rounded to integers it would be another distribution, most often 0 everywhere; MXNet refuses it too.
            if isinstance(law, Law) and self.dtype.kind not in ("fiub" if isinstance(law, Constant) else "f"):
                raise TypeError(f"nothing draws numbers of dtype {printable(str(self.dtype))}")
            return law
        except InitializationError:
            raise
        except Exception as error:
            raise InitializationError(
                f"Parameter {self.info.label!r} of shape {self.shape} cannot be filled by "
                f"{type(self.choice.initializer).__name__}: {error}. Give the layer another initializer, or add a rule."
            ) from error

    def prepared(self, law: Any, reseed: Callable[[bytes], None]) -> List[Job]:
        """Make an array; run the hook on zeros, or answer the jobs that will fill the array by the law."""
        ctx = self.ctxs[0]
        with self._memory():
            self.array = empty(self.shape, self.dtype, ctx if is_host(ctx) else mx.cpu())
        if law is not None:
            return self.jobs(law, self.array)
        memory_view(self.array)[:] = 0  # plain Gluon gives a hook zeros, and `arr += 1` or `arr[i, i] = 1` needs them
        reseed(self.key)
        with mx.autograd.pause(), mx.cpu():
            fill(self.choice, self._description, layer_array(self.array))
            self._check()
        return []

    def jobs(self, law: Any, array: Any) -> List[Job]:
        """What fills a dense host array by a law."""
        made = jobs(law, self.key, self.shape, memory_view(array))
        if not isinstance(law, Whole):
            return made
        ((size, whole),) = made  # which takes more memory than the array's own, as a decomposition does

        def named() -> None:
            with self._memory():
                whole()

        return [(size, named)]

    def prepared_gradients(self) -> List[Job]:
        """Make the gradients' arrays where they are ours to make; the jobs that will clear them."""
        with self._memory():
            self.grads = new_gradients(self.param, self.ctxs)
        return [job for grad in self.grads for job in cleared(grad)]

    def commit(self) -> None:
        """Hand the array to the parameter, or leave the parameter pending."""
        with self._memory():
            commit(self.param, self.choice.initializer, self.ctxs, self, self.grads)
            if len(self.ctxs) > 1 or not self.grads:  # then the engine makes arrays, and finds memory or not
                wait_to_read([*arrays_of(self.param), *gradients_of(self.param)])

    def copyto(self, ctx: Any) -> Any:
        """What MXNet calls when the parameter is to be initialized, once a context.

        Parameters
        ----------
        ctx : Context

        Returns
        -------
        NDArray
        """
        try:
            if self.array is None:
                law = self.law()
                keyed: ContextManager = nullcontext() if law is not None else seeded_generators()
                with keyed as reseed:
                    run(self.prepared(law, reseed))
            array = self.array
            if self.handed or context_of(array) != ctx:
                with self._memory():
                    array = array.copyto(ctx)
            self.handed = True
            return parameter_array(array, self.param)
        except BaseException:
            # MXNet has forgotten by now what was pending: a second try must find it.
            self.forget()
            # On the contexts where it is wanted by now, which `reset_ctx` may have changed.
            set_pending(self.param, self.choice.initializer, held_contexts(self.param), self)
            raise

    def forget(self) -> None:
        """Begin anew: what was handed over is not in use, and the next shape may be another."""
        self.array, self.handed = None, False

    def _memory(self) -> ContextManager[None]:
        return named_memory_errors(self.info.label, self.param, InitializationError)

    @property
    def _description(self) -> Description:
        desc = mx.init.InitDesc(self.param.name, global_init=self.init)
        return Description(desc, self.info, self.param, self.key)

    def _check(self) -> None:
        """Errors of the engine surface here, at the parameter that caused them; NaN is nobody's intention."""
        who = f"{type(self.choice.initializer).__name__}.{self.choice.hook}"
        try:
            values = self.array.asnumpy()
        except mx.MXNetError as error:
            raise InitializationError(
                f"Parameter {self.info.label!r} of shape {self.shape} could not be filled: {who} raised {error}"
            ) from error
        found = int(numpy.isnan(values).sum()) if self.dtype.kind == "f" else 0
        if found:
            raise InitializationError(
                f"Parameter {self.info.label!r} of shape {self.shape} got {found} NaN from {who}. "
                f"Expected numbers: mend the hook."
            )


def cleared(array: Any) -> List[Job]:
    """The jobs that fill a dense host array with 0."""
    return jobs(Constant(0.0), b"", (), memory_view(array))
