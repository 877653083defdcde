"""`initialize` lists the parameters, chooses an initializer for each (in `dispatch`), checks all and draws the values.
Only then does it change parameters, so it changes all of them or none.

Steps that may fail (a user's hook, memory) use arrays that no parameter holds yet, and a signal may interrupt them.
While parameters are changed, signals wait, and old values are restored if MXNet refuses. Arrays that are refilled in
place come last. A refill overwrites the old values, so one that has begun is always finished.
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
    """The result for one parameter: fields as in `PlanRow`, with the shape after initializing.

    `state` is ``'initialized'``, ``'deferred'`` (values come in the first forward pass) or ``'kept'`` (it had values
    or was pending). `key` determines the values; it is None while the shape is not known.
    """

    key: Optional[str]


@dataclass(frozen=True, repr=False)
class InitReport(TableReport[InitRow]):
    """The result of `initialize`: one row per parameter, in order of traversal; ``report[path]`` finds one.

    `seed`, given or drawn, makes the same values again. `bytes` is the size of the filled values on all contexts.
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
    """Initialize a network. Every hook is called, and the seed and a parameter's path determine its values.

    ``value = f(seed, path, shape, dtype, initializer's configuration)``. Deferred shapes, the order in which layers
    were made, hybridizing, and the number of contexts, threads, processes and machines do not change any bit. A
    parameter with an unknown shape stays deferred and gets its values in the first forward pass.

    Parameters
    ----------
    net : Block
    init : Initializer or str
        An initializer of the kit or of MXNet (used as ``corrected(init)``), `Rules`, or a registered name.
    ctx, device : Context or list of Context, optional
        The parameters' contexts; the current context by default. All contexts get the same values.
    seed : int, optional
        Drawn from MXNet's generator by default, so ``mx.random.seed(7)`` alone makes a script repeatable.
    force_reinit : bool
        Whether to initialize again parameters that are initialized or pending, instead of skipping them with a warning.
        Arrays that fit are refilled in place. Gradients become 0, and a Trainer loses its momentum.
    progress : bool, optional
        Whether to show a progress bar; by default only after one second, on a terminal or in Jupyter.
    select : selector, optional
        The parameters, as for `freeze`; all by default. They get the same bits as with the whole network; they do not
        by ``initialize(net[1], ...)``, where paths differ. Other parameters are not changed, checked or reported.
    key : dict or callable, optional
        Another name for a path in the function above, so that renamed parameters keep their values:
        ``{'encoder.0.weight': 'body.0.weight'}``, or a callable that takes the path.
    verbose : None
        MXNet's argument, which raises a TypeError. This function returns a report instead.

    Raises
    ------
    InitializationError
        No initializer serves a parameter (the message lists all such parameters); a hook failed or wrote NaN; a shape
        is unknown and may not be deferred; or a Trainer holds the values elsewhere. No parameter is then changed.
    TypeError, ValueError
        `select` selects nothing, or two parameters have the same path.

    Notes
    -----
    A hook's own random generator is ``desc.rng``. The generators of ``mx.nd.random``, ``np.random`` and ``random`` are
    also seeded from the parameter's key before a hook runs. Afterwards NumPy's and Python's states are restored, and
    MXNet is seeded with a number that was drawn from it before. Ctrl-C leaves all parameters changed, or none.

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
    # A pending parameter counts as initialized, so that the result does not depend on whether a layer is deferred.
    to_fill = [entry for entry in parameters if force_reinit or entry[2].state == "uninitialized"]
    choices = dispatch.choose_all(init, to_fill)
    # Review the whole network: a rule or a hook may serve parameters that are not selected.
    init._review(network)
    reviewed = set(map(type, dispatch.targets(init)))
    dispatch.warn_of_misspelt([param.init for param, _, _ in parameters if isinstance(param.init, mx.init.Initializer)
                               and type(param.init) not in reviewed], infos)  # fmt: skip
    _check_parameters(to_fill, ctxs)
    seed = draw_seed() if seed is None else int(seed.__index__())
    initializers = {id(choice.initializer): choice.initializer for choice in choices}
    # An object's repr may hold its address, which differs between processes.
    dumps = {key: re.sub(r" at 0x[0-9a-fA-F]+", "", dump(value)) for key, value in initializers.items()}
    texts = {key: initializer_text(value) for key, value in initializers.items()}
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
    for problem in tree.unregistered_blocks(tree.walk(net)) if select is None else ():  # `select` cannot match these
        warn(str(problem))
    for problem in tree.stale_graphs(net):
        prefix = f"{problem.path}." if problem.path else ""
        if select is None or any(path.startswith(prefix) for path in paths):
            warn(str(problem))
    rows = []
    for param, _, info in parameters:
        row: tuple = (info.shape, info.dtype, "kept", None, None, "", None)
        if id(param) in fills:
            fill = fills[id(param)]
            outcome, digest = ("initialized", fill.key.hex()) if is_known(fill.shape) else ("deferred", None)
            text = texts[id(fill.choice.initializer)]
            row = (fill.shape, info.dtype, outcome, text, fill.choice.hook, fill.choice.why, digest)
        rows.append(InitRow(info.label, info.aliases, info.name, info.role, *row))
    text = initializer_text(dispatch.target_of(init))
    return InitReport(tuple(rows), seed, time.perf_counter() - start, filled_bytes, text)


def _contexts(ctx: Any) -> List[Any]:
    ctxs = [backend.current_context()] if ctx is None else list(ctx) if isinstance(ctx, (list, tuple)) else [ctx]
    if not ctxs or not all(isinstance(context, backend.Context) for context in ctxs):
        raise TypeError(f"ctx (device) is {ctx!r}: expected a {backend.Context.__name__} such as mx.cpu(), or a list "
                        f"of them")  # fmt: skip
    if len(set(map(str, ctxs))) < len(ctxs):
        raise ValueError(f"ctx names a context twice: {ctxs!r}")
    return ctxs


def _key_names(key: Key, paths: Sequence[str], network: Sequence[ParameterInfo]) -> Dict[str, str]:
    """The name that replaces each path in the key of its values. A dict may also name paths that are not selected."""
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
    """The warning about parameters that were skipped because they are initialized or pending."""
    paths = [f"{info.label} (pending)" if info.state == "deferred" else info.label for _, info in kept]
    count = counted_of(len(kept), len(kept) + len(filled), "parameter", "is", "are")
    text = f"{count} already initialized, ignoring: {listed(paths)}. Set force_reinit=True to re-initialize."
    contexts = [(info.label, parameter.contexts_of(param)) for param, info in kept]
    mismatch = context_mismatch([*contexts, *((info.label, ctxs) for info in filled)])
    if mismatch is not None:
        text += f" {mismatch}"
    elif asked and contexts[0][1] != tuple(ctxs):
        current, requested = (", ".join(map(str, devices)) for devices in (contexts[0][1], ctxs))
        text += f" They stay on {current}, not on {requested}. {backend.reset_call} puts all on the same."
    return text


class PendingFill:
    """One parameter's values before they are drawn. They depend on a key of `parts`, shape and dtype.

    While the parameter is deferred, this object takes the place of an array in MXNet's pending tuple: MXNet calls its
    `copyto` for each context when the shape is known.
    """

    def __init__(self, param: Any, info: ParameterInfo, choice: Choice, init: Any, parts: tuple, ctxs: list) -> None:
        # A pending parameter refers to this object. The reference back is weak, to avoid a cycle.
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
        return {**vars(self), "_param": self.param}  # a deep copy must refer to the copy of the parameter

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
        """The distribution of the values; None if a user's hook fills them."""
        if parameter.is_constant(self.param):
            value = self.param.value.asnumpy()
            return ArrayDistribution(lambda key, shape: value)
        try:
            distribution = distribution_of(self.choice.initializer, self.choice.hook, self, self.shape)
            # Rounding to integers changes the distribution, often to zeros only. MXNet refuses integers too.
            kinds = "fiub" if isinstance(distribution, Constant) else "f"
            if isinstance(distribution, Distribution) and self.dtype.kind not in kinds:
                raise TypeError(f"nothing draws numbers of dtype {printable(str(self.dtype))}")
            return distribution
        except InitializationError:
            raise
        except Exception as error:
            name = type(self.choice.initializer).__name__
            raise InitializationError(f"Parameter {self.info.label!r} of shape {self.shape} cannot be filled by {name}"
                                      f": {error}. Give the layer another initializer, or add a rule."
                                      ) from error  # fmt: skip

    def prepare(self, distribution: Any, reseed: Any) -> List[Job]:
        """Make an array and return the jobs that fill it. Without a distribution, seed and run the hook instead."""
        ctx = self.ctxs[0]
        with self.memory_errors():
            self.array = empty(self.shape, self.dtype, ctx if is_host(ctx) else mx.cpu())
        if distribution is not None:
            return self.jobs(distribution, self.array)
        memory_view(self.array)[:] = 0  # plain Gluon gives a hook zeros: `arr += 1` and `arr[i, i] = 1` rely on it
        reseed(self.key)
        param_text = f"Parameter {self.info.label!r} of shape {self.shape}"
        hook_name = f"{type(self.choice.initializer).__name__}.{self.choice.hook}"
        with mx.autograd.pause(), mx.cpu():
            desc = mx.init.InitDesc(self.param.name, global_init=self.global_init)
            run_hook(self.choice, HookContext(desc, self.info, self.param, self.key), layer_array(self.array))
            try:
                values = self.array.asnumpy()  # raises errors of the engine here, at the parameter that caused them
            except mx.MXNetError as error:
                raise InitializationError(f"{param_text} could not be filled: {hook_name} raised {error}") from error
        nans = int(numpy.isnan(values).sum()) if self.dtype.kind == "f" else 0
        if nans:
            raise InitializationError(f"{param_text} got {nans} NaN from {hook_name}. Expected numbers: mend the hook.")
        return []

    def jobs(self, distribution: Any, array: Any) -> List[Job]:
        return fill_jobs(distribution, self.key, self.shape, memory_view(array), self.memory_errors)

    def prepare_gradients(self) -> List[Job]:
        """Make the gradient arrays that the kit can make, and return the jobs that clear them."""
        with self.memory_errors():
            self.grads = state.new_gradients(self.param, self.ctxs)
        return [job for grad in self.grads for job in _clear_jobs(grad)]

    def commit(self) -> None:
        """Give the array to the parameter, or make the parameter pending if there is no array yet."""
        with self.memory_errors():
            source = self if self.array is None else state.CopySource(self.array, self.param, self.choice)
            state.commit(self.param, self.choice.initializer, self.ctxs, source, self.grads)
            if len(self.ctxs) > 1 or not self.grads:  # the engine allocates these arrays: wait for memory errors
                wait_for(_arrays(self))

    def copyto(self, ctx: Any) -> Any:
        """The values on a context. MXNet calls this in the forward pass that determines the shape."""
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
            # MXNet has dropped the pending tuple. Restore it for a second try, with the contexts that `reset_ctx` set.
            self.forget()
            state.set_pending(self.param, self.choice.initializer, parameter.held_contexts(self.param), self)
            raise

    def for_parameter(self, param: Any) -> "PendingFill":
        """A copy for another parameter, which replaces this one and gets the same values."""
        other = copy.copy(self)
        other._param = weakref.ref(param)
        return other

    def forget(self) -> None:
        """Discard the drawn values, so that the next request draws again, for a shape that may differ."""
        self.array = self._source = None


def fill_all(fills: Sequence[PendingFill], progress: Optional[bool]) -> int:
    """Draw all values, then change all parameters. Return the size of the filled values in bytes, on all contexts."""
    known = [fill for fill in fills if is_known(fill.shape)]
    distributions = {fill: fill.distribution() for fill in known}
    # A distribution refills a fitting array in place. Other values may fail or belong on a device: they are copied in.
    refill = dict.fromkeys(fill for fill in known if state.can_refill(fill.param, fill.ctxs))
    in_place = dict.fromkeys(fill for fill in refill
                             if isinstance(distributions[fill], Distribution) and is_host(fill.ctxs[0]))  # fmt: skip
    fresh = [fill for fill in fills if fill not in refill]
    total = sum(fill.nbytes for fill in known)
    with state.interrupts_held() as released, ExitStack() as stack:
        stack.enter_context(mx.autograd.pause())  # while MXNet records, it refuses to write into a parameter
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
        except BaseException:  # from the progress bar, or from threads that do not start
            for _, job in jobs:
                job()
            raise
        finally:
            for fill in refill:
                state.after_refill(fill.param, fill.array)
            for fill in fresh:
                reset_updates(fill.param)
        # Threads have filled arrays in place on one context. The engine fills replicas and sparse gradients.
        wait_for([array for fill in fills for array in _arrays(fill)
                  if fill not in in_place or len(fill.ctxs) > 1 or array.stype != "default"])  # fmt: skip
    return total * (len(fills[0].ctxs) if fills else 0)


def _arrays(fill: PendingFill) -> List[Any]:
    return [*parameter.arrays_of(fill.param), *parameter.gradients_of(fill.param)]


def _clear_jobs(array: Any) -> List[Job]:
    return fill_jobs(Constant(0.0), b"", (), memory_view(array))
