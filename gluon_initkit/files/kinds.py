"""What a file is that is no parameter file of MXNet's, by how it begins, and what opens it."""

import re
import struct

__all__ = ["kind_of"]


def kind_of(head: bytes, size: int) -> str:
    """What a file of `size` bytes seems to be, from its first few hundred; its first eight where nobody knows.

    Examples
    --------
    >>> kind_of(b"\\x89HDF\\r\\n\\x1a\\n", 4096)
    'it is an HDF5 file (Keras writes such): h5py opens it'
    """
    if not size:
        return "it is empty: whatever should have written it was interrupted, or found no space; copy it again"
    (length,) = struct.unpack("<Q", head[:8].ljust(8, b"\0"))
    if head[8:9] == b"{" and length <= size - 8:
        return "it is a safetensors file: safetensors.numpy.load_file opens it"
    for pattern, kind in _KINDS:
        if re.match(pattern, head, re.DOTALL | re.IGNORECASE):
            return f"it is {kind}"
    return f"it begins with {head[:8]!r}"


_KINDS = (
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
