"""The header of one array in a parameter file, and the error for damaged files."""

import math
from typing import NamedTuple, Optional, Tuple

import numpy

from ..display import KitError, printable

MAX_DIMENSIONS = 32  # NumPy's limit


class CheckpointError(KitError, ValueError):
    """A damaged parameter file, or a file of another kind.

    Attributes
    ----------
    source, offset : str, int
        The file, and the position of the byte that is invalid or missing.
    reason : str
        The problem there, with the actual and the expected value.

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
    """Consecutive numbers in the file: the values of an array, or the indices of a sparse one."""

    dtype: str
    shape: Tuple[int, ...]
    offset: int
    size: int  # in bytes, once inflated
    order: str = "C"  # "F" if the first index runs fastest
    deflated: int = 0  # its bytes in the file if it is deflated, else 0
    skipped: int = 0  # if it is deflated: the inflated bytes before the numbers
    checksum: int = 0  # if it is deflated: the CRC-32 of the inflated bytes


class StoredArray(NamedTuple):
    """The header of one array in a file."""

    name: str  # for a shared parameter, the canonical path in the tie map
    version: int  # 5 in a safetensors file, 4 in a zip file, 3 for NumPy's shapes, 2, 1, or 0 for the oldest
    stype: str
    shape: Optional[Tuple[Optional[int], ...]]  # None, or with a None: saved without values before it was known
    dtype: str = ""
    context: str = ""  # empty if the file has none
    parts: Tuple[Part, ...] = ()  # the values, then the indices: row numbers, or for csr row pointers and columns
    named: bool = True  # False if the file has no names; then `name` is the array's number
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
        """The bytes of all values, as a dense array. The shape must be known."""
        return self.itemsize * math.prod(self.shape)  # type: ignore[arg-type]


def stored_type(dtype: str) -> str:
    """The NumPy dtype that reads the stored bits unchanged: uint16 for bfloat16, which NumPy does not have."""
    return "uint16" if dtype == "bfloat16" else dtype
