"""`check_workers`: do all workers of a distributed kvstore hold the same parameters? Asked over the kvstore itself."""

import itertools
import threading
from typing import Any, Iterator, List, Optional, Tuple

import numpy

from .._mxnet import mx
from .._mxnet.trainer import kvstore_of
from ..display import counted, counted_of
from ..parameters import list_parameters
from .errors import InitializationError
from .fingerprint import combined, digests

__all__ = ["check_workers"]

_DIGEST, _COUNT, _TEXT = 32, 8, 400  # bytes
# Keys, numbers as a Trainer's are, far from them; the same on all workers, which make the same calls in the same order.
_calls: Iterator[Any] = itertools.count(1 << 30)


def check_workers(net: Any, kv: Any, timeout: Optional[float] = 600) -> str:
    """Compare the network's parameters over all workers, bit for bit; every worker must call it.

    Each pushes its fingerprint into a row of its own, and pulls everybody's. Where they differ, digests of all
    parameters follow. A worker that has nothing to compare says so, and why, and all raise.

    Parameters
    ----------
    net : Block
        Initialized.
    kv : KVStore
        ``mx.kv.create('dist_sync')``, before a Trainer has put its optimizer there; with a local one there is nobody
        to differ from.
    timeout : float, optional
        After how many seconds without all workers to give up; None to wait for ever, as MXNet does.

    Returns
    -------
    str
        The fingerprint that all workers share.

    Raises
    ------
    InitializationError
        Workers differ: the message, raised on all of them, names ranks and the first path that differs. Some have
        nothing to compare, such as deferred parameters: all raise, and name them. A worker did not come in time. Or
        `kv` is asynchronous, or runs an optimizer already, which would change what is pushed.
    TypeError
        `kv` is no kvstore, such as None, which Gluon's Trainer takes for none; or `timeout` is no number.
    ValueError
        `timeout` is no time.

    Notes
    -----
    After a time-out the kvstore still waits for the worker that is missing: let that one call, or end the process.
    MXNet may abort it then: it ends its connections together with that worker.

    Examples
    --------
    >>> net = mx.gluon.nn.Dense(1, in_units=2)
    >>> net.initialize(mx.init.One())
    >>> check_workers(net, mx.kv.create("local"))[:16]
    '7d1a37f56c405ae8'
    """
    if not hasattr(kv, "push"):
        raise TypeError(f"expected a kvstore, such as mx.kv.create('dist_sync'), found {kv!r:.80}")
    if timeout is not None and not timeout > 0:
        raise ValueError(f"timeout is {timeout!r}: expected a number of seconds above 0, or None to wait for ever")
    if "async" in kv.type:
        raise InitializationError(f"a kvstore of type {kv.type!r} waits for no worker, so it has no sum of what they "
                                  f"push; call check_workers(net, kv) with mx.kv.create('dist_sync').")  # fmt: skip
    own, refused = [], None
    try:
        own = digests(net)
    except Exception as error:  # whatever it is: the others wait for this worker
        if kv.num_workers == 1:
            raise
        refused = error
    if refused is None and any(kvstore_of(param) is kv for param, _, _ in list_parameters(net)):
        raise InitializationError("a Trainer's optimizer runs on this kvstore, and would change what is pushed there; "
                                  "call check_workers(net, kv) before the first trainer.step.")  # fmt: skip
    fingerprint = combined(own)
    facts = bytes.fromhex(fingerprint) + len(own).to_bytes(_COUNT, "little") + bytes([refused is not None])
    everybody = _exchange(kv, _padded(facts, len(facts)), timeout)
    if everybody[:, -1].any():
        said = _exchange(kv, _padded(_text(refused), _TEXT), timeout)
        raise InitializationError(_unready(said, everybody[:, -1] > 0)) from refused
    if (everybody == everybody[0]).all():
        return fingerprint
    counts = [int.from_bytes(_bytes(row[_DIGEST : _DIGEST + _COUNT]), "little") for row in everybody]
    details = b"".join(combined([each]).encode()[: 2 * 8] for each in own)
    rows = _exchange(kv, _padded(details, max(counts) * 16), timeout)
    raise InitializationError(_difference(rows, counts, [path for path, _ in own], kv.rank))


def _padded(row: bytes, size: int) -> numpy.ndarray:
    return numpy.frombuffer(row.ljust(size, b"\0"), numpy.uint8).astype("float32")


def _bytes(row: numpy.ndarray) -> bytes:
    return row.astype("uint8").tobytes()


def _text(error: Optional[Exception]) -> bytes:
    return b"" if error is None else f"{type(error).__name__}: {error}".encode()[:_TEXT]


def _unready(said: numpy.ndarray, unready: numpy.ndarray) -> str:
    """What the workers say that have nothing to compare."""
    ranks = [rank for rank, each in enumerate(unready) if each]
    listed = [f"\n  rank {rank}: {_bytes(said[rank]).decode(errors='replace')}".rstrip("\0") for rank in ranks[:10]]
    more = f"\n  and {len(ranks) - 10} more" if len(ranks) > 10 else ""
    what = counted_of(len(ranks), len(unready), "worker", "has", "have")
    return f"{what} nothing to compare, so nothing is compared on any:{''.join(listed)}{more}"


def _exchange(kv: Any, row: numpy.ndarray, timeout: Optional[float]) -> numpy.ndarray:
    """Everybody's rows, by rank, where all workers come in time. MXNet waits for ever, so a thread does that."""
    answers: List[Any] = []

    def wait() -> None:
        try:
            answers.append(_summed(kv, row))
        except Exception as error:
            answers.append(error)

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    thread.join(timeout)
    if not answers:
        raise InitializationError(f"rank {kv.rank} has waited {timeout:g} seconds for all {kv.num_workers} workers to "
                                  f"call check_workers(net, kv): one has ended, or does not call it. See what they "
                                  f"printed; timeout= says how long to wait.")  # fmt: skip
    if isinstance(answers[0], Exception):
        raise answers[0]
    return answers[0]


def _summed(kv: Any, row: numpy.ndarray) -> numpy.ndarray:
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
