"""`save`: a parameter file that plain MXNet reads, each shared parameter in it once, the tie map behind (`trailer`)."""

import os
import threading
from typing import Any, Dict, Tuple, Union

from .._mxnet import saved_values, state_of, traversed, warn, write_arrays
from ..display import counted
from .errors import SharingError
from .groups import SharedGroup, groups_of, sources
from .trailer import append_groups

__all__ = ["Path", "save"]

Path = Union[str, "os.PathLike[str]"]


def save(net: Any, path: Path) -> None:
    """Write the parameters of a network, each shared one once, with its ties.

    The file is one of MXNet's: ``mx.nd.load`` reads it, and so does ``net.load_parameters`` of an equally tied network.
    A network that shares nothing gives the bytes of ``net.save_parameters``. The file appears whole or not at all.

    Parameters
    ----------
    net : Block
    path : str or path-like
        On a local disk; what stands there is replaced.

    Raises
    ------
    SharingError
        Parameters have no values yet; all of them are named, and nothing is written.
    TypeError
        `net` is no Block.
    ValueError
        Two parameters of the network have one path.

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
    _warn_of_unwritten(net, held)
    empty = [f"{path} is {state_of(param)}" for path, (param, _) in held.items() if state_of(param) != "initialized"]
    if empty:
        more = f" and {len(empty) - 8} more" if len(empty) > 8 else ""
        raise SharingError(
            f"{counted(len(empty), 'parameter has', 'parameters have')} no values to save: "
            f"{', '.join(empty[:8])}{more}. "
            f"Initialize the network, and give deferred parameters their shapes by a forward pass."
        )
    groups = groups_of(held)
    aliases = {alias for group in groups for alias in group.aliases}
    written = {at: each for at, each in held.items() if at not in aliases}
    saved = saved_values([param for param, _ in written.values()])
    arrays = {at: array.T if odd else array for (at, (_, odd)), array in zip(written.items(), saved)}
    _write(os.fspath(path), arrays, groups)


def _warn_of_unwritten(net: Any, held: Dict[str, Tuple[Any, bool]]) -> None:
    left = [path for path in traversed(net) if path not in held]
    if left:
        warn(f"{', '.join(left)}: held by no attribute of a Block, so not written, as by net.save_parameters; "
             f"assign them to attributes.")  # fmt: skip


def _write(path: str, arrays: Dict[str, Any], groups: Tuple[SharedGroup, ...]) -> None:
    target = os.path.realpath(path)  # a link stays a link
    part = f"{target}.{os.getpid()}.{threading.get_ident()}.part"
    try:
        write_arrays(part, arrays)
        if groups:
            append_groups(part, groups)
        if os.path.exists(target):
            os.chmod(part, os.stat(target).st_mode)
        with open(part, "rb") as file:
            os.fsync(file.fileno())
        os.replace(part, target)
    finally:
        if os.path.exists(part):
            os.remove(part)
