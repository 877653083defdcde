"""One array of a parameter file as its header describes it, and the error of a file that is broken."""

import math
from typing import NamedTuple, Optional, Tuple

import numpy

from ..display import KitError, printable

MAX_DIMENSIONS = 32  # of NumPy


class CheckpointError(KitError, ValueError):
    """A file that is no parameter file, or a broken one.

    Attributes
    ----------
    source, offset : str, int
        The file, and the byte of the impossible number, or at which something is missing.
    reason : str
        What was found there, and what was expected.

    Examples
    --------
    >>> str(CheckpointError("a.params", 24, "an array of -3 rows"))
    'a.params: at byte 24: an array of -3 rows'
    """

    def __init__(self, source: str, offset: int, reason: str) -> None:
        super().__init__(source, offset, reason)
        self.source, self.offset, self.reason = source, offset, reason

    def __str__(self) -> str:
        return printable(f"{self.source}: at byte {self.offset}: {self.reason}")


class Part(NamedTuple):
    """A run of numbers in the file: the values of an array, or the indices of a sparse one."""

    dtype: str
    shape: Tuple[int, ...]
    offset: int
    size: int  # in bytes, once inflated
    order: str = "C"  # "F" where the first index runs fastest
    deflated: int = 0  # the bytes that it takes in the file, where it is deflated; else 0
    skipped: int = 0  # where it is deflated: the bytes of the result that stand before the numbers
    checksum: int = 0  # where it is deflated: the CRC-32 of the result


class StoredArray(NamedTuple):
    """One array of a file, as its header describes it."""

    name: str  # the canonical path of a group of the tie map
    version: int  # 5 in a safetensors file, 4 in a zip file, 3 for NumPy's shapes, 2, 1, or 0 for the oldest
    stype: str
    shape: Optional[Tuple[Optional[int], ...]]  # None, or with a None: saved before it was known, without values
    dtype: str = ""
    context: str = ""  # where the file says one
    parts: Tuple[Part, ...] = ()  # the values, then the indices: row numbers; or of csr the row pointers, the columns
    named: bool = True  # False where the file holds no names; the name is then the array's number
    aliases: Tuple[str, ...] = ()  # the other paths of the parameter, from the tie map
    transposed: Tuple[str, ...] = ()  # the aliases at which it is transposed

    @property
    def paths(self) -> Tuple[str, ...]:
        """The name, then the aliases."""
        return (self.name, *self.aliases)

    @property
    def itemsize(self) -> int:
        """The bytes of one value."""
        return numpy.dtype(stored_type(self.dtype)).itemsize

    @property
    def nbytes(self) -> int:
        """The bytes of all values, if it is dense; its shape must be known."""
        return self.itemsize * math.prod(self.shape)  # type: ignore[arg-type]


def stored_type(dtype: str) -> str:
    """The NumPy type in which a file's values are read as they stand: NumPy has no bfloat16."""
    return "uint16" if dtype == "bfloat16" else dtype
