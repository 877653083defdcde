"""Which array of a file belongs to which parameter of a network, by name: for `load` and for the forecast of `compare`.

A file calls its arrays by paths (`save_parameters`) or by MXNet's global names (`export`, `save_params`, Module,
``collect_params().save``), and may put ``arg:`` or ``aux:`` before them, or leave the network's own prefix away. Global
names count what was built before, so that the names of another process may differ in prefixes and in numbers.
"""

from collections import Counter
from typing import Any, Dict, Iterable, Iterator, List, Mapping, NamedTuple, Optional, Sequence, Set, Tuple

from ..shapes import agree
from .stored import StoredArray

__all__ = ["Renaming", "bare", "fitting_names", "likely_prefixes", "matched_names"]

Shape = Optional[Tuple[Optional[int], ...]]


def bare(name: str) -> str:
    """A name without the ``arg:`` or ``aux:`` of an exported file."""
    return name[4:] if name.startswith(("arg:", "aux:")) else name


class Renaming(NamedTuple):
    """What a network calls the arrays of a file."""

    scheme: str
    """Whether it is by ``'paths'`` or by MXNet's global ``'names'``."""
    names: Dict[str, str]
    """For each name in the file, aliases of a tie map included, the network's; names that it has not are left out."""
    complete: bool
    """Whether every parameter is in the file, with a shape that fits."""


def matched_names(net: Any, arrays: Sequence[StoredArray]) -> Renaming:
    """How `net` calls the arrays of a file: as plain MXNet would load them; else as every parameter is in the file.

    Only global names are changed, since paths do not depend on what was built before; and where two changes fit, none
    is made. Numbers in names are changed by their order, if all of the file is needed.
    """
    from .._mxnet import backend
    from .._mxnet.parameter import shape_of
    from .._mxnet.tree import parameters_by_path

    shapes: Dict[str, Shape] = {alias: None for array in arrays for alias in array.aliases}
    shapes.update({array.name: array.shape for array in arrays})
    paths, names = parameters_by_path(net, unregistered=False), backend.load_targets_by_name(net) or {}
    prefix = backend.prefix_of(net)

    def renaming(scheme: str, new_names: Iterable[Tuple[str, str]]) -> Renaming:
        params = paths if scheme == "paths" else names
        known = {name: new for name, new in new_names if new in params}
        fitting = {id(params[new]) for name, new in known.items() if agree(shapes[name], shape_of(params[new]))}
        return Renaming(scheme, known, fitting == {id(param) for param in params.values()})

    def parameters(found: Renaming) -> int:
        return len({id((paths if found.scheme == "paths" else names)[new]) for new in found.names.values()})

    plain = [
        renaming("paths", zip(shapes, shapes)),
        renaming("paths", ((name, bare(name)) for name in shapes)),
        renaming("names", ((name, bare(name)) for name in shapes)),
        renaming("names", ((name, prefix + bare(name)) for name in shapes)),
    ]
    best = max(plain, key=lambda found: (found.complete, parameters(found)))
    if not best.complete and not any("." in bare(name) for name in shapes):
        wanted = {name: shape_of(param) for name, param in names.items()}
        for changes in _changes({bare(name): shape for name, shape in shapes.items()}, wanted):
            pairs = [[(name, change[bare(name)]) for name in shapes if bare(name) in change] for change in changes]
            fitting = [found for found in (renaming("names", each) for each in pairs) if found.complete]
            if fitting:
                return fitting[0] if all(found == fitting[0] for found in fitting) else best
    return best


def _changes(files: Mapping[str, Shape], wanted: Mapping[str, Shape]) -> Iterator[List[Dict[str, str]]]:
    """A network's names for those of a file: with other prefixes; then with other prefixes and other numbers."""
    for numbers in (False, True):
        ours, theirs = ((_by_order if numbers else _unchanged)(names) for names in (files, wanted))
        named = {key: name for name, key in theirs.items()}
        found = {ours[name]: shape for name, shape in files.items()}
        asked = {theirs[name]: shape for name, shape in wanted.items()}
        changes = [fitting_names(found, asked, *prefixes) for prefixes in likely_prefixes(found, asked)]
        yield [{name: named[change[key]] for name, key in ours.items() if key in change}
               for change in changes if not numbers or len(change) == len(files)]  # fmt: skip


def _unchanged(names: Iterable[str]) -> Dict[str, str]:
    return {name: name for name in names}


def _by_order(names: Iterable[str]) -> Dict[str, str]:
    """Each name with its numbers replaced by their place in the order of all at that place: dense7_ becomes dense#0_.

    Examples
    --------
    >>> _by_order(["net3_dense7_weight", "net3_dense10_weight"])
    {'net3_dense7_weight': 'net#0_dense#0_weight', 'net3_dense10_weight': 'net#0_dense#1_weight'}
    """
    numbers: Dict[Tuple[str, ...], Set[str]] = {}
    for name in names:
        for place, digits in _counters(name):
            numbers.setdefault(place, set()).add(digits)
    order = {place: {digits: number for number, digits in enumerate(sorted(found, key=_value))}
             for place, found in numbers.items()}  # fmt: skip
    return {name: "_".join(f"{place[-1]}#{order[place][digits]}" if digits else place[-1]
                           for place, digits in _counters(name)) for name in names}  # fmt: skip


def _counters(name: str) -> Iterator[Tuple[Tuple[str, ...], str]]:
    """The parts of a global name: what stands before and in each, without the number at its end; and that number."""
    parts = name.split("_")
    for at, part in enumerate(parts):
        text = part.rstrip("0123456789")
        yield (*parts[:at], text), part[len(text) :]


def _value(digits: str) -> Tuple[int, str]:
    return len(digits.lstrip("0")), digits.lstrip("0")


def likely_prefixes(files: Mapping[str, Shape], shapes: Mapping[str, Shape]) -> List[Tuple[str, str]]:
    """Which prefix of a file's names might stand for which of a network's, the most promising first."""
    ends: Dict[str, List[str]] = {}
    for name in shapes:
        ends.setdefault(_end(name), []).append(name)
    votes: Counter = Counter()
    for name in list(files)[:_ASKED]:
        votes.update(
            {_difference(name, other) for other in ends.get(_end(name), ()) if agree(files[name], shapes[other])}
        )
    likely = [each for each, _ in votes.most_common(_TRIED)]
    return sorted(likely, key=lambda each: (-len(fitting_names(files, shapes, *each)), len("".join(each))))


# So many names of the file are held against all of the network's, and so many prefixes are tried on all of the file.
_ASKED, _TRIED = 64, 16


def _end(name: str) -> str:
    return name.replace("_", ".").rsplit(".", 1)[-1]


def _difference(name: str, other: str) -> Tuple[str, str]:
    """What stands before the longest common end, which begins after a dot, an underscore, or nothing."""
    most = min(len(name), len(other))
    same = next((size for size in range(most) if name[-1 - size] != other[-1 - size]), most)
    while same and not (_begins(name, len(name) - same) and _begins(other, len(other) - same)):
        same -= 1
    return name[: len(name) - same], other[: len(other) - same]


def _begins(name: str, at: int) -> bool:
    return at == 0 or name[at - 1] in "._"


def fitting_names(
    files: Mapping[str, Shape], shapes: Mapping[str, Shape], strip: str, add: str
) -> Dict[str, str]:
    """The file's names that become a parameter's name, and which."""
    moved = {name: add + name[len(strip) :] for name in files if name.startswith(strip)}
    return {name: new for name, new in moved.items() if new in shapes and agree(files[name], shapes[new])}
