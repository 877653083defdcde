"""`InitReport`: what `initialize` did, one row a parameter, rendered like the plan."""

from dataclasses import dataclass
from typing import Optional, Tuple

from ..display import Column, Table, TableReport, shape_text, size_text
from ..parameters import find_row
from .plan import named

__all__ = ["InitReport", "InitRow"]


@dataclass(frozen=True)
class InitRow:
    """What happened to one parameter.

    Attributes
    ----------
    path, aliases, name, role, shape, dtype
        As in `ParameterInfo`; the shape is the one after initializing.
    state : str
        ``'initialized'``, ``'deferred'`` (its values come in the first forward pass), or ``'kept'`` (it was
        initialized, or pending, already).
    initializer, hook, why : str or None
        As in `PlanRow`.
    key : str or None
        The hexadecimal key of which its values are a function; None where the shape, a part of it, is not known yet.

    Examples
    --------
    >>> row = ik.initialize(mx.gluon.nn.Dense(4), mx.init.One())["weight"]
    >>> row.shape, row.state, row.hook, row.key
    ((4, None), 'deferred', '_init_weight', None)
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
    key: Optional[str]


@dataclass(frozen=True, repr=False)
class InitReport(TableReport[InitRow]):
    """What `initialize` returns: one row a parameter. ``str()`` is a table, Jupyter shows it as HTML.

    Attributes
    ----------
    rows : tuple of InitRow
        In order of traversal. ``report['features.0.bias']`` finds one, by path or alias.
    seed : int
        The seed, given or drawn: ``initialize(net, init, seed=report.seed)`` makes the same values again.
    seconds : float
        How long it took.
    bytes : int
        How many bytes of parameters were filled, over all contexts; without gradients and deferred parameters.
    initializer : str
        The network-level initializer.

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

    def __getitem__(self, path: str) -> InitRow:
        return find_row(self.rows, path)

    def _table(self) -> Table:
        states = [row.state for row in self.rows]
        words = {"kept": "kept (not of this seed)"}
        counts = ", ".join(f"{states.count(state)} {words.get(state, state)}" for state in dict.fromkeys(states))
        counts = counts or "no parameters"
        title = f"{self.initializer}, seed {self.seed}: {counts}; {size_text(self.bytes)} in {self.seconds:.3g} s"
        filled = Column("filled by", lambda row: named(row.initializer or "", self.initializer))
        columns = (*_FIRST, filled, *_LAST)
        return Table(title, columns, self.rows, (), lambda row: "changed" if row.state == "initialized" else "")


_FIRST = (
    Column("parameter", lambda row: (row.path, *(f"= {alias}" for alias in row.aliases)), path=True),
    Column("shape", lambda row: shape_text(row.shape)),
    Column("state", lambda row: row.state),
)
_LAST = (
    Column("hook", lambda row: row.hook or ""),
    Column("key", lambda row: (row.key or "")[:12]),
)
