"""Read the headers of MXNet 2's parameter files, which are zip files of NumPy's ``.npy`` arrays, without MXNet.

Python's `zipfile` reads the directory. An array's header is NumPy's (``numpy.lib.format``): magic, version, length and
a Python literal, ``{'descr': '<f4', 'fortran_order': False, 'shape': (4, 3)}``. As in `params_format`, no number is
used before it is compared with the bytes that the file really has. Nothing is ever unpickled.
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
from .stored_array import MAX_DIMENSIONS, CheckpointError, Part, StoredArray

_LOCAL_HEADER = struct.Struct("<4s22xHH")  # magic, ..., the lengths of the member's name and of its extra fields
_NPY = re.compile(rb"\x93NUMPY[\1\2\3]\0", re.DOTALL)
# 32 dimensions take 700 bytes. Deeply nested literals make Python's own parser raise an error, or crash.
_MAX_HEADER, _MAX_BRACKETS = 1024, 64
_LITERAL_ERRORS = (ValueError, SyntaxError, TypeError, MemoryError, RecursionError)
_ENCRYPTED = 0x41  # flag bits of a member
_MAX_RATIO = 1032  # a deflated byte inflates to at most this many
_DTYPES = {"f2": "float16", "f4": "float32", "f8": "float64", "b1": "bool", "i1": "int8", "i2": "int16", "i4": "int32",
           "i8": "int64", "u1": "uint8", "u2": "uint16", "u4": "uint32", "u8": "uint64"}  # fmt: skip
_SPARSE = (
    "is sparse, and what MXNet 2 writes of that into a zip file is no .npy array: its format.npy has a broken header, "
    "and it reads no row_sparse one back; save it with gluon_initkit.save"
)


def read_zip(file: Any, source: str) -> List[StoredArray]:
    """The arrays of an open zip file, in the order of its directory. Raises a CheckpointError if one is damaged."""
    size = os.fstat(file.fileno()).st_size
    try:
        members = zipfile.ZipFile(file).infolist()
    except (zipfile.BadZipFile, NotImplementedError, ValueError, OverflowError, struct.error, OSError) as error:
        if isinstance(error, OSError) and error.errno != errno.EINVAL:  # EINVAL: a seek to before the file's beginning
            raise
        reason = f"the file begins as a zip file, and ends without a zip file's directory: {error}"
        raise CheckpointError(source, size, reason) from None
    if any(member.filename.endswith("/data.pkl") for member in members):
        raise CheckpointError(source, 0, "not a .params file of MXNet: it is a file of torch.save: torch.load opens it")
    sparse = {member.filename[: -len("format.npy")] for member in members if member.filename.endswith("/format.npy")}
    parts: Dict[str, Part] = {}
    extents: List[Tuple[int, int, str]] = []
    for member in members:
        begin, name, ending = member.header_offset, member.filename[:-4], member.filename[-4:]
        folder = name.rpartition("/")[0]
        reason = (f"{member.filename!r:.80} is to begin at byte {begin}" if not 0 <= begin <= size else
                  f"{member.filename!r:.80} is no .npy array" if ending != ".npy" else
                  f"a second array is called {name!r:.80}" if name in parts else
                  f"{folder!r:.80} {_SPARSE}" if f"{folder}/" in sparse else "")  # fmt: skip
        if reason:
            raise CheckpointError(source, begin if 0 <= begin <= size else size, reason)
        end, parts[name] = _member(file, source, member, name)
        extents.append((begin, end, name))
    reached = 0
    for begin, end, name in sorted(extents):  # if they could overlap, a few bytes could hold a million arrays
        if begin < reached:
            raise CheckpointError(source, begin, f"{name!r:.80} begins within another array")
        reached = end
    return [StoredArray(name, 4, "default", part.shape, part.dtype, parts=(part,)) for name, part in parts.items()]


def _member(file: Any, source: str, member: zipfile.ZipInfo, name: str) -> Tuple[int, Part]:
    """The end of a member in the file, and the array that its header describes."""
    begin, size = member.header_offset, os.fstat(file.fileno()).st_size

    def error(at: int, reason: str) -> CheckpointError:
        return CheckpointError(source, at, f"{name!r:.80} {reason}")

    file.seek(begin)
    start = file.read(_LOCAL_HEADER.size)
    if len(start) < _LOCAL_HEADER.size or start[:4] != b"PK\3\4":
        raise error(begin, f"does not begin where the directory of the zip file says: {start[:4]!r}")
    at = begin + _LOCAL_HEADER.size + sum(_LOCAL_HEADER.unpack(start)[1:])
    deflated = member.compress_type == zipfile.ZIP_DEFLATED
    if member.flag_bits & _ENCRYPTED or not (deflated or member.compress_type == zipfile.ZIP_STORED):
        raise error(begin, f"is encrypted, or compressed by method {member.compress_type}: MXNet stores or deflates")
    if at + member.compress_size > size:
        there = max(size - at, 0)
        raise error(min(at, size), f"takes {member.compress_size:,} bytes, and the file has {there:,} more")
    if member.file_size > member.compress_size * (_MAX_RATIO if deflated else 1):
        raise error(at, f"is to hold {member.file_size} bytes in {member.compress_size}")
    file.seek(at)
    head = file.read(min(member.compress_size, _MAX_HEADER))
    try:
        head = zlib.decompressobj(-zlib.MAX_WBITS).decompress(head, _MAX_HEADER) if deflated else head
        length, dtype, shape, order = _array_header(head)
    except (zlib.error, *_LITERAL_ERRORS) as reason:
        raise error(at, f"has no header that MXNet writes: {reason}") from None
    needed, there = math.prod(shape) * numpy.dtype(dtype).itemsize, member.file_size - length
    if needed != there:
        raise error(at, f"{dtype} of shape {shape}, takes {counted(needed, 'byte')}, and {there:,} are there")
    packing = (member.compress_size, length, member.CRC) if deflated else ()
    return at + member.compress_size, Part(dtype, shape, at if deflated else at + length, needed, order, *packing)


def _array_header(head: bytes) -> Tuple[int, str, Tuple[int, ...], str]:
    """A header's length, dtype, shape and order. Raises one of `_LITERAL_ERRORS` if the header is invalid."""
    if not _NPY.match(head):
        raise ValueError(f"it begins with {head[:8]!r}")
    layout = struct.Struct("<H" if head[6] == 1 else "<I")
    length = 8 + layout.size + layout.unpack(head[8 : 8 + layout.size].ljust(layout.size, b"\0"))[0]
    if length > len(head):
        raise ValueError(f"its header is to take {length!r} bytes")
    text = head[8 + layout.size : length].decode("latin1").strip()
    if sum(map(text.count, "([{")) > _MAX_BRACKETS:
        raise ValueError(f"{text!r:.80}")
    header = ast.literal_eval(text)
    if not isinstance(header, dict) or set(header) != {"descr", "fortran_order", "shape"}:
        raise ValueError(f"{header!r:.80}")
    descr, shape = header["descr"], header["shape"]
    dtype = _DTYPES.get(descr[1:]) if isinstance(descr, str) and descr[:1] in "<|" else None
    if dtype is None:
        raise ValueError(f"the type {descr!r:.80} is none of MXNet's")
    valid = isinstance(shape, tuple) and len(shape) <= MAX_DIMENSIONS and type(header["fortran_order"]) is bool
    valid = valid and all(type(size) is int and size >= 0 for size in shape)
    # An empty array takes no bytes, whatever its other dimensions are. But old NumPy counts a size of 0 as 1.
    if not valid or (0 in shape and math.prod(size or 1 for size in shape) >> 31):
        raise ValueError(f"the shape {shape!r:.80}, fortran_order {header['fortran_order']!r:.80}")
    return length, dtype, shape, "F" if header["fortran_order"] else "C"
