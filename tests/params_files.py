"""Files of every version, written byte by byte as MXNet wrote them through the years."""

import struct

MAGIC = {1: 0xF993FAC8, 2: 0xF993FAC9, 3: 0xF993FACA}
FLAGS = {"float32": 0, "float64": 1, "float16": 2, "uint8": 3, "int32": 4, "int8": 5, "int64": 6, "bool": 7,
         "bfloat16": 12}  # fmt: skip


def tuple_of(shape, letter="q"):
    return struct.pack(f"<i{len(shape)}{letter}", len(shape), *shape)


def dense(version, values, flag=None, context=(1, 0)):
    """One dense array; `values` is a NumPy array."""
    flag = FLAGS[values.dtype.name] if flag is None else flag
    if version == 0:
        start = struct.pack(f"<I{values.ndim}I", values.ndim, *values.shape)
    else:
        stype = struct.pack("<i", 0) if version >= 2 else b""
        start = struct.pack("<I", MAGIC[version]) + stype + tuple_of(values.shape)
    return start + struct.pack("<iii", *context, flag) + values.tobytes()


def listed(arrays, names, magic=0x112, count=None, named=None):
    """The whole file: `arrays` and `names` are bytes, or names strings."""
    names = [name if isinstance(name, bytes) else name.encode() for name in names]
    return b"".join(
        [struct.pack("<QQQ", magic, 0, len(arrays) if count is None else count), *arrays,
         struct.pack("<Q", len(names) if named is None else named),
         *(struct.pack("<Q", len(name)) + name for name in names)]
    )  # fmt: skip
