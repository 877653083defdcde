"""`initialize`: the kit's front door. Describe the network, decide for each parameter (in `dispatch`), check all, draw,
and only then change: a whole network is drawn and changed, or nothing of it is.

What may fail (a user's hook, memory) happens in arrays that no parameter holds yet, and any signal may break it off.
Parameters are changed while signals wait, and put back when MXNet refuses. Arrays that a distribution refills in place
come last: their old values are gone with the first new one, so what has begun there is finished.
"""

from contextlib import ExitStack, nullcontext
import copy
from dataclasses import dataclass
import math
import re
import time
from typing import Any, Callable, ContextManager, Dict, List, Mapping, Optional, Sequence, Tuple, Union
import weakref

import numpy

from .._mxnet import backend, mx, parameter, state, tree
from .._mxnet.arrays import classic, empty, is_host, layer_array, memory_view, wait_for
from .._mxnet.preserve import draw_seed, seeded_generators
from .._mxnet.trainer import reset_updates, trainer_objection
from ..display import Column, Table, TableReport, path_column, shape_column
from ..display.words import counted, counted_of, listed, printable, shape_text, size_text, warn
from ..parallel import Job, ProgressBar, run
from ..parameters import ParameterInfo, context_mismatch, did_you_mean_path, list_parameters, select_parameters
from ..parameters.info import named_memory_errors
from ..shapes import is_known
from . import dispatch
from .dispatch import Choice, InitializationError
from .distributions import ArrayDistribution, Constant, Distribution, distribution_of, fill_jobs
from .initializer import HookContext, corrected, dump, initializer_text, run_hook, serializable
from .plan import DEFAULT_INITIALIZER, ChoiceRow, short_text
from .random import key_of

Key = Union[None, Mapping[str, str], Callable[[str], str]]


@dataclass(frozen=True)
class InitRow(ChoiceRow):
    """What happened to one parameter: `PlanRow`'s facts, with the shape after initializing.

    `state` is ``'initialized'``, ``'deferred'`` (values come in the first forward pass) or ``'kept'`` (it had values
    or was pending). `key` is what the values are a function of; None while the shape is not known.
    """

    key: Optional[str]


@dataclass(frozen=True, repr=False)
class InitReport(TableReport[InitRow]):
    """What `initialize` returns: one row a parameter, in order of traversal; ``report[path]`` finds one.

    `seed`, given or drawn, makes the same values again. `bytes` counts the values that were filled, over all contexts.
    """

    rows: Tuple[InitRow, ...]
    seed: int
    seconds: float
    bytes: int
    initializer: str

    def _table(self) -> Table:
        states = [row.state for row in self.rows]
        words = {"kept": "kept (not of this seed)"}
        counts = ", ".join(f"{states.count(state)} {words.get(state, state)}" for state in dict.fromkeys(states))
        title = f"{self.initializer}, seed {self.seed}: {counts or 'no parameters'}; "
        columns = (path_column(), shape_column(),
                   Column("state", lambda row: "" if row.state == "initialized" else row.state),
                   Column("initializer", lambda row: short_text(row.initializer or "", self.initializer), "filled by"),
                   Column("hook", lambda row: row.hook, hoist=True))  # fmt: skip
        return Table(f"{title}{size_text(self.bytes)} in {self.seconds:.3g} s", columns, self.rows, (),
                     lambda row: "dim" if row.state == "kept" else "", legend={"dim": "kept as it was"},
                     first_to_go=("hook",))  # fmt: skip


def initialize(
    net: Any, init: Any = DEFAULT_INITIALIZER, ctx: Any = None, seed: Optional[int] = None, force_reinit: bool = False,
    progress: Optional[bool] = None, *, select: Any = None, key: Key = None, device: Any = None, verbose: Any = None,
) -> InitReport:  # fmt: skip
    """Initialize a network: every hook called, every value a function of the seed and its parameter's path.

    ``value = f(seed, path, shape, dtype, initializer's configuration)``: the same bits whether a layer is deferred or
    not, in whatever order layers were made, hybridized or not, on any number of contexts, threads, processes and
    machines. A parameter whose shape is not known yet stays deferred and gets its values in the first forward pass.

    Parameters
    ----------
    net : Block
    init : Initializer or str
        One of ours, one of MXNet's (which serves as ``corrected(init)``), `Rules`, or a registered name.
    ctx, device : Context or list of Context, optional
        Where the parameters live; the current context by default. Several get the same values.
    seed : int, optional
        Drawn from MXNet's generator by default, so ``mx.random.seed(7)`` alone makes a script repeatable.
    force_reinit : bool
        Whether to initialize again what is initialized or pending; otherwise it is left alone, with a warning. Arrays
        that fit are refilled in place; gradients become 0, and a Trainer goes on without momentum.
    progress : bool, optional
        Whether to show a progress bar; by default where it takes longer than a second, on a terminal or in Jupyter.
    select : selector, optional
        Which parameters, as for `freeze`; all by default. They get the bits that they get with the whole network; by
        ``initialize(net[1], ...)``, whose paths are others, they do not. Others are not changed, checked or reported.
    key : dict or callable, optional
        Another name for a path in the function above, so that renamed parameters keep their values:
        ``{'encoder.0.weight': 'body.0.weight'}``, or a callable that gets the path.
    verbose : None
        MXNet's argument is refused: this function returns a report.

    Raises
    ------
    InitializationError
        Nothing serves a parameter (all of them are listed), a hook failed or wrote NaN, a shape is unknown that may not
        be, or a Trainer holds the values elsewhere. Every parameter is then as it was.
    TypeError, ValueError
        `select` selects nothing, or two parameters have one path.

    Notes
    -----
    A hook finds its random numbers in ``desc.rng``. Those of ``mx.nd.random``, ``np.random`` and ``random`` are keyed
    too: these are seeded before it runs; afterwards NumPy's and Python's are as they were, and MXNet's goes on from a
    value that was drawn from it before. Ctrl-C leaves all of the network changed, or nothing.

    Examples
    --------
    >>> net = mx.gluon.nn.HybridSequential()
    >>> net.add(mx.gluon.nn.Dense(4), mx.gluon.nn.Dense(2, in_units=4))
    >>> report = initialize(net, mx.init.Xavier(), seed=7)
    >>> [(row.path, row.state) for row in report]
    [('0.weight', 'deferred'), ('0.bias', 'initialized'), ('1.weight', 'initialized'), ('1.bias', 'initialized')]
    >>> report = initialize(net, mx.init.Xavier(), seed=8, select="1.*", force_reinit=True)  # draws the head anew
    >>> report.seed, report.bytes, report["1.bias"].why
    (8, 40, 'layer default')
    """
    start = time.perf_counter()
    init, ctxs, network = corrected(init), _contexts(parameter.context_argument(ctx, device)), list_parameters(net)
    parameters = network if select is None else select_parameters(network, select)
    paths = {path for _, _, info in parameters for path in info.paths}
    tree.refuse_path_clashes([path for path in tree.path_clashes(net) if path in paths])
    infos = [info for _, _, info in network]
    names = _key_names(key, [info.label for _, _, info in parameters], infos)
    if seed is not None and (isinstance(seed, bool) or not hasattr(seed, "__index__")):
        order = "; in MXNet's order of arguments this is verbose, and force_reinit comes next: write force_reinit=True"
        raise TypeError(f"seed is {seed!r}: expected an integer or None{order if isinstance(seed, bool) else ''}")
    if force_reinit not in (True, False):
        raise TypeError(f"force_reinit is {force_reinit!r}: expected True or False")
    if verbose is not None:
        raise TypeError("verbose= is of MXNet's initialize; this one returns a report: print(ik.initialize(net, ...))")
    # What is pending counts as initialized, so that it does not matter whether a layer is deferred.
    to_fill = [entry for entry in parameters if force_reinit or entry[2].state == "uninitialized"]
    choices = dispatch.choose_all(init, to_fill)
    # A rule or a hook that serves another part of the network than what is selected is none to warn of.
    init._review(network)
    own = [param.init for param, _, _ in parameters if isinstance(param.init, mx.init.Initializer)]
    reviewed = set(map(type, dispatch.targets(init)))
    dispatch.warn_of_misspelt([each for each in own if type(each) not in reviewed], infos)
    _check_parameters(to_fill, ctxs)
    seed = draw_seed() if seed is None else int(seed.__index__())
    initializers = {id(choice.initializer): choice.initializer for choice in choices}
    # An object's repr may hold its address, which is another in every process.
    dumps = {key: re.sub(r" at 0x[0-9a-fA-F]+", "", dump(each)) for key, each in initializers.items()}
    texts = {key: initializer_text(each) for key, each in initializers.items()}
    fills = {}
    for (param, _, info), choice in zip(to_fill, choices):
        parts = (seed, names[info.label], dumps[id(choice.initializer)], choice.hook)
        fills[id(param)] = PendingFill(param, info, choice, init, parts, ctxs)
        state.emit(param, "initialize", initializer=choice.initializer, hook=choice.hook, force_reinit=force_reinit)
    filled_bytes = fill_all(list(fills.values()), progress)
    for fill in fills.values():
        fill.param.init = serializable(fill.param.init)
        logger = next(filter(parameter.is_verbose, (init, fill.choice.initializer)), None)  # by `set_verbosity`
        for array in parameter.arrays_of(fill.param)[:1] if logger is not None else ():
            parameter.print_filled(logger, mx.init.InitDesc(fill.param.name), fill.choice.hook, classic(array))
    if len(to_fill) < len(parameters):
        kept = [(param, info) for param, _, info in parameters if id(param) not in fills]
        warn(_kept_text(kept, [info for _, _, info in to_fill], ctxs, asked=ctx is not None or device is not None))
    for problem in tree.unregistered_blocks(tree.walk(net)) if select is None else ():  # nothing selects what they hold
        warn(str(problem))
    for problem in tree.stale_graphs(net):
        inside = f"{problem.path}." if problem.path else ""
        if select is None or any(path.startswith(inside) for path in paths):
            warn(str(problem))
    rows = []
    for param, _, info in parameters:
        done = fills.get(id(param))
        what: tuple = (info.shape, info.dtype, "kept", None, None, "", None)
        if done is not None:
            outcome, digest = ("initialized", done.key.hex()) if is_known(done.shape) else ("deferred", None)
            text = texts[id(done.choice.initializer)]
            what = (done.shape, info.dtype, outcome, text, done.choice.hook, done.choice.why, digest)
        rows.append(InitRow(info.label, info.aliases, info.name, info.role, *what))
    by = initializer_text(dispatch.target_of(init))
    return InitReport(tuple(rows), seed, time.perf_counter() - start, filled_bytes, by)


def _contexts(ctx: Any) -> List[Any]:
    ctxs = [backend.current_context()] if ctx is None else list(ctx) if isinstance(ctx, (list, tuple)) else [ctx]
    if not ctxs or not all(isinstance(each, backend.Context) for each in ctxs):
        raise TypeError(f"ctx (device) is {ctx!r}: expected a {backend.Context.__name__} such as mx.cpu(), or a list "
                        f"of them")  # fmt: skip
    if len(set(map(str, ctxs))) < len(ctxs):
        raise ValueError(f"ctx names a context twice: {ctxs!r}")
    return ctxs


def _key_names(key: Key, paths: Sequence[str], network: Sequence[ParameterInfo]) -> Dict[str, str]:
    """What stands for each path in the key of its values; a dict may name what is not selected."""
    if not (key is None or isinstance(key, Mapping) or callable(key)):
        raise TypeError(f"key is {key!r}: expected a dict of paths, or a callable that gets a path")
    known = {info.label for info in network}
    for path in key if isinstance(key, Mapping) else ():
        if path not in known:
            hint = did_you_mean_path(path, network)
            raise ValueError(printable(f"key= names {path!r}, which is no parameter's canonical path; {hint}"))
    owner: Dict[str, str] = {}
    for path in paths:
        name = path if key is None else key.get(path, path) if isinstance(key, Mapping) else key(path)
        if not isinstance(name, str):
            raise TypeError(f"key= gives {name!r} for {path!r}: expected a str")
        if name in owner:
            raise ValueError(f"key= gives {name!r} for both {owner[name]!r} and {path!r}, which would be drawn alike")
        owner[name] = path
    return {path: name for name, path in owner.items()}


def _check_parameters(to_fill: Sequence[tuple], ctxs: List[Any]) -> None:
    problems = []
    for param, _, info in to_fill:
        if not is_known(parameter.shape_of(param)) and not parameter.allows_deferral(param):
            problems.append(f"{info.label}: its shape is {shape_text(info.shape)} and it may not be deferred; give "
                            f"the layer its input size, or the parameter allow_deferred_init=True")  # fmt: skip
        objection = trainer_objection(param, ctxs)
        if objection is not None:
            problems.append(f"{info.label}: {'; '.join(objection)}")
    if problems:
        lines = "".join(f"\n  {printable(problem)}" for problem in problems)
        raise InitializationError(f"{counted(len(problems), 'parameter')} cannot be initialized:{lines}")


def _kept_text(kept: Sequence[tuple], filled: Sequence[ParameterInfo], ctxs: List[Any], asked: bool) -> str:
    """What to say of parameters that hold values, or are pending."""
    paths = [f"{info.label} (pending)" if info.state == "deferred" else info.label for _, info in kept]
    count = counted_of(len(kept), len(kept) + len(filled), "parameter", "is", "are")
    text = f"{count} already initialized, ignoring: {listed(paths)}. Set force_reinit=True to re-initialize."
    contexts = [(info.label, parameter.contexts_of(param)) for param, info in kept]
    mismatch = context_mismatch([*contexts, *((info.label, ctxs) for info in filled)])
    if mismatch is not None:
        text += f" {mismatch}"
    elif asked and contexts[0][1] != tuple(ctxs):
        there, wanted = (", ".join(map(str, each)) for each in (contexts[0][1], ctxs))
        text += f" They stay on {there}, not on {wanted}. {backend.reset_call} puts all on the same."
    return text


class PendingFill:
    """One parameter's values, before they are drawn, as a function of a key, which is made of `parts`, shape and dtype.

    While the parameter is deferred, this object takes the place of an array in MXNet's pending tuple: MXNet calls its
    `copyto` for each context when the shape is known.
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
    def nbytes(self) -> int:
        return self.dtype.itemsize * math.prod(self.shape)

    @property
    def key(self) -> bytes:
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
            who = type(self.choice.initializer).__name__
            raise InitializationError(f"Parameter {self.info.label!r} of shape {self.shape} cannot be filled by {who}: "
                                      f"{error}. Give the layer another initializer, or add a rule."
                                      ) from error  # fmt: skip

    def prepare(self, distribution: Any, reseed: Any) -> List[Job]:
        """Make an array. Return the jobs that fill it; without a distribution, seed and run the hook."""
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
        return fill_jobs(distribution, self.key, self.shape, memory_view(array), self.memory_errors)

    def prepare_gradients(self) -> List[Job]:
        """Make those arrays of gradients that the kit can make. Return the jobs that clear them."""
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
            # MXNet has forgotten what was pending. A second try must find it, on the contexts that `reset_ctx` has set.
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
    total = sum(fill.nbytes for fill in known)
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
                    bar.advance(fill.nbytes if distributions[fill] is None else 0)
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
    return fill_jobs(Constant(0.0), b"", (), memory_view(array))
