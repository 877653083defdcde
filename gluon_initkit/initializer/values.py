"""The values that parameters hold: reading them, taking their fingerprint, writing others in their place."""

from functools import partial
import hashlib
import math
from typing import Any, List, Sequence, Tuple

import numpy

from .._mxnet.arrays import context_of, is_host, memory_view, wait_for
from .._mxnet.parameter import arrays_of
from .._mxnet.state import after_refill, interrupts_held
from ..display import counted, listed, printable
from ..parallel import run
from ..parameters import ParameterInfo, list_parameters
from .errors import InitializationError


def parameters_with_values(net: Any, purpose: str) -> List[Tuple[Any, ParameterInfo]]:
    """Every parameter of a network with its record; an `InitializationError` where one has no values.

    `purpose` says what the values are for: ``'to take a fingerprint of'``.
    """
    parameters = [(param, info) for param, _, info in list_parameters(net)]
    empty = [f"{printable(info.label)} is {info.state}" for param, info in parameters if not arrays_of(param)]
    if empty:
        raise InitializationError(
            f"{counted(len(empty), 'parameter has', 'parameters have')} no values {purpose}: {listed(empty, 8)}.\n"
            f"Initialize the network, and give deferred parameters their shapes by ik.materialize(net, input)."
        )
    return parameters


def replace_values(arrays: Sequence[Tuple[Any, Any]]) -> None:
    """Write an array into each parameter, on all its contexts; its Trainer goes on from there. Signals wait."""
    with interrupts_held():
        for param, array in arrays:
            after_refill(param, array)


def fingerprint(net: Any) -> str:
    """SHA-256 over the canonical paths, shapes, dtypes and bytes of a network's parameters.

    Equal fingerprints mean equal values, bit for bit; not equal names or contexts. Of replicas the first counts.

    Parameters
    ----------
    net : Block
        Initialized: parameters without values are an error, which names all of them.

    Examples
    --------
    >>> net = mx.gluon.nn.Dense(1, in_units=2)
    >>> net.initialize(mx.init.One())
    >>> fingerprint(net)[:16]
    '7d1a37f56c405ae8'
    """
    return combined(digests(net))


def combined(path_digests: List[Tuple[str, bytes]]) -> str:
    """The fingerprint of a network whose parameters have these digests."""
    whole = hashlib.sha256()
    for path, digest in path_digests:
        text = path.encode("utf-8", "surrogatepass")
        whole.update(len(text).to_bytes(8, "little") + text + digest)
    return whole.hexdigest()


def digests(net: Any) -> List[Tuple[str, bytes]]:
    """Canonical path and SHA-256 of every parameter, in order of traversal."""
    parameters = parameters_with_values(net, "to take a fingerprint of")
    arrays = [arrays_of(param)[0] for param, _ in parameters]
    hashes = [hashlib.sha256() for _ in arrays]
    wait_for(arrays)
    run([(4 * math.prod(array.shape), partial(_update, sha, array)) for sha, array in zip(hashes, arrays)])
    return [(info.label, sha.digest()) for (_, info), sha in zip(parameters, hashes)]


def _update(sha: Any, array: Any) -> None:
    values = memory_view(array) if array.stype == "default" and is_host(context_of(array)) else array.asnumpy()
    little = numpy.ascontiguousarray(values).astype(values.dtype.newbyteorder("<"), copy=False)
    sha.update(f"{tuple(map(int, array.shape))} {values.dtype.name} ".encode())
    sha.update(little.reshape(-1).view("u1"))
