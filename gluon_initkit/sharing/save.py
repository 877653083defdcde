"""`save`: a parameter file that plain MXNet reads, or a safetensors file; each shared parameter once, and its ties."""

import os
from typing import Any, Union

from .._mxnet.arrays import array_parts, dtype_name, file_version, saved_values
from .._mxnet.parameter import state_of
from .._mxnet.tree import parameters_by_path
from ..display import counted, listed, printable, warn
from ..files import StoredArray
from ..files.write import SUFFIX, write_file
from .errors import SharingError
from .groups import groups_of, sources

Path = Union[str, "os.PathLike[str]"]


def save(net: Any, path: Path) -> None:
    """Write the parameters of a network, each shared one once, with its ties.

    The file is one of MXNet's: ``mx.nd.load`` reads it, and so does ``net.load_parameters`` of an equally tied network.
    A network that shares nothing gives the bytes of ``net.save_parameters``. The file appears whole or not at all: it
    is read back and synced before it takes the place of an older file, which no failure harms.

    Parameters
    ----------
    net : Block
    path : str or path-like
        On a local disk; an older file is replaced. A name that ends in ``.safetensors`` gives such a file, for PyTorch
        and others: it needs that library, and sparse arrays are dense in it.

    Raises
    ------
    SharingError
        Parameters have no values yet; all of them are named, and nothing is written.
    OSError
        The file cannot be written (no space, no permission), or `path` is a folder, a device, a pipe or a socket.

    Notes
    -----
    A parameter on several contexts is written as one array: the first replica where all agree, else their mean, which
    is what MXNet always takes. Of a parameter that is tied transposed one orientation is written, which plain
    ``load_parameters`` does not know: it says that the other path is missing. `load` reads the file.

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
        raise SharingError(
            f"{counted(len(empty), 'parameter has', 'parameters have')} no values to save: {listed(empty, 8)}. "
            f"Initialize the network, and give deferred parameters their shapes by a forward pass."
        )
    groups = groups_of(held)
    aliases = {alias for group in groups for alias in group.aliases}
    written = {path: source for path, source in held.items() if path not in aliases}
    saved = saved_values([param for param, _ in written.values()])
    arrays = {path: array.T if transposed else array
              for (path, (_, transposed)), array in zip(written.items(), saved)}  # fmt: skip
    ties = {group.canonical: (group.aliases, group.transposed) for group in groups}
    target, version, headers = os.fsdecode(path), file_version(), []
    dense = target.endswith(SUFFIX) or version == 3  # neither safetensors nor MXNet with NumPy's shapes has sparse ones
    for name, array in arrays.items():
        stype, (tied, transposed) = "default" if dense else array.stype, ties.get(name, ((), ()))
        headers.append(StoredArray(name, version, stype, tuple(array.shape), dtype_name(array.dtype),
                                   aliases=tied, transposed=transposed))  # fmt: skip
    write_file(target, headers, lambda header: array_parts(arrays[header.name], header.stype))
