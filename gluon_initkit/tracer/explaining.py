"""`explain`: what is pending in a network and why, and what to write so that it is not.

Printed, it is the tutorial's section on avoiding deferred initialization, for the network at hand.
"""

from dataclasses import dataclass
from typing import Any, List, Optional, Tuple

from .._mxnet import holds_data
from ..display import Column, Shown, Table, as_html, as_rich, as_text, counted, shape_text
from .diagnosis import DEFERRED, message, pending, quotation
from .errors import DeferredInitError, Unresolved
from .resolution import resolve

__all__ = ["Explanation", "explain"]


@dataclass(frozen=True, repr=False)
class Explanation(Shown[Unresolved]):
    """What `explain` returns: one row for each parameter without values. ``str()`` is a table and what to write.

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
        if not self.rows:
            return "\n".join([self.summary, *(note for note in self.notes if note not in self.summary)])
        return "\n".join([as_text(self._table()), *self._written()])

    def __rich__(self) -> Any:
        from rich.console import Group
        from rich.text import Text

        return Group(as_rich(self._table()), *map(Text, self._written()))

    def _repr_html_(self) -> str:
        return as_html(self._table(Column("write", lambda row: row.fix)))

    def _written(self) -> List[str]:
        """Whole lines, to be pasted, which a table would wrap."""
        return ["", "To avoid it, write", *(f"  {fix}" for fix in self.fixes)] if self.fixes else []

    def _table(self, *more: Column) -> Table:
        notes = tuple(note for note in self.notes if note not in self.summary)
        return Table(self.summary, (*_COLUMNS, *more), self.rows, notes, _emphasis)


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
    rows = pending(found)
    if not rows and found.conflict is None and error is None:
        count = counted(len(found.described), "parameter holds", "parameters hold")
        summary = f"{'' if len(found.described) == 1 else 'all '}{count} values"
        if not found.described:
            summary = "the network has no parameters"
        empty = any(not holds_data(param) for each in found.unregistered for param in each.parameters)
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
