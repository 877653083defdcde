"""Read the headers of MXNet's ``.params`` files, and write such files, without MXNet.

A file is a list of arrays followed by the list of their names (``NDArray::Save`` and ``Load``, src/ndarray/ndarray.cc):

    uint64 0x112, uint64 reserved, uint64 count, the arrays, uint64 count (or 0), the names as uint64 length and bytes

An array begins with a magic number, which gives the version of its header. There are versions 1 to 3; in the oldest
headers, version 0 here, the magic is the number of dimensions. All numbers are little-endian. No number of a header is
used before it is compared with the bytes that the file really has.
"""

from functools import lru_cache
import math
import os
import re
import stat
import struct
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple

from ..display import counted
from ..shapes import is_known
from .npz_format import read_zip
from .safetensors_format import read_safetensors
from .stored_array import MAX_DIMENSIONS, CheckpointError, Part, StoredArray
from .tie_map import read_ties, written_ties

# mshadow's type flags, by number; NumPy has no bfloat16.
_DTYPES = ("float32", "float64", "float16", "uint8", "int32", "int8", "int64", "bool", "int16", "uint16", "uint32",
           "uint64", "bfloat16")  # fmt: skip
_ITEMSIZES = (4, 8, 2, 1, 4, 1, 8, 1, 2, 2, 4, 8, 2)
_STYPES = {0: ("default", 0), 1: ("row_sparse", 1), 2: ("csr", 2)}  # name, number of index arrays
_DEVICES = {1: "cpu", 2: "gpu", 3: "cpu_pinned", 5: "cpu_shared"}
_FILE_MAGIC = 0x112
_V2, _V3 = 0xF993FAC9, 0xF993FACA
_VERSIONS = {0xF993FAC8: 1, _V2: 2, _V3: 3}
_MAX_NAME = 1 << 16

_LIST, _THREE, _TWO, _INT32 = (struct.Struct("<" + letters) for letters in ("QQQ", "iii", "ii", "i"))
_START = struct.Struct("<Iii")
_REST = [struct.Struct(f"<{count}qiii") for count in range(MAX_DIMENSIONS + 1)]
_UINT64, _UINT32 = struct.Struct("<Q"), struct.Struct("<I")
_INT64S, _UINT32S = ([struct.Struct(f"<{count}{letter}") for count in range(MAX_DIMENSIONS + 1)] for letter in "qI")


def opened(path: Any) -> Any:
    """Open a regular file for reading. Raises a CheckpointError for any other kind of file."""
    if not stat.S_ISREG(os.stat(path).st_mode):
        # Opening a pipe would wait for a writer; reading a device would not end.
        reason = "this is a directory or a device; expected a parameter file"
        raise CheckpointError(os.fsdecode(path), 0, reason)
    return open(path, "rb", 4096)


def read_open_file(file: Any, source: str) -> List[StoredArray]:
    """The arrays of an open file. Messages call it `source`. Reads a few hundred bytes for each array."""
    start = file.read(9)
    if start[4:9] == b"\0\0\0\0{":  # safetensors: a header length below 4 GB, and the brace of JSON
        return read_safetensors(file, source)
    if start[:2] == b"PK":
        return read_zip(file, source)
    file.seek(0)
    reader = _Reader(file, source)
    arrays = reader.arrays()
    ties: Dict[str, Any] = read_ties(file, source, reader.offset, {array.name for array in arrays})
    return [array._replace(**ties.get(array.name, {})) for array in arrays] if ties else arrays


def write_params(path: str, arrays: Sequence[StoredArray], parts: Callable[[StoredArray], Sequence[Any]]) -> None:
    """Write arrays with their ties, byte for byte as MXNet does. Each array gives its version, 2 or 3."""
    magics = {version: magic for magic, version in _VERSIONS.items()}
    stypes = {stype: flag for flag, (stype, _) in _STYPES.items()}
    with open(path, "wb") as file:
        file.write(_LIST.pack(_FILE_MAGIC, 0, len(arrays)))
        for array in arrays:
            values, *indices = parts(array)
            header = _UINT32.pack(magics[array.version]) + _INT32.pack(stypes[array.stype])
            header += _packed_shape(values.shape) if indices else b""
            header += _packed_shape(array.shape) + _THREE.pack(1, 0, _DTYPES.index(array.dtype))
            for part in indices:
                header += _INT32.pack(_DTYPES.index(part.dtype.name)) + _packed_shape(part.shape)
            for part in (header, values, *indices):
                file.write(part)
        names = [array.name.encode() for array in arrays]
        file.write(b"".join([_UINT64.pack(len(names)), *(_UINT64.pack(len(name)) + name for name in names)]))
        file.write(written_ties(array for array in arrays if array.aliases))


def _packed_shape(shape: Any) -> bytes:
    return _INT32.pack(len(shape)) + _INT64S[len(shape)].pack(*shape)


class _Reader:
    """Reads a file from beginning to end; its errors give the position in the file."""

    def __init__(self, file: Any, source: str) -> None:
        self.file, self.source, self.offset = file, source, 0
        self.end = os.fstat(file.fileno()).st_size
        self.subject = "the list"  # messages name it as the thing being read

    def error(self, offset: int, reason: str) -> CheckpointError:
        return CheckpointError(self.source, offset, reason)

    def numbers(self, layout: struct.Struct, what: str) -> Tuple[int, ...]:
        return layout.unpack(self.bytes(layout.size, what))

    def bytes(self, size: int, what: str) -> bytes:
        """The next `size` bytes. Messages call them `what` of the subject, as in "the length of name 3"."""
        data = self.file.read(size) if size <= self.end - self.offset else b""
        if len(data) < size:
            needed = f"{what} {self.subject} takes {counted(size, 'byte')} more"
            raise self.error(self.offset, f"the file ends at byte {self.end}, and {needed}")
        self.offset += size
        return data

    def skip(self, size: int) -> None:
        self.offset += size
        self.file.seek(self.offset)

    def arrays(self) -> List[StoredArray]:
        start = self.file.read(1024)
        if start[:8] != _UINT64.pack(_FILE_MAGIC):
            kinds = (f"is {kind}" for pattern, kind in _KINDS if re.match(pattern, start, re.DOTALL | re.IGNORECASE))
            raise self.error(0, f"not a .params file of MXNet: it {next(kinds, f'begins with {start[:8]!r}')}")
        self.file.seek(0)
        _, _, count = self.numbers(_LIST, "the header of")
        if count > self.end // 4:
            raise self.error(16, f"{count} arrays are announced in a file of {self.end} bytes")
        headers = []
        for number in range(count):
            self.subject = f"array {number}"
            headers.append(self.plain_array() or self.array())
        at, self.subject = self.offset, "the names"
        (named,) = self.numbers(_UINT64, "the number of")
        if named not in (0, count):
            raise self.error(at, f"{counted(named, 'name')} for {counted(count, 'array')}")
        if not named:
            return [StoredArray(str(number), *header)._replace(named=False) for number, header in enumerate(headers)]
        return [StoredArray(name, *header) for name, header in zip(self.names(named), headers)]

    def names(self, count: int) -> List[str]:
        names: Dict[str, None] = {}
        for number in range(count):
            at, self.subject = self.offset, f"name {number}"
            (size,) = self.numbers(_UINT64, "the length of")
            if size > _MAX_NAME:
                raise self.error(at, f"{self.subject} is to be {size} bytes long")
            text = self.bytes(size, "all of")
            try:
                name = text.decode()
            except UnicodeDecodeError as error:
                raise self.error(at + 8 + error.start, f"{self.subject} is no UTF-8: {text[:40]!r}") from None
            if name in names:
                raise self.error(at, f"a second array is called {name!r}: MXNet would silently take the last one")
            names[name] = None
        return list(names)

    def plain_array(self) -> Optional[Tuple[Any, ...]]:
        """A faster `array` for a valid dense array of version 2; returns None for any other array."""
        start = self.file.read(_START.size + _REST[-1].size)
        if len(start) == _START.size + _REST[-1].size:
            magic, stype, count = _START.unpack_from(start)
            if magic == _V2 and stype == 0 and 0 < count <= MAX_DIMENSIONS:
                *dims, device, number, flag = _REST[count].unpack_from(start, _START.size)
                if min(dims) > 0 and 0 <= flag < len(_DTYPES):
                    self.offset += _START.size + _REST[count].size
                    part = self.part(flag, tuple(dims))
                    return 2, "default", part.shape, part.dtype, _context(device, number), (part,)
        self.file.seek(self.offset)
        return None

    def array(self) -> Tuple[Any, ...]:
        """The fields of a `StoredArray` after its name."""
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
        elif magic <= MAX_DIMENSIONS:
            count = magic
        else:
            reason = f"{self.subject} begins with 0x{magic:08x}, neither a version of MXNet's nor a few dimensions"
            raise self.error(at, reason)
        shape = self.dims(count, _INT64S if version else _UINT32S, may_be_unknown=version == 3)
        if not is_known(shape) or (shape == () and version < 3):
            return version, stype, shape or None
        device, number, flag = self.numbers(_THREE, "the context and type of")
        context = _context(device, number)
        parts = [(self.flag(flag), shape)]
        for _ in range(indices):
            flag, count = self.numbers(_TWO, "the indices of")
            if count != 1:
                raise self.error(self.offset, f"the indices of {self.subject} are to have {count} dimensions")
            parts.append((self.flag(flag), self.dims(count, _INT64S)))
        if indices:
            # MXNet writes this shape before it waits for the engine, so it may be empty although values follow.
            known = parts[-1][1] + (shape[1:] if stype == "row_sparse" else ())
            parts[0] = parts[0][0], stored if math.prod(stored) else known
        return version, stype, shape, _DTYPES[parts[0][0]], context, tuple([self.part(*part) for part in parts])

    def flag(self, flag: int) -> int:
        if not 0 <= flag < len(_DTYPES):
            raise self.error(self.offset, f"{self.subject} has the unknown type {flag} in what ends here")
        return flag

    def dims(self, count: int, layouts: Any, may_be_unknown: bool = False) -> Any:
        """`count` dimensions. If allowed, an unknown one is None, and the result is None if `count` is unknown."""
        if may_be_unknown and count == -1:
            return None
        at = self.offset
        if not 0 <= count <= MAX_DIMENSIONS:
            raise self.error(at, f"{self.subject} is to have {count} dimensions")
        dims = self.numbers(layouts[count], "the shape of")
        if dims and min(dims) < 1:
            # An empty array takes no bytes, whatever its other dimensions are. But old NumPy counts a size of 0 as 1.
            if min(dims) < (-1 if may_be_unknown else 0) or math.prod(abs(size) or 1 for size in dims) >> 31:
                raise self.error(at, f"{self.subject} has the shape {dims}")
            return tuple(None if size == -1 else size for size in dims)
        return dims

    def part(self, flag: int, shape: Tuple[int, ...]) -> Part:
        start, size = self.offset, math.prod(shape) * _ITEMSIZES[flag]
        if size > self.end - start:
            what = f"{self.subject}, {_DTYPES[flag]} of shape {shape},"
            raise self.error(start, f"{what} takes {counted(size, 'byte')}, and the file has {self.end - start:,} more")
        self.skip(size)
        return Part(_DTYPES[flag], shape, start, size)


@lru_cache(maxsize=64)
def _context(device: int, number: int) -> str:
    return f"{_DEVICES.get(device) or f'device{device}'}({number})"


# Other kinds of files, recognized by their first few hundred bytes.
_KINDS = (
    (rb"\Z", "empty: whatever should have written it was interrupted, or found no space; copy it again"),
    (rb"version https://git-lfs\.github\.com/spec/", "a pointer of Git LFS, not the file: `git lfs pull` gets it"),
    (rb"\s*(<!doctype html|<html|<head|<body)", "an HTML page, sent by a server instead: download it again"),
    (rb"\s*<\?xml|\s*<error>", "an XML document, sent by a server instead: download it again"),
    (rb"\x80.\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19", "a file of torch.save: torch.load opens it"),
    (rb"\x80[\2-\5]", "a Python pickle, which can run any code and is not read here. Trainer.save_states writes such: "
                      "trainer.load_states opens it"),
    (rb"\x08[\1-\x14][\x12\x1a\x22\x28\x32\x3a\x42]", "an ONNX model: onnx.load opens it"),
    (rb"\x89HDF\r\n\x1a\n", "an HDF5 file (Keras writes such): h5py opens it"),
    (rb"\x93NUMPY", "an array of NumPy's: numpy.load opens it"),
    (rb"\x1f\x8b|BZh|\xfd7zXZ\0|7z\xbc\xaf|.{257}ustar", "a compressed file or an archive: unpack it first"),
    (rb"\s*\{", "JSON text (`export` writes a symbol so, beside the parameters): mx.sym.load opens a symbol"),
)  # fmt: skip
