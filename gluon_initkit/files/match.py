"""Which array of a file belongs to which parameter of a network, by name: for `load`, `compare` and its forecast.

A file calls its arrays by paths (`save_parameters`) or by MXNet's global names (`export`, `save_params`, Module,
``collect_params().save``). It may put ``arg:`` or ``aux:`` before them, or leave the network's own prefix away. Global
names count what was built before, so the names of another process may differ in prefixes and in numbers.
"""

from collections import Counter
from typing import Any, Dict, Iterable, Iterator, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from ..shapes import agree
from .stored_array import StoredArray

__all__ = ["Match", "match_names", "prefix_changes", "strip_prefix"]

Shape = Optional[Tuple[Optional[int], ...]]


def strip_prefix(name: str) -> str:
    """A name without the ``arg:`` or ``aux:`` of an exported file."""
    return name[4:] if name.startswith(("arg:", "aux:")) else name


class Match(NamedTuple):
    """What a network calls the arrays of a file."""

    scheme: str
    """Whether it is by ``'paths'`` or by MXNet's global ``'names'``."""
    names: Dict[str, str]
    """The network's name for each name in the file, aliases of a tie map included; unknown ones are left out."""
    complete: bool
    """Whether every parameter is in the file, with a shape that fits."""


def match_names(net: Any, arrays: Sequence[StoredArray]) -> Match:
    """Match as plain MXNet would load; where that leaves parameters out, by other global names if all of them fit then.

    Paths are never changed: they do not depend on what was built before. Where two changes of the global names fit,
    none is made. Numbers in names are changed, keeping their order, only if all of the file is used then.
    """
    from .._mxnet import backend
    from .._mxnet.parameter import shape_of
    from .._mxnet.tree import parameters_by_path

    shapes: Dict[str, Shape] = {alias: None for array in arrays for alias in array.aliases}
    shapes.update({array.name: array.shape for array in arrays})
    by_name = backend.load_targets_by_name(net) or {}
    schemes = {"paths": parameters_by_path(net, unregistered=False), "names": by_name}
    bare, prefix = {name: strip_prefix(name) for name in shapes}, backend.prefix_of(net)

    def match(scheme: str, renamed: Dict[str, str]) -> Tuple[bool, int, Match]:
        params = schemes[scheme]
        names = {name: new for name, new in renamed.items() if new in params}
        fitting = {params[new] for name, new in names.items() if agree(shapes[name], shape_of(params[new]))}
        complete = fitting == set(params.values())
        return complete, len({params[new] for new in names.values()}), Match(scheme, names, complete)

    plain = [match("paths", dict(zip(shapes, shapes))), match("paths", bare), match("names", bare),
             match("names", {name: prefix + short for name, short in bare.items()})]  # fmt: skip
    complete, _, best = max(plain, key=lambda each: each[:2])
    if complete or any("." in short for short in bare.values()):
        return best
    wanted = {name: shape_of(param) for name, param in by_name.items()}
    for changes in _changes({short: shapes[name] for name, short in bare.items()}, wanted):
        renamed = [{name: change[short] for name, short in bare.items() if short in change} for change in changes]
        fitting = [found for complete, _, found in (match("names", each) for each in renamed) if complete]
        if fitting:
            return fitting[0] if all(found == fitting[0] for found in fitting) else best
    return best


def _changes(files: Mapping[str, Shape], wanted: Mapping[str, Shape]) -> Iterator[List[Dict[str, str]]]:
    """A network's names for those of a file: with other prefixes; then with other prefixes and other numbers."""
    yield [fitting for _, _, fitting in prefix_changes(files, wanted)]
    ours, theirs = _ordinals(files), _ordinals(wanted)
    named = {ordinal: name for name, ordinal in theirs.items()}
    changes = prefix_changes({ours[name]: shape for name, shape in files.items()},
                             {theirs[name]: shape for name, shape in wanted.items()})  # fmt: skip
    yield [{name: named[fitting[ordinal]] for name, ordinal in ours.items()}
           for _, _, fitting in changes if len(fitting) == len(files)]  # fmt: skip


def _ordinals(names: Iterable[str]) -> Dict[str, str]:
    """Each name with its numbers replaced by their rank among all numbers at that place.

    Examples
    --------
    >>> _ordinals(["net3_dense7_weight", "net3_dense10_weight"])
    {'net3_dense7_weight': 'net#0_dense#0_weight', 'net3_dense10_weight': 'net#0_dense#1_weight'}
    """
    split = {name: [_split_number(part) for part in name.split("_")] for name in names}
    numbers: Dict[Tuple[Any, ...], set] = {}
    for parts in split.values():
        for at, (text, digits) in enumerate(parts):
            numbers.setdefault((*parts[:at], text), set()).add(digits)
    ranks = {place: {digits: rank for rank, digits in enumerate(sorted(found, key=_by_value))}
             for place, found in numbers.items()}  # fmt: skip
    return {name: "_".join(f"{text}#{ranks[(*parts[:at], text)][digits]}" if digits else text
                           for at, (text, digits) in enumerate(parts)) for name, parts in split.items()}  # fmt: skip


def _split_number(part: str) -> Tuple[str, str]:
    text = part.rstrip("0123456789")
    return text, part[len(text) :]


def _by_value(digits: str) -> Tuple[int, str]:  # Python refuses to convert thousands of digits
    return len(digits.lstrip("0")), digits.lstrip("0")


def prefix_changes(files: Mapping[str, Shape], wanted: Mapping[str, Shape]) -> List[Tuple[str, str, Dict[str, str]]]:
    """The likely changes of prefix, best first: what to strip, what to add, and the names that fit a parameter then."""
    ends: Dict[str, List[str]] = {}
    for name in wanted:
        ends.setdefault(_last_word(name), []).append(name)
    votes: Counter = Counter()
    for name in list(files)[:_SAMPLE]:
        votes.update({_difference(name, other) for other in ends.get(_last_word(name), ())
                      if agree(files[name], wanted[other])})  # fmt: skip
    changes = []
    for (strip, add), _ in votes.most_common(_MAX_TRIED):
        renamed = {name: add + name[len(strip) :] for name in files if name.startswith(strip)}
        fitting = {name: new for name, new in renamed.items() if new in wanted and agree(files[name], wanted[new])}
        changes.append((strip, add, fitting))
    return sorted(changes, key=lambda change: (-len(change[2]), len(change[0] + change[1])))


# So many names of the file are compared with all of the network's, and so many changes are tried on all of the file.
_SAMPLE, _MAX_TRIED = 64, 16


def _last_word(name: str) -> str:
    return name.replace("_", ".").rpartition(".")[-1]


def _difference(name: str, other: str) -> Tuple[str, str]:
    """What stands before the longest common end that begins after a dot, an underscore, or at the start of a name."""
    most = min(len(name), len(other))
    same = next((size for size in range(most) if name[-1 - size] != other[-1 - size]), most)
    while same and not all(len(each) == same or each[-1 - same] in "._" for each in (name, other)):
        same -= 1
    return name[: len(name) - same], other[: len(other) - same]
