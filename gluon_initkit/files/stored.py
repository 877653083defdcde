"""One array of a parameter file, as its header tells: the answer of every reader, `params_format` and `npz_format`."""

from typing import NamedTuple, Optional, Tuple

__all__ = ["MOST_ARRAYS", "MOST_DIMENSIONS", "Part", "StoredArray"]

# Real files stay far below these; hostile ones would have us build a record for every few bytes.
MOST_DIMENSIONS, MOST_ARRAYS = 32, 1 << 20


class Part(NamedTuple):
    """A run of values in the file: the values of an array, or the indices of a sparse one."""

    dtype: str
    shape: Tuple[int, ...]
    offset: int
    size: int
    """In bytes."""
    order: str = "C"
    """``'F'`` where the first index runs fastest."""
    packed: int = 0
    """Where it is deflated, so many bytes of the file; else 0."""
    skipped: int = 0
    """Where it is deflated, what of the result stands before the values."""
    checksum: int = 0
    """Where it is deflated, the CRC-32 of the result."""


class StoredArray(NamedTuple):
    """One array of a file, as its header tells."""

    name: str
    version: int
    """4 in a zip file, 3 for NumPy's shapes, 2, 1, or 0 for the oldest."""
    stype: str
    shape: Optional[Tuple[Optional[int], ...]]
    """None, or a None in it, where the array was saved before its shape was known: then nothing else is stored."""
    dtype: str = ""
    context: str = ""
    """Empty where the file does not say."""
    parts: Tuple[Part, ...] = ()
    """The values, then the indices: row numbers; or for csr the row pointers, then the columns."""
    named: bool = True
    """Whether the file holds names; else it is called by its number."""
    aliases: Tuple[str, ...] = ()
    """The other paths of the parameter, which the tie map at the end of the file tells."""
    transposed: Tuple[str, ...] = ()
    """Those aliases at which it stands transposed."""
