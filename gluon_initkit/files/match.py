"""Match the arrays of a file to the parameters of a network by name, and propose other names that fit better.

A file names its arrays by paths (`save_parameters`) or by MXNet's global names (`export`, `save_params`, Module,
``collect_params().save``). It may prefix them with ``arg:`` or ``aux:``, or omit the network's own prefix. Global names
count the blocks built before, so the names of another process may have other prefixes and numbers.
"""

from collections import Counter
import re
from typing import Any, Callable, Dict, Iterable, Iterator, List, Mapping, Sequence, Tuple, Union

from ..display import printable
from ..parameters import did_you_mean, role_of
from ..shapes import Shape, agree
from .stored_array import StoredArray

Rename = Union[None, Mapping[str, str], Callable[[str], str]]


def strip_prefix(name: str) -> str:
    """A name without the ``arg:`` or ``aux:`` of an exported file."""
    return name[4:] if name.startswith(("arg:", "aux:")) else name


def match_names(net: Any, arrays: Sequence[StoredArray], renamed: Mapping[str, str]) -> Tuple[bool, Dict[str, str]]:
    """Whether the file's names match global names of the network; and the network's name for each name in the file.

    Names match as MXNet itself would load them. If parameters remain without an array, other global names are tried;
    they count if all parameters fit, and only one change of names makes them fit. Paths are never changed, since they
    do not depend on other blocks. `renamed` maps names in the file to the user's names; no other change is tried then.
    """
    from .._mxnet import backend
    from .._mxnet.parameter import shape_of
    from .._mxnet.tree import parameters_by_path

    shapes: Dict[str, Shape] = {path: None for array in arrays for path in array.paths}
    shapes.update({array.name: array.shape for array in arrays})
    paths, by_name = parameters_by_path(net, unregistered=False), backend.load_targets_by_name(net) or {}
    bare, prefix = {name: renamed.get(name, strip_prefix(name)) for name in shapes}, backend.prefix_of(net)

    def match(is_global: bool, candidates: Dict[str, str]) -> Tuple[Tuple[bool, int], Tuple[bool, Dict[str, str]]]:
        params = by_name if is_global else paths
        known = {**paths, **params} if renamed else params  # rename= may map a global name to a path
        names = {name: new for name, new in candidates.items() if new in (known if name in renamed else params)}
        fitting = {known[new] for name, new in names.items() if agree(shapes[name], shape_of(known[new]))}
        complete = bool(fitting) and fitting == set(params.values())
        return (complete, len({known[new] for new in names.values()})), (is_global, names)

    plain = [match(False, {name: renamed.get(name, name) for name in shapes}), match(False, bare),
             match(True, bare), match(True, {name: prefix + short for name, short in bare.items()})]  # fmt: skip
    (complete, _), best = max(plain, key=lambda candidate: candidate[0])
    if not (complete or renamed or any("." in short for short in bare.values())):
        wanted = {name: shape_of(param) for name, param in by_name.items()}
        for changes in _changes({short: shapes[name] for name, short in bare.items()}, wanted):
            changed = [{name: change[short] for name, short in bare.items() if short in change} for change in changes]
            fitting = [result for (complete, _), result in (match(True, names) for names in changed) if complete]
            if fitting:
                return fitting[0] if all(result == fitting[0] for result in fitting) else best
    return best


def _changes(files: Mapping[str, Shape], wanted: Mapping[str, Shape]) -> Iterator[List[Dict[str, str]]]:
    """Maps from a file's names to the network's: with other prefixes; then, if all fit, with other numbers too."""
    yield [fitting for _, _, fitting in prefix_changes(files, wanted)]
    ours, theirs = _ordinals(files), _ordinals(wanted)
    named = {ordinal: name for name, ordinal in theirs.items()}
    changes = prefix_changes({ours[name]: shape for name, shape in files.items()},
                             {theirs[name]: shape for name, shape in wanted.items()})  # fmt: skip
    yield [{name: named[fitting[ordinal]] for name, ordinal in ours.items()}
           for _, _, fitting in changes if len(fitting) == len(files)]  # fmt: skip


def _ordinals(names: Iterable[str]) -> Dict[str, str]:
    """Each name, with the number at the end of a word replaced by its rank there: ``net#0_dense#0_bias``."""
    ordinals: Dict[str, str] = {}
    places: Dict[str, Any] = {}  # by a word's text, then by its number: the number's rank, and the places after it
    for name in sorted(names, key=_natural):
        words, level = [], places
        for word in name.split("_"):
            text = word.rstrip("0123456789")
            numbers = level.setdefault(text, {})
            rank, level = numbers.setdefault(word[len(text) :], (len(numbers), {}))
            words.append(text if word == text else f"{text}#{rank}")
        ordinals[name] = "_".join(words)
    return ordinals


def _natural(name: str) -> List[Any]:
    """A sort key that puts layer 2 before layer 10. Without int(): Python refuses to convert thousands of digits."""
    parts = [(text, digits.lstrip("0")) for text, digits in re.findall("([^0-9]*)([0-9]*)", name)]
    return [(text, len(digits), digits) for text, digits in parts]


def renamed_names(rename: Rename, names: Iterable[str]) -> Dict[str, str]:
    """The new names for the names in a file that `rename` changes. If several prefixes match, the longest counts.

    Raises a ValueError if no name begins with a prefix, or two arrays would get the same name.
    """
    bare = {name: strip_prefix(name) for name in names}
    if rename is None:
        return {}
    if isinstance(rename, Mapping):
        if not all(isinstance(text, str) for pair in rename.items() for text in pair):
            raise TypeError(printable(f"rename is {rename!r:.80}: expected a dict from str to str"))
        keys = sorted(rename, key=len, reverse=True)
        for key in keys:
            if not any(short.startswith(key) for short in bare.values()):
                parts = [short.split(".") for short in bare.values()]
                known = [".".join([*words[:end], ""]) for words in parts for end in range(1, len(words))]
                hint = did_you_mean(key, list(dict.fromkeys([*known, *bare.values()])))
                raise ValueError(printable(f"rename= has {key!r}, with which no name in the file begins; {hint}"))
        used = {name: next(filter(short.startswith, keys), None) for name, short in bare.items()}
        renamed = {name: rename[key] + bare[name][len(key):] for name, key in used.items() if key is not None}
    elif callable(rename):
        renamed = {name: rename(short) for name, short in bare.items()}
        for name, new in renamed.items():
            if not isinstance(new, str):
                raise TypeError(printable(f"rename= gives {new!r:.80} for {bare[name]!r}: expected a str"))
    else:
        raise TypeError(printable(f"rename is {rename!r:.80}: expected a dict of prefixes or names, or a callable"))
    owner: Dict[str, str] = {}
    for name, short in bare.items():
        new = renamed.get(name, short)
        other = owner.setdefault(new, name)
        if other != name and (name in renamed or other in renamed):
            raise ValueError(printable(f"rename= puts both {other!r} and {name!r} of the file on {new!r}"))
    return renamed


def propose_rename(files: Mapping[str, Shape], wanted: Mapping[str, Shape], used: Iterable[str]) -> Tuple[dict, int]:
    """A `rename` that maps more of `files` to `wanted` names, and how many it maps. It does not change `used` names.

    First changes one prefix, if more than half of the files or of the wanted names then fit. Then pairs layers whose
    parameters have the same names and shapes, in order.
    """
    rename: Dict[str, str] = {}
    unmatched, missing = dict(files), dict(wanted)
    for strip, add, fitting in prefix_changes(files, wanted)[:1]:
        if 2 * len(fitting) > min(len(files), len(wanted)):
            rename[strip] = add
            unmatched = {name: shape for name, shape in files.items() if name not in fitting}
            missing = {name: shape for name, shape in wanted.items() if name not in fitting.values()}
    if list(unmatched) == sorted(unmatched):  # zip and safetensors files put layer 10 before layer 2
        unmatched = {name: unmatched[name] for name in sorted(unmatched, key=_natural)}
    theirs = _layers(unmatched)
    for start, layer in _layers(missing).items():
        for other, candidate in theirs.items():
            if layer.keys() == candidate.keys() and all(agree(layer[end], candidate[end]) for end in layer):
                rename.setdefault(other, start)
                del theirs[other]
                break
    try:
        renamed = renamed_names(rename, [*files, *used]) if rename else {}
    except ValueError:  # two arrays would get the same name
        return {}, 0
    fitted = {new for name, new in renamed.items() if new in wanted and agree(files.get(name), wanted[new])}
    return (rename, len(fitted)) if fitted and files.keys() >= renamed.keys() else ({}, 0)


def _layers(shapes: Mapping[str, Shape]) -> Dict[str, Dict[str, Shape]]:
    """For each beginning of a name, in order: the shapes by the end of the name, such as ``weight``."""
    layers: Dict[str, Dict[str, Shape]] = {}
    for name, shape in shapes.items():
        role = role_of(name)
        end = role if name.endswith(role) else name.rpartition(".")[-1]
        layers.setdefault(name[: len(name) - len(end)], {})[end] = shape
    return layers


def prefix_changes(files: Mapping[str, Shape], wanted: Mapping[str, Shape]) -> List[Tuple[str, str, Dict[str, str]]]:
    """Likely changes of prefix, best first: the prefix to strip, the prefix to add, and the names that then fit."""
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


# The number of the file's names that are compared with all names of the network; and of changes tried on all names.
_SAMPLE, _MAX_TRIED = 64, 16


def _last_word(name: str) -> str:
    return name.replace("_", ".").rpartition(".")[-1]


def _difference(name: str, other: str) -> Tuple[str, str]:
    """The two prefixes before the longest common end. That is a whole name, or begins after a dot or an underscore."""
    shorter = min(len(name), len(other))
    same = next((size for size in range(shorter) if name[-1 - size] != other[-1 - size]), shorter)
    while same and not all(len(text) == same or text[-1 - same] in "._" for text in (name, other)):
        same -= 1
    return name[: len(name) - same], other[: len(other) - same]
