"""Parameter files are written whole or not at all: beside their target, read back, synced, and only then put there."""

import contextlib
import errno
import hashlib
from operator import attrgetter
import os
import secrets
import stat
from typing import Any, Callable, Iterator, List, Optional, Sequence, Tuple

import numpy

from ..display import printable
from .checkpoint import StoredValues, read_headers
from .params_format import write_params
from .safetensors_format import SUFFIX, write_safetensors
from .stored_array import CheckpointError, StoredArray, stored_type

try:
    import fcntl
except ImportError:  # Windows has none, and there parts that are left stay
    fcntl = None  # type: ignore[assignment]

_HEADER = attrgetter("name", "shape", "dtype", "aliases", "transposed")  # what a file gives back of what is written


def convert(source: Any, target: Any) -> List[StoredArray]:
    """Write the arrays of a file into another, dense, under their names, with their ties and bits; what was written."""
    stored, target = StoredValues(source), os.fsdecode(target)
    for array in stored.arrays.values():
        stored.require_values(array)

    def values(array: StoredArray) -> List[numpy.ndarray]:
        array = stored.arrays[array.name]
        bits = stored_type(array.dtype)  # of bfloat16, not the float32 that they mean
        parts = array.parts[0]._replace(dtype=bits), *array.parts[1:]
        return [numpy.ascontiguousarray(read(array._replace(dtype=bits, parts=parts)).whole())]

    # MXNet reads a file's arrays in one mode alone, and in the classic one it has neither scalars nor empty arrays.
    version = 2 if all(array.shape and 0 not in array.shape for array in stored.arrays.values()) else 3
    dense = [array._replace(stype="default", version=version) for array in stored.arrays.values()]
    with stored.reading() as read:
        write_file(target, dense, values)
    return dense


def write_file(path: str, arrays: Sequence[StoredArray], parts: Callable[[StoredArray], Sequence[Any]]) -> None:
    """Write arrays with their ties, as `write_safetensors` or `write_params`, or raise an OSError that says why not.

    `parts` gives the values of an array, bfloat16 as uint16, and the indices of a sparse one.
    """
    old: Optional[os.stat_result] = None
    with contextlib.suppress(FileNotFoundError):
        old = os.stat(path)  # a circle of links is an OSError
        if stat.S_ISDIR(old.st_mode):
            raise _error(errno.EISDIR, "this is a directory; expected the name of a file", path=path)
        if not stat.S_ISREG(old.st_mode):
            raise _error(errno.EINVAL, "a device, a pipe or a socket is not replaced by a file", path=path)
        if not os.access(path, os.W_OK):
            raise _error(errno.EACCES, "the file is write-protected", path=path)
    target = os.path.realpath(path)  # a link stays a link
    folder, name = os.path.split(target)
    try:
        with _part_of(folder, name) as (part, descriptor):
            (write_safetensors if path.endswith(SUFFIX) else write_params)(part, arrays, parts)
            try:
                if list(map(_HEADER, read_headers(part))) != list(map(_HEADER, arrays)):
                    raise CheckpointError(part, 0, "what was read back is not what was written")
            except CheckpointError as error:
                raise OSError(errno.EIO, f"the file could not be written whole: {printable(error.reason)}") from None
            if old is not None:
                with contextlib.suppress(PermissionError):  # only root gives files away
                    os.chown(part, old.st_uid, old.st_gid)
                os.chmod(part, old.st_mode)
            os.fsync(descriptor)
            os.replace(part, target)
    except OSError as error:
        why = f"{printable(str(error.strerror))} (in folder {folder!r}). Nothing was saved; an older file is as it was"
        raise _error(code=error.errno or errno.EIO, reason=why, path=path) from error
    if os.name == "posix":  # so that the new name outlasts a loss of power; Windows opens no folders
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@contextlib.contextmanager
def _part_of(folder: str, name: str) -> Iterator[Tuple[str, int]]:
    """The path of a new empty file beside `name`, and its descriptor; locked inside, and gone afterwards."""
    # Short, since `name` may have all 255 bytes; the same for the same name, so that what a killed process has left is
    # found, whose lock nobody holds any more.
    own = f".{hashlib.sha256(os.fsencode(name)).hexdigest()[:16]}."
    for entry in list(os.scandir(folder)):
        if entry.name.startswith(own) and entry.name.endswith(".part"):
            with contextlib.suppress(OSError), open(entry.path, "r+b") as left:  # somebody else may have removed it
                if _locked(left.fileno()):
                    os.remove(entry.path)
    while True:
        part = os.path.join(folder, f"{own}{secrets.token_hex(4)}.part")
        with open(part, "xb") as file:
            try:
                # Between these two lines another save may take it for one that is left.
                if _locked(file.fileno()) is not False and os.path.exists(part):
                    yield part, file.fileno()
                    return
            finally:
                with contextlib.suppress(FileNotFoundError):
                    os.remove(part)


def _locked(descriptor: int) -> Optional[bool]:
    """Lock an open file until it is closed: whether nobody else has, or None where the system has no such locks."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except (OSError, AttributeError):  # of a module that is None
        return None
    return True


def _error(code: int, reason: str, path: str) -> Any:
    return OSError(code, reason, path)  # whose path Python shows escaped
