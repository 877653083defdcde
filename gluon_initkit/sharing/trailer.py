"""The tie map inside a `.params` file: bytes behind MXNet's list of arrays, where MXNet's readers never look.

An array under a reserved name would make plain `Block.load_parameters` refuse the file, and so the map is no array. The
format of a file, all numbers little-endian:

    MXNet's list     uint64 0x112, uint64 0, uint64 count, the arrays, uint64 count, the names
    map              UTF-8 JSON, of `length` bytes
    length           uint64
    magic            8 bytes: "GIKTIES" 0x00

The file ends with the magic. A plain file never does: it ends with a name, which holds no NUL, or with a number of
eight bytes. So a reader of headers finds the map behind the last name, and a reader of the end needs no header. The
JSON is

    {"version": 1, "groups": [{"canonical": "0.weight", "aliases": ["1.weight"], "transposed": []}]}

A file of a network that shares nothing has no map and is byte for byte what MXNet writes.
"""

import json
import os
import struct
from typing import Any, Sequence, Tuple

from .errors import SharingError
from .groups import SharedGroup

__all__ = ["MAGIC", "VERSION", "append_groups", "read_groups"]

MAGIC = b"GIKTIES\0"
VERSION = 1
_END = struct.Struct("<Q8s")


def append_groups(path: str, groups: Sequence[SharedGroup]) -> None:
    """Write the tie map behind what stands in a file."""
    listed = [{"canonical": each.canonical, "aliases": each.aliases, "transposed": each.transposed} for each in groups]
    text = json.dumps({"version": VERSION, "groups": listed}, separators=(",", ":")).encode()
    with open(path, "ab") as file:
        file.write(text + _END.pack(len(text), MAGIC))


def read_groups(path: str) -> Tuple[SharedGroup, ...]:
    """The groups of a file's tie map; none where it has no map.

    Raises
    ------
    SharingError
        The map is damaged, or of a version that is not known here.
    """
    with open(path, "rb") as file:
        size = file.seek(0, os.SEEK_END)
        if size < _END.size:
            return ()
        file.seek(size - _END.size)
        length, magic = _END.unpack(file.read(_END.size))
        if magic != MAGIC:
            return ()
        if length > size - _END.size:
            raise _damaged(path, f"it claims {length} bytes, and the file has {size}")
        file.seek(size - _END.size - length)
        text = file.read(length)
    try:
        found = json.loads(text)
    except ValueError as error:
        raise _damaged(path, f"it is no JSON ({error})") from error
    version = found.get("version") if isinstance(found, dict) else None
    if version != VERSION:
        raise SharingError(f"The tie map of {path!r} has version {version!r:.40}, and this gluon_initkit reads version "
                           f"{VERSION}. Load it with the gluon_initkit that wrote it, or a newer one.")  # fmt: skip
    return _groups(path, found.get("groups"))


def _groups(path: str, listed: Any) -> Tuple[SharedGroup, ...]:
    try:
        groups = tuple(SharedGroup(each["canonical"], tuple(each["aliases"]), tuple(each["transposed"]))
                       for each in listed)  # fmt: skip
    except (KeyError, TypeError) as error:
        raise _damaged(path, "a group lacks its canonical path, aliases or transposed") from error
    seen = set()
    for group in groups:
        for each in group.paths:
            if not isinstance(each, str):
                raise _damaged(path, f"{each!r:.40} is no path")
            if each in seen:
                raise _damaged(path, f"{each!r} stands in it twice")
            seen.add(each)
        if not set(group.transposed) <= set(group.aliases):
            raise _damaged(path, f"a transposed path of {group.canonical!r} is none of its aliases")
    return groups


def _damaged(path: str, why: str) -> SharingError:
    return SharingError(
        f"The tie map at the end of {path!r} is damaged: {why}. The arrays before it can be read by "
        f"mx.nd.load({path!r}); save the file again with gluon_initkit.save."
    )
