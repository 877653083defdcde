"""The tie map inside a `.params` file: bytes behind MXNet's list of arrays, where MXNet's readers never look.

An array under a reserved name would make plain `Block.load_parameters` refuse the file, and so the map is no array. The
format of a file, all numbers little-endian:

    MXNet's list     uint64 0x112, uint64 0, uint64 count, the arrays, uint64 count, the names
    map              UTF-8 JSON, of `length` bytes
    length           uint64
    magic            8 bytes: "GIKTIES" 0x00

The file ends with the magic. A plain file never does: it ends with a name, which holds no NUL, or with a number of
eight bytes. The JSON is

    {"version": 1, "groups": [{"canonical": "0.weight", "aliases": ["1.weight"], "transposed": []}]}

The array is stored under the canonical path, and under that one alone. A file of a network that shares nothing has no
map and is byte for byte what MXNet writes. What else may stand behind the list is passed over, as MXNet does.
"""

import json
import os
import struct
from typing import Any, Dict, Iterable, Set, Tuple

from .errors import CheckpointError
from .json_text import parsed_json

__all__ = ["MAGIC", "VERSION", "read_ties", "written_ties"]

_Ties = Dict[str, Dict[str, Tuple[str, ...]]]

_END = struct.Struct("<Q8s")
MAGIC, VERSION = b"GIKTIES\0", 1
_LONGEST = 1 << 26


def written_ties(groups: Iterable[Any]) -> bytes:
    """What stands behind the list in the file of a network with these `SharedGroup`s: nothing where there are none."""
    listed = [{"canonical": each.canonical, "aliases": each.aliases, "transposed": each.transposed} for each in groups]
    text = json.dumps({"version": VERSION, "groups": listed}, separators=(",", ":")).encode()
    return text + _END.pack(len(text), MAGIC) if listed else b""


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
    if magic != MAGIC:
        return {}
    if length > min(at - begin, _LONGEST):
        raise CheckpointError(source, at, f"the tie map is to take {length} bytes, and there are {at - begin}")
    start = at - length
    file.seek(start)
    try:
        found = parsed_json(file.read(length).decode())
    except ValueError as error:
        raise CheckpointError(source, start, f"the tie map is no JSON: {error}") from None
    version = found.get("version") if isinstance(found, dict) else None
    if version != VERSION:
        raise CheckpointError(source, start, f"the tie map has version {version!r:.40}; this reads {VERSION}")
    return _checked(found.get("groups"), source, start, names)


def _checked(groups: Any, source: str, start: int, names: Set[str]) -> _Ties:
    ties: _Ties = {}
    taken = set(names)
    if not isinstance(groups, list):
        raise CheckpointError(source, start, f"the groups of the tie map are {groups!r:.80}: expected a list")
    for group in groups:
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
