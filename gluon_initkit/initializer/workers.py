"""`check_workers`: do all workers of a distributed kvstore hold the same parameters? Asked over the kvstore itself."""

import itertools
from typing import Any, Iterator, List, Tuple

import numpy

from .._mxnet import kvstore_of, mx
from ..display import counted
from ..naming import describe
from .errors import InitializationError
from .fingerprint import combined, digests

__all__ = ["check_workers"]

_BYTES = 32
# Keys, numbers as a Trainer's are, far from them; the same on all workers, which make the same calls in the same order.
_calls: Iterator[Any] = itertools.count(1 << 30)


def check_workers(net: Any, kv: Any) -> str:
    """Compare the network's parameters over all workers, bit for bit; every worker must call it.

    Each pushes its fingerprint into a row of its own, and pulls everybody's. Where they differ, digests of all
    parameters follow.

    Parameters
    ----------
    net : Block
        Initialized.
    kv : KVStore
        ``mx.kv.create('dist_sync')``, before a Trainer has put its optimizer there; with a local one there is nobody
        to differ from.

    Returns
    -------
    str
        The fingerprint that all workers share.

    Raises
    ------
    InitializationError
        Workers differ: the message, raised on all of them, names ranks and the first path that differs; or the
        kvstore runs an optimizer already, which would change what is pushed.
    TypeError
        `kv` is no kvstore, such as None, which Gluon's Trainer takes for none.

    Examples
    --------
    >>> net = mx.gluon.nn.Dense(1, in_units=2)
    >>> net.initialize(mx.init.One())
    >>> check_workers(net, mx.kv.create("local"))[:16]
    '7d1a37f56c405ae8'
    """
    if not hasattr(kv, "push"):
        raise TypeError(f"expected a kvstore, such as mx.kv.create('dist_sync'), found {kv!r:.80}")
    if any(kvstore_of(param) is kv for param, _, _ in describe(net)):
        raise InitializationError("a Trainer's optimizer runs on this kvstore, and would change what is pushed there; "
                                  "call check_workers(net, kv) before the first trainer.step.")  # fmt: skip
    own = digests(net)
    fingerprint = combined(own)
    everybody = _exchange(kv, _row(bytes.fromhex(fingerprint), len(own)))
    if (everybody == everybody[0]).all():
        return fingerprint
    counts = _counts(everybody)
    details = b"".join(combined([each]).encode()[: 2 * 8] for each in own)
    rows = _exchange(kv, _padded(details, max(counts)))
    raise InitializationError(_difference(rows, counts, [path for path, _ in own], kv.rank))


def _row(digest: bytes, count: int) -> numpy.ndarray:
    return numpy.frombuffer(digest + count.to_bytes(8, "little"), numpy.uint8).astype("float32")


def _counts(rows: numpy.ndarray) -> List[int]:
    return [int.from_bytes(row[_BYTES:].astype("uint8").tobytes(), "little") for row in rows]


def _padded(details: bytes, count: int) -> numpy.ndarray:
    row = numpy.zeros(count * 16, "float32")
    row[: len(details)] = numpy.frombuffer(details, numpy.uint8)
    return row


def _exchange(kv: Any, row: numpy.ndarray) -> numpy.ndarray:
    """Everybody's rows, by rank. The kvstore adds up what workers push; each leaves the others' rows 0."""
    rank, key = kv.rank, next(_calls)
    table = numpy.zeros((kv.num_workers, row.size), "float32")
    try:
        kv.init(key, mx.nd.array(table))
    except mx.MXNetError as error:
        if "Mixed key types" not in str(error):
            raise
        key = str(key)  # whoever uses this kvstore besides us has keys of another type than a Trainer's
        kv.init(key, mx.nd.array(table))
    table[rank] = row
    kv.push(key, mx.nd.array(table))
    pulled = mx.nd.zeros(table.shape)
    kv.pull(key, out=pulled)
    found = pulled.asnumpy()
    if not (found[rank] == row).all():
        raise InitializationError("the kvstore changed what was pushed: an optimizer runs on it, or it compresses; "
                                  "call check_workers(net, kv) with one that does neither.")  # fmt: skip
    return found


def _difference(rows: numpy.ndarray, counts: List[int], paths: List[str], rank: int) -> str:
    width = 16
    number = next((n for n in range(max(counts)) if (rows[:, n * width : (n + 1) * width] !=
                   rows[0, n * width : (n + 1) * width]).any()), 0)  # fmt: skip
    seen: List[Tuple[bytes, List[int]]] = []
    for worker, row in enumerate(rows):
        bits = row[number * width : (number + 1) * width].tobytes()
        same = next((ranks for known, ranks in seen if known == bits), None)
        if same is None:
            seen.append((bits, [worker]))
        else:
            same.append(worker)
    first, *others = (f"rank{'s' * (len(ranks) > 1)} {', '.join(map(str, ranks))}" for _, ranks in seen)
    who = f"{first} differ{'s' * (len(seen[0][1]) == 1)} from {' and from '.join(others)}"
    *fewer, most = sorted(set(counts))
    many = " and ".join([*map(str, fewer), counted(most, "parameter")])
    path = repr(paths[number]) if number < len(paths) else f"parameter {number}, which rank {rank} lacks"
    return (
        f"workers hold different parameters: {who}, first in {path} (of {many}). Expected the same "
        f"bits everywhere: gluon_initkit.initialize(net, init, seed=...) with one seed on all workers."
    )
