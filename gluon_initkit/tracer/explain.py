"""`explain`: what is pending in a network and why, and what to write so that it is not.

Printed, it is the tutorial's section on avoiding deferred initialization, for the network at hand.
"""

from dataclasses import dataclass
from typing import Any, List, Optional, Tuple

from .._mxnet.parameter import arrays_of
from ..display import Column, Table, TableReport, as_html, as_rich, as_text, counted, printable, rich_text, shape_text
from .diagnosis import MOST, message, quotation
from .errors import DeferredInitError, Unresolved
from .reasons import DEFERRED, unresolved
from .resolve import resolve

__all__ = ["Explanation", "explain"]


@dataclass(frozen=True, repr=False)
class Explanation(TableReport[Unresolved]):
    """What `explain` returns: one row for each parameter without values. ``str()`` is a table and what to write.

    The text shows ten parameters at most, and how many more there are; `rows`, `fixes` and the HTML have all.

    Attributes
    ----------
    rows : tuple of Unresolved
        In order of traversal.
    summary : str
        What is the matter, in a sentence.
    message : str
        The whole message of `error`.
    notes : tuple of str
        What the network holds in a list or another container, so that it is no part of it, and how to register it;
        parameters on different contexts; and what MXNet said.

    Examples
    --------
    >>> net = mx.gluon.nn.Dense(4)
    >>> net.initialize()
    >>> explanation = ik.explain(net)
    >>> [row.path for row in explanation], explanation.fixes
    (['weight'], ('nn.Dense(4, in_units=?)',))
    """

    rows: Tuple[Unresolved, ...]
    summary: str
    message: str
    notes: Tuple[str, ...] = ()

    @property
    def fixes(self) -> Tuple[str, ...]:
        """What to write, once a block: ``'features.0: nn.Dense(4, in_units=5)'``."""
        return tuple(dict.fromkeys(row.fix for row in self.rows))

    @property
    def error(self) -> Optional[DeferredInitError]:
        """The same as an error to raise; None where nothing is the matter."""
        return DeferredInitError(self.message, self.rows) if self.message else None

    def __str__(self) -> str:
        head, table, tail = self._parts()
        return "\n".join([*head, as_text(table), *tail] if self.rows else [self.summary, *table.notes])

    def __rich__(self) -> Any:
        from rich.console import Group

        head, table, tail = self._parts()
        return Group(*map(rich_text, head), as_rich(table), *map(rich_text, tail))

    def _repr_html_(self) -> str:
        mend = self._mend()
        title = " ".join([f"{self.summary}.", *mend]) if mend else self.summary
        return as_html(Table(title, (*_COLUMNS, _FIX), self.rows, self._table().notes, _emphasis))

    def _mend(self) -> List[str]:
        """The message's second line, where that says what to write: where `initialize` was forgotten."""
        return [line for line in self.message.splitlines()[1:2] if self.rows and not line.startswith("  ")]

    def _parts(self) -> Tuple[List[str], Table, List[str]]:
        """The text: lines, a table, and lines to be pasted, which a table would wrap."""
        mend, more = self._mend(), len(self.rows) - MOST
        tail = [f"and {more} more, which `rows` has"] if more > 0 else []
        fixes = dict.fromkeys(row.fix for row in self.rows[:MOST])
        tail += ["", "To avoid it, write", *(f"  {printable(fix)}" for fix in fixes)] if fixes else []
        table = Table("" if mend else self.summary, _COLUMNS, self.rows[:MOST], self._table().notes, _emphasis)
        return [self.summary, *mend] if mend else [], table, tail

    def _table(self) -> Table:
        notes = tuple(note for note in self.notes if note not in self.summary)
        return Table(self.summary, _COLUMNS, self.rows, notes, _emphasis)


def explain(net: Any, *inputs: Any, error: Optional[BaseException] = None) -> Explanation:
    """Say of every parameter without values what is not known of it, why, and which argument would have told.

    Parameters
    ----------
    net : Block
        In any state; it is left as it is.
    *inputs
        The network's arguments as in `resolve_shapes`. With them the arguments get their values, and blocks that no
        forward pass reaches, code that needs numbers and shapes that contradict each other are found.
    error : Exception, optional
        What MXNet raised: the summary then says what was called too early.

    Returns
    -------
    Explanation
        ``raise explanation.error`` makes one `DeferredInitError` of it.

    Raises
    ------
    TypeError
        `net` is no Block, or `error` no exception.

    Examples
    --------
    >>> net = mx.gluon.nn.HybridSequential()
    >>> net.add(mx.gluon.nn.Dense(8), mx.gluon.nn.BatchNorm(), mx.gluon.nn.Dense(2))
    >>> net.initialize()
    >>> explain(net).fixes
    ('0: nn.Dense(8, in_units=?)', '1: nn.BatchNorm(in_channels=?)', '2: nn.Dense(2, in_units=?)')
    >>> explain(net, (1, 3, 8, 8)).fixes
    ('0: nn.Dense(8, in_units=192)', '1: nn.BatchNorm(in_channels=8)', '2: nn.Dense(2, in_units=8)')
    """
    if not isinstance(error, (BaseException, type(None))):
        raise TypeError(f"error is {error!r:.80}: expected the exception that was caught, `except Exception as error`")
    if isinstance(error, DeferredInitError):
        text = str(error)
        said = tuple(line for line in text.splitlines()[1:] if line.startswith("MXNet said: "))
        return Explanation(error.unresolved, text.splitlines()[0], text, said)
    found = resolve(net, inputs)
    rows = unresolved(found)
    if not rows and found.conflict is None and error is None:
        count = counted(len(found.parameters), "parameter holds", "parameters hold")
        summary = f"{'' if len(found.parameters) == 1 else 'all '}{count} values"
        if not found.parameters:
            summary = "the network has no parameters"
        empty = any(not arrays_of(param) for each in found.unregistered for param in each.parameters)
        return Explanation((), summary, "\n".join([summary, *found.notes]) if empty else "", found.notes)
    text = message(found, rows, inputs, error)
    summary = text.splitlines()[0]
    return Explanation(rows, summary, text, (*found.notes, *quotation(error, summary)))


def _emphasis(row: Unresolved) -> str:
    return "" if row.reason == DEFERRED else "error"


_COLUMNS = (
    Column("parameter", lambda row: row.path, path=True),
    Column("shape", lambda row: shape_text(row.shape)),
    Column("block", lambda row: row.block),
    Column("given", lambda row: ", ".join(map(shape_text, row.inputs or ()))),
    Column("why", lambda row: row.reason),
)
_FIX = Column("write", lambda row: row.fix)
