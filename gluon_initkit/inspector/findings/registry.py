"""Findings: what in a network or a file deserves a look, by stable codes. They read records alone: files have them too.

The checks are in `values`, `state` and `structure`. Where statistics, gradients or a Trainer were not asked
for, those that need them are silent. Adding one is adding a row to a table there; its tests have to show a network that
it finds, and one close to it that it leaves alone.
"""

import difflib
from typing import Any, Callable, Dict, Iterable, List, Sequence, Tuple, Union

from ...display import KitError, counted, printable
from ..records import Finding, ParameterRecord, SharedValues
from .state import CHECKS as OF_STANDING
from .structure import CHECKS as OF_STRUCTURE
from .structure import NOTHING, Structure
from .values import CHECKS as OF_VALUES

__all__ = ["CODES", "FindingsError", "Ignored", "findings_of", "kept", "raise_for"]

_CHECKS = (*OF_VALUES, *OF_STANDING)

CODES: Dict[str, str] = {check.code: check.meaning for check in (*_CHECKS, *OF_STRUCTURE)}
"""Every code and what it means."""

Ignored = Sequence[Union[str, Tuple[str, Any]]]
"""Codes, or pairs of a code and a selector: ``['zero-gradient', ('broken-tie', 'teacher.*')]``."""

_NEEDED = tuple(dict.fromkeys(check.needs for check in _CHECKS))
_SEVERITIES = ("error", "warning", "info")


class FindingsError(KitError, ValueError):
    """A report has findings; the message lists all of them.

    Attributes
    ----------
    findings : tuple of Finding

    Examples
    --------
    >>> try:
    ...     raise_for([Finding("nan", "error", ("0.weight",), "2 of 6 values are NaN", "lower the learning rate")])
    ... except FindingsError as error:
    ...     print(error)
    1 finding:
      error nan: 0.weight: 2 of 6 values are NaN; lower the learning rate
    """

    def __init__(self, findings: Sequence[Finding]) -> None:
        self.findings = tuple(findings)
        count = len(self.findings)
        listed = "".join(f"\n  {_line(each)}" for each in self.findings)
        super().__init__(f"{counted(count, 'finding')}:{listed}")

    def __reduce__(self) -> Any:
        return FindingsError, (self.findings,)


def findings_of(
    records: Sequence[ParameterRecord], shared: Sequence[SharedValues] = (), structure: Structure = NOTHING
) -> Tuple[Finding, ...]:
    """All findings about these records, the gravest first, then in order of traversal."""
    there = {name: any(getattr(record, name) is not None for record in records) for name in _NEEDED}
    found = [
        Finding(check.code, severity, paths, evidence, hint)
        for check in _CHECKS
        if there[check.needs]
        for severity, paths, evidence, hint in check.find(records, shared)
    ]
    found += [Finding(check.code, *each) for check in OF_STRUCTURE for each in check.find(structure)]
    if found:
        order = {path: number for number, record in enumerate(records) for path in record.paths}
        found.sort(key=lambda each: (_SEVERITIES.index(each.severity), order.get(each.paths[0], 0)))
    return tuple(found)


def kept(findings: Iterable[Finding], ignore: Ignored, matching: Callable[[Any, str], bool]) -> Tuple[Finding, ...]:
    """The findings that are not ignored; ``matching(selector, path)`` says whether a selector selects a parameter.

    A finding about several parameters is ignored where any of them is selected.

    Raises
    ------
    TypeError, ValueError
        `ignore` is no sequence of codes and pairs, or names a code that does not exist.
    """
    rules = _rules(ignore)

    def ignored(finding: Finding) -> bool:
        return any(
            code == finding.code and (selector is None or any(matching(selector, path) for path in finding.paths))
            for code, selector in rules
        )

    return tuple(each for each in findings if not ignored(each))


def raise_for(findings: Sequence[Finding], strict: bool = False) -> None:
    """Raise a `FindingsError` with all findings if one is an error or a warning; with `strict`, if there is any."""
    if any(strict or each.severity != "info" for each in findings):
        raise FindingsError(findings)


def _rules(ignore: Ignored) -> List[Tuple[str, Any]]:
    if isinstance(ignore, str):
        raise TypeError(f"ignore is {ignore!r}: expected a list of codes, such as [{ignore!r}]")
    rules = [(rule, None) if isinstance(rule, str) else rule for rule in ignore]
    for rule in rules:
        if not (isinstance(rule, tuple) and len(rule) == 2 and isinstance(rule[0], str)):
            raise TypeError(f"ignore holds {rule!r}: expected a code, or a pair of a code and a selector")
        if rule[0] not in CODES:
            near = difflib.get_close_matches(rule[0], CODES, 1)
            raise ValueError(f"ignore names the code {rule[0]!r}, which no finding has"
                             f"{f'; did you mean {near[0]!r}?' if near else '.'} There are {', '.join(CODES)}.")
    return rules


def _line(finding: Finding) -> str:
    text = f"{', '.join(finding.paths)}: {finding.evidence}; {finding.hint}"
    return f"{finding.severity} {finding.code}: {printable(text)}"
