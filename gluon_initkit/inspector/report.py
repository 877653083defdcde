"""What `inspect` returns, as data. (Its looks are another's work.)"""

from dataclasses import dataclass, field
from typing import Any, Tuple

from .records import BlockRecord, Finding, ParameterRecord, SharedValues

__all__ = ["Report"]


@dataclass(frozen=True)
class Report:
    """Records, blocks, sharing and findings."""

    records: Tuple[ParameterRecord, ...]
    blocks: Tuple[BlockRecord, ...]
    shared: Tuple[SharedValues, ...]
    findings: Tuple[Finding, ...]
    source: str
    live: Any = field(default=None, compare=False, repr=False)
