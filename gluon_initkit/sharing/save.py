"""`save`: write a parameter file that plain MXNet reads, or a safetensors file, with each shared parameter once."""

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
    """Write the parameters of a network with their ties; each shared parameter once; the whole file, or no file.

    The file has MXNet's format. ``mx.nd.load`` reads it; so does ``net.load_parameters``, if `net` has the same ties.
    For a network without ties, the bytes are those of ``net.save_parameters``. The file is read back and synced before
    it replaces an older one. After a failure the older file is unchanged.

    Parameters
    ----------
    net : Block
    path : str or path-like
        On a local disk. A name that ends in ``.safetensors`` gives a safetensors file, which PyTorch and others read:
        this needs the library `safetensors`, and writes sparse arrays as dense ones.

    Raises
    ------
    SharingError
        Parameters have no values yet. The message names them.
    OSError
        The file cannot be written (no space, no permission), or `path` is a folder, a device, a pipe or a socket.

    Notes
    -----
    For a parameter on several contexts, the first replica is written if all agree, else their mean, which MXNet always
    writes. A parameter that is tied transposed is written in one orientation. `load` reads that; MXNet's own
    ``load_parameters`` says that the other path is missing.

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
    all_slots = slots(net)
    unwritten = [slot.path for slot in all_slots if slot.key is None]
    if unwritten:
        warn(f"{', '.join(unwritten)}: held by no attribute of a Block, so not written, as by net.save_parameters; "
             f"assign them to attributes.")  # fmt: skip
    held = {slot.path: source_and_side(slot.param) for slot in all_slots if slot.key is not None}
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
    dense = target.endswith(SUFFIX) or version == 3  # safetensors and MXNet's version 3 hold no sparse arrays
    headers = [StoredArray(name, version, "default" if dense else array.stype, array.shape, dtype_name(array.dtype))
               for name, array in arrays.items()]  # fmt: skip
    headers = [header._replace(aliases=ties[header.name].aliases, transposed=ties[header.name].transposed)
               if header.name in ties else header for header in headers]  # fmt: skip
    write_file(target, headers, lambda header: array_parts(arrays[header.name], header.stype))
