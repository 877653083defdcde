"""The tie map of a `.params` file: bytes after MXNet's list of arrays, which MXNet's own readers never read.

An array with a reserved name would make MXNet's `Block.load_parameters` refuse the file. All numbers are little-endian:

    MXNet's list     uint64 0x112, uint64 0, uint64 count, the arrays, uint64 count, the names
    map              UTF-8 JSON of `length` bytes; each array is stored once, under its canonical path
                     {"version": 1, "groups": [{"canonical": "0.weight", "aliases": ["1.weight"], "transposed": []}]}
    length           uint64
    magic            8 bytes: "GIKTIES" 0x00

A file of MXNet never ends with the magic: it ends with a name, which has no NUL, or with a number of eight bytes. The
file of a network without ties has no map. Other bytes after the list are ignored, as MXNet does.
"""

import json
import os
import struct
from typing import Any, Dict, Iterable, List, Set, Tuple

from .stored_array import CheckpointError

Ties = Dict[str, Dict[str, Tuple[str, ...]]]

MAGIC, VERSION = b"GIKTIES\0", 1
_END = struct.Struct("<Q8s")
_MAX_LENGTH = 1 << 26
_KEYS = ("canonical", "aliases", "transposed")


def parsed_json(text: str) -> Any:
    """Parse the JSON of an untrusted file. Raises a ValueError if it is not JSON, or nested too deeply for Python."""
    try:
        return json.loads(text, object_pairs_hook=_object, parse_constant=_refuse)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _object(pairs: List[Tuple[str, Any]]) -> Dict[str, Any]:
    members: Dict[str, Any] = {}
    for key, value in pairs:
        if key in members:
            raise ValueError(f"an object has the key {key!r:.80} twice")
        members[key] = value
    return members


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant!r} is no number of JSON")


def written_ties(groups: Iterable[Any]) -> bytes:
    """The bytes of the tie map for these `SharedGroup`s or tied `StoredArray`s; empty if there are no groups."""
    listed = [dict(zip(_KEYS, (group.paths[0], group.aliases, group.transposed))) for group in groups]
    text = json.dumps({"version": VERSION, "groups": listed}, separators=(",", ":")).encode()
    return text + _END.pack(len(text), MAGIC) if listed else b""


def read_ties(file: Any, source: str, begin: int, names: Set[str]) -> Ties:
    """By the name of each tied array: its ``aliases``, and the ``transposed`` ones among them. Empty without a map.

    `begin` is the end of MXNet's list of arrays. Raises a CheckpointError for a damaged map or an unknown version.
    """
    at = os.fstat(file.fileno()).st_size - _END.size
    if at < begin:
        return {}
    file.seek(at)
    length, magic = _END.unpack(file.read(_END.size).ljust(_END.size, b"\0"))
    if magic != MAGIC:
        return {}
    if length > min(at - begin, _MAX_LENGTH):
        raise CheckpointError(source, at, f"the tie map is to take {length} bytes, and there are {at - begin}")
    start = at - length
    file.seek(start)
    try:
        document = parsed_json(file.read(length).decode())
    except ValueError as error:
        raise CheckpointError(source, start, f"the tie map is no JSON: {error}") from None
    version = document.get("version") if isinstance(document, dict) else None
    if version != VERSION:
        raise CheckpointError(source, start, f"the tie map has version {version!r:.40}; this reads {VERSION}")
    try:
        return checked_ties(document.get("groups"), names)
    except ValueError as error:
        raise CheckpointError(source, start, str(error)) from None


def checked_ties(groups: Any, names: Set[str]) -> Ties:
    """The result of `read_ties`, from the groups in the JSON. Raises a ValueError if they do not fit the names."""
    ties: Ties = {}
    used = set(names)
    if not isinstance(groups, list):
        raise ValueError(f"the groups of the tie map are {groups!r:.80}: expected a list")
    for group in groups:
        fields: List[Any] = [group.get(key) for key in _KEYS] if isinstance(group, dict) else [None]
        lists = all(isinstance(paths, list) and all(isinstance(path, str) for path in paths) for paths in fields[1:])
        if not isinstance(fields[0], str) or not lists:
            raise ValueError(f"a group of the tie map is {group!r:.80}")
        canonical, aliases, transposed = fields
        if canonical not in names or canonical in ties or not set(transposed) <= set(aliases):
            raise ValueError(f"no one array fits the group of {canonical!r:.80} in the tie map")
        if len(set(aliases)) < len(aliases) or not used.isdisjoint(aliases):
            raise ValueError(f"the group of {canonical!r:.80} in the tie map has a path twice")
        used.update(aliases)
        ties[canonical] = {"aliases": tuple(aliases), "transposed": tuple(transposed)}
    return ties
