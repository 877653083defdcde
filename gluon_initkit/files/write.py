"""Write parameter files as a whole or not at all: write beside the target, read back, sync, then rename."""

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
except ImportError:  # Windows does not have it; there, leftover part files are not removed
    fcntl = None  # type: ignore[assignment]

_HEADER = attrgetter("name", "shape", "dtype", "aliases", "transposed")  # the fields that are the same when read back


def convert(source: Any, target: Any) -> List[StoredArray]:
    """Copy a file's arrays to another file, as dense arrays with the same names, ties and bits. Returns the headers."""
    stored, target = StoredValues(source), os.fsdecode(target)
    for array in stored.arrays.values():
        stored.require_values(array)

    def values(array: StoredArray) -> List[numpy.ndarray]:
        array = stored.arrays[array.name]
        bits = stored_type(array.dtype)  # bfloat16 is copied as uint16, not as its float32 values
        parts = array.parts[0]._replace(dtype=bits), *array.parts[1:]
        return [numpy.ascontiguousarray(read(array._replace(dtype=bits, parts=parts)).whole())]

    # MXNet reads all arrays of a file in one mode, and the classic mode has neither scalars nor empty arrays.
    version = 2 if all(array.shape and 0 not in array.shape for array in stored.arrays.values()) else 3
    dense = [array._replace(stype="default", version=version) for array in stored.arrays.values()]
    with stored.reading() as read:
        write_file(target, dense, values)
    return dense


def write_file(path: str, arrays: Sequence[StoredArray], parts: Callable[[StoredArray], Sequence[Any]]) -> None:
    """Write arrays with their ties, by `write_safetensors` or `write_params`. Raises an OSError if it fails.

    `parts` returns the values of an array, bfloat16 as uint16, then the indices of a sparse one.
    """
    old: Optional[os.stat_result] = None
    with contextlib.suppress(FileNotFoundError):
        old = os.stat(path)  # raises an OSError for a circle of links
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
        text = f"{printable(str(error.strerror))} (in folder {folder!r}). Nothing was saved; an older file is as it was"
        raise _error(code=error.errno or errno.EIO, reason=text, path=path) from error
    if os.name == "posix":  # so that the new name survives a loss of power; Windows cannot open folders
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@contextlib.contextmanager
def _part_of(folder: str, name: str) -> Iterator[Tuple[str, int]]:
    """Yields the path and descriptor of a new empty file beside `name`. It is locked, and removed at the end."""
    # The prefix is short, since `name` may already have 255 bytes. It is the same for the same name, so that the files
    # of killed processes are found; nobody has a lock on these.
    prefix = f".{hashlib.sha256(os.fsencode(name)).hexdigest()[:16]}."
    for entry in list(os.scandir(folder)):
        if entry.name.startswith(prefix) and entry.name.endswith(".part"):
            with contextlib.suppress(OSError), open(entry.path, "r+b") as leftover:  # others may remove it
                if _locked(leftover.fileno()):
                    os.remove(entry.path)
    while True:
        part = os.path.join(folder, f"{prefix}{secrets.token_hex(4)}.part")
        with open(part, "xb") as file:
            try:
                # Before it is locked, another save may remove it as a leftover.
                if _locked(file.fileno()) is not False and os.path.exists(part):
                    yield part, file.fileno()
                    return
            finally:
                with contextlib.suppress(FileNotFoundError):
                    os.remove(part)


def _locked(descriptor: int) -> Optional[bool]:
    """Lock an open file until it is closed. False if another process has locked it; None if locks are unsupported."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except (OSError, AttributeError):  # AttributeError: fcntl is None
        return None
    return True


def _error(code: int, reason: str, path: str) -> Any:
    return OSError(code, reason, path)  # Python shows the path escaped
