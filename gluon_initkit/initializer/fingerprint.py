"""`fingerprint`: one line by which two networks, runs or workers compare, bit for bit."""

import hashlib
from typing import Any, Callable, List, Tuple

import numpy

from .._mxnet.arrays import context_of, is_host, memory_view, wait_to_read
from .._mxnet.parameter import arrays_of
from ..display import counted, printable
from ..parallel import run
from ..parameters import list_parameters
from .errors import InitializationError

__all__ = ["digests", "fingerprint"]


def fingerprint(net: Any) -> str:
    """SHA-256 over the canonical paths, shapes, dtypes and bytes of a network's parameters.

    Equal fingerprints mean equal values, bit for bit; not equal names or contexts. Of replicas the first counts.

    Parameters
    ----------
    net : Block

    Returns
    -------
    str
        64 hexadecimal digits.

    Raises
    ------
    InitializationError
        Parameters have no values yet; all of them are named.

    Examples
    --------
    >>> net = mx.gluon.nn.Dense(1, in_units=2)
    >>> net.initialize(mx.init.One())
    >>> fingerprint(net)[:16]
    '7d1a37f56c405ae8'
    """
    return combined(digests(net))


def combined(each: List[Tuple[str, bytes]]) -> str:
    """The fingerprint of a network whose parameters have these digests."""
    whole = hashlib.sha256()
    for path, digest in each:
        text = path.encode("utf-8", "surrogatepass")
        whole.update(len(text).to_bytes(8, "little") + text + digest)
    return whole.hexdigest()


def digests(net: Any) -> List[Tuple[str, bytes]]:
    """Canonical path and SHA-256 of every parameter, in order of traversal."""
    described = list_parameters(net)
    empty = [f"{printable(info.label)} is {info.state}" for param, _, info in described if not arrays_of(param)]
    if empty:
        more = f" and {len(empty) - 8} more" if len(empty) > 8 else ""
        raise InitializationError(
            f"{counted(len(empty), 'parameter has', 'parameters have')} no values to take a fingerprint of: "
            f"{', '.join(empty[:8])}{more}. "
            f"Initialize the network, and give deferred parameters their shapes by a forward pass."
        )
    found: List[bytes] = [b""] * len(described)

    def job(number: int, array: Any) -> Callable[[], None]:
        return lambda: found.__setitem__(number, _digest(array))

    arrays = [arrays_of(param)[0] for param, _, _ in described]
    wait_to_read(arrays)
    run([(4 * int(numpy.prod(array.shape)), job(number, array)) for number, array in enumerate(arrays)])
    return [(info.label, digest) for (_, _, info), digest in zip(described, found)]


def _digest(array: Any) -> bytes:
    values = memory_view(array) if array.stype == "default" and is_host(context_of(array)) else array.asnumpy()
    little = numpy.ascontiguousarray(values).astype(values.dtype.newbyteorder("<"), copy=False)
    hashed = hashlib.sha256(f"{tuple(map(int, array.shape))} {values.dtype.name} ".encode())
    hashed.update(little.reshape(-1).view("u1"))  # type: ignore[arg-type]  # an array is a buffer
    return hashed.digest()
