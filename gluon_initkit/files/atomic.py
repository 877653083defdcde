"""A file that appears whole or not at all: it is written beside its target, read back, synced, and then put there."""

import contextlib
import errno
import hashlib
import os
import secrets
import stat
from typing import Any, Iterator, Optional, Sequence, Tuple

from ..display import printable
from .params_format import read_headers
from .stored_array import CheckpointError, StoredArray

try:
    import fcntl
except ImportError:  # Windows has none, and there parts that are left stay
    fcntl = None  # type: ignore[assignment]

__all__ = ["replacing"]


@contextlib.contextmanager
def replacing(path: str, arrays: Sequence[StoredArray]) -> Iterator[str]:
    """Yield the path of a new file, to be written with these arrays; it takes the place of `path` if it holds them.

    An OSError says why it could not be written; what was at `path` is as before then.
    """
    old = _status(path)
    target = os.path.realpath(path)  # a link stays a link
    folder, name = os.path.split(target)
    try:
        with _part_of(folder, name) as (part, descriptor):
            yield part
            try:
                whole = [array.header for array in read_headers(part)] == [array.header for array in arrays]
                reason = "what was read back is not what was written"
            except CheckpointError as error:
                whole, reason = False, error.reason
            if not whole:
                raise OSError(errno.EIO, f"the file could not be written whole: {printable(reason)}")
            if old is not None:
                with contextlib.suppress(PermissionError):  # only root gives files away
                    os.chown(part, old.st_uid, old.st_gid)
                os.chmod(part, old.st_mode)
            os.fsync(descriptor)
            os.replace(part, target)
    except OSError as error:
        why = f"{printable(str(error.strerror))} (in folder {folder!r}). Nothing was saved; an older file is as it was"
        raise _error(code=error.errno or errno.EIO, reason=why, path=path) from error
    _sync_folder(folder)


@contextlib.contextmanager
def _part_of(folder: str, name: str) -> Iterator[Tuple[str, int]]:
    """The path of a new empty file beside `name`, and its descriptor; locked inside, and gone afterwards.

    What a killed process has left of an earlier one is removed: nobody holds its lock any more.
    """
    # Short, since `name` may have all 255 bytes; the same for the same name, so that what is left can be found.
    own = f".{hashlib.sha256(os.fsencode(name)).hexdigest()[:16]}."
    for entry in list(os.scandir(folder)):
        if entry.name.startswith(own) and entry.name.endswith(".part"):
            _remove_left(entry.path)
    while True:
        part = os.path.join(folder, f"{own}{secrets.token_hex(4)}.part")
        descriptor = os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
        try:
            # Between these two lines another save may take it for one that is left.
            if _locked(descriptor) is not False and os.path.exists(part):
                yield part, descriptor
                return
        finally:
            os.close(descriptor)
            with contextlib.suppress(FileNotFoundError):
                os.remove(part)


def _remove_left(part: str) -> None:
    with contextlib.suppress(OSError):  # somebody else has removed it
        descriptor = os.open(part, os.O_RDWR)
        try:
            if _locked(descriptor):
                os.remove(part)
        finally:
            os.close(descriptor)


def _locked(descriptor: int) -> Optional[bool]:
    """Lock an open file until it is closed: whether nobody else has, or None where the system has no such locks."""
    try:
        if fcntl is None:
            return None
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


def _status(path: str) -> Optional[os.stat_result]:
    """The status of the file that will be replaced, None where there is none; an OSError where it may not be."""
    try:
        status = os.stat(path)  # a circle of links is an OSError
    except FileNotFoundError:
        return None
    if stat.S_ISDIR(status.st_mode):
        raise _error(errno.EISDIR, "this is a directory; expected the name of a file", path=path)
    if not stat.S_ISREG(status.st_mode):
        raise _error(errno.EINVAL, "a device, a pipe or a socket is not replaced by a file", path=path)
    if not os.access(path, os.W_OK):
        raise _error(errno.EACCES, "the file is write-protected", path=path)
    return status


def _error(code: int, reason: str, *, path: str) -> Any:
    """An error that Python shows with the path escaped."""
    return OSError(code, reason, path)


def _sync_folder(folder: str) -> None:
    """See to it that the new name outlasts a loss of power."""
    if os.name == "posix":  # Windows opens no folders
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
