"""`plan`: what an initializer will do to each parameter, and what plain MXNet would do, before anything is done.

The decision itself is `dispatch`'s, the same that filling uses; here it is only written down, beside plain MXNet's.
"""

from dataclasses import dataclass
from typing import Any, Iterator, List, Optional, Sequence, Tuple

from .._mxnet import mx
from .._mxnet.parameter import is_constant
from ..display import Column, Table, TableReport, counted, counted_of, shape_text
from ..parameters import ParameterInfo, explain_no_match, find_row, list_parameters, show_selector
from .corrected import Corrected, corrected
from .dispatch import Choice, Uncovered, choose, idle_hooks, misspelt, overrides
from .errors import InitializationError
from .initializer import Initializer
from .rules import Rules
from .serialization import shown, written

__all__ = ["Plan", "PlanRow", "plan"]


@dataclass(frozen=True)
class PlanRow:
    """What one parameter will get.

    Attributes
    ----------
    path, aliases, name, role, shape, dtype, state
        As in `ParameterInfo`.
    initializer : str or None
        The initializer that wins; None where nothing covers the parameter.
    hook : str or None
        The method of it that fills the parameter, ``'_init_bias'``.
    why : str
        ``'layer'`` (it was told so), ``'rule 1'``, ``'hook'`` (the network-level initializer's), ``'layer default'``,
        ``'base'`` (the corrected base class), or ``'error'``.
    plain : str
        What plain MXNet would call for it.
    differs : bool
        Whether plain MXNet would fill it otherwise.
    error : str or None
        Why nothing covers it, and what to add.

    Examples
    --------
    >>> row = ik.plan(mx.gluon.nn.Dense(4), ik.Rules([("weight", 0.5), ("bias", 0.1)]))["bias"]
    >>> row.initializer, row.hook, row.why, row.plain, row.differs
    ('Constant(value=0.1)', '_init_weight', 'rule 2', 'Zero._init_weight', True)
    """

    path: str
    aliases: Tuple[str, ...]
    name: str
    role: str
    shape: Optional[Tuple[Optional[int], ...]]
    dtype: str
    state: str
    initializer: Optional[str]
    hook: Optional[str]
    why: str
    plain: str
    differs: bool
    error: Optional[str] = None


@dataclass(frozen=True, repr=False)
class Plan(TableReport[PlanRow]):
    """What `plan` returns: one row a parameter. ``str()`` is a table, Jupyter shows it as HTML.

    Attributes
    ----------
    rows : tuple of PlanRow
        In order of traversal. ``plan['features.0.bias']`` finds one, by path or alias.
    notes : tuple of str
        What to know before reading the rows.
    initializer : str
        The network-level initializer.
    idle_hooks : tuple of str
        A sentence for each hook of your own class that fills none of the parameters; printed below the table.

    Examples
    --------
    >>> plan = ik.plan(mx.gluon.nn.Dense(4), mx.init.One())
    >>> len(plan), plan["bias"].initializer, plan.errors
    (2, 'Zero()', ())
    """

    rows: Tuple[PlanRow, ...]
    notes: Tuple[str, ...]
    initializer: str
    idle_hooks: Tuple[str, ...] = ()

    def __getitem__(self, path: str) -> PlanRow:
        return find_row(self.rows, path)

    @property
    def errors(self) -> Tuple[PlanRow, ...]:
        """The rows of parameters that nothing covers."""
        return tuple(row for row in self.rows if row.error)

    def _table(self) -> Table:
        filled = Column("filled by", lambda row: row.error or named(f"{row.initializer}", self.initializer))
        below = tuple(("warning", text) for text in self.idle_hooks)
        return Table(f"Plan of {self.initializer}", (*_FIRST, filled, *_LAST), self.rows, self.notes, _emphasis, below)


def named(initializer: str, told: str) -> str:
    """An initializer as a table names it: without the arguments that its title has told.

    Examples
    --------
    >>> named("Normal(sigma=0.1)", "Normal(sigma=0.1)"), named("Normal(sigma=0.1)", "Normal(sigma=0.2)")
    ('Normal', 'Normal(sigma=0.1)')
    """
    return initializer.partition("(")[0] if initializer == told and not told.endswith("()") else initializer


def plan(net: Any, init: Any = "uniform") -> Plan:
    """Say what each parameter of a network will get, touching nothing.

    Parameters
    ----------
    net : Block
        The network, in any state.
    init : Initializer or str
        The network-level initializer: one of ours, or one of MXNet's, which is planned as ``corrected(init)``.

    Returns
    -------
    Plan

    Raises
    ------
    TypeError
        `net` is no Block, or `init` no initializer.

    Examples
    --------
    >>> net = mx.gluon.nn.Dense(2, in_units=3)
    >>> [(row.path, row.hook, row.why) for row in plan(net, mx.init.Xavier())]
    [('weight', '_init_weight', 'hook'), ('bias', '_init_weight', 'layer default')]
    """
    chosen = corrected(init)
    described = list_parameters(net)
    decisions = [_decision(chosen, *each) for each in described]
    rows = tuple(_row(chosen, param, info, decision) for (param, _, info), decision in zip(described, decisions))
    infos = [info for _, _, info in described]
    idle = _idle_hooks(chosen, decisions, infos)
    network = [(info, param.init or place.symbol_init, is_constant(param)) for param, place, info in described]
    return Plan(rows, tuple(_notes(chosen, rows, network)), shown(_inner(chosen)), tuple(idle))


def _decision(init: Initializer, param: Any, place: Any, info: ParameterInfo) -> Any:
    """Who fills the parameter, or the error that initializing would raise."""
    try:
        return choose(init, info, param.init or place.symbol_init, is_constant(param))
    except InitializationError as error:
        return error


def _row(init: Initializer, param: Any, info: ParameterInfo, found: Any) -> PlanRow:
    facts = {key: getattr(info, key) for key in ("aliases", "name", "role", "shape", "dtype", "state")}
    plain = _plain(init, param, info)
    common = {"path": info.label, "plain": _call(plain), **facts}
    if not isinstance(found, Choice):
        reason = f"{found.reason}; {found.mend}" if isinstance(found, Uncovered) else str(found)
        return PlanRow(initializer=None, hook=None, why="error", differs=True, error=reason, **common)
    differs = plain is None or _effect(found) != _effect(plain)
    return PlanRow(initializer=shown(found.initializer), hook=found.hook, why=found.why, differs=differs, **common)


def _plain(init: Initializer, param: Any, info: ParameterInfo) -> Optional[Choice]:
    """What plain MXNet calls: the weight hook of the parameter's own initializer, else of the network's.

    The network's own ``__call__``, where its class has one, goes before both, for every parameter.
    """
    network = init.default if isinstance(init, Rules) else _inner(init)  # plain MXNet knows no rules
    declared = network if param.init is None else param.init
    try:
        choice = Choice(mx.init.create(declared), "_init_weight", "plain")
    except (AssertionError, TypeError, ValueError):
        choice = None
    own_call = network is not None and overrides(network, "__call__")
    return Choice(network, "__call__", "plain", choice) if own_call else choice


def _inner(init: Initializer) -> Any:
    return init.initializer if isinstance(init, Corrected) else init


def _call(choice: Optional[Choice]) -> str:
    return "raises" if choice is None else f"{type(choice.initializer).__name__}.{choice.hook}"


_VALUES = {"_init_bias": 0.0, "_init_beta": 0.0, "_init_running_mean": 0.0, "_init_zero": 0.0}
_VALUES.update({"_init_gamma": 1.0, "_init_running_var": 1.0, "_init_one": 1.0})


def _effect(choice: Choice) -> Any:
    """What two choices are compared by: the constant they write, or whose method runs."""
    initializer, hook = choice.initializer, choice.hook
    if hook in _VALUES and not overrides(initializer, hook):
        return _VALUES[hook]
    if isinstance(initializer, (mx.init.Zero, mx.init.One)):
        return float(isinstance(initializer, mx.init.One))
    rest = _effect(choice.rest) if isinstance(choice.rest, Choice) else None
    return type(initializer), written(initializer), hook, rest


def _idle_hooks(init: Initializer, decisions: List[Any], infos: List[ParameterInfo]) -> Iterator[str]:
    for target, hook in idle_hooks(init._targets(), decisions):
        meant = misspelt(target, hook[len("_init_") :], infos)
        hint = f"; did you mean {meant}?" if meant else "."
        yield f"{type(target).__name__}.{hook} serves no parameter of the network{hint}"


def _notes(init: Initializer, rows: Tuple[PlanRow, ...], network: Sequence[tuple]) -> Iterator[str]:
    inner = _inner(init)
    if inner is not init and not overrides(inner, "__call__"):
        hooks = ("bias", "gamma", "beta", "running_mean", "running_var", "default")
        ignored = [f"_init_{role}" for role in hooks if overrides(inner, f"_init_{role}")]
        if ignored:
            name = type(inner).__name__
            yield (f"{name} defines {', '.join(ignored)}, which Gluon never calls: derive it from "
                   f"gluon_initkit.Initializer, or pass gluon_initkit.corrected(...).")  # fmt: skip
    errors = sum(1 for row in rows if row.error)
    if errors:
        yield f"{counted_of(errors, len(rows), 'parameter', 'is', 'are')} covered by nothing; initializing raises."
    if isinstance(init, Rules):
        for number, reason in init.idle(network).items():
            selector = init.rules[number - 1][0]
            hint = explain_no_match(selector, [info for info, _, _ in network])
            text = f"decides no parameter: {reason}." if reason else f"matches nothing{f': {hint}' if hint else '.'}"
            yield f"rule {number} ({show_selector(selector)}) {text}"
    done = sum(1 for row in rows if row.state != "uninitialized")
    if done:
        count = counted(done, "parameter is", "parameters are")
        yield f"{count} initialized already, or pending: only force_reinit=True changes that."


def _emphasis(row: PlanRow) -> str:
    return "error" if row.error else ("changed" if row.differs else "")


_FIRST = (
    Column("parameter", lambda row: (row.path, *(f"= {alias}" for alias in row.aliases)), path=True),
    Column("shape", lambda row: shape_text(row.shape)),
)
_LAST = (
    Column("hook", lambda row: row.hook or ""),
    Column("why", lambda row: row.why),
    Column("plain MXNet", lambda row: ("differs: " if row.differs else "") + row.plain),
)
