"""The layout of MXNet 2's parameter files: a zip of NumPy's ``.npy`` arrays, read from its headers, without MXNet.

Python's `zipfile` reads the directory; an array's own header is NumPy's (``numpy.lib.format``): magic, version, length,
and a Python literal, ``{'descr': '<f4', 'fortran_order': False, 'shape': (4, 3)}``. As in `params_format`, no number is
believed before it was held against the bytes that are really there; and nothing is ever unpickled.
"""

import ast
import errno
import math
import os
import re
import struct
from typing import Any, Dict, List, Tuple
import zipfile
import zlib

import numpy

from ..display import counted
from .errors import CheckpointError
from .stored import MOST_ARRAYS, MOST_DIMENSIONS, Part, StoredArray

__all__ = ["inflated", "read_zip"]


def read_zip(file: Any, source: str) -> List[StoredArray]:
    """The arrays of an open file that begins as a zip does, in the order of its directory.

    Raises
    ------
    CheckpointError
        Its directory or one of its members is damaged, is no array of MXNet's, or says what cannot be.
    """
    found: Dict[str, Tuple[int, int, Part]] = {}
    infos = _directory(file, source)
    sparse = {info.filename[: -len("format.npy")] for info in infos if info.filename.endswith("/format.npy")}
    for info in infos:
        name, ending = info.filename[:-4], info.filename[-4:]
        if ending != ".npy":
            raise CheckpointError(source, info.header_offset, f"{info.filename!r:.80} is no .npy array")
        if name in found:
            raise CheckpointError(source, info.header_offset, f"a second array is called {name!r:.80}")
        if name.rpartition("/")[0] + "/" in sparse:
            raise CheckpointError(source, info.header_offset, f"{name.rpartition('/')[0]!r:.80} {_SPARSE}")
        found[name] = _member(file, source, info, name)
    _apart(source, found)
    return [
        StoredArray(name, _VERSION, "default", part.shape, part.dtype, parts=(part,))
        for name, (_, _, part) in found.items()
    ]


def inflated(stored: bytes, part: Part) -> bytes:
    """The values of a deflated part from what the file holds of it; a `zlib.error` where that is damaged."""
    whole = zlib.decompressobj(-zlib.MAX_WBITS).decompress(stored, part.skipped + part.size)
    if len(whole) != part.skipped + part.size or zlib.crc32(whole) != part.checksum:
        raise zlib.error("its length or its checksum is another")
    return whole[part.skipped :]


_VERSION = 4
_LOCAL = struct.Struct("<4s22xHH")  # a member's own header: magic, ..., the lengths of its name and of extra fields
_NPY = re.compile(rb"\x93NUMPY[\1\2\3]\0", re.DOTALL)
# 32 dimensions take 700 bytes; on literals of deep nesting Python's own parser fails loudly, or worse.
_LONGEST, _MOST_BRACKETS = 1024, 64
_LITERAL_ERRORS = (ValueError, SyntaxError, TypeError, MemoryError, RecursionError)
_ENCRYPTED, _MOST_DEFLATED = 0x41, 1032  # bits of the flags; no byte of deflate's stands for more
_KINDS = {"f2": "float16", "f4": "float32", "f8": "float64", "b1": "bool", "i1": "int8", "i2": "int16", "i4": "int32",
          "i8": "int64", "u1": "uint8", "u2": "uint16", "u4": "uint32", "u8": "uint64"}  # fmt: skip
_SPARSE = (
    "is sparse, and what MXNet 2 writes of that into a zip file is no .npy array: its format.npy has a broken header, "
    "and it reads no row_sparse one back; save it with gluon_initkit.save"
)


def _directory(file: Any, source: str) -> List[zipfile.ZipInfo]:
    size = os.fstat(file.fileno()).st_size
    try:
        infos = zipfile.ZipFile(file).infolist()
    except (zipfile.BadZipFile, NotImplementedError, ValueError, OverflowError, struct.error, OSError) as error:
        if isinstance(error, OSError) and error.errno != errno.EINVAL:  # which is a seek to before the file
            raise
        reason = f"the file begins as a zip file, and ends without a zip file's directory: {error}"
        raise CheckpointError(source, size, reason) from None
    if len(infos) > MOST_ARRAYS:
        raise CheckpointError(source, size, f"the directory of the zip file announces {len(infos)} arrays")
    for info in infos:
        if not 0 <= info.header_offset <= size:
            raise CheckpointError(source, size, f"{info.filename!r:.80} is to begin at byte {info.header_offset}")
    return infos


def _member(file: Any, source: str, info: zipfile.ZipInfo, name: str) -> Tuple[int, int, Part]:
    """Where a member begins and ends, and what its header says."""
    begin, size = info.header_offset, os.fstat(file.fileno()).st_size

    def refused(at: int, reason: str) -> CheckpointError:
        return CheckpointError(source, at, f"{name!r:.80} {reason}")

    file.seek(begin)
    start = file.read(_LOCAL.size)
    if len(start) < _LOCAL.size or start[:4] != b"PK\3\4":
        raise refused(begin, f"does not begin where the directory of the zip file says: {start[:4]!r}")
    at = begin + _LOCAL.size + sum(_LOCAL.unpack(start)[1:])
    end = at + info.compress_size
    deflated = info.compress_type == zipfile.ZIP_DEFLATED
    if info.flag_bits & _ENCRYPTED or not (deflated or info.compress_type == zipfile.ZIP_STORED):
        raise refused(begin, f"is encrypted, or compressed by method {info.compress_type}: MXNet stores or deflates")
    if end > size:
        raise refused(min(at, size), f"takes {info.compress_size:,} bytes, and the file has {max(size - at, 0):,} more")
    if info.file_size > info.compress_size * (_MOST_DEFLATED if deflated else 1):
        raise refused(at, f"is to hold {info.file_size} bytes in {info.compress_size}")
    file.seek(at)
    head = file.read(min(info.compress_size, _LONGEST))
    try:
        head = zlib.decompressobj(-zlib.MAX_WBITS).decompress(head, _LONGEST) if deflated else head
        length, dtype, shape, order = _described(head)
    except (zlib.error, *_LITERAL_ERRORS) as error:
        raise refused(at, f"has no header that MXNet writes: {error}") from None
    taken, there = math.prod(shape) * numpy.dtype(dtype).itemsize, info.file_size - length
    if taken != there:
        raise refused(at, f"{dtype} of shape {shape}, takes {counted(taken, 'byte')}, and {there:,} are there")
    packed = (info.compress_size, length, info.CRC) if deflated else ()
    return begin, end, Part(dtype, shape, at if deflated else at + length, taken, order, *packed)


def _described(head: bytes) -> Tuple[int, str, Tuple[int, ...], str]:
    """The length of a header, and the type, shape and order that it tells; a ValueError, or worse, where it cannot."""
    if not _NPY.match(head):
        raise ValueError(f"it begins with {head[:8]!r}")
    layout = struct.Struct("<H" if head[6] == 1 else "<I")
    length = 8 + layout.size + layout.unpack(head[8 : 8 + layout.size].ljust(layout.size, b"\0"))[0]
    if length > len(head):
        raise ValueError(f"its header is to take {length} bytes")
    text = head[8 + layout.size : length].decode("latin1").strip()
    if sum(map(text.count, "([{")) > _MOST_BRACKETS:
        raise ValueError(f"{text!r:.80}")
    facts = ast.literal_eval(text)
    if not isinstance(facts, dict) or set(facts) != {"descr", "fortran_order", "shape"}:
        raise ValueError(f"{facts!r:.80}")
    descr, shape = facts["descr"], facts["shape"]
    dtype = _KINDS.get(descr[1:]) if isinstance(descr, str) and descr[:1] in "<|" else None
    if dtype is None:
        raise ValueError(f"the type {descr!r:.80} is none of MXNet's")
    sound = isinstance(shape, tuple) and len(shape) <= MOST_DIMENSIONS and type(facts["fortran_order"]) is bool
    sound = sound and all(type(size) is int and size >= 0 for size in shape)
    # An empty array takes no bytes, whatever its other dimensions; but old NumPys count an empty one as 1.
    if not sound or (0 in shape and math.prod(size or 1 for size in shape) >> 31):
        raise ValueError(f"the shape {shape!r:.80}, fortran_order {facts['fortran_order']!r:.80}")
    return length, dtype, shape, "F" if facts["fortran_order"] else "C"


def _apart(source: str, found: Dict[str, Tuple[int, int, Part]]) -> None:
    """Refuse members that lie over each other: a few bytes could stand for a million arrays."""
    reached = 0
    for name, (begin, end, _) in sorted(found.items(), key=lambda each: each[1]):
        if begin < reached:
            raise CheckpointError(source, begin, f"{name!r:.80} begins within another array")
        reached = end
