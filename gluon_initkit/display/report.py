"""`TableReport`: the base class of reports that are a sequence of rows, and show them as a table."""

import dataclasses
from typing import Any, Dict, Generic, Iterator, List, Tuple, TypeVar

from .html import as_html
from .table import Table
from .text import as_rich, as_text
from .units import counted, printable

__all__ = ["TableReport"]

Row = TypeVar("Row")


class TableReport(Generic[Row]):
    """What a frozen dataclass of `rows`, themselves dataclasses, inherits; it says by `_table` which table it is.

    It is declared with ``repr=False``: a repr is one line.
    """

    rows: Tuple[Row, ...]

    def _table(self) -> Table:
        raise NotImplementedError

    def __iter__(self) -> Iterator[Row]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def to_records(self) -> List[Dict[str, Any]]:
        """The rows as dictionaries of plain Python values, keyed by the attributes of a row's class."""
        return [dataclasses.asdict(row) for row in self.rows]  # type: ignore[call-overload]

    def __repr__(self) -> str:
        return printable(f"<{type(self).__name__}: {self._table().title.rstrip(':')}; {counted(len(self), 'row')}>")

    def __str__(self) -> str:
        return as_text(self._table())

    def __rich__(self) -> Any:
        return as_rich(self._table())

    def _repr_html_(self) -> str:
        return as_html(self._table())
