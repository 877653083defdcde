"""Findings (placeholder): raising them."""

from typing import Sequence

from .records import Finding

__all__ = ["FindingsError", "raise_for"]


class FindingsError(ValueError):
    """Raised by `Report.check`, with all findings."""


def raise_for(findings: Sequence[Finding], strict: bool = False) -> None:
    """Raise if there are errors or warnings; with `strict`, if there is any finding."""
    bad = findings if any(strict or finding.severity != "info" for finding in findings) else ()
    if bad:
        raise FindingsError("\n".join(f"{each.code}: {', '.join(each.paths)}: {each.evidence}" for each in bad))
