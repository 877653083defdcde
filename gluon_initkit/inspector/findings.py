"""Findings (placeholder): NaN alone."""

from typing import Sequence, Tuple

from .records import Finding, ParameterRecord, SharedValues

__all__ = ["findings_of"]


def findings_of(records: Sequence[ParameterRecord], shared: Sequence[SharedValues] = ()) -> Tuple[Finding, ...]:
    """What deserves a look."""
    return tuple(
        Finding("nan", "error", (record.path,), f"{record.stats.nan} of {record.stats.count} values are NaN", "")
        for record in records
        if record.stats is not None and record.stats.nan
    )
