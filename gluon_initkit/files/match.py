"""Which array of a file belongs to which parameter of a network, by name; and which other names would fit better.

A file calls its arrays by paths (`save_parameters`) or by MXNet's global names (`export`, `save_params`, Module,
``collect_params().save``). It may put ``arg:`` or ``aux:`` before them, or leave the network's own prefix away. Global
names count what was built before, so the names of another process may differ in prefixes and in numbers.
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
    """Whether it is by global names that a network knows a file, and what it calls the arrays, aliases included.

    As plain MXNet would load; where that leaves parameters out, by other global names if all of them fit then, and no
    two changes of names do. Paths are never changed: they do not depend on what was built before. `renamed` are the
    user's names for those of the file; then no other is changed.
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
        known = {**paths, **params} if renamed else params  # a path may be given for a global name
        names = {name: new for name, new in candidates.items() if new in (known if name in renamed else params)}
        fitting = {known[new] for name, new in names.items() if agree(shapes[name], shape_of(known[new]))}
        complete = bool(fitting) and fitting == set(params.values())
        return (complete, len({known[new] for new in names.values()})), (is_global, names)

    plain = [match(False, {name: renamed.get(name, name) for name in shapes}), match(False, bare),
             match(True, bare), match(True, {name: prefix + short for name, short in bare.items()})]  # fmt: skip
    (complete, _), best = max(plain, key=lambda each: each[0])
    if not (complete or renamed or any("." in short for short in bare.values())):
        wanted = {name: shape_of(param) for name, param in by_name.items()}
        for changes in _changes({short: shapes[name] for name, short in bare.items()}, wanted):
            changed = [{name: change[short] for name, short in bare.items() if short in change} for change in changes]
            fitting = [found for (complete, _), found in (match(True, each) for each in changed) if complete]
            if fitting:
                return fitting[0] if all(found == fitting[0] for found in fitting) else best
    return best


def _changes(files: Mapping[str, Shape], wanted: Mapping[str, Shape]) -> Iterator[List[Dict[str, str]]]:
    """A network's names for those of a file: with other prefixes; then, if all fit, with other numbers too."""
    yield [fitting for _, _, fitting in prefix_changes(files, wanted)]
    ours, theirs = _ordinals(files), _ordinals(wanted)
    named = {ordinal: name for name, ordinal in theirs.items()}
    changes = prefix_changes({ours[name]: shape for name, shape in files.items()},
                             {theirs[name]: shape for name, shape in wanted.items()})  # fmt: skip
    yield [{name: named[fitting[ordinal]] for name, ordinal in ours.items()}
           for _, _, fitting in changes if len(fitting) == len(files)]  # fmt: skip


def _ordinals(names: Iterable[str]) -> Dict[str, str]:
    """Each name with the numbers that end its words replaced by their rank at that place, ``net#0_dense#0_bias``."""
    ordinals: Dict[str, str] = {}
    places: Dict[str, Any] = {}  # by the text of a word, then by its number: that one's rank, and the places behind it
    for name in sorted(names, key=_natural):
        words, here = [], places
        for word in name.split("_"):
            text = word.rstrip("0123456789")
            numbers = here.setdefault(text, {})
            rank, here = numbers.setdefault(word[len(text) :], (len(numbers), {}))
            words.append(text if word == text else f"{text}#{rank}")
        ordinals[name] = "_".join(words)
    return ordinals


def _natural(name: str) -> List[Any]:
    """A key by which layer 2 stands before layer 10. Python refuses to convert thousands of digits."""
    parts = [(text, digits.lstrip("0")) for text, digits in re.findall("([^0-9]*)([0-9]*)", name)]
    return [(text, len(digits), digits) for text, digits in parts]


def renamed_names(rename: Rename, names: Iterable[str]) -> Dict[str, str]:
    """The new names of those in a file that `rename` changes. Of several prefixes the longest counts.

    A ValueError where no name begins with a prefix, or two arrays would have one name.
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
    """A `rename` that finds more of what is `wanted` among the `files`, without what is `used`; and how many it finds.

    First one prefix is changed, if more than half of either fits then. Then layers are paired that have the same
    parameters of the same shapes, in order.
    """
    rename: Dict[str, str] = {}
    left, missing = dict(files), dict(wanted)
    for strip, add, fitting in prefix_changes(files, wanted)[:1]:
        if 2 * len(fitting) > min(len(files), len(wanted)):
            rename[strip] = add
            left = {name: shape for name, shape in files.items() if name not in fitting}
            missing = {name: shape for name, shape in wanted.items() if name not in fitting.values()}
    if list(left) == sorted(left):  # in a zip file or one of safetensors: layer 10 stands before layer 2
        left = {name: left[name] for name in sorted(left, key=_natural)}
    theirs = _layers(left)
    for start, layer in _layers(missing).items():
        for other, candidate in theirs.items():
            if layer.keys() == candidate.keys() and all(agree(layer[end], candidate[end]) for end in layer):
                rename.setdefault(other, start)
                del theirs[other]
                break
    try:
        renamed = renamed_names(rename, [*files, *used]) if rename else {}
    except ValueError:  # two arrays would have one name
        return {}, 0
    found = {new for name, new in renamed.items() if new in wanted and agree(files.get(name), wanted[new])}
    return (rename, len(found)) if found and files.keys() >= renamed.keys() else ({}, 0)


def _layers(shapes: Mapping[str, Shape]) -> Dict[str, Dict[str, Shape]]:
    """The shapes by the end of the name, for each beginning of a name, in order."""
    layers: Dict[str, Dict[str, Shape]] = {}
    for name, shape in shapes.items():
        role = role_of(name)
        end = role if name.endswith(role) else name.rpartition(".")[-1]
        layers.setdefault(name[: len(name) - len(end)], {})[end] = shape
    return layers


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
    """The two beginnings before the longest common end, which begins after a dot or underscore, or is a whole name."""
    most = min(len(name), len(other))
    same = next((size for size in range(most) if name[-1 - size] != other[-1 - size]), most)
    while same and not all(len(each) == same or each[-1 - same] in "._" for each in (name, other)):
        same -= 1
    return name[: len(name) - same], other[: len(other) - same]
