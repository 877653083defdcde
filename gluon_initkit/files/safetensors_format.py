"""Read the headers of Hugging Face's safetensors files, and write such files, without MXNet.

A file has the length of the header as uint64, the header as JSON, and the values without gaps:

    {"__metadata__": {}, "0.weight": {"dtype": "F32", "shape": [4, 3], "data_offsets": [0, 48]}}

The library `safetensors` checks every header, also that of a new file. It does not give the positions of the values, so
they are read from the JSON. It does not write the files either: it would sort the names and hold all values twice.

A shared array is written once, and its aliases are in the metadata, as the library's `save_model` writes them:
``{"1.weight": "0.weight"}``. The library has no transposed aliases; they are the JSON text of one entry.
"""

import json
import math
import os
import struct
import tempfile
from typing import Any, Callable, Dict, List, Sequence

from .stored_array import MAX_DIMENSIONS, CheckpointError, Part, StoredArray
from .tie_map import checked_ties, parsed_json

SUFFIX = ".safetensors"
_LENGTH = struct.Struct("<Q")
_MAX_HEADER = 100_000_000  # the library's limit
_TRANSPOSED = "gluon_initkit.transposed"
_DTYPES = {"BOOL": "bool", "U8": "uint8", "I8": "int8", "I16": "int16", "U16": "uint16", "F16": "float16",
           "BF16": "bfloat16", "I32": "int32", "U32": "uint32", "F32": "float32", "F64": "float64", "I64": "int64",
           "U64": "uint64"}  # fmt: skip
_CODES = {dtype: code for code, dtype in _DTYPES.items()}


def read_safetensors(file: Any, source: str) -> List[StoredArray]:
    """The arrays of an open file, in the order of its header."""
    file.seek(0)
    size, (length,) = os.fstat(file.fileno()).st_size, _LENGTH.unpack(file.read(_LENGTH.size))
    begin = _LENGTH.size + length
    if length > min(size - _LENGTH.size, _MAX_HEADER):
        reason = f"the header of this safetensors file is to take {length:,} bytes; the file has {size - 8:,} more"
        raise CheckpointError(source, 0, reason)
    text = file.read(length)
    _judge(text, size, source)
    try:
        header = parsed_json(text.decode())
        metadata = header.pop("__metadata__", None) or {}
        arrays = [_array(name, begin, **entry) for name, entry in header.items()]
        ties = _ties(metadata, header)
    except ValueError as error:
        raise CheckpointError(source, _LENGTH.size, f"the header of this safetensors file: {error}") from None
    return [array._replace(**ties.get(array.name, {})) for array in arrays]


def _judge(text: bytes, size: int, source: str) -> None:
    """Let the library check a header: types, shapes, and that the values fill the file without gaps and overlaps."""
    try:
        import safetensors
    except ImportError:
        raise ImportError("safetensors files need a library: pip install safetensors", name="safetensors") from None
    # The library maps its file into memory, and the process would die if another process cut the file. So it gets a
    # private file with this header, and then a hole of the size of the values, which takes no space on disk.
    descriptor, copy = tempfile.mkstemp()
    try:
        with open(descriptor, "wb") as file:
            file.write(_LENGTH.pack(len(text)) + text)
            file.truncate(size)
        with safetensors.safe_open(copy, "numpy"):
            pass
    except safetensors.SafetensorError as error:
        raise CheckpointError(source, _LENGTH.size, f"not a sound safetensors file: {error}") from None
    finally:
        os.remove(copy)


def _array(name: str, begin: int, dtype: str, shape: List[int], data_offsets: List[int], **_: Any) -> StoredArray:
    if dtype not in _DTYPES:
        raise ValueError(f"{name!r:.80} has the type {dtype!r:.80}, which MXNet has not")
    # An empty array takes no bytes, whatever its other dimensions are. But old NumPy counts a size of 0 as 1.
    if len(shape) > MAX_DIMENSIONS or (0 in shape and math.prod(size or 1 for size in shape) >> 31):
        raise ValueError(f"{name!r:.80} has the shape {shape!r:.80}")
    start, end = data_offsets
    part = Part(_DTYPES[dtype], tuple(shape), begin + start, end - start)
    return StoredArray(name, 5, "default", part.shape, part.dtype, parts=(part,))


def _ties(metadata: Dict[str, str], names: Any) -> Any:
    groups: Dict[str, Any] = {}
    plain = [(alias, name) for alias, name in metadata.items()
             if name in names and alias not in names and (alias, name) != ("format", "pt")]  # fmt: skip
    transposed = parsed_json(metadata.get(_TRANSPOSED, "{}"))
    if not isinstance(transposed, dict) or not all(isinstance(name, str) for name in transposed.values()):
        raise ValueError(f"the metadata have {_TRANSPOSED} {transposed!r:.80}")
    for alias, name in [*plain, *transposed.items()]:
        group = groups.setdefault(name, {"canonical": name, "aliases": [], "transposed": []})
        group["aliases"].append(alias)
        if alias in transposed:
            group["transposed"].append(alias)
    return checked_ties(list(groups.values()), set(names))


def write_safetensors(path: str, arrays: Sequence[StoredArray], parts: Callable[[StoredArray], Sequence[Any]]) -> None:
    """Write arrays with their ties. `parts` returns a list with the values of an array, bfloat16 as uint16."""
    metadata = {alias: array.name for array in arrays for alias in array.aliases if alias not in array.transposed}
    transposed = {alias: array.name for array in arrays for alias in array.transposed}
    if transposed:
        metadata[_TRANSPOSED] = json.dumps(transposed)
    header: Dict[str, Any] = {"__metadata__": metadata} if metadata else {}
    header.update((array.name, {"dtype": _CODES[array.dtype], "shape": array.shape}) for array in arrays)
    ordered = sorted(arrays, key=lambda array: -array.itemsize)  # so that each is aligned, which PyTorch needs
    end = 0
    for array in ordered:
        begin, end = end, end + array.nbytes
        header[array.name]["data_offsets"] = (begin, end)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(_LENGTH.pack(len(text)) + text)
        for array in ordered:
            file.write(parts(array)[0])
