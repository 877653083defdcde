"""`initialize`: the kit's front door. Describe the network, decide for every parameter, check everything, draw, and
only then change. Which initializer fills a parameter is decided in `dispatch`; drawing and changing are in `fill`.
"""

from dataclasses import dataclass
import re
import time
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, Tuple, Union

from .._mxnet import backend, mx, parameter, tree
from .._mxnet.arrays import classic
from .._mxnet.preserve import draw_seed
from .._mxnet.state import emit
from .._mxnet.trainer import trainer_objection
from ..display import (
    Column,
    Table,
    TableReport,
    counted,
    counted_of,
    listed,
    path_column,
    printable,
    shape_column,
    warn,
)
from ..display.units import shape_text, size_text
from ..parameters import ParameterInfo, context_mismatch, did_you_mean_path, list_parameters, select_parameters
from ..shapes import is_known
from . import dispatch
from .dispatch import Choice, InitializationError, choose, declared_parameters
from .fill import PendingFill, fill_all
from .initializer import corrected, dump, initializer_text, serializable
from .plan import DEFAULT_INITIALIZER, ChoiceRow, short_text

Key = Union[None, Mapping[str, str], Callable[[str], str]]


@dataclass(frozen=True)
class InitRow(ChoiceRow):
    """What happened to one parameter: `PlanRow`'s facts, with the shape after initializing.

    `state` is ``'initialized'``, ``'deferred'`` (values come in the first forward pass) or ``'kept'`` (it was
    initialized, or pending, already). `key` is what the values are a function of; None while the shape is not known.
    """

    key: Optional[str]


@dataclass(frozen=True, repr=False)
class InitReport(TableReport[InitRow]):
    """What `initialize` returns: one row a parameter, in order of traversal; ``report[path]`` finds one.

    `seed`, given or drawn, makes the same values again. `bytes` counts the values that were filled, over all contexts.

    Examples
    --------
    >>> report = ik.initialize(mx.gluon.nn.Dense(4, in_units=2), mx.init.One(), seed=7)
    >>> report.seed, report.bytes, report.initializer, report["bias"].why
    (7, 48, 'One()', 'layer default')
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
        columns = (
            path_column(),
            shape_column(),
            Column("state", lambda row: "" if row.state == "initialized" else row.state),
            Column("initializer", lambda row: short_text(row.initializer or "", self.initializer), "filled by"),
            Column("hook", lambda row: row.hook, hoist=True),
        )
        return Table(f"{title}{size_text(self.bytes)} in {self.seconds:.3g} s", columns, self.rows, (),
                     lambda row: "dim" if row.state == "kept" else "", legend={"dim": "kept as it was"},
                     first_to_go=("hook",))  # fmt: skip


def initialize(
    net: Any,
    init: Any = DEFAULT_INITIALIZER,
    ctx: Any = None,
    seed: Optional[int] = None,
    force_reinit: bool = False,
    progress: Optional[bool] = None,
    *,
    select: Any = None,
    key: Key = None,
    device: Any = None,
    verbose: Any = None,
) -> InitReport:
    """Initialize a network: every hook called, every value a function of the seed and its parameter's path.

    ``value = f(seed, path, shape, dtype, initializer's configuration)``: the same bits whether a layer is deferred or
    not, in whatever order layers were made, hybridized or not, on any number of contexts, threads, processes and
    machines. A parameter whose shape is not known yet stays deferred and gets its values in the first forward pass.

    Parameters
    ----------
    net : Block
    init : Initializer or str
        One of ours, one of MXNet's (which serves as ``corrected(init)``), `Rules`, or a registered name.
    ctx : Context or list of Context, optional
        Where the parameters live; the current context by default. Several get the same values.
    seed : int, optional
        Drawn from MXNet's generator by default, so ``mx.random.seed(7)`` alone makes a script repeatable.
    force_reinit : bool
        Whether to initialize again what is initialized or pending; otherwise it is left alone, with a warning. Arrays
        that fit are refilled in place, so whoever holds them sees the new values; gradients become 0, and a Trainer
        goes on from the new values without momentum.
    progress : bool, optional
        Whether to show a progress bar; by default where it takes longer than a second, on a terminal or in Jupyter.
    select : selector, optional
        Which parameters, as for `freeze`; all by default. They get the bits that initializing the whole network with
        this seed gives them; ``initialize(net[1], init, seed=7)`` gives others, since its paths begin elsewhere. The
        other parameters are neither changed nor checked, and have no row in the report.
    key : dict or callable, optional
        Another name for a path in the function above, so that renamed parameters keep their values:
        ``{'encoder.0.weight': 'body.0.weight'}``, or a callable that gets the path.
    device : Device or list of Device, optional
        What MXNet 2 calls `ctx`.
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
    A hook finds its random numbers in ``desc.rng``. One that calls ``mx.nd.random``, ``np.random`` or ``random`` is
    keyed too: those generators are seeded before it runs; afterwards NumPy's and Python's are as they were, and MXNet's
    goes on from a value that was drawn from it before. Ctrl-C leaves all of the network changed, or nothing.

    Examples
    --------
    >>> net = mx.gluon.nn.HybridSequential()
    >>> net.add(mx.gluon.nn.Dense(4), mx.gluon.nn.Dense(2, in_units=4))
    >>> report = initialize(net, mx.init.Xavier(), seed=7)
    >>> [(row.path, row.state) for row in report]
    [('0.weight', 'deferred'), ('0.bias', 'initialized'), ('1.weight', 'initialized'), ('1.bias', 'initialized')]
    >>> report = initialize(net, mx.init.Xavier(), seed=8, select="1.*", force_reinit=True)  # draws the head anew
    >>> [(row.path, row.state) for row in report]
    [('1.weight', 'initialized'), ('1.bias', 'initialized')]
    """
    start = time.perf_counter()
    init, ctxs, network = corrected(init), _contexts(parameter.context_argument(ctx, device)), list_parameters(net)
    parameters = network if select is None else select_parameters(network, select)
    paths = {path for _, _, info in parameters for path in info.paths}
    tree.refuse_path_clashes([path for path in tree.path_clashes(net) if path in paths])
    names = _key_names(key, [info.label for _, _, info in parameters], [info for _, _, info in network])
    if seed is not None and (isinstance(seed, bool) or not hasattr(seed, "__index__")):
        order = "; in MXNet's order of arguments this is verbose, and force_reinit comes next: write force_reinit=True"
        raise TypeError(f"seed is {seed!r}: expected an integer or None{order if isinstance(seed, bool) else ''}")
    if force_reinit not in (True, False):
        raise TypeError(f"force_reinit is {force_reinit!r}: expected True or False")
    if verbose is not None:
        raise TypeError("verbose= is of MXNet's initialize; this one returns a report: print(ik.initialize(net, ...))")
    # What is pending counts as initialized, so that it does not matter whether a layer is deferred.
    to_fill = [entry for entry in parameters if force_reinit or entry[2].state == "uninitialized"]
    choices = _choices(init, network, parameters, to_fill)
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
        emit(param, "initialize", initializer=choice.initializer, hook=choice.hook, force_reinit=force_reinit)
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
    rows = tuple(_row(info, fills.get(id(param)), texts) for param, _, info in parameters)
    return InitReport(rows, seed, time.perf_counter() - start, filled_bytes, initializer_text(dispatch.target_of(init)))


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
    if isinstance(key, Mapping):
        known = {info.label for info in network}
        for path in key:
            if path not in known:
                hint = did_you_mean_path(path, network)
                raise ValueError(printable(f"key= names {path!r}, which is no parameter's canonical path; {hint}"))
        names = {path: key.get(path, path) for path in paths}
    elif key is None or callable(key):
        names = {path: path if key is None else key(path) for path in paths}
    else:
        raise TypeError(f"key is {key!r}: expected a dict of paths, or a callable that gets a path")
    owner: Dict[str, str] = {}
    for path, name in names.items():
        if not isinstance(name, str):
            raise TypeError(f"key= gives {name!r} for {path!r}: expected a str")
        if name in owner:
            raise ValueError(f"key= gives {name!r} for both {owner[name]!r} and {path!r}, which would be drawn alike")
        owner[name] = path
    return names


def _choices(
    init: Any, network: Sequence[tuple], parameters: Sequence[tuple], to_fill: Sequence[tuple]
) -> List[Choice]:
    """Which initializer fills each parameter; one error lists those that none fills."""
    assignments = [choose(init, *declared) for declared in declared_parameters(to_fill)]
    dispatch.refuse_unassigned([info for _, _, info in to_fill], assignments)
    # A rule or a hook that serves another part of the network than what is selected is none to warn of.
    init._review(declared_parameters(network))
    own = [param.init for param, _, _ in parameters if isinstance(param.init, mx.init.Initializer)]
    reviewed = set(map(type, dispatch.targets(init)))
    dispatch.warn_of_misspelt([each for each in own if type(each) not in reviewed], [info for _, _, info in network])
    return [choice for choice in assignments if isinstance(choice, Choice)]


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


def _row(info: ParameterInfo, fill: Optional[PendingFill], texts: Dict[int, str]) -> InitRow:
    names = (info.label, info.aliases, info.name, info.role)
    if fill is None:
        return InitRow(*names, info.shape, info.dtype, "kept", None, None, "", None)
    state, key = ("initialized", fill.key.hex()) if is_known(fill.shape) else ("deferred", None)
    choice = fill.choice
    return InitRow(*names, fill.shape, info.dtype, state, texts[id(choice.initializer)], choice.hook,
                   choice.why, key)  # fmt: skip
