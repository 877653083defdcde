"""The tie map that `save` leaves behind MXNet's list in a ``.params`` file, read without MXNet and without trust.

``sharing.trailer`` says how it is written: JSON, its length as uint64, and eight bytes of magic, the file's last. What
else may stand behind the list is nobody's, as it is to MXNet.
"""

import json
import os
import struct
from typing import Any, Dict, Set, Tuple

from .errors import CheckpointError

__all__ = ["read_ties"]

_Ties = Dict[str, Dict[str, Tuple[str, ...]]]

_END = struct.Struct("<Q8s")
_MAGIC, _VERSION = b"GIKTIES\0", 1
_LONGEST = 1 << 26


def read_ties(file: Any, source: str, begin: int, names: Set[str]) -> _Ties:
    """For the name of each tied array its ``aliases`` and those that are ``transposed``; empty where there is no map.

    `begin` is where MXNet's list ends, `names` are those of its arrays.

    Raises
    ------
    CheckpointError
        There is a map, and it is damaged or of a version that is not known here.
    """
    at = os.fstat(file.fileno()).st_size - _END.size
    if at < begin:
        return {}
    file.seek(at)
    length, magic = _END.unpack(file.read(_END.size).ljust(_END.size, b"\0"))
    if magic != _MAGIC:
        return {}
    if length > min(at - begin, _LONGEST):
        raise CheckpointError(source, at, f"the tie map is to take {length} bytes, and there are {at - begin}")
    start = at - length
    file.seek(start)
    try:
        found = json.loads(file.read(length).decode())
    except (ValueError, RecursionError) as error:
        raise CheckpointError(source, start, f"the tie map is no JSON: {error}") from None
    version = found.get("version") if isinstance(found, dict) else None
    if version != _VERSION:
        raise CheckpointError(source, start, f"the tie map has version {version!r:.40}; this reads {_VERSION}")
    return _checked(found.get("groups"), source, start, names)


def _checked(groups: Any, source: str, start: int, names: Set[str]) -> _Ties:
    ties: _Ties = {}
    taken = set(names)
    for group in groups if isinstance(groups, list) else [groups]:
        facts: Dict[str, Any] = group if isinstance(group, dict) else {}
        canonical, aliases, transposed = (facts.get(key) for key in ("canonical", "aliases", "transposed"))
        if not (_are_paths([canonical]) and _are_paths(aliases) and _are_paths(transposed)):
            raise CheckpointError(source, start, f"a group of the tie map is {group!r:.80}")
        assert canonical is not None and aliases is not None and transposed is not None
        if canonical not in names or canonical in ties or not set(transposed) <= set(aliases):
            raise CheckpointError(source, start, f"no one array fits the group of {canonical!r:.80} in the tie map")
        if len(set(aliases)) < len(aliases) or not taken.isdisjoint(aliases):
            raise CheckpointError(source, start, f"a path of the group of {canonical!r:.80} stands there twice")
        taken.update(aliases)
        ties[canonical] = {"aliases": tuple(aliases), "transposed": tuple(transposed)}
    return ties


def _are_paths(found: Any) -> bool:
    return isinstance(found, list) and all(isinstance(each, str) for each in found)
