"""The registry of findings: every code, the check that finds it, and what becomes of findings: left out, or raised.

A check reads plain records, so files have findings too. Where statistics, gradients or a Trainer were not asked for,
those that need them are silent. A check reports only what a sound network does not show: the tests of a new one have to
show a network that it finds, and one close to it that it leaves alone.
"""

from typing import Any, Callable, Dict, Iterable, Iterator, List, Mapping, NamedTuple, Optional, Sequence, Tuple, Union

from ...display import KitError, counted, printable
from ...parameters import ParameterInfo, did_you_mean, matcher
from ..records import Finding, ParameterRecord, SharedValues

__all__ = ["CODES", "Evidence", "FindingsError", "Ignored", "Inspected", "Structure", "check", "drop_ignored",
           "findings_of", "raise_for", "record_check"]  # fmt: skip


class Structure(NamedTuple):
    """How a network is put together, as plain data. A file has nothing of it.

    Attributes
    ----------
    unregistered : tuple of (str, str, str)
        Attributes whose containers hold Blocks that are no part of the network: path, what was found, what to do.
    same_paths : tuple of str
        The paths at which two parameters stand.
    same_names : tuple of (str, tuple of str)
        Global names that several parameters have, and their paths.
    stale_graphs : tuple of (tuple of str, str, str)
        Cached graphs of other parameters than their block has: paths, what was found, what to do.
    """

    unregistered: Tuple[Tuple[str, str, str], ...] = ()
    same_paths: Tuple[str, ...] = ()
    same_names: Tuple[Tuple[str, Tuple[str, ...]], ...] = ()
    stale_graphs: Tuple[Tuple[Tuple[str, ...], str, str], ...] = ()


class Inspected(NamedTuple):
    """All that checks look at."""

    records: Sequence[ParameterRecord]
    shared: Sequence[SharedValues]
    structure: Structure


Evidence = Tuple[str, Tuple[str, ...], str, str]
"""Severity, paths, what was seen, what to do."""

CODES: Dict[str, str] = {}
"""Every code and what it means."""

_CHECKS: List[Tuple[str, str, Callable[[Inspected], Iterator[Evidence]]]] = []
_SEVERITIES = ("error", "warning", "info")

Ignored = Sequence[Union[str, Tuple[str, Any]]]
"""Codes, or pairs of a code and a selector: ``['zero-gradient', ('broken-tie', 'teacher.*')]``."""


def check(code: str, meaning: str, needs: str = "path") -> Callable[[Any], Any]:
    """Register a function that yields `Evidence`. It is called where some record has the field `needs`."""

    def register(find: Callable[[Inspected], Iterator[Evidence]]) -> Any:
        CODES[code] = meaning
        _CHECKS.append((code, needs, find))
        return find

    return register


def record_check(code: str, severity: str, meaning: str, needs: str = "stats") -> Callable[[Any], Any]:
    """Register a function of one record that answers what was seen and what to do, or None."""

    def register(look: Callable[[ParameterRecord], Optional[Tuple[str, str]]]) -> Any:
        @check(code, meaning, needs)
        def find(inspected: Inspected) -> Iterator[Evidence]:
            for record in inspected.records:
                seen = look(record)
                if seen is not None:
                    yield (severity, (record.path,), *seen)

        return look

    return register


def findings_of(
    records: Sequence[ParameterRecord], shared: Sequence[SharedValues] = (), structure: Optional[Structure] = None
) -> Tuple[Finding, ...]:
    """All findings about these records, the gravest first, then in order of traversal."""
    inspected = Inspected(records, shared, structure or Structure())
    needed = {needs for _, needs, _ in _CHECKS}
    known = {needs: any(getattr(record, needs) is not None for record in records) for needs in needed}
    findings = [Finding(code, *evidence) for code, needs, find in _CHECKS if known[needs]
                for evidence in find(inspected)]  # fmt: skip
    if findings:
        order = {path: number for number, record in enumerate(records) for path in record.paths}
        findings.sort(key=lambda finding: (_SEVERITIES.index(finding.severity), order.get(finding.paths[0], 0)))
    return tuple(findings)


def drop_ignored(findings: Iterable[Finding], ignore: Ignored, infos: Mapping[str, Any]) -> Tuple[Finding, ...]:
    """The findings that are not ignored. `infos` are what selectors read, by path.

    A finding about several parameters is ignored where any of them is selected.

    Raises
    ------
    TypeError, ValueError
        `ignore` is no sequence of codes and pairs, or names a code that does not exist.
    """
    if isinstance(ignore, str):
        raise TypeError(f"ignore is {ignore!r}: expected a list of codes, such as [{ignore!r}]")
    rules = [(rule, None) if isinstance(rule, str) else rule for rule in ignore]
    for rule in rules:
        if not (isinstance(rule, tuple) and len(rule) == 2 and isinstance(rule[0], str)):
            raise TypeError(f"ignore holds {rule!r}: expected a code, or a pair of a code and a selector")
        if rule[0] not in CODES:
            hint = did_you_mean(rule[0], list(CODES))
            raise ValueError(printable(f"ignore names the code {rule[0]!r}, which no finding has; {hint}"))
    matches = [(code, (lambda info: True) if selector is None else matcher(selector)) for code, selector in rules]

    def is_ignored(finding: Finding) -> bool:
        # What is found at an attribute that is no parameter can be selected by its path.
        seen = [infos.get(path) or ParameterInfo(path, (), path, "default", None, "") for path in finding.paths]
        return any(code == finding.code and any(map(match, seen)) for code, match in matches)

    return tuple(finding for finding in findings if not is_ignored(finding))


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
        lines = [f"{finding.severity} {finding.code}: {', '.join(finding.paths)}: {finding.evidence}; {finding.hint}"
                 for finding in self.findings]  # fmt: skip
        super().__init__("\n  ".join([f"{counted(len(lines), 'finding')}:", *map(printable, lines)]))

    def __reduce__(self) -> Any:
        return FindingsError, (self.findings,)


def raise_for(findings: Sequence[Finding], strict: bool = False) -> None:
    """Raise a `FindingsError` with all findings if one is an error or a warning; with `strict`, if there is any."""
    if any(strict or finding.severity != "info" for finding in findings):
        raise FindingsError(findings)
