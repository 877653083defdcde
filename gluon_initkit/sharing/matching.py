"""Which array of a file each parameter of a network takes, decided and checked before anything changes.

A file offers an array for each path that it names, by itself or in its tie map (`files.match` says which name of a
file is which path). A parameter of the network has one path or several. It takes the arrays that are offered for any of
them, if all agree to the bit; that one rule covers files saved once, for every name and under another canonical name,
and networks tied as the file says, not tied, and tied otherwise.
"""

from dataclasses import dataclass
from typing import Any, Callable, Dict, Iterable, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from .._mxnet import backend, mx
from .._mxnet.arrays import bits_of, dtype_name
from .._mxnet.files import array_from_file, dtype_named
from .._mxnet.parameter import shape_of
from .._mxnet.state import in_storage_of, load_contexts
from .._mxnet.trainer import trainer_objection
from ..files import StoredArray, StoredValues
from ..files.match import Match as NameMatch
from ..shapes import agree, is_known
from .errors import LoadSharingError
from .groups import SharedGroup

__all__ = ["Contents", "Match", "Problem", "Rules", "matched"]

Held = Mapping[str, Tuple[Any, bool]]  # what `sources` finds
Offer = Tuple[str, bool]  # the name of an array in the file, and whether it is to be transposed


class Problem(NamedTuple):
    """Why something cannot be loaded, and what mends it, which many may have in common."""

    what: str
    mend: str = ""


class Contents:
    """What a file holds for a network: arrays for its paths, and ties. `read` is of ``stored.reading()``."""

    def __init__(
        self, stored: StoredValues, read: Callable[[StoredArray], Any], held: Held, renaming: NameMatch
    ) -> None:
        self.stored, self._read = stored, read
        self.groups = tuple(SharedGroup(array.name, array.aliases, array.transposed)
                            for array in stored.arrays.values() if array.aliases)  # fmt: skip
        self.offers: Dict[str, Offer] = {}
        """For each path, the array that the file holds for it."""
        for array in stored.arrays.values():
            for path in (array.name, *array.aliases):
                if renaming.scheme == "paths" or path not in renaming.names:
                    self.offers[renaming.names.get(path, path)] = array.name, path in array.transposed
        if renaming.scheme == "names":
            files = {new: name for name, new in renaming.names.items()}
            self.offers.update((path, (files[param.name], odd)) for path, (param, odd) in held.items()
                               if param.name in files)  # fmt: skip
        self._arrays: Dict[str, Any] = {}

    def array(self, name: str) -> Any:
        """One array of the file as an NDArray on the CPU; a CheckpointError where its values cannot be read."""
        if name not in self._arrays:
            header = self.stored.arrays[name]
            try:
                self._arrays[name] = array_from_file(header.stype, header.shape, self._read(header).parts())
            except (mx.MXNetError, OverflowError) as error:
                raise LoadSharingError(f"MXNet cannot hold {name!r}, {header.dtype} of shape {header.shape}, of "
                                       f"{self.stored.path!r}: {error}") from error  # fmt: skip
        return self._arrays[name]

    def offered(self, members: Iterable[Tuple[str, bool]]) -> Dict[Offer, str]:
        """The arrays for a parameter with these paths, each with the first path that leads to it."""
        found: Dict[Offer, str] = {}
        for path, odd in members:
            if path in self.offers:
                name, turned = self.offers[path]
                found.setdefault((name, odd != turned), path)
        return found


@dataclass(frozen=True)
class Rules:
    """What MXNet's arguments of `load_parameters` say, and whether ties that a file cannot tell of are believed."""

    ctxs: Optional[Sequence[Any]]
    allow_missing: bool
    cast_dtype: bool
    dtype_source: str
    trusting: bool = False


@dataclass
class Match:
    """One parameter and what it takes."""

    path: str
    param: Any
    offer: Offer
    ctxs: Sequence[Any]
    dtype: Any
    """The dtype that the parameter is to be cast to first; None where it keeps its own."""
    trusted: Sequence[str] = ()
    """Paths that the file knows nothing of, and of which it cannot say whether they were tied."""
    array: Any = None
    """The values, once they are read."""

    def read(self, contents: Contents) -> None:
        """Read the values, as the parameter takes them."""
        name, flip = self.offer
        array = contents.array(name).T if flip else contents.array(name)
        dtype = self.param.dtype if self.dtype is None else self.dtype
        if dtype_name(array.dtype) != dtype_name(dtype):
            array = array.astype(dtype)
        self.array = in_storage_of(self.param, array)


def matched(held: Held, contents: Contents, rules: Rules) -> Tuple[List[Match], List[Problem]]:
    """What every parameter takes, and all reasons why it cannot."""
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
    absent = [path for path, _ in paths if path not in contents.offers]
    if not offers and rules.allow_missing:
        return None
    if not offers:
        return _missing(label, contents)
    (name, flip), first = next(iter(offers.items()))
    if absent and not rules.allow_missing and (contents.groups or not rules.trusting):
        return _untold(absent[0], first, contents)
    for (other, turned), path in offers.items():
        if other != name and bits_of(contents.array(other), turned) != bits_of(contents.array(name), flip):
            return _conflict(first, path, name, other)
    return _fitted(param, label, contents, name, flip, rules, absent)


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
    return Problem(f"{first!r} and {path!r} share one parameter in the network, and the file holds different values "
                   f"for them, as {name!r} and {other!r}",
                   f"gluon_initkit.untie(net, {path!r}) gives {path!r} a parameter of its own.")  # fmt: skip


def _fitted(
    param: Any, label: str, contents: Contents, name: str, flip: bool, rules: Rules, absent: Sequence[str]
) -> Any:
    array = contents.stored.arrays[name]
    in_file = "in the file" if array.name == label or label in array.aliases else f"in the file (as {array.name!r})"
    if not array.parts:
        return Problem(f"{label!r} has no values {in_file}: it was saved before its shape was known")
    found, shape = array.shape, shape_of(param)
    assert found is not None
    if flip and len(found) != 2:
        return Problem(f"{label!r} is tied transposed, and has shape {found} {in_file}; expected two dimensions")
    found = found[::-1] if flip else found
    if shape is not None and not agree(shape, found):
        shown = tuple("?" if size is None else size for size in shape)
        return Problem(f"{label!r} has shape {found} {in_file}, expected {shown}".replace("'?'", "?"))
    if not is_known(shape) and not contents.stored.has_values(array):
        return Problem(f"{label!r} is too large to be unpacked {in_file}, and the network does not know its shape",
                       "Give the network its shapes first: by a forward pass, or in_units= and the like.")  # fmt: skip
    dtype = None
    if dtype_name(param.dtype) != array.dtype:
        if not rules.cast_dtype:
            return Problem(f"{label!r} is {array.dtype} {in_file}, expected {dtype_name(param.dtype)}",
                           "cast_dtype=True lets dtypes differ.")  # fmt: skip
        dtype = dtype_named(array.dtype) if rules.dtype_source == "saved" else None
        if dtype is None and rules.dtype_source == "saved":
            return Problem(f"{label!r} is {array.dtype} {in_file}, which this MXNet has not",
                           "dtype_source='current' keeps the network's dtypes.")  # fmt: skip
    ctxs = load_contexts(param, rules.ctxs)
    if ctxs is None:
        there = load_contexts(param, None)
        return Problem(f"{label!r} is on {there}, and asked for on {rules.ctxs}",
                       f"A parameter's {backend.reset_method}(...) moves it; or ask for none.")  # fmt: skip
    objection = trainer_objection(param, ctxs)
    if objection is not None:
        why, mend = objection
        return Problem(f"{label!r}: {why}", f"{mend[0].upper()}{mend[1:]}.")
    return Match(label, param, (array.name, flip), ctxs, dtype, absent)
