"""`Check`: one code of `findings`, and how it looks at plain records, or at the network as a whole."""

from dataclasses import dataclass
from typing import Any, Callable, Iterator, Optional, Sequence, Tuple

from ..records import ParameterRecord, SharedValues

__all__ = ["Check", "Find", "StructureCheck", "Suspicion", "each"]

Suspicion = Tuple[str, Tuple[str, ...], str, str]
"""Severity, paths, evidence, hint."""

Find = Callable[[Sequence[ParameterRecord], Sequence[SharedValues]], Iterator[Suspicion]]


@dataclass(frozen=True)
class Check:
    """One code: what it means, the function that finds it, and a field without which it has nothing to go by."""

    code: str
    meaning: str
    find: Find
    needs: str = "path"


@dataclass(frozen=True)
class StructureCheck:
    """The same of a code that is about the network's `Structure`."""

    code: str
    meaning: str
    find: Callable[[Any], Iterator[Suspicion]]


def each(severity: str, look: Callable[[ParameterRecord], Optional[Tuple[str, str]]]) -> Find:
    """A check that looks at one parameter at a time and answers evidence and hint, or None."""

    def find(records: Sequence[ParameterRecord], shared: Sequence[SharedValues]) -> Iterator[Suspicion]:
        for record in records:
            found = look(record)
            if found is not None:
                yield (severity, (record.path,), *found)

    return find
