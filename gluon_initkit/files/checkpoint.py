"""The values of a file's arrays as NumPy arrays over a memory map, so that only what is looked at is read; no MXNet."""

import math
import os
from typing import Any, Dict, Iterator, Tuple
import zlib

import numpy

from ..display import counted
from ..naming import nearest
from .errors import CheckpointError
from .npz_format import inflated
from .stored import Part, StoredArray

__all__ = ["StoredValues", "is_path"]


def is_path(thing: Any) -> bool:
    """Whether this names a file: a string or a path object."""
    return isinstance(thing, (str, os.PathLike))


class StoredValues:
    """The values of a file's arrays, read when they are asked for. Holds no open file; pickles.

    Examples
    --------
    >>> import tempfile, os
    >>> path = os.path.join(tempfile.mkdtemp(), "a.params")
    >>> mx.nd.save(path, {"0.weight": mx.nd.ones((3, 2)), "0.bias": mx.nd.arange(3)})
    >>> stored = ik.inspect(path).live
    >>> list(stored), stored.values("0.bias").tolist()
    (['0.weight', '0.bias'], [0.0, 1.0, 2.0])
    """

    def __init__(self, path: Any, arrays: Any) -> None:
        self.path = os.path.abspath(os.fspath(path))
        self.arrays: Dict[str, StoredArray] = {array.name: array for array in arrays}
        self._state = self._stat()

    def __repr__(self) -> str:
        return f"<StoredValues of {self.path}: {counted(len(self.arrays), 'array')}>"

    def __iter__(self) -> Iterator[str]:
        return iter(self.arrays)

    def __len__(self) -> int:
        return len(self.arrays)

    def values(self, name: str) -> numpy.ndarray:
        """The values of one array.

        Parameters
        ----------
        name : str
            As the record's path.

        Returns
        -------
        numpy.ndarray
            Read-only and over a memory map of the file, so that nothing is read before it is used; bfloat16 as a new
            array of float32, a sparse array as a new dense one, a deflated one as a new one.

        Raises
        ------
        KeyError
            There is no array of that name; the nearest names are told.
        CheckpointError
            The file was changed since its headers were read, the indices of a sparse array point outside of it, what
            is deflated is damaged, or it has no values (`has_values`).
        """
        array = self.arrays.get(name)
        if array is None:
            raise KeyError(f"no array is called {name!r} in {self.path}; {nearest(name, list(self.arrays))}")
        if not array.parts:
            raise CheckpointError(self.path, 0, f"{name!r} was saved before its shape was known: it has no values")
        if self._stat() != self._state:
            raise CheckpointError(self.path, 0, "the file was changed since its headers were read: inspect it anew")
        if not self.has_values(array):
            what = "unpacked" if array.stype == "default" else "made dense"
            reason = f"{name!r} is too large to be {what}: {array.shape}"
            raise CheckpointError(self.path, array.parts[0].offset, reason)
        return self._dense(array) if array.stype != "default" else self._read(array.parts[0])

    def gradient(self, name: str) -> numpy.ndarray:
        """A RuntimeError: a file holds no gradients."""
        raise RuntimeError(f"{name!r} stands in the file {self.path}, which holds no gradients: inspect the network")

    def has_values(self, array: StoredArray) -> bool:
        """Whether `values` can answer: it was saved with its values, and is not sparse or deflated beyond measure."""
        stored = sum([part.packed or part.size for part in array.parts])
        if not array.parts or (array.stype == "default" and stored == array.parts[0].size):
            return bool(array.parts)
        # A few bytes can claim any shape; what a file may cost is bounded by what stands in it.
        dense = numpy.dtype(_numpy_type(array.dtype)).itemsize * math.prod(filter(None, array.shape or ()))
        return dense <= (1 << 24) + 64 * stored

    def _stat(self) -> Tuple[int, int]:
        found = os.stat(self.path)
        return found.st_size, found.st_mtime_ns

    def _read(self, part: Part) -> numpy.ndarray:
        if not part.size:
            # Not numpy.empty: up to NumPy 1.17 that asks for memory as if an empty dimension were 1.
            return numpy.frombuffer(b"", _numpy_type(part.dtype)).reshape(part.shape)
        mapped: Any = numpy.memmap(self.path, numpy.uint8, "r", part.offset, (part.packed or part.size,))
        if part.packed:
            try:
                mapped = numpy.frombuffer(inflated(mapped, part), numpy.uint8)
            except zlib.error as error:
                raise CheckpointError(self.path, part.offset, f"what is deflated here is damaged: {error}") from None
        if part.dtype == "bfloat16":  # the upper half of a float32
            return (mapped.view("<u2").astype("<u4") << 16).view("<f4").reshape(part.shape)
        return mapped.view(numpy.dtype(part.dtype).newbyteorder("<")).reshape(part.shape, order=part.order)

    def _dense(self, array: StoredArray) -> numpy.ndarray:
        start = array.parts[0].offset
        values, *indices = (self._read(part) for part in array.parts)
        dense = numpy.zeros(array.shape, values.dtype)  # type: ignore[arg-type]  # no dimension is None here
        cells = _rows(dense, *indices) if array.stype == "row_sparse" else _cells(dense, *indices)
        if cells is None or dense[cells].shape != values.shape:
            raise CheckpointError(self.path, start, f"the indices of {array.name!r} do not fit its shape")
        dense[cells] = values
        return dense


def _rows(dense: numpy.ndarray, rows: numpy.ndarray) -> Any:
    """Where the values of a row_sparse array stand, or None where its indices cannot be."""
    return rows if dense.ndim and _within(rows, len(dense)) else None


def _cells(dense: numpy.ndarray, pointers: numpy.ndarray, columns: numpy.ndarray) -> Any:
    """Where the values of a csr array stand, or None where its indices cannot be."""
    if not pointers.size and not columns.size:
        return columns, columns
    if dense.ndim != 2 or pointers.shape != (len(dense) + 1,) or not _within(pointers, columns.size + 1):
        return None
    if not _within(columns, dense.shape[1]) or pointers[0] or pointers[-1] != columns.size:
        return None
    if (pointers[:-1] > pointers[1:]).any():
        return None
    return numpy.repeat(numpy.arange(len(dense)), numpy.diff(pointers.astype(numpy.int64))), columns


def _within(indices: numpy.ndarray, size: int) -> bool:
    if indices.dtype.kind not in "iu" or indices.ndim != 1:
        return False
    return not indices.size or bool(0 <= indices.min() <= indices.max() < size)


def _numpy_type(dtype: str) -> str:
    return "float32" if dtype == "bfloat16" else dtype
