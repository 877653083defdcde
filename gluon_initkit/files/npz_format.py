"""MXNet 2's parameter files: a zip of NumPy's ``.npy`` arrays, read from their headers, without MXNet.

Python's `zipfile` reads the directory. An array's own header is NumPy's (``numpy.lib.format``): magic, version, length,
and a Python literal, ``{'descr': '<f4', 'fortran_order': False, 'shape': (4, 3)}``. As in `params_format`, no number is
believed before it was compared with the bytes that are really there. Nothing is ever unpickled.
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

_LOCAL_HEADER = struct.Struct("<4s22xHH")  # of a member: magic, ..., the lengths of its name and of its extra fields
_NPY = re.compile(rb"\x93NUMPY[\1\2\3]\0", re.DOTALL)
# 32 dimensions take 700 bytes. On deeply nested literals Python's own parser fails loudly, or worse.
_MAX_HEADER, _MAX_BRACKETS = 1024, 64
_LITERAL_ERRORS = (ValueError, SyntaxError, TypeError, MemoryError, RecursionError)
_ENCRYPTED = 0x41  # bits of a member's flags
_MAX_RATIO = 1032  # one deflated byte stands for no more
_DTYPES = {"f2": "float16", "f4": "float32", "f8": "float64", "b1": "bool", "i1": "int8", "i2": "int16", "i4": "int32",
           "i8": "int64", "u1": "uint8", "u2": "uint16", "u4": "uint32", "u8": "uint64"}  # fmt: skip
_SPARSE = (
    "is sparse, and what MXNet 2 writes of that into a zip file is no .npy array: its format.npy has a broken header, "
    "and it reads no row_sparse one back; save it with gluon_initkit.save"
)


def read_zip(file: Any, source: str) -> List[StoredArray]:
    """The arrays of an open zip file, in the order of its directory; a CheckpointError where one is damaged."""
    size = os.fstat(file.fileno()).st_size
    try:
        members = zipfile.ZipFile(file).infolist()
    except (zipfile.BadZipFile, NotImplementedError, ValueError, OverflowError, struct.error, OSError) as error:
        if isinstance(error, OSError) and error.errno != errno.EINVAL:  # EINVAL: a seek to before the file
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
        wrong = (f"{member.filename!r:.80} is to begin at byte {begin}" if not 0 <= begin <= size else
                 f"{member.filename!r:.80} is no .npy array" if ending != ".npy" else
                 f"a second array is called {name!r:.80}" if name in parts else
                 f"{folder!r:.80} {_SPARSE}" if f"{folder}/" in sparse else "")  # fmt: skip
        if wrong:
            raise CheckpointError(source, begin if 0 <= begin <= size else size, wrong)
        end, parts[name] = _member(file, source, member, name)
        extents.append((begin, end, name))
    reached = 0
    for begin, end, name in sorted(extents):  # by overlapping, a few bytes could stand for a million arrays
        if begin < reached:
            raise CheckpointError(source, begin, f"{name!r:.80} begins within another array")
        reached = end
    return [StoredArray(name, 4, "default", part.shape, part.dtype, parts=(part,)) for name, part in parts.items()]


def _member(file: Any, source: str, member: zipfile.ZipInfo, name: str) -> Tuple[int, Part]:
    """Where a member ends, and what its header says."""
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
    taken, there = math.prod(shape) * numpy.dtype(dtype).itemsize, member.file_size - length
    if taken != there:
        raise error(at, f"{dtype} of shape {shape}, takes {counted(taken, 'byte')}, and {there:,} are there")
    packing = (member.compress_size, length, member.CRC) if deflated else ()
    return at + member.compress_size, Part(dtype, shape, at if deflated else at + length, taken, order, *packing)


def _array_header(head: bytes) -> Tuple[int, str, Tuple[int, ...], str]:
    """The header's length, and the dtype, shape and order in it; one of `_LITERAL_ERRORS` where it is broken."""
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
    sound = isinstance(shape, tuple) and len(shape) <= MAX_DIMENSIONS and type(header["fortran_order"]) is bool
    sound = sound and all(type(size) is int and size >= 0 for size in shape)
    # An empty array takes no bytes, whatever its other dimensions; but old NumPys count an empty one as 1.
    if not sound or (0 in shape and math.prod(size or 1 for size in shape) >> 31):
        raise ValueError(f"the shape {shape!r:.80}, fortran_order {header['fortran_order']!r:.80}")
    return length, dtype, shape, "F" if header["fortran_order"] else "C"
