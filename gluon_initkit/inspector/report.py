"""`Report`: what `inspect` answers, as text, HTML and JSON (placeholder)."""

import dataclasses
from dataclasses import dataclass
import json
from typing import Any, Iterator, Optional, Tuple

from ..display import Column, Table, as_html, as_text, shape_text
from .records import BlockRecord, Finding, ParameterRecord, SharedValues

__all__ = ["Report"]


@dataclass(frozen=True)
class Report:
    """What is known of a network or a file: one record a parameter.

    Attributes
    ----------
    records : tuple of ParameterRecord
    """

    records: Tuple[ParameterRecord, ...]
    blocks: Tuple[BlockRecord, ...] = ()
    shared: Tuple[SharedValues, ...] = ()
    findings: Tuple[Finding, ...] = ()
    source: str = ""
    live: Any = dataclasses.field(default=None, compare=False, repr=False)

    def __iter__(self) -> Iterator[ParameterRecord]:
        return iter(self.records)

    def __len__(self) -> int:
        return len(self.records)

    def to_text(self, depth: Optional[int] = None) -> str:
        """The table as text."""
        return as_text(self._table())

    __str__ = to_text

    def to_html(self) -> str:
        """The table as HTML."""
        return as_html(self._table())

    def to_json(self) -> str:
        """The records as JSON."""
        return json.dumps(
            {
                "records": [dataclasses.asdict(record) for record in self.records],
                "findings": [dataclasses.asdict(finding) for finding in self.findings],
            }
        )

    def _table(self) -> Table:
        columns = (
            Column("parameter", lambda row: row.path, path=True),
            Column("shape", lambda row: shape_text(row.shape)),
            Column("dtype", lambda row: row.dtype),
            Column("size", lambda row: str(row.size), "right"),
        )
        return Table(self.source, columns, self.records)
