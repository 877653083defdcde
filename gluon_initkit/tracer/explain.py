"""`explain`: what is pending in a network and why, and what to write so that it is not.

Printed, it is the tutorial's section on avoiding deferred initialization, for the network at hand.
"""

from dataclasses import dataclass, replace
from operator import attrgetter
from typing import Any, Dict, Optional, Sequence, Tuple

from .._mxnet.parameter import arrays_of
from ..display import (
    Column,
    Table,
    TableReport,
    as_tree,
    braced_paths,
    counted,
    listed,
    path_column,
    shape_column,
    tree_table,
)
from .diagnosis import DEFERRED, INPUTS, DeferredInitError, Unresolved, message, quotation, unresolved
from .resolve import resolve

_MOST_FIXES = 10  # of a text
_COLUMNS = (path_column(), shape_column(), Column("block", attrgetter("block"), of_block=True), INPUTS)


@dataclass(frozen=True, repr=False)
class Explanation(TableReport[Unresolved]):
    """What `explain` returns: one row for each parameter without values. ``str()`` is a table and what to write.

    The text shows ten fixes at most, and how many more there are; `fixes` has all.

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

    def _table(self) -> Table:
        # The message's second line, where that says what to write: where `initialize` was forgotten.
        mend = [line for line in self.message.splitlines()[1:2] if self.rows and not line.startswith("  ")]
        notes = tuple(note for note in self.notes if note not in self.summary)
        places: Dict[str, Dict[str, None]] = {}  # what to write the same is one line
        for row in self.rows:
            place = row.block_path if row.fix.startswith(f"{row.block_path}: ") else ""
            places.setdefault(row.fix[len(place) + 2 :] if place else row.fix, {})[place] = None
        fixes = [": ".join(filter(None, (listed(braced_paths(list(where)), 4), code)))
                 for code, where in places.items()]  # fmt: skip
        below = ["To avoid it, write", *(f"  {fix}" for fix in fixes[:_MOST_FIXES])] if fixes else []
        below += [f"  and {len(fixes) - _MOST_FIXES:,} more, which `fixes` has"] if len(fixes) > _MOST_FIXES else []
        reason = Column("reason", lambda row: None if row.reason == DEFERRED else row.reason, "why",
                        hoist="" if mend else False)  # fmt: skip
        return Table("\n".join([self.summary.rstrip(":"), *mend]), (*_COLUMNS, reason), self.rows,
                     notes if self.rows else (), lambda row: "" if row.reason == DEFERRED else "error",
                     tuple(("", line) for line in (below if self.rows else notes)))  # fmt: skip

    def _html(self, columns: Optional[Sequence[Any]] = None, limit: Optional[int] = None) -> str:
        table = self._chosen(columns)
        fixes = Column("fix", attrgetter("fix"), "write", of_block=True)
        columns = table.columns if columns else (*table.columns, fixes)
        footnotes = table.footnotes if not self.rows else ()
        return as_tree(tree_table(replace(table, columns=columns, footnotes=footnotes), limit))


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
