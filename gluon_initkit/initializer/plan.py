"""`plan` shows what an initializer will do to each parameter, and what plain MXNet would do, without changing anything.

`dispatch` makes the decisions, for `plan` as for `initialize`. This module only records them.
"""

from collections import Counter
from dataclasses import dataclass
from typing import Any, Iterator, List, Optional, Sequence, Tuple

from .._mxnet import mx
from ..display import Column, Table, TableReport, counted, counted_of, path_column, shape_column
from ..parameters import ROLES, ParameterInfo, explain_no_match, list_parameters, select_parameters
from .dispatch import Choice, decide, idle_hooks, overrides, target_of, targets
from .distributions import Constant, hook_distribution
from .initializer import corrected, dump, initializer_text
from .rules import Rules


@dataclass(frozen=True)
class ChoiceRow:
    """A parameter and the initializer that was chosen for it."""

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


@dataclass(frozen=True)
class PlanRow(ChoiceRow):
    """The plan for one parameter; the first seven fields are those of `ParameterInfo`.

    Attributes
    ----------
    initializer, hook : str or None
        The chosen initializer, and its method that fills the parameter; None if no initializer serves the parameter.
    why : str
        ``'layer'`` (the layer has its own), ``'rule 1'``, ``'hook'`` (the network-level initializer's),
        ``'layer default'``, ``'base'`` (the corrected base class), or ``'error'``.
    plain, differs : str, bool
        The method that plain MXNet would call, and whether it fills the parameter differently.
    error : str or None
        Why no initializer serves the parameter, and what to add.
    """

    plain: str
    differs: bool
    error: Optional[str] = None


@dataclass(frozen=True, repr=False)
class Plan(TableReport[PlanRow]):
    """The result of `plan`: one row per parameter, in order of traversal; ``plan[path]`` finds one.

    `notes` are remarks on all rows; `idle_hooks` name each hook of a user's class that fills no parameter.
    """

    rows: Tuple[PlanRow, ...]
    notes: Tuple[str, ...]
    initializer: str
    idle_hooks: Tuple[str, ...] = ()

    @property
    def errors(self) -> Tuple[PlanRow, ...]:
        """The rows of parameters that no initializer serves."""
        return tuple(row for row in self.rows if row.error)

    def _table(self) -> Table:
        columns = (path_column(), shape_column(),
                   Column("initializer", lambda row: row.error or self._filled_by(row), "filled by"),
                   Column("hook", lambda row: row.hook, hoist=""), Column("why", lambda row: row.why),
                   Column("plain", lambda row: row.plain.replace("._init_weight", ""), "plain MXNet"))  # fmt: skip
        differ = sum(row.differs for row in self.rows)
        title = f"Plan of {self.initializer}: {differ or 'nothing'} of {counted(len(self.rows), 'parameter')} "
        return Table(f"{title}{'differs' if differ < 2 else 'differ'} from plain MXNet", columns, self.rows, self.notes,
                     lambda row: "error" if row.error else "changed" if row.differs else "",
                     tuple(("warning", text) for text in self.idle_hooks), shown=lambda row: row.differs,
                     legend={"changed": "differs from plain MXNet"},
                     first_to_go=("hook",), rest=self._unchanged_text)  # fmt: skip

    def _filled_by(self, row: PlanRow) -> str:
        return short_text(str(row.initializer), self.initializer)

    def _unchanged_text(self, rows: Sequence[PlanRow]) -> str:
        counts = Counter(map(self._filled_by, rows))
        text = ", ".join(f"{count:,} by {initializer}" for initializer, count in counts.most_common())
        return f"{counted(len(rows), 'parameter is', 'parameters are')} filled as by plain MXNet: {text}."


def short_text(initializer: str, in_title: str) -> str:
    """The text of an initializer in a table, without the arguments that the table's title already shows."""
    return initializer.partition("(")[0] if initializer == in_title and not in_title.endswith("()") else initializer


class _Default(str):
    def __repr__(self) -> str:  # shown by `help`
        return "Uniform(0.07)"


DEFAULT_INITIALIZER = _Default("uniform")  # the registered name of MXNet's default initializer


def plan(net: Any, init: Any = DEFAULT_INITIALIZER, *, select: Any = None) -> Plan:
    """Show which initializer each parameter of a network will get, without changing anything.

    Parameters
    ----------
    net, init, select : Block, Initializer or str, selector
        A network in any state; the others as for `initialize`. A selector that selects nothing raises a ValueError.

    Notes
    -----
    The first of these that applies fills a parameter:

    1. the layer's own initializer (``weight_initializer=``, ``Parameter.init``), or a `Constant`'s value. MXNet treats
       ``bias_initializer='zeros'`` as the layer's default: pass ``mx.init.Zero()`` to force zeros;
    2. the matching rule of `Rules`;
    3. the network-level initializer's hook for the role, if its class defines it. A class that overrides ``__call__``
       serves all roles with it, and its ``super().__call__`` continues with the next steps of this list;
    4. the layer's own default;
    5. the base class: bias 0, gamma 1, beta 0, running mean 0, running variance 1. A weight needs a hook of its own. A
       parameter without a conventional role goes to the weight hook.

    Examples
    --------
    >>> net = mx.gluon.nn.Dense(2, in_units=3)
    >>> [(row.path, row.initializer, row.why) for row in plan(net, mx.init.One())]
    [('weight', 'One()', 'hook'), ('bias', 'Zero()', 'layer default')]
    >>> row = plan(net, ik.Rules([("weight", 0.5), ("bias", 0.1)]))["bias"]
    >>> row.initializer, row.hook, row.why, row.plain, row.differs
    ('Constant(value=0.1)', '_init_weight', 'rule 2', 'Zero._init_weight', True)
    """
    init = corrected(init)
    network = list_parameters(net)
    decisions = [decide(init, entry) for entry in network]
    selected = {id(param) for param, _, _ in (network if select is None else select_parameters(network, select))}
    rows = tuple(_row(info, decision, _plain_choice(init, param))
                 for (param, _, info), decision in zip(network, decisions) if id(param) in selected)  # fmt: skip
    idle = tuple(text for text, _ in idle_hooks(targets(init), decisions, [info for _, _, info in network]))
    return Plan(rows, tuple(_notes(init, network, decisions, rows)), initializer_text(target_of(init)), idle)


def _row(info: ParameterInfo, decision: Any, plain: Optional[Choice]) -> PlanRow:
    fields = (info.label, info.aliases, info.name, info.role, info.shape, info.dtype, info.state)
    plain_text = "raises" if plain is None else f"{type(plain.initializer).__name__}.{plain.hook}"
    if not isinstance(decision, Choice):
        error = str(decision) if isinstance(decision, Exception) else f"{decision.reason}; {decision.fix}"
        return PlanRow(*fields, None, None, "error", plain_text, True, error)
    differs = plain is None or _effect(decision) != _effect(plain)
    return PlanRow(*fields, initializer_text(decision.initializer), decision.hook, decision.why, plain_text, differs)


def _plain_choice(init: Any, param: Any) -> Optional[Choice]:
    # A network-level class's own `__call__`, else the weight hook of the parameter's or the network-level initializer.
    network = init.default if isinstance(init, Rules) else target_of(init)  # plain MXNet knows no rules
    try:
        choice = Choice(mx.init.create(network if param.init is None else param.init), "_init_weight", "plain")
    except (AssertionError, TypeError, ValueError):
        choice = None
    own_call = network is not None and overrides(network, "__call__")
    return Choice(network, "__call__", "plain", choice) if own_call else choice


def _effect(choice: Choice) -> Any:
    """A value that is equal for choices with equal effects: the constant that they write, or the method that runs."""
    initializer, hook = choice.initializer, choice.hook
    constant = hook_distribution(initializer, hook)
    if isinstance(constant, Constant):
        return constant
    super_call = _effect(choice.super_call) if isinstance(choice.super_call, Choice) else None
    return type(initializer), dump(initializer), hook, super_call


def _notes(init: Any, network: List[tuple], decisions: List[Any], rows: Tuple[PlanRow, ...]) -> Iterator[str]:
    target = target_of(init)
    if target is not init and not overrides(target, "__call__"):
        ignored = [f"_init_{role}" for role in ROLES[1:] if overrides(target, f"_init_{role}")]  # all but weight
        if ignored:
            yield (f"{type(target).__name__} defines {', '.join(ignored)}, which Gluon never calls: derive it from "
                   f"gluon_initkit.Initializer, or pass gluon_initkit.corrected(...).")  # fmt: skip
    errors = sum(row.error is not None for row in rows)
    if errors:
        yield f"{counted_of(errors, len(rows), 'parameter', 'is', 'are')} covered by nothing; initializing raises."
    initialized = sum(row.state != "uninitialized" for row in rows)
    if initialized:
        count = counted(initialized, "parameter is", "parameters are")
        yield f"{count} initialized already, or pending: only force_reinit=True changes that."
    for rule, reason in init._idle_rules(network, decisions) if isinstance(init, Rules) else ():
        hint = explain_no_match(rule.selector, [info for _, _, info in network])
        text = f"decides no parameter: {reason}." if reason else f"matches nothing{f': {hint}' if hint else '.'}"
        yield f"{rule} {text}"
