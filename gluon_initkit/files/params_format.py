"""The layout of MXNet's ``.params`` files: what stands where, read from the headers alone, without MXNet.

A file is a list of arrays followed by the list of their names (``NDArray::Save`` and ``Load``, src/ndarray/ndarray.cc):

    uint64 0x112, uint64 reserved, uint64 count, the arrays, uint64 count (or 0), the names as uint64 length and bytes

An array begins with a magic number that says how the rest of its header is written: three versions, and the oldest,
whose magic is the number of dimensions itself. Everything is little-endian. Files are hostile until read: no number of
a header is believed before it was held against the bytes that are really there. MXNet 2's zip files are left to
`npz_format`.
"""

import math
import os
import stat
import struct
from typing import Any, Dict, List, Optional, Tuple

from ..display import counted
from ..shapes import is_known
from .errors import CheckpointError
from .npz_format import read_zip
from .stored import MOST_ARRAYS, MOST_DIMENSIONS, Part, StoredArray
from .tie_map import read_ties

__all__ = ["read_headers"]

# mshadow's type flags, by number; NumPy has no bfloat16.
_DTYPES = ("float32", "float64", "float16", "uint8", "int32", "int8", "int64", "bool", "int16", "uint16", "uint32",
           "uint64", "bfloat16")  # fmt: skip
_ITEMSIZES = (4, 8, 2, 1, 4, 1, 8, 1, 2, 2, 4, 8, 2)
_STYPES = {0: ("default", 0), 1: ("row_sparse", 1), 2: ("csr", 2)}
_DEVICES = {1: "cpu", 2: "gpu", 3: "cpu_pinned", 5: "cpu_shared"}

_FILE_MAGIC = 0x112
_V2 = 0xF993FAC9
_VERSIONS = {0xF993FAC8: 1, _V2: 2, 0xF993FACA: 3}

_LONGEST_NAME = 1 << 16


def read_headers(path: Any) -> List[StoredArray]:
    """The arrays of a file, in order. Reads some hundred bytes an array, whatever its size.

    Raises
    ------
    CheckpointError
        The file is none of MXNet's, is cut off, or says what cannot be.
    OSError
        It cannot be read at all.
    """
    source = os.fspath(path)
    if not stat.S_ISREG(os.stat(source).st_mode):
        # Opening a pipe would wait for a writer, reading a device would not end.
        raise CheckpointError(str(source), 0, "this is a directory or a device; expected a .params file")
    with open(source, "rb", buffering=0) as file:
        if file.read(2) == b"PK":
            return read_zip(file, str(source))
        file.seek(0)
        reader = _Reader(file, str(source))
        arrays = reader.arrays()
        ties: Dict[str, Any] = read_ties(file, str(source), reader.offset, {array.name for array in arrays})
    return [array._replace(**ties.get(array.name, {})) for array in arrays] if ties else arrays


class _Reader:
    """Reads forward through a file, a window of some pages at a time, and knows where it is and how much there is."""

    def __init__(self, file: Any, source: str) -> None:
        self.file, self.source, self.offset = file, source, 0
        self.end = os.fstat(file.fileno()).st_size
        self.window, self.window_start = b"", 0
        self.subject = "the list"

    def error(self, offset: int, reason: str) -> CheckpointError:
        return CheckpointError(self.source, offset, reason)

    def numbers(self, layout: struct.Struct, what: str) -> Tuple[int, ...]:
        at = self.offset - self.window_start
        if at + layout.size > len(self.window):
            return layout.unpack(self.bytes(layout.size, what))
        self.offset += layout.size
        return layout.unpack_from(self.window, at)

    def bytes(self, size: int, what: str) -> bytes:
        """The next `size` bytes, which are `what` of the subject."""
        at = self.offset - self.window_start
        if at + size > len(self.window):
            if size <= self.end - self.offset:
                self.file.seek(self.offset)
                self.window, self.window_start, at = self.file.read(max(size, _WINDOW)), self.offset, 0
            if at + size > len(self.window):
                needed = f"{what} {self.subject} takes {counted(size, 'byte')} more"
                raise self.error(self.offset, f"the file ends at byte {self.end}, and {needed}")
        self.offset += size
        return self.window[at : at + size]

    def arrays(self) -> List[StoredArray]:
        start = self.file.read(8)
        if start != _UINT64.pack(_FILE_MAGIC):
            raise self.error(0, f"not a .params file of MXNet: it begins with {start!r}")
        _, _, count = self.numbers(_LIST, "the header of")
        if count > min(MOST_ARRAYS, self.end // 4):
            raise self.error(16, f"{count} arrays are announced in a file of {self.end} bytes")
        found = []
        for number in range(count):
            self.subject = f"array {number}"
            found.append(self.plain_array() or self.array())
        at, self.subject = self.offset, "the names"
        (named,) = self.numbers(_UINT64, "the number of")
        if named not in (0, count):
            raise self.error(at, f"{counted(named, 'name')} for {counted(count, 'array')}")
        if not named:
            return [StoredArray(str(number), *facts)._replace(named=False) for number, facts in enumerate(found)]
        return [StoredArray(name, *facts) for name, facts in zip(self.names(named), found)]

    def names(self, count: int) -> List[str]:
        found: Dict[str, None] = {}
        for number in range(count):
            at, self.subject = self.offset, f"name {number}"
            (size,) = self.numbers(_UINT64, "the length of")
            if size > _LONGEST_NAME:
                raise self.error(at, f"{self.subject} is to be {size} bytes long")
            text = self.bytes(size, "all of")
            try:
                name = text.decode()
            except UnicodeDecodeError as error:
                raise self.error(at + 8 + error.start, f"{self.subject} is no UTF-8: {text[:40]!r}") from None
            if name in found:
                raise self.error(at, f"a second array is called {name!r}: MXNet would silently take the last one")
            found[name] = None
        return list(found)

    def plain_array(self) -> Optional[Tuple[Any, ...]]:
        """What `array` answers, three times as fast, for a sound dense array of today's version; None for any other."""
        at = self.offset - self.window_start
        if at + _LONGEST_PLAIN > len(self.window):
            self.file.seek(self.offset)
            self.window, self.window_start, at = self.file.read(_WINDOW), self.offset, 0
            if len(self.window) < _LONGEST_PLAIN:
                return None
        magic, stype, count = _START.unpack_from(self.window, at)
        if magic != _V2 or stype != 0 or not 0 < count <= MOST_DIMENSIONS:
            return None
        *dims, device, number, flag = _REST[count].unpack_from(self.window, at + _START.size)
        if min(dims) < 1 or not 0 <= flag < len(_DTYPES) or device not in _DEVICES:
            return None
        shape, dtype, start = tuple(dims), _DTYPES[flag], self.offset + _START.size + _REST[count].size
        size = math.prod(dims) * _ITEMSIZES[flag]
        if start + size > self.end:
            return None
        self.offset = start + size
        return 2, "default", shape, dtype, f"{_DEVICES[device]}({number})", (Part(dtype, shape, start, size),)

    def array(self) -> Tuple[Any, ...]:
        """The fields of a `StoredArray` that follow its name."""
        at = self.offset
        (magic,) = self.numbers(_UINT32, "the start of")
        version = _VERSIONS.get(magic, 0)
        stype, indices, stored = "default", 0, ()
        if version >= 2:
            flag, count = self.numbers(_TWO, "the storage type of")
            if flag not in _STYPES:
                raise self.error(at + 4, f"{self.subject} has the unknown storage type {flag}")
            stype, indices = _STYPES[flag]
            if indices:
                stored = self.dims(count, _INT64S)
                (count,) = self.numbers(_INT32, "the shape of")
        elif version == 1:
            (count,) = self.numbers(_INT32, "the shape of")
        elif magic <= MOST_DIMENSIONS:
            count = magic
        else:
            reason = f"{self.subject} begins with 0x{magic:08x}, neither a version of MXNet's nor a few dimensions"
            raise self.error(at, reason)
        shape = self.dims(count, _INT64S if version else _UINT32S, may_be_unknown=version == 3)
        if not is_known(shape) or (shape == () and version < 3):
            return version, stype, shape or None
        device, number, flag = self.numbers(_THREE, "the context and type of")
        context = f"{_DEVICES.get(device) or f'device{device}'}({number})"
        parts = [(self.flag(flag), shape)]
        for _ in range(indices):
            flag, count = self.numbers(_TWO, "the indices of")
            if count != 1:
                raise self.error(self.offset, f"the indices of {self.subject} are to have {count} dimensions")
            parts.append((self.flag(flag), self.dims(count, _INT64S)))
        if indices:
            # MXNet writes this shape before it waits for the engine: it may be empty though values follow.
            known = parts[-1][1] + (shape[1:] if stype == "row_sparse" else ())
            parts[0] = parts[0][0], stored if math.prod(stored) else known
        return version, stype, shape, _DTYPES[parts[0][0]], context, tuple([self.part(*each) for each in parts])

    def flag(self, flag: int) -> int:
        if not 0 <= flag < len(_DTYPES):
            raise self.error(self.offset, f"{self.subject} has the unknown type {flag} in what ends here")
        return flag

    def dims(self, count: int, layouts: Any, may_be_unknown: bool = False) -> Any:
        """`count` dimensions, None for one that is unknown, where that is allowed; None if the count itself is."""
        if may_be_unknown and count == -1:
            return None
        at = self.offset
        if not 0 <= count <= MOST_DIMENSIONS:
            raise self.error(at, f"{self.subject} is to have {count} dimensions")
        found = self.numbers(layouts[count], "the shape of")
        if found and min(found) < 1:
            # An empty array takes no bytes, whatever its other dimensions; but old NumPys count an empty one as 1.
            if min(found) < (-1 if may_be_unknown else 0) or math.prod(abs(size) or 1 for size in found) >> 31:
                raise self.error(at, f"{self.subject} has the shape {found}")
            return tuple(None if size == -1 else size for size in found)
        return found

    def part(self, flag: int, shape: Tuple[int, ...]) -> Part:
        start, size = self.offset, math.prod(shape) * _ITEMSIZES[flag]
        if size > self.end - start:
            what = f"{self.subject}, {_DTYPES[flag]} of shape {shape},"
            raise self.error(start, f"{what} takes {counted(size, 'byte')}, and the file has {self.end - start:,} more")
        self.offset = start + size
        return Part(_DTYPES[flag], shape, start, size)


_WINDOW = 4096
_LIST, _THREE, _TWO, _INT32 = (struct.Struct("<" + letters) for letters in ("QQQ", "iii", "ii", "i"))
_UINT64, _UINT32 = struct.Struct("<Q"), struct.Struct("<I")
_START = struct.Struct("<Iii")
_REST = [struct.Struct(f"<{count}qiii") for count in range(MOST_DIMENSIONS + 1)]
_LONGEST_PLAIN = _START.size + _REST[-1].size
_INT64S, _UINT32S = ([struct.Struct(f"<{count}{letter}") for count in range(MOST_DIMENSIONS + 1)] for letter in "qI")
