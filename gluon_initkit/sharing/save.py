"""`save`: a parameter file that plain MXNet reads, each shared parameter in it once, the tie map behind the arrays.

A file is replaced only by one that was read back and is on the disk.
"""

import contextlib
import errno
import hashlib
import os
import secrets
import stat
from typing import Any, Dict, Iterator, Optional, Tuple, Union

import numpy

from .._mxnet import mx
from .._mxnet.arrays import dtype_name
from .._mxnet.files import saved_values, write_arrays
from .._mxnet.parameter import state_of
from .._mxnet.tree import parameters_by_path
from ..display import counted, printable, warn
from ..files import CheckpointError, read_headers, written_ties
from .errors import SharingError
from .groups import SharedGroup, groups_of, sources

try:
    import fcntl
except ImportError:  # Windows has none, and there parts that are left stay
    fcntl = None  # type: ignore[assignment]

__all__ = ["Path", "save"]

Path = Union[str, "os.PathLike[str]"]


def save(net: Any, path: Path) -> None:
    """Write the parameters of a network, each shared one once, with its ties.

    The file is one of MXNet's: ``mx.nd.load`` reads it, and so does ``net.load_parameters`` of an equally tied network.
    A network that shares nothing gives the bytes of ``net.save_parameters``. The file appears whole or not at all: what
    was written is read back and synced before it takes the place of an older file, which no failure harms.

    Parameters
    ----------
    net : Block
    path : str or path-like
        On a local disk; what stands there is replaced.

    Raises
    ------
    SharingError
        Parameters have no values yet; all of them are named, and nothing is written.
    OSError
        The file cannot be written (no space, no permission), or `path` is a folder, a device, a pipe or a socket. What
        was there is as before.

    Notes
    -----
    A parameter on several contexts is written as one array: the first replica where all agree, else their mean, which
    is what MXNet always takes. A parameter that is tied transposed is written once, too, as its donor. Plain
    ``load_parameters`` knows no such ties: it says that the other path is missing, and `load` is what reads the file.

    Examples
    --------
    >>> import os, tempfile
    >>> net = mx.gluon.nn.HybridSequential()
    >>> net.add(*ik.shared_layers(lambda: mx.gluon.nn.Dense(4, in_units=4), n=2))
    >>> net.initialize()
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save(net, os.path.join(folder, "tied.params"))
    ...     sorted(mx.nd.load(os.path.join(folder, "tied.params")))
    ['0.bias', '0.weight']
    """
    held = sources(net, unregistered=False)
    left = [path for path in parameters_by_path(net) if path not in held]
    if left:
        warn(f"{', '.join(left)}: held by no attribute of a Block, so not written, as by net.save_parameters; "
             f"assign them to attributes.")  # fmt: skip
    states = {path: state_of(param) for path, (param, _) in held.items()}
    empty = [f"{printable(path)} is {state}" for path, state in states.items() if state != "initialized"]
    if empty:
        more = f" and {len(empty) - 8} more" if len(empty) > 8 else ""
        raise SharingError(
            f"{counted(len(empty), 'parameter has', 'parameters have')} no values to save: "
            f"{', '.join(empty[:8])}{more}. "
            f"Initialize the network, and give deferred parameters their shapes by a forward pass."
        )
    groups = groups_of(held)
    aliases = {alias for group in groups for alias in group.aliases}
    written = {path: source for path, source in held.items() if path not in aliases}
    saved = saved_values([param for param, _ in written.values()])
    arrays = {path: array.T if transposed else array
              for (path, (_, transposed)), array in zip(written.items(), saved)}  # fmt: skip
    _write(os.fsdecode(path), arrays, groups)


def _write(path: str, arrays: Dict[str, Any], groups: Tuple[SharedGroup, ...]) -> None:
    """Write a file beside the target, read it back, and only then put it in the target's place."""
    old = _status(path)
    target = os.path.realpath(path)  # a link stays a link
    folder, name = os.path.split(target)
    try:
        with _part_of(folder, name) as (part, descriptor):
            _fill(part, descriptor, arrays, groups)
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


def _fill(part: str, descriptor: int, arrays: Dict[str, Any], groups: Tuple[SharedGroup, ...]) -> None:
    """Write arrays and tie map, and read back the headers: MXNet ignores what closing a file answers (a full disk)."""
    wanted = [(name, tuple(array.shape), dtype_name(array.dtype)) for name, array in arrays.items()]
    try:
        write_arrays(part, arrays)
        with open(part, "ab") as file:
            file.write(written_ties(groups))
        found = [(array.name, array.shape, array.dtype) for array in read_headers(part)]
        reason = "what was read back is not what was written"
    except (mx.MXNetError, CheckpointError) as error:
        found, reason = [], str(error).strip().splitlines()[-1]
    if found != wanted:
        bytes_needed = sum(array.size * numpy.dtype(array.dtype).itemsize for array in arrays.values())
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(descriptor, 0, max(bytes_needed, 1))  # says why: no space, quota, the largest file
        raise _error(errno.EIO, f"the file could not be written whole: {printable(reason)}", path=part)


def _sync_folder(folder: str) -> None:
    """See to it that the new name outlasts a loss of power."""
    if os.name == "posix":  # Windows opens no folders
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
