"""`save`: a parameter file that plain MXNet reads, or a safetensors file; each shared parameter once, and its ties."""

import os
from typing import Any

from .._mxnet.arrays import array_parts, dtype_name, file_version, saved_values
from .._mxnet.parameter import state_of
from .._mxnet.ties import slots
from ..display import counted, listed, printable, warn
from ..display.report import Path
from ..files import StoredArray
from ..files.write import SUFFIX, write_file
from ..parameters import check_block
from .errors import SharingError
from .groups import groups_of, source_and_side


def save(net: Any, path: Path) -> None:
    """Write the parameters of a network, each shared one once, with its ties; the whole file, or none.

    The file is one of MXNet's: ``mx.nd.load`` reads it, and so does ``net.load_parameters`` of an equally tied network.
    A network that shares nothing gives the bytes of ``net.save_parameters``. The file is read back and synced before it
    takes the place of an older one, which no failure harms.

    Parameters
    ----------
    net : Block
    path : str or path-like
        On a local disk. A name that ends in ``.safetensors`` gives such a file, for PyTorch and others: it needs that
        library, and sparse arrays are dense in it.

    Raises
    ------
    SharingError
        Parameters have no values yet; all of them are named.
    OSError
        The file cannot be written (no space, no permission), or `path` is a folder, a device, a pipe or a socket.

    Notes
    -----
    Of several contexts the first replica is written where all agree, else their mean, which MXNet always takes. Of a
    parameter that is tied transposed one orientation is written: `load` reads that; plain ``load_parameters`` says that
    the other path is missing.

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
    check_block(net)
    found = slots(net)
    left = [slot.path for slot in found if slot.key is None]
    if left:
        warn(f"{', '.join(left)}: held by no attribute of a Block, so not written, as by net.save_parameters; "
             f"assign them to attributes.")  # fmt: skip
    held = {slot.path: source_and_side(slot.param) for slot in found if slot.key is not None}
    states = {path: state_of(param) for path, (param, _) in held.items()}
    empty = [f"{printable(path)} is {state}" for path, state in states.items() if state != "initialized"]
    if empty:
        raise SharingError(
            f"{counted(len(empty), 'parameter has', 'parameters have')} no values to save: {listed(empty, 8)}. "
            f"Initialize the network, and give deferred parameters their shapes by a forward pass."
        )
    ties = {group.canonical: group for group in groups_of(held)}
    aliases = {alias for group in ties.values() for alias in group.aliases}
    written = {path: source for path, source in held.items() if path not in aliases}
    saved = saved_values([param for param, _ in written.values()])
    arrays = {path: array.T if transposed else array
              for (path, (_, transposed)), array in zip(written.items(), saved)}  # fmt: skip
    target, version = os.fsdecode(path), file_version()
    dense = target.endswith(SUFFIX) or version == 3  # neither safetensors nor MXNet with NumPy's shapes has sparse ones
    headers = [StoredArray(name, version, "default" if dense else array.stype, array.shape, dtype_name(array.dtype))
               for name, array in arrays.items()]  # fmt: skip
    headers = [header._replace(aliases=ties[header.name].aliases, transposed=ties[header.name].transposed)
               if header.name in ties else header for header in headers]  # fmt: skip
    write_file(target, headers, lambda header: array_parts(arrays[header.name], header.stype))
