"""Findings (placeholder): raising them."""

from typing import Sequence

from .records import Finding

__all__ = ["FindingsError", "raise_for"]


class FindingsError(ValueError):
    """Raised by `Report.check`, with all findings."""


def raise_for(findings: Sequence[Finding], strict: bool = False) -> None:
    """Raise if there are errors, or warnings with `strict`."""
    bad = [finding for finding in findings if finding.severity == "error" or (strict and finding.severity == "warning")]
    if bad:
        raise FindingsError("\n".join(f"{each.code}: {', '.join(each.paths)}: {each.evidence}" for each in bad))
