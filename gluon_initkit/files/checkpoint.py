"""Read the values of a file's arrays as NumPy arrays, without MXNet. Only the requested values are read.

Another process may cut or rewrite the file meanwhile. With the file mapped into memory, that would kill this process.
So bytes are copied into new arrays. It is an error if the file has fewer bytes than its headers say.
"""

from contextlib import contextmanager
from functools import partial
import math
import os
import threading
from typing import Any, Callable, Dict, Iterator, List, Tuple
import zlib

import numpy

from ..display import counted, printable
from ..parameters import did_you_mean
from .params_format import opened, read_open_file
from .stored_array import CheckpointError, Part, StoredArray, stored_type

_SMALL = 1 << 20  # up to this many bytes, an array is read at once, whichever section is requested

Section = Callable[[int, int], numpy.ndarray]  # from a begin and an end index, the values in the order of the file


def is_path(thing: Any) -> bool:
    """Whether this is the name of a file: a string or a path object."""
    return isinstance(thing, (str, os.PathLike))


def read_headers(path: Any) -> List[StoredArray]:
    """The arrays of a file, in order."""
    return list(StoredValues(path).arrays.values())


class StoredValues:
    """The values of a file's arrays, read on request. Holds no open file, and can be pickled.

    Examples
    --------
    >>> import tempfile, os
    >>> path = os.path.join(tempfile.mkdtemp(), "a.params")
    >>> mx.nd.save(path, {"0.weight": mx.nd.ones((3, 2)), "0.bias": mx.nd.arange(3)})
    >>> stored = ik.inspect(path).live
    >>> list(stored), stored.values("0.bias").tolist()
    (['0.weight', '0.bias'], [0.0, 1.0, 2.0])
    """

    def __init__(self, path: Any) -> None:
        self.path = os.fsdecode(path)
        self._absolute = os.path.abspath(self.path)  # the working directory may change later
        with opened(path) as file:
            self._state = _state(file)
            self.arrays: Dict[str, StoredArray] = {array.name: array for array in read_open_file(file, self.path)}

    def __repr__(self) -> str:
        return f"<StoredValues of {printable(self.path)}: {counted(len(self.arrays), 'array')}>"

    def __iter__(self) -> Iterator[str]:
        return iter(self.arrays)

    def __len__(self) -> int:
        return len(self.arrays)

    def values(self, name: str) -> numpy.ndarray:
        """The values of one array, as a new array; bfloat16 as float32, a sparse array as a dense one.

        Raises a KeyError that proposes similar names, or a CheckpointError if the file has changed since its headers
        were read, is damaged in this array, or has no values for it (see `has_values`).
        """
        array = self.arrays.get(name)
        if array is None:
            raise KeyError(f"no array is called {name!r} in {self.path}; {did_you_mean(name, list(self.arrays))}")
        self.require_values(array)
        with self.reading() as read:
            return read(array).whole()

    def gradient(self, name: str) -> numpy.ndarray:
        """Always raises a RuntimeError, since a file holds no gradients."""
        raise RuntimeError(f"{name!r} is in the file {self.path!r}, which holds no gradients: inspect the network")

    def has_values(self, array: StoredArray) -> bool:
        """Whether `values` can read it: it was saved with values, and is not far larger in memory than in the file."""
        return bool(array.parts) and self.growth(array) <= 1 << 24

    def require_values(self, array: StoredArray) -> None:
        """Raise a CheckpointError if `has_values` is false."""
        if not self.has_values(array):
            what = "unpacked" if array.stype == "default" else "made dense"
            reason = (f"is too large to be {what}: {array.shape}" if array.parts else
                      "was saved before its shape was known: it has no values")  # fmt: skip
            offset = array.parts[0].offset if array.parts else 0
            raise CheckpointError(self.path, offset, f"{array.name!r} {reason}")

    def growth(self, array: StoredArray) -> int:
        """The bytes by which the dense array exceeds 64 times its size in the file; 0 if it does not."""
        # A sparse or deflated array can claim any shape. So the size of the file limits the memory that it may take.
        stored = sum([part.deflated or part.size for part in array.parts])
        if array.stype == "default" and stored == array.parts[0].size:
            return 0
        dense = numpy.dtype(_numpy_type(array.dtype)).itemsize * math.prod(filter(None, array.shape or ()))
        return max(0, dense - 64 * stored)

    @contextmanager
    def reading(self) -> Iterator[Callable[[StoredArray], "Values"]]:
        """Open the file once, and yield a function from an array to its `Values`. Raises if the file changes."""
        changed = "the file was changed {}: inspect it anew"
        with opened(self._absolute) as file:
            if _state(file) != self._state:
                raise CheckpointError(self.path, 0, changed.format("since its headers were read"))
            yield partial(Values, file, threading.Lock(), self.path)
            if _state(file) != self._state:
                raise CheckpointError(self.path, 0, changed.format("while it was read"))


class Values:
    """The values of one array of an open file, read whole or in sections (as `statistics` does). Threads may share it.

    If `order` is ``'F'``, `sections` reads values with the first index running fastest. If `forward` is true, it
    unpacks the whole array.
    """

    def __init__(self, file: Any, lock: Any, path: str, array: StoredArray) -> None:
        self._file, self._lock, self._path, self._array = file, lock, path, array
        self.shape: Tuple[int, ...] = array.shape  # type: ignore[assignment]  # no dimension is None here
        self.dtype = numpy.dtype(_numpy_type(array.dtype))
        self.size, self.itemsize, self.order = math.prod(self.shape), self.dtype.itemsize, array.parts[0].order
        self.nbytes = self.size * self.itemsize
        self.forward = array.stype != "default" or bool(array.parts[0].deflated)

    def whole(self) -> numpy.ndarray:
        """All values, as a new array."""
        if self._array.stype == "default":
            values = self._section(self._array.parts[0])(0, self.size)
            return values.reshape(self.shape, order=self.order)  # type: ignore[call-overload]
        (values, *_), cells = self._sparse()
        # Not numpy.zeros(shape): up to NumPy 1.17, a dimension of 0 allocates memory as if it were 1.
        dense = numpy.zeros(self.size, values.dtype).reshape(self.shape)
        dense[cells] = values
        return dense

    def sections(self) -> Section:
        """A function that reads the values from a begin to an end index."""
        if self._array.stype == "default":
            read = self._section(self._array.parts[0])
            if not 0 < self.nbytes <= _SMALL:
                return read
            values = read(0, self.size)
        else:
            values = self.whole().reshape(-1)
        return lambda begin, end: values[begin:end]

    def parts(self) -> Tuple[numpy.ndarray, ...]:
        """The stored values, and the checked indices of a sparse array."""
        return self._sparse()[0] if self._array.stype != "default" else (self.whole(),)

    def _sparse(self) -> Tuple[Tuple[numpy.ndarray, ...], Any]:
        """The parts of a sparse array, and the index of its values in the dense one."""
        array = self._array
        parts = tuple(self._section(part)(0, math.prod(part.shape)).reshape(part.shape) for part in array.parts)
        if array.stype == "row_sparse":
            width, cells = self.shape[1:], parts[1] if self.shape and _are_indices(parts[1], self.shape[0]) else None
        else:
            width, cells = (), _cells(self.shape, *parts[1:])
        if cells is None or parts[0].shape != parts[-1].shape + width:
            reason = f"the indices of {array.name!r} do not fit its shape"
            raise CheckpointError(self._path, array.parts[0].offset, reason)
        return parts, cells

    def _section(self, part: Part) -> Section:
        """A function that reads the values of a part from a begin to an end index."""
        start, dtype, size = part.offset, part.dtype, numpy.dtype(stored_type(part.dtype)).itemsize
        if not part.deflated:
            return lambda begin, end: _decoded(self._bytes(start + begin * size, (end - begin) * size), dtype)
        length, reason = part.skipped + part.size, "its checksum is another"
        try:
            raw = zlib.decompressobj(-zlib.MAX_WBITS).decompress(bytes(self._bytes(start, part.deflated)), length)
        except zlib.error as error:
            raw, reason = b"", str(error)
        if len(raw) != length or zlib.crc32(raw) != part.checksum:
            raise CheckpointError(self._path, start, f"what is deflated here is damaged: {reason}")
        inflated = numpy.frombuffer(raw, numpy.uint8)[part.skipped :].copy()
        return lambda begin, end: _decoded(inflated[begin * size : end * size], dtype)

    def _bytes(self, offset: int, size: int) -> numpy.ndarray:
        """`size` bytes of the file, as a new array."""
        buffer = numpy.empty(size, numpy.uint8)
        with self._lock:
            self._file.seek(offset)
            count = self._file.readinto(buffer)
        if count < size:
            raise CheckpointError(self._path, offset + count, "the file ends here, and was longer: it was cut")
        return buffer


def _state(file: Any) -> Tuple[int, int]:
    status = os.fstat(file.fileno())
    return status.st_size, status.st_mtime_ns


def _decoded(raw: numpy.ndarray, dtype: str) -> numpy.ndarray:
    if dtype == "bfloat16":  # the upper half of a float32
        return (raw.view("<u2").astype("<u4") << 16).view("<f4")
    return raw.view(numpy.dtype(dtype).newbyteorder("<"))


def _cells(shape: Tuple[int, ...], pointers: numpy.ndarray, columns: numpy.ndarray) -> Any:
    """The rows and columns of a csr array's values in the dense one; None if its indices are invalid."""
    if not pointers.size and not columns.size:
        return columns, columns
    if len(shape) != 2 or pointers.shape != (shape[0] + 1,) or not _are_indices(pointers, columns.size + 1):
        return None
    if not _are_indices(columns, shape[1]) or pointers[0] or pointers[-1] != columns.size:
        return None
    if (pointers[:-1] > pointers[1:]).any():
        return None
    return numpy.repeat(numpy.arange(shape[0]), numpy.diff(pointers.astype(numpy.int64))), columns


def _are_indices(indices: numpy.ndarray, size: int) -> bool:
    if indices.dtype.kind not in "iu" or indices.ndim != 1:
        return False
    return not indices.size or bool(0 <= indices.min() <= indices.max() < size)


def _numpy_type(dtype: str) -> str:
    return "float32" if dtype == "bfloat16" else dtype
