"""Which array of a file each parameter of a network takes, decided and checked before anything changes.

A file offers arrays for paths: the one that it holds under the path itself, and those that its tie map leads to. A
parameter of the network has one path or several. It takes the arrays that are offered for any of them, if all agree
to the bit; that one rule covers files saved once, for every name and under another canonical name, and networks tied
as the file says, not tied, and tied otherwise.
"""

from dataclasses import dataclass
from typing import Any, Dict, Iterable, List, Mapping, NamedTuple, Optional, Sequence, Tuple

import numpy

from .._mxnet import RESET, bits_of, contexts_for, objection_of_trainer, shape_of, stored_as
from ..shapes import agree
from .groups import SharedGroup

__all__ = ["Contents", "Match", "Problem", "Rules", "matched"]

Offer = Tuple[str, bool]  # the name of an array in the file, and whether it is to be transposed


class Problem(NamedTuple):
    """Why something cannot be loaded, and what mends it, which many may have in common."""

    what: str
    mend: str = ""


class Contents:
    """What a file holds: its arrays by name, and its tie map."""

    def __init__(self, arrays: Mapping[str, Any], groups: Sequence[SharedGroup]) -> None:
        self.arrays, self.groups = arrays, tuple(groups)
        # The members of a group hold one list in common, so that 100,000 aliases cost 100,000 steps.
        self._offers: Dict[str, Tuple[List[Offer], bool]] = {name: ([(name, False)], False) for name in arrays}
        for group in self.groups:
            turned = set(group.transposed)
            stored = [(path, path in turned) for path in group.paths if path in arrays]
            plain, other = (stored, False), (stored, True)
            self._offers.update((path, other if path in turned else plain) for path in group.paths)

    @property
    def paths(self) -> Iterable[str]:
        """All paths that it says anything of."""
        return self._offers.keys()

    def offered(self, members: Iterable[Tuple[str, bool]]) -> Dict[Offer, str]:
        """The arrays for a parameter with these paths, each with the first path that leads to it."""
        found: Dict[Offer, str] = {}
        seen = set()
        for path, odd in members:
            stored, turned = self._offers.get(path, ([], False))
            if (id(stored), odd != turned) not in seen:
                seen.add((id(stored), odd != turned))
                for name, flip in stored:
                    found.setdefault((name, flip != (odd != turned)), path)
        return found


@dataclass(frozen=True)
class Rules:
    """What MXNet's arguments of `load_parameters` say, and whether ties that a file cannot tell of are believed."""

    ctxs: Optional[Sequence[Any]]
    allow_missing: bool
    cast_dtype: bool
    dtype_source: str
    trusting: bool


@dataclass
class Match:
    """One parameter and what it takes."""

    param: Any
    array: Any
    ctxs: Sequence[Any]
    dtype: Any
    """The dtype that the parameter is to be cast to first; None where it keeps its own."""
    trusted: Sequence[str] = ()
    """Paths that the file knows nothing of, and of which it cannot say whether they were tied."""


def matched(
    held: Mapping[str, Tuple[Any, bool]], contents: Contents, rules: Rules
) -> Tuple[List[Match], List[Problem]]:
    """What every parameter takes, and all reasons why it cannot. `held` is what `sources` found."""
    members: Dict[int, List[Tuple[str, bool]]] = {}
    params = {}
    for path, (param, odd) in held.items():
        members.setdefault(id(param), []).append((path, odd))
        params[id(param)] = param
    matches, problems = [], []
    for key, paths in members.items():
        found = _match(params[key], paths, contents, rules)
        if isinstance(found, Match):
            matches.append(found)
        elif found is not None:
            problems.append(found)
    return matches, problems


def _match(param: Any, paths: List[Tuple[str, bool]], contents: Contents, rules: Rules) -> Any:
    """A Match, a Problem, or None where the parameter is left alone."""
    offers = contents.offered(paths)
    label = paths[0][0]
    absent = [path for path, _ in paths if path not in contents.paths]
    if not offers and rules.allow_missing:
        return None
    if not offers:
        return _missing(label, contents)
    (name, flip), first = next(iter(offers.items()))
    if absent and not rules.allow_missing and (contents.groups or not rules.trusting):
        return _untold(absent[0], first, contents)
    array = contents.arrays[name]
    bits = bits_of(array, flip) if len(offers) > 1 else None
    for (other, turned), path in offers.items():
        if bits is not None and bits_of(contents.arrays[other], turned) != bits:
            return _conflict(first, path, name, other)
    if flip and len(array.shape) != 2:
        return Problem(f"{label!r} is tied transposed, and has shape {tuple(array.shape)} in the file; expected two "
                       f"dimensions")  # fmt: skip
    return _fitted(param, label, array.T if flip else array, rules, absent)


def _missing(path: str, contents: Contents) -> Problem:
    alike = "" if contents.groups else (
        " A file that plain MXNet wrote with deduplicate=True names a shared parameter once and has no tie map: tie "
        "the network as it was, and load it again."
    )  # fmt: skip
    return Problem(f"{path!r} is missing in the file", f"allow_missing=True leaves what is missing as it is.{alike}")


def _untold(absent: str, present: str, contents: Contents) -> Problem:
    if contents.groups:
        return Problem(f"{absent!r} is missing in the file, which does not tie it to {present!r} as the network does",
                       f"allow_missing=True lets {absent!r} have the values of {present!r}.")  # fmt: skip
    return Problem(f"{absent!r} is missing in the file, which has no tie map, and lists its names otherwise than a "
                   f"network would that has it tied to {present!r}, as this one has",
                   "ties='ignore' believes that they were tied.")  # fmt: skip


def _conflict(first: str, path: str, name: str, other: str) -> Problem:
    if first == path:
        return Problem(f"{path!r} is tied by the file, which holds different values for it, as {name!r} and as "
                       f"{other!r}")  # fmt: skip
    return Problem(f"{first!r} and {path!r} share one parameter in the network, and the file holds different values "
                   f"for them, as {name!r} and {other!r}",
                   f"gluon_initkit.untie(net, {path!r}) gives {path!r} a parameter of its own.")  # fmt: skip


def _fitted(param: Any, label: str, array: Any, rules: Rules, absent: Sequence[str]) -> Any:
    shape, found = shape_of(param), tuple(int(size) for size in array.shape)
    if shape is not None and not agree(shape, found):
        shown = tuple("?" if size is None else size for size in shape)
        return Problem(f"{label!r} has shape {found} in the file, expected {shown}".replace("'?'", "?"))
    wanted, dtype = numpy.dtype(param.dtype), None
    if wanted != numpy.dtype(array.dtype):
        if not rules.cast_dtype:
            found_type = numpy.dtype(array.dtype).name
            return Problem(f"{label!r} is {found_type} in the file, expected {wanted.name}",
                           "cast_dtype=True lets dtypes differ.")  # fmt: skip
        if rules.dtype_source == "current":
            array = array.astype(wanted)
        else:
            dtype = array.dtype
    ctxs = contexts_for(param, rules.ctxs)
    if ctxs is None:
        there = contexts_for(param, None)
        return Problem(f"{label!r} is on {there}, and asked for on {rules.ctxs}",
                       f"A parameter's {RESET}(...) moves it; or ask for none.")  # fmt: skip
    objection = objection_of_trainer(param, ctxs)
    if objection is not None:
        why, mend = objection
        return Problem(f"{label!r}: {why}", f"{mend[0].upper()}{mend[1:]}.")
    return Match(param, stored_as(param, array), ctxs, dtype, absent)
